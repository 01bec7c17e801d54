package workspace_test

import (
	"strings"
	"testing"

	"github.com/tintype/tintype/workspace"
)

func TestAuditDetail(t *testing.T) {
	base := workspace.New("acme")
	base.Sources = []workspace.Source{
		{Key: "a", Kind: "http", URL: "https://a.test/", Headers: map[string]string{"X-Token": "hunter2"}},
		{Key: "b", Kind: "s3", Bucket: "b", SecretAccessKey: "hunter3"},
	}
	base.Presets = []workspace.Preset{{Name: "one", Options: "w=1"}, {Name: "two", Options: "w=2"}}
	for _, c := range []struct {
		name          string
		change        func(w *workspace.Workspace)
		before, after string
	}{
		{"nothing", func(*workspace.Workspace) {}, `{}`, `{}`},
		{"a field", func(w *workspace.Workspace) { w.Name, w.Revision = "Acme", 7 }, `{"name":""}`, `{"name":"Acme"}`},
		{"an element", func(w *workspace.Workspace) { w.Presets[1].Options = "w=3" },
			`{"presets":[{"name":"two","options":"w=2"}]}`, `{"presets":[{"name":"two","options":"w=3"}]}`},
		{"an element more", func(w *workspace.Workspace) {
			w.Presets = append(w.Presets, workspace.Preset{Name: "three", Options: "w=3"})
		},
			`{"presets":[]}`, `{"presets":[{"name":"three","options":"w=3"}]}`},
		{"an element less", func(w *workspace.Workspace) { w.Presets = w.Presets[1:] },
			`{"presets":[{"name":"one","options":"w=1"}]}`, `{"presets":[]}`},
		{"another order", func(w *workspace.Workspace) { w.Presets[0], w.Presets[1] = w.Presets[1], w.Presets[0] }, `{"presets":[]}`, `{"presets":[]}`},
		{"a secret", func(w *workspace.Workspace) { w.Sources[1].SecretAccessKey = "hunter4" },
			`{"sources":[{"bucket":"b","key":"b","kind":"s3","private":false,"revalidate":0,"secret_access_key":"***","ttl":0}]}`,
			`{"sources":[{"bucket":"b","key":"b","kind":"s3","private":false,"revalidate":0,"secret_access_key":"***","secrets_changed":true,"ttl":0}]}`},
		{"a header", func(w *workspace.Workspace) { w.Sources[0].Headers["X-Token"], w.Sources[0].Private = "hunter5", true },
			`{"sources":[{"headers":{"X-Token":"***"},"key":"a","kind":"http","private":false,"revalidate":0,"ttl":0,"url":"https://a.test/"}]}`,
			`{"sources":[{"headers":{"X-Token":"***"},"key":"a","kind":"http","private":true,"revalidate":0,"ttl":0,"url":"https://a.test/"}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := base.Clone()
			c.change(w)
			before, after := workspace.AuditDetail(base, w)
			if string(before) != c.before || string(after) != c.after {
				t.Errorf("before %s\nwant   %s\nafter  %s\nwant   %s", before, c.before, after, c.after)
			}
		})
	}
	before, after := workspace.AuditDetail(nil, base)
	if string(before) != "null" || !strings.Contains(string(after), `"namespace":"acme"`) || strings.Contains(string(after), "hunter") {
		t.Errorf("of a new one: %s, %s", before, after)
	}
}

package workspace_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

func TestMasked(t *testing.T) {
	w := workspacetest.Full("acme")
	before := w.Clone()
	masked := w.Masked()
	if text := string(marshal(t, masked)); strings.Contains(text, "s3cret") {
		t.Errorf("a secret shows: %s", text)
	}
	if masked.Sources[0].Headers["Authorization"] != "***" || masked.Sources[1].SecretAccessKey != "***" {
		t.Errorf("masked: %+v", masked.Sources)
	}
	if masked.Sources[0].SecretAccessKey != "" {
		t.Error("a secret that isn't set is masked")
	}
	if d := cmp.Diff(before, w); d != "" {
		t.Errorf("Masked changed the workspace:\n%s", d)
	}
	if err := masked.Validate(); err != nil {
		t.Errorf("what GET answers is refused: %v", err)
	}
	if err := masked.Unmask(w); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(w, masked); d != "" {
		t.Errorf("masked and unmasked (-before +after):\n%s", d)
	}
}

func TestUnmask(t *testing.T) {
	const secret, header = "sources[1].secret_access_key", "sources[0].headers.Authorization"
	for _, test := range []struct {
		name    string
		change  func(*workspace.Workspace)
		refused string // path; empty if secrets are kept
	}{
		{"nothing", func(w *workspace.Workspace) {}, ""},
		{"what doesn't move the place", func(w *workspace.Workspace) {
			w.Sources[1].Region, w.Sources[1].Prefix, w.Sources[1].AccessKeyID, w.Sources[0].Private = "eu-west-2", "b/", "AKIC", false
		}, ""},
		{"order", func(w *workspace.Workspace) { w.Sources[1], w.Sources[2] = w.Sources[2], w.Sources[1] }, ""},
		{"a header's case", func(w *workspace.Workspace) { w.Sources[0].Headers = map[string]string{"authorization": "***"} }, ""},
		{"a header dropped", func(w *workspace.Workspace) { w.Sources[0].Headers = nil }, ""},
		{"new secrets", func(w *workspace.Workspace) {
			w.Sources[1].Bucket, w.Sources[1].SecretAccessKey = "other", "new"
			w.Sources[0].URL, w.Sources[0].Headers["Authorization"] = "https://other.example.com/", "new"
		}, ""},
		{"key", func(w *workspace.Workspace) { w.Sources[1].Key = "other" }, secret},
		{"kind", func(w *workspace.Workspace) { w.Sources[1].Kind = "r2" }, secret},
		{"endpoint", func(w *workspace.Workspace) { w.Sources[1].Endpoint = "https://evil.example.com" }, secret},
		{"bucket", func(w *workspace.Workspace) { w.Sources[1].Bucket = "other" }, secret},
		{"account_id", func(w *workspace.Workspace) { w.Sources[2].AccountID = strings.Repeat("f", 32) }, "sources[2].secret_access_key"},
		{"url", func(w *workspace.Workspace) { w.Sources[0].URL = "https://evil.example.com/" }, header},
		{"another header", func(w *workspace.Workspace) { w.Sources[0].Headers["X-New"] = "***" }, "sources[0].headers.X-New"},
		{"keys swapped", func(w *workspace.Workspace) {
			w.Sources[1].Key, w.Sources[2].Key = w.Sources[2].Key, w.Sources[1].Key
		}, secret},
	} {
		t.Run(test.name, func(t *testing.T) {
			old := workspacetest.Full("acme")
			w := old.Masked()
			test.change(w)
			before := w.Clone()
			err := w.Unmask(old)
			if test.refused != "" {
				wantProblem(t, "Unmask", err, test.refused, `"***" keeps`)
				if d := cmp.Diff(before, w); d != "" {
					t.Errorf("a refused Unmask changed the workspace:\n%s", d)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if text := string(marshal(t, w)); strings.Contains(text, "***") {
				t.Errorf("masks are left: %s", text)
			}
			for _, s := range w.Sources {
				if s.Kind != "http" && s.SecretAccessKey != "s3cret" && s.SecretAccessKey != "new" {
					t.Errorf("source %s has the secret %q", s.Key, s.SecretAccessKey)
				}
			}
		})
	}
	err := workspacetest.Full("acme").Masked().Unmask(nil)
	wantProblem(t, "Unmask(nil)", err, secret, "there is none")
	wantProblem(t, "Unmask(nil)", err, header, "there is none")
	if err := workspacetest.Full("acme").Unmask(nil); err != nil {
		t.Errorf("Unmask without masks: %v", err)
	}
}

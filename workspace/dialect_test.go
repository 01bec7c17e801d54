package workspace_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// A new source can't have the name of another product's prefix. An existing one keeps it,
// with a warning.
func TestReservedNames(t *testing.T) {
	with := func(key string) *workspace.Workspace {
		w := workspacetest.Full("acme")
		w.Sources = append(w.Sources, workspace.Source{Key: key, Kind: "http", URL: "https://o.example.com/" + key + "/"})
		return w
	}
	for _, key := range []string{"imgix", "imgproxy", "thumbor", "weserv", "cdn-cgi"} {
		for name, old := range map[string]*workspace.Workspace{"created": nil, "changed": workspacetest.Full("acme")} {
			wantProblem(t, key+", "+name, workspace.Process{}.ValidateChange(old, with(key)), "sources[3].key", `"`+key+`" is reserved`)
		}
	}
	old := with("imgix")
	if err := (workspace.Process{}).ValidateChange(old, with("imgix")); err != nil {
		t.Errorf("a source that has had the name: %v", err)
	}
	warned := func(w *workspace.Workspace) bool {
		return slices.ContainsFunc(w.Warn(), func(text string) bool {
			return strings.HasPrefix(text, "source imgix has the name of another product's prefix")
		})
	}
	if !warned(old) {
		t.Errorf("warnings are %q, want one of the source imgix", old.Warn())
	}
	if warned(with("photos2")) {
		t.Error("another name is warned of too")
	}
}

// The settings of dialects appear in differences, and stay if a document leaves them out.
func TestDialectPlan(t *testing.T) {
	old := workspacetest.Full("acme")
	is := workspace.New("acme")
	d, err := workspace.DecodeAll(strings.NewReader("namespace: acme\ndialect: thumbor\n"), "a.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for prune, want := range map[bool][]string{
		false: {`dialect: "imgix" → "thumbor"`},
		true:  {`dialect: "imgix" → "thumbor"`, `default_source: "media" → ""`, `strict_options: true → false`},
	} {
		p, err := d[0].Plan(old, prune)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range want {
			if !slices.Contains(p.Changes, line) {
				t.Errorf("prune %v: changes are %q, want %q among them", prune, p.Changes, line)
			}
		}
		if kept := slices.Contains(p.Kept, `default_source: "media"`); kept == prune {
			t.Errorf("prune %v: kept are %q", prune, p.Kept)
		}
	}
	before, after := workspace.AuditDetail(is, d[0].Workspace)
	if string(before) != `{"dialect":"native"}` || string(after) != `{"dialect":"thumbor"}` {
		t.Errorf("audit: %s to %s", before, after)
	}
}

package workspace_test

import (
	"strings"
	"testing"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// TestYAML: a document that is written and read again changes nothing.
func TestYAML(t *testing.T) {
	all, err := workspace.DecodeAll(strings.NewReader(workspacetest.Present), "present.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w := all[0].Workspace
	opacity := 0.25
	w.Marks = append(w.Marks, workspace.Mark{Name: "m", Image: "photos/a b.png", Opacity: &opacity, Width: "10%", AutoApplySources: []string{}})
	for _, name := range []string{
		"", "Acme", "yes", "no", "null", "~", "1", "0x1f", "1e3", ".inf", "2026-11-29", "a: b", "- a", "# a", "'a", `"a`, "*a", "&a", "!a", "{a", "[a", " a ", "a\nb\n", "ä€😀", "\u2028", "a\tb", "%a", "@a", "`a", "|", ">",
		"a #b", "<script>",
	} {
		w.Name = name
		text := workspace.NewDocument(w).YAML()
		again, err := workspace.DecodeAll(strings.NewReader(string(text)), "again.yaml")
		if err != nil {
			t.Errorf("%q: %v\n%s", name, err, text)
			continue
		}
		for _, prune := range []bool{false, true} {
			p, err := again[0].Plan(w, prune)
			if err != nil || len(p.Changes) > 0 || again[0].Name != name {
				t.Errorf("%q became %q: %v, %v", name, again[0].Name, p, err)
			}
		}
	}
	// The file names every setting, and none that the server makes.
	text := string(workspace.NewDocument(w).YAML())
	for _, field := range []string{"\nallowed_origins:", "\nlimits:", "\nsurrogate_key: false", "\ndomains:"} {
		if !strings.Contains(text, field) {
			t.Errorf("without %s:\n%s", field, text)
		}
	}
	for _, field := range []string{"revision", "created_at", "updated_at", "\nid:", "signing_keys"} {
		if strings.Contains(text, field) {
			t.Errorf("with %s:\n%s", field, text)
		}
	}
}

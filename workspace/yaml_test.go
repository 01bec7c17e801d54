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

// TestYAMLNumbers: a number is decimal, or refused.
func TestYAMLNumbers(t *testing.T) {
	read := func(number string) (*float64, error) {
		all, err := workspace.DecodeAll(strings.NewReader("namespace: acme\nmarks: [{name: m, image: p/a.png, opacity: "+number+"}]\n"), "w.yaml")
		if err != nil {
			return nil, err
		}
		return all[0].Marks[0].Opacity, nil
	}
	for number, want := range map[string]float64{
		"10": 10, "0": 0, "-10": -10, "+10": 10, "0.5": 0.5, ".5": 0.5, "5.": 5, "1e3": 1000, "1.5e-3": 0.0015, "!!int 10": 10, "!!float 10": 10, "-0": 0,
	} {
		if got, err := read(number); err != nil || *got != want {
			t.Errorf("%s: %v, %v", number, got, err)
		}
	}
	for _, number := range []string{
		"010", "-010", "+010", "00", "08", "010.5", "0x10", "0X10", "-0x10", "0b1", "-0b1", "0o10", "-0o10", "1_000", "1_000.5", "0_1", "1__0", "!!int 010", "!!int '010'", "!!float 010", "!!float 0x10", "01e3",
		"&a 010", "[010]", "{x: 0x10}",
	} {
		if got, err := read(number); err == nil || !strings.Contains(err.Error(), "write a decimal number") {
			t.Errorf("%s: %v, %v", number, got, err)
		}
	}
	// As text they stay as they are.
	for _, text := range []string{"'010'", "!!str 010", "!!str 0x10"} {
		all, err := workspace.DecodeAll(strings.NewReader("namespace: acme\nname: "+text+"\n"), "w.yaml")
		if want := strings.Trim(strings.TrimPrefix(text, "!!str "), "'"); err != nil || all[0].Name != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

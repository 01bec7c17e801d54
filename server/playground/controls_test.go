package playground

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/internal/golden"
	"github.com/tintype/tintype/transform"
)

// TestEveryOptionHasAControl: each option is on the page once, with a control that fits its
// values, also if nobody placed it in the layout.
func TestEveryOptionHasAControl(t *testing.T) {
	docs := transform.Vocabulary()
	shown := map[string]control{}
	for _, g := range controlGroups {
		for _, c := range g.Controls {
			if _, twice := shown[c.Name]; twice {
				t.Errorf("%s is there twice", c.Name)
			}
			shown[c.Name] = c
		}
	}
	if _, ok := shown["preset"]; !ok || len(shown) != len(docs)+1 {
		t.Errorf("%d controls for %d options and preset", len(shown), len(docs))
	}
	for _, l := range layout {
		for _, name := range l.options {
			if _, ok := shown[name]; !ok {
				t.Errorf("layout names %s, which is no option", name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(faces)) {
		if _, ok := shown[name]; !ok {
			t.Errorf("faces names %s, which is no option", name)
		}
	}
	for _, d := range docs {
		c := shown[d.Name]
		// A control may only offer allowed values.
		var offers []string
		switch c.Kind {
		case "range":
			offers = []string{c.Min, c.Max, c.Top}
		case "flag":
			offers = []string{"0", "1"}
		case "choice", "compass":
			for _, ch := range c.Choices {
				if ch.Value != "" {
					offers = append(offers, ch.Value)
				}
			}
			if len(offers) < 2 {
				t.Errorf("%s has %d choices", d.Name, len(offers))
			}
		}
		for _, v := range append(offers, c.Quick...) {
			if _, err := transform.Parse(transform.Defaults(), transform.Query{{Name: d.Name, Value: v}}); err != nil {
				t.Errorf("%s offers %q: %v", d.Name, v, err)
			}
		}
	}
}

func TestControlKinds(t *testing.T) {
	got := map[string]string{}
	type domain = transform.Domain
	for _, g := range newControlGroups([]transform.OptionDoc{
		{Name: "w", Domain: domain{Kind: transform.KindLength, Min: 1, Max: 8192}},
		{Name: "radius", Domain: domain{Kind: transform.KindLength, Max: 8192}},
		{Name: "q", Domain: domain{Kind: transform.KindInt, Min: 1, Max: 100, Step: 1}},
		{Name: "vignette", Domain: domain{Kind: transform.KindFloat, Min: 0.5, Max: 2.5, Step: 0.01}, Default: "1"},
		{Name: "rotate", Domain: domain{Kind: transform.KindInt, Min: -360, Max: 360, Step: 1}, Default: "0"},
		{Name: "enlarge", Domain: domain{Kind: transform.KindBool, Words: []string{"1", "0"}}, Default: "as fit says"},
		{Name: "grain", Domain: domain{Kind: transform.KindEnum, Words: []string{"fine", "coarse"}}, Default: "none"},
		{Name: "dither", Domain: domain{Kind: transform.KindBool}, Default: "0"},
		{Name: "bg", Domain: domain{Kind: transform.KindColor}},
		{Name: "gravity", Domain: domain{Kind: transform.KindPosition, Words: []string{"center", "north"}}, Default: "center"},
		{Name: "caption", Domain: domain{Kind: transform.KindText, Max: 64}},
	}) {
		for _, c := range g.Controls {
			text := g.Name + ": " + c.Kind
			if c.Kind == "range" {
				text += " " + c.Min + " " + c.Bottom + " " + c.Top + " " + c.Max + " by " + c.Step
			}
			for _, ch := range c.Choices {
				text += " " + ch.Value + "=" + ch.Label + "@" + ch.Cell
			}
			got[c.Name] = text
		}
	}
	want := map[string]string{
		"w":        "Size: range 1 1 2400 8192 by 1",
		"radius":   "Look: text",
		"q":        "Output: range 1 1 100 100 by 1",
		"vignette": "More: range 0.5 0.5 2.5 2.5 by 0.01",
		"rotate":   "Turn: range -360 -180 180 360 by 1",
		"enlarge":  "Size: choice =as fit says@ 1=on@ 0=off@",
		"grain":    "More: choice =none@ fine=fine@ coarse=coarse@",
		"dither":   "More: flag",
		"bg":       "Look: color",
		"gravity":  "Size: compass center=center@c north=north@n",
		"caption":  "More: text",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestHelp: the texts that the page loads when somebody asks what an option means are those
// of the vocabulary.
func TestHelp(t *testing.T) {
	text, err := json.MarshalIndent(help(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.File(t, "../web/static/help.json", string(text)+"\n")
}

package marks_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tintype/tintype/marks"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

func query(t *testing.T, raw string) transform.Query {
	t.Helper()
	q, err := transform.ParseQuery(raw)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func set(t *testing.T) marks.Set {
	t.Helper()
	half := 0.5
	s, err := marks.New([]workspace.Mark{
		{Name: "brand", Image: "media/logo.png", Width: "20%", AutoApplySources: []string{"photos", "both"}},
		{Name: "draft", Image: "https://example.com/draft.svg", Opacity: &half, Repeat: true, AutoApplySources: []string{"drafts", "both"}},
		{Name: "free", Image: "media/free.png", Align: "top,left", Pad: "10"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDecide is the policy of marks. Each row has the options of a preset and of a URL, the
// sources of the original, and the marks of the variant: name or image, and fields.
func TestDecide(t *testing.T) {
	const askedBrand = "brand mark=asked&mark-w=20%25"
	const brand, draft = "brand mark=bound&mark-w=20%25", "draft mark=bound&mark-opacity=0.5&mark-repeat=1"
	for _, c := range []struct {
		preset, url, sources string
		want                 string
	}{
		{"", "", "open", ""},
		{"", "", "", ""},
		{"", "mark-w=50", "open", ""},
		// Bound marks apply, and the options can't change them.
		{"", "", "photos", brand},
		{"", "mark=free", "photos", brand},
		{"", "mark=nobody", "photos", brand},
		{"", "mark=media/other.png&mark-w=1", "photos", brand},
		{"", "mark=brand&mark-opacity=0&mark-w=1&mark-align=top", "photos", brand},
		{"mark=free&mark-opacity=0", "", "photos", brand},
		{"", "mark-opacity=0", "photos", brand},
		// They add up, in the owner's order.
		{"", "", "drafts photos", brand + "; " + draft},
		{"", "", "both", brand + "; " + draft},
		{"", "", "both photos", brand + "; " + draft},
		{"", "mark=free", "open drafts", draft},
		// Elsewhere the options decide.
		{"", "mark=free", "open", "free mark=asked&mark-align=top,left&mark-pad=10"},
		{"", "mark=brand", "open", askedBrand},
		{"", "mark=free&mark-align=center&mark-w=9", "open", "free mark=asked&mark-w=9&mark-align=center&mark-pad=10"},
		{"mark=free&mark-w=7", "mark-opacity=0.5", "open", "free mark=asked&mark-w=7&mark-align=top,left&mark-pad=10&mark-opacity=0.5"},
		{"mark=free", "mark=brand", "open", askedBrand},
		{"mark-w=9", "mark=free", "open", "free mark=asked&mark-w=9&mark-align=top,left&mark-pad=10"},
		{"", "mark=media/a.png&mark-w=9", "open", "media/a.png mark=asked&mark-w=9"},
		{"", "mark=HTTPS://a.b/c", "", "HTTPS://a.b/c mark=asked"},
		{"", "mark=nobody", "open", "error"},
		{"", "mark=Brand", "open", "error"},
		{"", "mark=brand%20", "open", "error"},
	} {
		s := set(t)
		o, err := s.Parse(query(t, c.preset), query(t, c.url))
		if err != nil {
			t.Fatal(err)
		}
		got := "error"
		list, err := s.Decide(strings.Fields(c.sources), o.Mark)
		if err == nil {
			var all []string
			for _, m := range list {
				name := m.Image
				if m.Configured != nil {
					name = m.Configured.Name
				}
				all = append(all, name+" "+m.Fields())
			}
			got = strings.Join(all, "; ")
		} else if _, ok := errors.AsType[*transform.OptionError](err); !ok {
			t.Errorf("%q: %v is no OptionError", c.url, err)
		}
		if got != c.want {
			t.Errorf("preset %q, URL %q, sources %q:\n got %s\nwant %s", c.preset, c.url, c.sources, got, c.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := marks.New([]workspace.Mark{{Name: "m", Image: "a/b", Width: "150%"}}); err == nil {
		t.Error("a width of 150% is taken")
	}
}

func TestBoundTo(t *testing.T) {
	s := set(t)
	for source, want := range map[string]bool{"photos": true, "drafts": true, "both": true, "media": false, "": false} {
		if got := len(s.BoundTo(source)) > 0; got != want {
			t.Errorf("%s: %v", source, !want)
		}
	}
}

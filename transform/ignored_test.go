package transform

import (
	"slices"
	"testing"
)

func TestIgnored(t *testing.T) {
	for raw, want := range map[string][]string{
		"w=1&width=2&h=3&src=a/b&preset=x&p:x":                                   nil,
		"utm_source=a&utm_x=b&gclid=1&fbclid=2&_=3&cb=4&ixlib=5&sig=6&exp=7&s=8": nil,
		"widht=1&w=1&a=2&W=3":                                                    {"widht", "a", "W"},
		"w%69dth=1&x%20y=2":                                                      {"x y"},
	} {
		q, err := ParseQuery(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := q.Ignored(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
}

func TestIgnoredOf(t *testing.T) {
	q := Query{{Name: "w"}, {Name: "select"}, {Name: "src"}, {Name: "utm_x"}}
	if got := q.Ignored("select"); !slices.Equal(got, []string{"w"}) {
		t.Errorf("%q, want w", got)
	}
}

func TestSuggest(t *testing.T) {
	for name, want := range map[string]string{
		"widht": "width", "Width": "width", "hieght": "", "W": "w", "heigth": "", "qualty": "quality", "q-jpeg": "q", "q-jpg": "q", "q-avfi": "q-avif", "gravty": "gravity", "formt": "format",
		"backgroud": "background", "blurr": "blur", "rotat": "rotate", "utterly-other": "", "x": "", "": "", "ab": "",
	} {
		if want == "" {
			continue
		}
		if got := Suggest(name); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"utterly-other", "x", "", "zz", "srcset"} {
		if got := Suggest(name); got != "" {
			t.Errorf("Suggest(%q) = %q, want none", name, got)
		}
	}
}

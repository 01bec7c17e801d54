package dialect

import (
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/transform"
)

func TestOptions(t *testing.T) {
	var o Options
	o.Set("w", "400", "width")
	o.Set("fit", "cover", "")
	o.Set("w", "200", "size")
	if v, ok := o.Get("w"); v != "200" || !ok {
		t.Errorf("Get(w) = %q, %v; want the later value, 200", v, ok)
	}
	if from := o.From("w"); from != "size" {
		t.Errorf("From(w) = %q, want the later spelling, size", from)
	}
	if from := o.From("fit"); from != "fit" {
		t.Errorf("From(fit) = %q, want fit", from)
	}
	o.Unset("w")
	if want := (transform.Query{{Name: "fit", Value: "cover", Literal: true}}); !slices.Equal(o.Query, want) {
		t.Errorf("after Unset: %v, want %v", o.Query, want)
	}
	if _, ok := o.Get("w"); ok {
		t.Error("Unset left w")
	}
}

// Each prefix belongs to one dialect, and none lies inside another.
func TestPrefixes(t *testing.T) {
	owner := map[string]string{}
	for _, d := range All {
		for _, p := range d.Prefixes {
			if other := owner[p]; other != "" {
				t.Errorf("%s is a prefix of %s and of %s", p, other, d.Name)
			}
			owner[p] = d.Name
			if got, tail := Find("/" + p + "/x?y"); got != d || tail != "/x?y" {
				t.Errorf("Find(/%s/x?y) = %v, %q", p, got, tail)
			}
			if got, _ := Find("/" + p + "x"); got != nil {
				t.Errorf("Find(/%sx) = %s, want none", p, got.Name)
			}
		}
	}
}

// What the tables of docs/dialects.md say is what Parse does.
func TestParams(t *testing.T) {
	for _, d := range All {
		for _, p := range d.Params {
			if (p.Note == "") != (p.State == Works) {
				t.Errorf("%s %s: a note is for what differs or is ignored, and only for that", d.Name, p.Name)
			}
			path, query, _ := strings.Cut(p.Example, "?")
			r, err := d.Parse(URL{Path: path, RawQuery: query, DefaultSource: "photos"})
			if err != nil {
				t.Errorf("%s %s: %s: %v", d.Name, p.Name, p.Example, err)
				continue
			}
			if (len(r.Ignored) > 0) != (p.State == Ignored) {
				t.Errorf("%s %s: %s: ignored are %q, but the table says %s", d.Name, p.Name, p.Example, r.Ignored, p.State)
			}
			o, err := transform.Parse(transform.Defaults(), withoutPreset(r.Options.Query))
			if err != nil {
				t.Errorf("%s %s: %s: %v", d.Name, p.Name, p.Example, err)
				continue
			}
			if got := o.String(); got != p.Native {
				t.Errorf("%s %s: %s means %q, but the table says %q", d.Name, p.Name, p.Example, got, p.Native)
			}
		}
	}
}

func withoutPreset(q transform.Query) transform.Query {
	return slices.DeleteFunc(slices.Clone(q), func(p transform.Param) bool { return p.Name == "preset" })
}

// What a product implies is a layer of its own, under what its URL says.
func TestImply(t *testing.T) {
	var o Options
	o.Set("w", "400", "width")
	o.Imply("format", "original", "f")
	o.Imply("w", "100", "width")
	implied, given := o.Layers()
	if want := (transform.Query{{Name: "format", Value: "original", Literal: true}}); !slices.Equal(implied, want) {
		t.Errorf("implied are %v, want %v", implied, want)
	}
	if want := (transform.Query{{Name: "w", Value: "400", Literal: true}}); !slices.Equal(given, want) {
		t.Errorf("given are %v, want %v", given, want)
	}
}

// Names that a workspace's sources may not have, and those that it may choose.
func TestReserved(t *testing.T) {
	for _, segment := range []string{"imgix", "imgproxy", "_next", ".netlify"} {
		if !Reserved(segment) {
			t.Errorf("%s isn't reserved", segment)
		}
	}
	if Reserved("photos") || Reserved("_next/image") {
		t.Error("what begins no prefix is reserved")
	}
	if names := Names(); !slices.Contains(names, "imgix") || slices.Contains(names, "next") {
		t.Errorf("a workspace may choose %q", names)
	}
}

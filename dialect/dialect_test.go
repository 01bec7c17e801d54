package dialect

import (
	"net/url"
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

// The examples in the tables of docs/dialects.md mean their native options.
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

// The implied parameters are a layer below the given ones.
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

// parseText parses a URL with its query.
func parseText(d *Dialect, s string) (Request, error) {
	path, query, _ := strings.Cut(s, "?")
	return d.Parse(URL{Path: path, RawQuery: query})
}

// fuzzOne checks one URL against the rules of all dialects.
func fuzzOne(t *testing.T, d *Dialect, s string) {
	path, query, _ := strings.Cut(s, "?")
	for _, source := range []string{"", "photos"} {
		r, err := d.Parse(URL{Path: path, RawQuery: query, DefaultSource: source})
		if err != nil {
			if err.Error() == "" {
				t.Fatalf("%q: an error without words", s)
			}
			continue
		}
		if (r.Image.URL == "") == (r.Image.Path == "") {
			t.Fatalf("%q: the image is %+v", s, r.Image)
		}
		if r.Image.URL != "" && !isURL(r.Image.URL) || !transform.IsText(r.Image.URL+r.Image.Path) {
			t.Fatalf("%q: the image is %+v", s, r.Image)
		}
		if full, err := url.Parse(r.Image.URL); r.Image.URL != "" && err == nil && full.Hostname() == "" {
			t.Fatalf("%q: the image is %q, which has no host", s, r.Image.URL)
		}
		if _, err := transform.Parse(transform.Defaults(), withoutPreset(r.Options.Query)); err != nil {
			if _, ok := err.(*transform.OptionError); !ok {
				t.Fatalf("%q: %v", s, err)
			}
		}
		if r.Claim.Signature != "" && !strings.Contains(s, r.Claim.Signature) {
			t.Fatalf("%q: the signature %q isn't in it", s, r.Claim.Signature)
		}
		if d.Verify != nil {
			d.Verify(Key{Secret: []byte("0123456789abcdef")}, r.Claim)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for _, bm := range []struct {
		name, path, query string
		d                 *Dialect
		native            string
	}{
		{"next", "", "url=%2Fimages%2Fme.png&w=640&q=75", next, "w=640&q=75&q-avif=55&fit=scale-down"},
		{"netlify", "", "url=/owl.jpeg&fit=cover&w=400&h=300&position=top&fm=webp&q=60", netlify, "w=400&h=300&fit=cover&gravity=north&format=webp&q=60"},
		{"cloudflare", "/width=400,height=300,fit=cover,gravity=top,format=auto,quality=60/uploads/avatar1.jpg", "", cloudflare, "w=400&h=300&fit=cover&gravity=north&format=auto&q=60&metadata=copyright"},
		{"ipx", "/s_400x300,fit_cover,pos_top,f_webp,q_60/images/me.png", "", ipx, "w=400&h=300&fit=crop&gravity=north&format=webp&q=60&anim=0"},
		{"imgix", "/users/1.png", "w=400&h=300&fit=crop&crop=top&auto=format&q=60", imgix, "w=400&h=300&fit=cover&gravity=north&format=auto&q=60"},
		{"imgproxy", "/oKfUtW34Dvo2BGQehJFR4Nr0_rIjOtdtzJ3QFsUcXH8/rs:fill:400:300:1/g:no/f:best/q:60/plain/https://a.test/b.jpg", "", imgproxy, "w=400&h=300&fit=cover&gravity=north&format=auto&q=60&metadata=copyright"},
		{"thumbor", "/8ammJH8D-7tXy6kU3lTvoXlhu4o=/fit-in/400x300/filters:quality(60):format(webp):blur(2)/users/1.png", "", thumbor, "w=400&h=300&fit=scale-down&format=webp&q=60&blur=2"},
		{"cloudinary", "/demo/image/upload/c_fill,g_north,h_300,w_400/f_auto/q_60/v1/users/1.png", "", cloudinary, "w=400&h=300&fit=cover&gravity=north&format=auto&q=60"},
		{"weserv", "/", "url=a.test/b.jpg&w=400&h=300&fit=cover&a=top&output=webp&q=60&n=-1", weserv, "w=400&h=300&fit=cover&gravity=north&format=webp&q=60&anim=1"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := bm.d.Parse(URL{Path: bm.path, RawQuery: bm.query})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := transform.Parse(transform.Defaults(), r.Options.Query); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(bm.name+"/native", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				q, err := transform.ParseQuery(bm.native)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := transform.Parse(transform.Defaults(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A misspelled name is near to one that the product has.
func TestSpellings(t *testing.T) {
	for _, tt := range []struct {
		d          *Dialect
		name, want string
	}{
		{weserv, "outptu", "output"}, {imgix, "blrr", "blur"}, {imgproxy, "resise", "resize"}, {thumbor, "grayscal", "grayscale"}, {cloudinary, "zzzzzz", ""},
	} {
		if got := transform.Nearest(tt.name, tt.d.Spellings()); got != tt.want {
			t.Errorf("%s: %s is near to %q, want %q", tt.d.Name, tt.name, got, tt.want)
		}
	}
}

// An option knows the parameter that it comes from, also after a turn has swapped the sides.
func TestFromAfterTurn(t *testing.T) {
	var o Options
	o.Set("w", "40", "width")
	o.Set("fp-y", "0.2", "focal")
	o.turn(90, true, "a")
	for native, from := range map[string]string{"h": "width", "fp-x": "focal", "w": "w", "rotate": "a"} {
		if got := o.From(native); got != from {
			t.Errorf("From(%s) = %s, want %s", native, got, from)
		}
	}
	o.Unset("h")
	if got := o.From("h"); got != "h" {
		t.Errorf("From(h) = %s after Unset", got)
	}
}

// A value that the URL gives is no longer implied, and more than 8 options fit.
func TestLayersOfMany(t *testing.T) {
	var o Options
	for _, name := range []string{"w", "h", "dpr", "fit", "rotate", "flip", "blur", "sharpen", "format", "q"} {
		o.Imply(name, "1", name)
	}
	o.Set("dpr", "2", "dpr")
	implied, given := o.Layers()
	if len(implied) != 9 || len(given) != 1 || given[0].Value != "2" {
		t.Errorf("implied %v, given %v", implied, given)
	}
}

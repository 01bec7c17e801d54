package transform_test

import (
	"strings"
	"testing"

	"github.com/tintype/tintype/transform"
)

func TestParseAccept(t *testing.T) {
	for _, tt := range []struct{ header, want string }{
		{"", ""},
		// Chrome, Firefox, Safari, an older Safari, curl.
		{"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "avif,webp"},
		{"image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", "avif,webp"},
		{"image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", "avif,webp"},
		{"image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5", "webp"},
		{"*/*", ""},

		{"image/*", ""},
		{"image/webp", "webp"},
		{"image/avif", "avif"},
		{"IMAGE/WebP", "webp"},
		{" image/webp ;\tq=0.5 , text/html", "webp"},
		{",,image/webp,,", "webp"},

		{"image/webp;q=0", ""},
		{"image/webp;q=0.0", ""},
		{"image/webp;q=0.000", ""},
		{"image/webp;q=0.", ""},
		{"image/webp;Q=0", ""},
		{"image/webp;q=0.001", "webp"},
		{"image/webp;q=1", "webp"},
		{"image/webp;q=1.000", "webp"},
		{"image/avif;q=0,image/webp", "webp"},
		{"image/webp;q=0, image/webp", ""},
		{"image/webp, image/webp;q=0", ""},
		{"image/webp;level=1;q=0", ""},
		{"image/webp;level=1", "webp"},
		{`image/webp;note="a,image/avif;q=0";q=0.1`, "webp"},
		{`image/webp;note="\",image/avif";q=0.1`, "webp"},
		{`text/html;note="image/webp`, ""},

		// Malformed parts are skipped, and the others count.
		{"image/webp;q=", ""},
		{"image/webp;q=2", ""},
		{"image/webp;q=1.001", ""},
		{"image/webp;q=-1", ""},
		{"image/webp;q=0.0001", ""},
		{"image/webp;q=.5", ""},
		{"image/webp;q=00", ""},
		{"image/webp;q=abc,image/avif", "avif"},
		{"image/webp;q=2,image/webp", "webp"},
		{"image /webp", ""},
		{"image/webp2", ""},
		{"ximage/webp", ""},
		{"image/webp image/avif", ""},
	} {
		if got := transform.ParseAccept(tt.header).String(); got != tt.want {
			t.Errorf("ParseAccept(%q) = %q, want %q", tt.header, got, tt.want)
		}
	}
}

func TestParseAcceptAllocatesNothing(t *testing.T) {
	const header = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
	if n := testing.AllocsPerRun(100, func() {
		if transform.ParseAccept(header).And(transform.AcceptWebP).String() != "webp" {
			t.Fatal("no webp")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAcceptAnd(t *testing.T) {
	const both = transform.AcceptAVIF | transform.AcceptWebP
	for _, tt := range []struct {
		accept, allowed transform.Accept
		want            string
	}{
		{both, both, "avif,webp"},
		{both, transform.AcceptWebP, "webp"},
		{both, transform.AcceptAVIF, "avif"},
		{both, 0, ""},
		{transform.AcceptAVIF, transform.AcceptWebP, ""},
	} {
		if got := tt.accept.And(tt.allowed).String(); got != tt.want {
			t.Errorf("%q And %q = %q, want %q", tt.accept, tt.allowed, got, tt.want)
		}
	}
}

func TestOutputFormat(t *testing.T) {
	original := func(f transform.Format, w, h, frames int, alpha bool) transform.Header {
		return transform.Header{Format: f, Width: w, Height: h, Orientation: 1, Frames: frames, Alpha: alpha}
	}
	var (
		photo      = original(transform.JPEG, 1200, 800, 1, false)
		huge       = original(transform.JPEG, 6000, 4000, 1, false)
		logo       = original(transform.PNG, 400, 400, 1, true)
		scan       = original(transform.PNG, 400, 400, 1, false)
		gif        = original(transform.GIF, 200, 100, 10, true)
		stillGIF   = original(transform.GIF, 200, 100, 1, true)
		webp       = original(transform.WebP, 200, 100, 10, false)
		avif       = original(transform.AVIF, 200, 100, 5, false)
		heic       = original(transform.HEIC, 200, 100, 1, false)
		svg        = original(transform.SVG, 200, 100, 1, true)
		tiff       = original(transform.TIFF, 200, 100, 1, false)
		panorama   = original(transform.JPEG, 20000, 100, 1, false)
		longGIF    = original(transform.GIF, 2000, 2000, 17, true)
		tallGIF    = original(transform.GIF, 10, 20000, 3, true)
		allFormats = "image/avif,image/webp"
	)
	for _, tt := range []struct {
		name   string
		h      transform.Header
		query  string
		accept string
		want   transform.Format
	}{
		{"photo", photo, "", allFormats, transform.AVIF},
		{"photo", photo, "", "image/webp", transform.WebP},
		{"photo", photo, "", "*/*", transform.JPEG},
		{"photo", photo, "", "image/avif;q=0,image/webp", transform.WebP},
		{"photo", photo, "format=auto", "image/avif", transform.AVIF},

		// Auto never chooses JPEG for an image with alpha.
		{"logo", logo, "", allFormats, transform.AVIF},
		{"logo", logo, "", "image/webp", transform.WebP},
		{"logo", logo, "", "", transform.PNG},
		{"logo", logo, "bg=red", "", transform.JPEG},
		{"logo", logo, "bg=ff000080", "", transform.PNG},
		{"logo", logo, "format=jpeg", "", transform.JPEG},
		{"scan", scan, "", "", transform.JPEG},
		{"photo", photo, "bg=ff000080", "", transform.JPEG},
		{"photo", photo, "pad=10", "", transform.PNG},
		{"photo", photo, "pad=10&bg=ff000080", "", transform.PNG},
		{"photo", photo, "pad=10&bg=red", "", transform.JPEG},
		{"photo", photo, "w=300&h=300&fit=pad", "", transform.PNG},
		{"photo", photo, "w=300&h=300&fit=pad", "image/webp", transform.WebP},
		{"photo", photo, "w=300&h=300&fit=pad&bg=white", "", transform.JPEG},
		{"photo", photo, "rotate=45", "", transform.PNG},
		{"photo", photo, "rotate=45&bg=white", "", transform.JPEG},
		{"photo", photo, "rotate=-90", "", transform.JPEG},
		{"photo", photo, "radius=9", "", transform.PNG},
		{"photo", photo, "radius=9&bg=white", "", transform.PNG},
		{"photo", photo, "radius=9&bg=white&format=jpeg", "", transform.JPEG},
		{"photo", photo, "radius=9", "image/webp", transform.WebP},
		{"photo", photo, "w=300&h=200&fit=pad", "", transform.JPEG},
		{"photo", photo, "w=300&h=300&fit=cover", "", transform.JPEG},

		// Animations.
		{"gif", gif, "", allFormats, transform.WebP},
		{"gif", gif, "", "image/avif", transform.GIF},
		{"gif", gif, "", "", transform.GIF},
		{"gif", gif, "anim=0", allFormats, transform.AVIF},
		{"gif", gif, "anim=0", "", transform.PNG},
		{"gif", gif, "format=png", allFormats, transform.PNG},
		{"gif", gif, "format=avif", "", transform.AVIF},
		{"gif", gif, "format=webp", "", transform.WebP},
		{"gif", gif, "format=original", allFormats, transform.GIF},
		{"still gif", stillGIF, "", allFormats, transform.AVIF},
		{"still gif", stillGIF, "", "", transform.PNG},
		{"webp", webp, "", allFormats, transform.WebP},
		{"webp", webp, "", "", transform.GIF},
		{"webp", webp, "anim=0", "", transform.JPEG},
		{"animated avif", avif, "", "", transform.JPEG},
		{"animated avif", avif, "", allFormats, transform.AVIF},

		// The original's own format.
		{"photo", photo, "format=original", allFormats, transform.JPEG},
		{"webp", webp, "format=original", "", transform.WebP},
		{"avif", avif, "format=original", "", transform.AVIF},
		{"heic", heic, "format=original", allFormats, transform.JPEG},
		{"heic", heic, "format=original&pad=1", allFormats, transform.PNG},
		{"svg", svg, "format=original", "", transform.PNG},
		{"svg", svg, "format=original&bg=fff", "", transform.JPEG},
		{"tiff", tiff, "format=original", "", transform.TIFF},
		{"tiff", tiff, "", "", transform.JPEG},

		// Auto skips formats whose limits the output exceeds.
		{"24 megapixels", huge, "", allFormats, transform.WebP},
		{"24 megapixels", huge, "", "image/avif", transform.JPEG},
		{"24 megapixels", huge, "w=4800", allFormats, transform.AVIF},
		{"24 megapixels", huge, "format=avif", allFormats, transform.AVIF},
		{"panorama", panorama, "", allFormats, transform.JPEG},
		{"panorama", panorama, "w=8000", allFormats, transform.AVIF},
		{"long animation", longGIF, "", "image/webp", transform.GIF},
		{"long animation", longGIF, "w=1000", "image/webp", transform.WebP},
		{"tall animation", tallGIF, "", "image/webp", transform.GIF},
	} {
		o := mustParse(t, tt.query)
		p, err := o.Plan(tt.h.Upright())
		if err != nil {
			t.Fatal(err)
		}
		got := o.OutputFormat(tt.h, p, transform.ParseAccept(tt.accept), transform.DefaultLimits())
		if got != tt.want {
			t.Errorf("%s ?%s for %q is %s, want %s", tt.name, tt.query, tt.accept, got, tt.want)
		}
	}
}

func TestAnimated(t *testing.T) {
	for _, tt := range []struct {
		from   transform.Format
		frames int
		query  string
		to     transform.Format
		want   bool
	}{
		{transform.GIF, 2, "", transform.GIF, true},
		{transform.GIF, 2, "", transform.WebP, true},
		{transform.WebP, 2, "", transform.GIF, true},
		{transform.GIF, 1, "", transform.WebP, false},
		{transform.GIF, 2, "anim=0", transform.WebP, false},
		{transform.GIF, 2, "", transform.AVIF, false},
		{transform.GIF, 2, "", transform.PNG, false},
		{transform.AVIF, 2, "", transform.WebP, false},
		{transform.TIFF, 2, "", transform.WebP, false},
	} {
		h := transform.Header{Format: tt.from, Frames: tt.frames}
		if got := mustParse(t, tt.query).Animated(h, tt.to); got != tt.want {
			t.Errorf("%s of %d frames ?%s to %s: %t, want %t", tt.from, tt.frames, tt.query, tt.to, got, tt.want)
		}
	}
}

func FuzzParseAccept(f *testing.F) {
	for _, seed := range []string{
		"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
		"image/webp;q=0", "image/webp;q=0.001, image/avif;q=1.000", `image/webp;a="\",image/avif";q=0.5`, ";;,,q=", `"`, `\`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		a := transform.ParseAccept(header)
		lower := strings.ToLower(header)
		for member, name := range map[transform.Accept]string{transform.AcceptAVIF: "image/avif", transform.AcceptWebP: "image/webp"} {
			if a&member != 0 && !strings.Contains(lower, name) {
				t.Errorf("%q is said to accept %s", header, name)
			}
		}
		if again := transform.ParseAccept(header + "," + header); strings.Count(header, `"`)%2 == 0 && !strings.Contains(header, `\`) && again != a {
			t.Errorf("%q accepts %q, given twice %q", header, a, again)
		}
		if a.And(a) != a || a.And(0) != 0 {
			t.Errorf("%q: And does not intersect", header)
		}
		// A weight of 0 wins, wherever it stands.
		if refused := transform.ParseAccept("image/avif;q=0,image/webp;q=0," + header); refused != 0 {
			t.Errorf("%q accepts %q after a refusal", header, refused)
		}
	})
}

// TestLosslessIsLossless: with lossless, auto chooses only formats that keep every pixel.
func TestLosslessIsLossless(t *testing.T) {
	o := transform.Defaults()
	o.Lossless = true
	h := transform.Header{Format: transform.JPEG, Width: 100, Height: 100, Orientation: 1, Frames: 1}
	p, err := o.Plan(h.Upright())
	if err != nil {
		t.Fatal(err)
	}
	for accept, want := range map[transform.Accept]transform.Format{
		0:                    transform.PNG,
		transform.AcceptAVIF: transform.PNG,
		transform.AcceptWebP: transform.WebP,
		transform.AcceptAVIF | transform.AcceptWebP: transform.WebP,
	} {
		if got := o.OutputFormat(h, p, accept, transform.DefaultLimits()); got != want {
			t.Errorf("accepting %q: %s, want %s", accept, got, want)
		}
	}
}

// TestOrWebP: only an AVIF that was chosen for a client that names WebP too may become one.
func TestOrWebP(t *testing.T) {
	var o transform.Options
	small, wide := transform.Plan{Output: transform.Size{W: 60, H: 40}}, transform.Plan{Output: transform.Size{W: 16384, H: 1}}
	both := transform.AcceptAVIF | transform.AcceptWebP
	for _, c := range []struct {
		format transform.Format
		plan   transform.Plan
		accept transform.Accept
		want   bool
	}{
		{transform.AVIF, small, both, true},
		{transform.AVIF, small, transform.AcceptAVIF, false},
		{transform.AVIF, small, both | transform.AcceptKept, false},
		{transform.WebP, small, both, false},
		{transform.AVIF, wide, both, false},
	} {
		if got := o.OrWebP(c.format, c.plan, c.accept, transform.DefaultLimits()); got != c.want {
			t.Errorf("%s of %v for %s: %v", c.format, c.plan.Output, c.accept, got)
		}
	}
}

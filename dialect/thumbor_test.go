package dialect

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/transform"
)

func TestThumborImage(t *testing.T) {
	for _, tt := range []struct{ path, source, url, key string }{
		{"/unsafe/400x300/a/b.jpg", "photos", "", "photos/a/b.jpg"},
		{"/unsafe/s.glbimg.com/es/ge/orlandosilva_60.jpg", "", "https://s.glbimg.com/es/ge/orlandosilva_60.jpg", ""},
		{"/unsafe/https://foobar/en/man.png", "photos", "https://foobar/en/man.png", ""},
		{"/unsafe/https:%2F%2Ffoobar%2Fman.png%3Ffoo=bar", "", "https://foobar/man.png?foo=bar", ""},
		{"/unsafe/trim%2Fimg", "photos", "", "photos/trim/img"},
		{"/unsafe/fit-in%2Fimg", "photos", "", "photos/fit-in/img"},
		{"/unsafe/smart/img", "photos", "", "photos/img"},
		{"/unsafe/smart", "photos", "", "photos/smart"},
		{"/unsafe/photo%281%29.jpg", "photos", "", "photos/photo(1).jpg"},
		{"/unsafe/filters:blur(5)/photo%281%29.jpg", "photos", "", "photos/photo(1).jpg"},
		{"/unsafe/b64:bXkgaW1hZ2UgKHNwZWNpYWwpPy5qcGc", "photos", "", "photos/my image (special)?.jpg"},
		{"/unsafe/b64:some-file.jpg", "photos", "", "photos/b64:some-file.jpg"},
		{"/unsafe/10x10/20x20/30x30/a.jpg", "photos", "", "photos/30x30/a.jpg"},
	} {
		r, err := thumbor.Parse(URL{Path: tt.path, DefaultSource: tt.source})
		if err != nil || r.Image.URL != tt.url || r.Image.Path != tt.key {
			t.Errorf("%s in %q: %+v, %v; want %q or %q", tt.path, tt.source, r.Image, err, tt.url, tt.key)
		}
	}
}

// The first signature is from libthumbor's tests.
func TestThumborSignature(t *testing.T) {
	key := Key{Secret: []byte("MY_SECURE_KEY")}
	const message = "300x200/smart/path/to/image.jpg"
	r, err := thumbor.Parse(URL{Path: "/8ammJH8D-7tXy6kU3lTvoXlhu4o=/300x200/my.server.com/some/path/to/image.jpg"})
	if err != nil || !thumbor.Verify(Key{Secret: []byte("my-security-key")}, r.Claim) {
		t.Errorf("%+v, %v: doesn't verify", r.Claim, err)
	}
	for _, tt := range []struct {
		key       Key
		signature string
		want      bool
	}{
		// HMACs of "300x200/smart/path/to/image.jpg" under MY_SECURE_KEY, by openssl.
		{key, "3ZAFIB9OK_j_R10MafCdhFO99mE=", true},
		{Key{Secret: key.Secret, Algorithm: "sha256"}, "oNNX6oupAcfpO90vte44ijvJHhVVet5WrCyT2oB6qBo=", true},
		{Key{Secret: key.Secret, Algorithm: "sha256", Size: 30}, "oNNX6oupAcfpO90vte44ijvJHhVVet5WrCyT2oB6", true},
		{Key{Secret: key.Secret, Algorithm: "sha512"}, "XVvQZ6xw2aXhRUtPwnIh1RDucWyuPZdRPqWJehJKklYztBgvesNvzStmPNM66a5V4aQncuq_Fa3VjJR5Xe3AKA==", true},
		{Key{Secret: key.Secret, Size: 12}, "3ZAFIB9OK_j_R10M", true},
		{Key{Secret: key.Secret, Size: 12}, "3ZAFIB9OK_j_R10MafCdhFO99mE=", false},
		{key, "3ZAFIB9OK_j_R10M", false},
		{Key{Secret: []byte("other")}, "3ZAFIB9OK_j_R10MafCdhFO99mE=", false},
		{key, "", false},
	} {
		if got := thumbor.Verify(tt.key, Claim{Signature: tt.signature, Message: message}); got != tt.want {
			t.Errorf("%s: %v", tt.signature, got)
		}
	}
	r, err = thumbor.Parse(URL{Path: "/unsafe/filters:expire(1900000000000)/a/b"})
	if err != nil || r.Claim.Signature != "" || !r.Claim.Expires.Equal(time.Unix(1900000000, 0)) {
		t.Errorf("expire: %+v, %v", r.Claim, err)
	}
}

func TestThumborMeans(t *testing.T) {
	for _, tt := range []struct {
		path, want string
		ignored    []string
	}{
		{"a.jpg", "fit=contain&format=original", nil},
		{"400x300/a.jpg", "w=400&h=300&fit=cover&format=original", nil},
		{"400x/a.jpg", "w=400&fit=contain&format=original", nil},
		{"0400x00/a.jpg", "w=400&fit=contain&format=original", nil},
		{"0x300/a.jpg", "h=300&fit=contain&format=original", nil},
		{"origxorig/a.jpg", "fit=contain&format=original", nil},
		{"-0x-0/a.jpg", "fit=contain&flip=hv&format=original", nil},
		{"0.1x0.1:0.9x0.8/a.jpg", "fit=contain&rect=10%25,10%25,80%25,70%25&format=original", nil},
		{"0x0:100x50/200x/a.jpg", "w=200&fit=contain&rect=0,0,100,50&format=original", nil},
		{"meta/trim:bottom-right:100/fit-in/-300x-200/left/top/smart/filters:some_filter()/img", "w=300&h=200&trim=100&flip=hv&format=original", []string{"meta", "trim", "some_filter"}},
		{"fit-in/400x300/filters:fill(transparent)/a.jpg", "w=400&h=300&fit=pad&enlarge=0&format=original", nil},
		{"fit-in/400x/filters:fill(red)/a.jpg", "w=400&bg=ff0000&format=original", nil},
		{"400x300/filters:no_upscale()/a.jpg", "w=400&h=300&fit=cover&enlarge=0&format=original", nil},
		{"filters:quality(0):format(jpg)/a.jpg", "fit=contain&format=jpeg", nil},
		{"filters:focal(10x10:20x20)/a.jpg", "fit=contain&format=original", []string{"focal"}},
		{"filters:focal(0.2x0.2:0.4x0.6)/a.jpg", "fit=contain&format=original", nil},
		// Several regions count by their areas, and a point counts as one pixel.
		{"40x40/filters:focal(0x0:0.2x0.2):focal(0.5x0.5:0.9x0.8)/a.jpg", "w=40&h=40&fit=cover&fp-x=0.55&fp-y=0.5125&gravity=focal&format=original", nil},
		{"40x40/filters:focal(0.2x0.4):focal(0.4,0.8)/a.jpg", "w=40&h=40&fit=cover&fp-x=0.3&fp-y=0.6&gravity=focal&format=original", nil},
		{"40x40/filters:focal(0.2x0.4):focal(0x0:0.5x0.5)/a.jpg", "w=40&h=40&fit=cover&fp-x=0.25&fp-y=0.25&gravity=focal&format=original", nil},
		{"40x40/filters:focal(0.5x0.5:0.2x0.2)/a.jpg", "w=40&h=40&fit=cover&format=original", nil}, // empty
		{"40x40/filters:focal(1x1)/a.jpg", "w=40&h=40&fit=cover&format=original", []string{"focal"}},
		// imagor's focal point is of the original, Tintype's of the region.
		{"0.2x0.2:0.6x0.7/40x40/filters:focal(0.3x0.4)/a.jpg", "w=40&h=40&fit=cover&fp-x=0.25&fp-y=0.4&gravity=focal&rect=20%25,20%25,40%25,50%25&format=original", nil},
		{"10x20:90x80/40x40/filters:focal(0.3x0.4)/a.jpg", "w=40&h=40&fit=cover&rect=10,20,80,60&format=original", []string{"focal"}},
		{"trim/40x40/filters:focal(0.3x0.4)/a.jpg", "w=40&h=40&fit=cover&trim=0&format=original", []string{"focal"}},
		// orient() turns before the crop and the resize.
		{"100x200/left/filters:orient(90)/a.jpg", "w=100&h=200&fit=cover&gravity=west&rotate=270&format=original", nil},
		{"0x0:100x50/filters:orient(180)/a.jpg", "fit=contain&rect=right,bottom,100,50&rotate=180&format=original", nil},
		{"10x20:90x80/filters:orient(90)/a.jpg", "fit=contain&rotate=270&format=original", []string{"10x20:90x80"}},
		{"100x200/filters:orient(90):rotate(90)/a.jpg", "w=200&h=100&fit=cover&rotate=180&format=original", nil},
		{"filters:orient(45):orient(0)/a.jpg", "fit=contain&format=original", []string{"orient"}},
		// imagor's crop() and trim() come after the resize.
		{"filters:grayscale():crop(10,20,0.5,200)/a.jpg", "fit=contain&rect=10,20,50%25,200&grayscale=1&format=original", nil},
		{"-0x0/filters:crop(0,20,100,200)/a.jpg", "fit=contain&rect=right,20,100,200&flip=h&format=original", nil},
		{"filters:crop(10,20,100,200):rotate(90)/a.jpg", "fit=contain&rect=10,20,100,200&rotate=270&format=original", nil},
		{"filters:crop(10,20,100,200):trim(30)/a.jpg", "fit=contain&rect=10,20,100,200&trim=30&format=original", nil},
		{"filters:orient(180):crop(0,0,100,200)/a.jpg", "fit=contain&rect=right,bottom,100,200&rotate=180&format=original", nil},
		{"filters:trim():crop(1,2,3,4)/a.jpg", "fit=contain&trim=0&format=original", []string{"crop"}},
		{"filters:crop(1,2,3,4):crop(1,2,3,4)/a.jpg", "fit=contain&rect=1,2,3,4&format=original", []string{"crop"}},
		{"filters:rotate(90):crop(1,2,3,4):trim(2)/a.jpg", "fit=contain&rotate=270&format=original", []string{"crop", "trim"}},
		{"filters:padding(red,5):crop(1,2,3,4)/a.jpg", "fit=contain&bg=ff0000&pad=5&format=original", []string{"crop"}},
		{"9x9:0x0/filters:trim(50,bottom-right):crop(1,2,3,4)/a.jpg", "fit=contain&rect=9,9,100%25,100%25&trim=50&format=original", []string{"trim", "crop"}},
		{"400x300/filters:crop(1,2,3,4):trim(9)/a.jpg", "w=400&h=300&fit=cover&format=original", []string{"crop", "trim"}},
		{"filters:proportion(0.5):crop(1,2,3,4)/a.jpg", "w=50%25&fit=contain&format=original", []string{"crop"}},
		{"filters:watermark(s.glbimg.com/filters:label(abc):watermark(aaa.com/x)/aaa.jpg,0,0,0):grayscale()/img", "fit=contain&grayscale=1&format=original", []string{"watermark"}},
		{"filters:watermark(logo.png,center,repeat):blur(2%2C3)/img", "fit=contain&blur=3&format=original&mark=photos/logo.png&mark-align=center&mark-pad=0&mark-repeat=1", nil},
		{"filters:saturation(1.5)/a.jpg", "fit=contain&saturation=1.5&format=original", nil},
		{"filters:rotate(-90)/a.jpg", "fit=contain&rotate=90&format=original", nil},
		{"filters:proportion(0.5):hue(10)/a.jpg", "w=50%25&fit=contain&format=original", []string{"hue"}},
		{"filters:proportion():brightness():hue():watermark():rotate()/a.jpg", "fit=contain&format=original", nil},
		{"fit-in/100x200/filters:rotate(90):rotate(-180)/a.jpg", "w=200&h=100&rotate=90&format=original", nil},
		{"400x300/left/filters:rotate(90)/a.jpg", "w=300&h=400&fit=cover&gravity=south&rotate=270&format=original", nil},
		{"-400x300/left/top/a.jpg", "w=400&h=300&fit=cover&gravity=northeast&flip=h&format=original", nil}, // thumbor flips last
		{"-400x300/filters:focal(0.2x0.2:0.4x0.6)/a.jpg", "w=400&h=300&fit=cover&fp-x=0.7&fp-y=0.4&gravity=focal&flip=h&format=original", nil},
		{"50x50:0x0/a.jpg", "fit=contain&rect=50,50,100%25,100%25&format=original", nil},
		{"400x300/1x2/a.jpg", "w=400&h=300&fit=cover&format=original", nil}, // only fill() pads
		{"400x300/1x2/filters:fill(none):padding(red,1)/a.jpg", "w=400&h=300&fit=cover&pad=3,2&format=original", []string{"padding"}},
		{"400x300/filters:stretch():upscale():no_upscale()/a.jpg", "w=400&h=300&fit=squeeze&enlarge=0&format=original", nil},
		{"filters%3Ablur(1)/a.jpg", "fit=contain&format=original", nil}, // an escaped colon makes it a name
	} {
		r, err := thumbor.Parse(URL{Path: "/unsafe/" + tt.path, DefaultSource: "photos"})
		if err != nil {
			t.Errorf("%s: %v", tt.path, err)
			continue
		}
		o, err := transform.Parse(transform.Defaults(), r.Options.Query)
		if err != nil || o.String() != tt.want || !slices.Equal(r.Ignored, tt.ignored) {
			t.Errorf("%s: %q, ignored %q, %v; want %q, %q", tt.path, o.String(), r.Ignored, err, tt.want, tt.ignored)
		}
	}
}

// thumbor and imagor skip malformed filters. So does Tintype, except for expire().
func TestThumborLeavesOut(t *testing.T) {
	for path, name := range map[string]string{
		"10x10:5x20/a": "10x10:5x20", "filters:blur(x)/a": "blur", "filters:blur(-1)/a": "blur", "filters:quality(x)/a": "quality", "filters:format(exe)/a": "format",
		"filters:rotate(1.5)/a": "rotate", "filters:rotate(45)/a": "rotate", "filters:brightness(200)/a": "brightness", "filters:background_color(12-3)/a": "background_color",
		"filters:fill(#;)/a": "fill", "filters:fill(FFO)/a": "fill", "filters:focal(1)/a": "focal", "filters:padding(1,2,3,x)/a": "padding", "filters:proportion(x)/a": "proportion",
		"filters:watermark(a.png,10p,0)/a": "watermark", "filters:watermark(a.png,0,0,200)/a": "watermark", "filters:watermark(a.png,0,0,0,x)/a": "watermark",
		"filters:round_corner(x)/a": "round_corner", "filters:saturation(x)/a": "saturation",
		"filters:crop(1,2,3)/a": "crop", "filters:crop(1,2,0,5)/a": "crop", "filters:crop(x,2,3,4)/a": "crop", "filters:trim(x)/a": "trim", "filters:orient(x)/a": "orient",
	} {
		r, err := thumbor.Parse(URL{Path: "/unsafe/" + path, DefaultSource: "photos"})
		if err == nil {
			_, err = transform.Parse(transform.Defaults(), r.Options.Query)
		}
		if err != nil || !slices.Equal(r.Ignored, []string{name}) {
			t.Errorf("%s: ignored %q, %v; want %s", path, r.Ignored, err, name)
		}
	}
}

func TestThumborRefuses(t *testing.T) {
	for path, param := range map[string]string{
		"trim:x/a": "trim", "filters:blur/a": "filters", "filters:blur(1/a": "blur", "filters:blur(1)a/b": "filters", "filters:/a": "filters",
		"filters:expire(x)/a": "expire", "filters:blur(%00)/a": "blur",
	} {
		_, err := thumbor.Parse(URL{Path: "/unsafe/" + path, DefaultSource: "photos"})
		if e, ok := err.(*Error); !ok || e.Param != param || e.Reason == "" {
			t.Errorf("%s: %v, want an error about %s", path, err, param)
		}
	}
	// Without a default source, a relative name begins with a host.
	for _, bad := range []string{"/unsafe/%3Fa", "/unsafe/:80/a.jpg", "/unsafe/[]/a.jpg"} {
		if r, err := thumbor.Parse(URL{Path: bad}); err == nil {
			t.Errorf("%q is read as %+v", bad, r.Image)
		}
	}
	for _, bad := range []string{"", "/", "/unsafe", "/unsafe/", "//a", "/unsafe/a%", "/unsafe/a%00", "/unsafe/color:red", "/unsafe/400x300/", "/unsafe/http://a\x01",
		"/unsafe/http://", "/unsafe/https:///a.jpg", "/unsafe/10x10/https%3A%2F%2F", "/unsafe/https%3A%2F%2F%3Fa", "/unsafe/https://:443/a.jpg", "/unsafe/b64:aHR0cHM6Ly8", "/unsafe/10x10//"} {
		if r, err := thumbor.Parse(URL{Path: bad, DefaultSource: "photos"}); err == nil {
			t.Errorf("%q is read as %+v", bad, r.Image)
		}
	}
}

func FuzzThumbor(f *testing.F) {
	for _, p := range thumborParams {
		f.Add(p.Example)
	}
	f.Add("/8ammJH8D-7tXy6kU3lTvoXlhu4o=/meta/trim:bottom-right:100/10x11:12x13/fit-in/-300x-200/1x2:3x4/left/top/smart/filters:watermark(a(b(c)),0,0,0):x()/https:%2F%2Fa.test%2Fb%3Fc")
	f.Fuzz(func(t *testing.T, s string) {
		fuzzOne(t, thumbor, s)
		path, _, _ := strings.Cut(s, "?")
		if r, err := thumbor.Parse(URL{Path: path}); err == nil && r.Claim.Signature != "" && !strings.HasSuffix(path, r.Claim.Signature+"/"+r.Claim.Message) {
			t.Fatalf("%q: the claim %+v isn't its end", s, r.Claim)
		}
	})
}

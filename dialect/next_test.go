package dialect

import (
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/transform"
)

// The cases of Next's own image-optimizer tests that a URL decides. Those of allowed hosts,
// widths and qualities are the workspace's business here.
func TestNextCases(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		param       string // of the error; empty means that the URL is read
		image       Image
		options     string
	}{
		{"non-ascii characters in image url", "w=64&q=90&url=%2F%C3%A4%C3%B6%C3%BC%C5%A1%C4%8D%C5%99%C3%AD.png", "", Image{Path: "public/äöüščří.png"}, "w=64&q=90&q-avif=70"},
		{"url is missing", "w=64&q=100", "url", Image{}, ""},
		{"url is empty", "url=&w=64&q=100", "url", Image{}, ""},
		{"url is given twice", "url=%2Ftest.png&url=%2Ftest.jpg&w=64&q=100", "url", Image{}, ""},
		{"w is missing", "url=%2Ftest.png&q=100", "w", Image{}, ""},
		{"w is given twice", "url=%2Ftest.png&w=64&w=64&q=100", "w", Image{}, ""},
		{"w is 0", "url=%2Ftest.png&w=0&q=100", "w", Image{}, ""},
		{"w is less than 0", "url=%2Ftest.png&w=-100&q=100", "w", Image{}, ""},
		{"w is not a number", "url=%2Ftest.png&w=foo&q=100", "w", Image{}, ""},
		{"w is not an integer", "url=%2Ftest.png&w=64.5&q=100", "w", Image{}, ""},
		{"q is given twice", "url=%2Ftest.png&w=64&q=75&q=75", "q", Image{}, ""},
		{"q is greater than 100", "url=%2Ftest.png&w=64&q=101", "q", Image{}, ""},
		{"q is less than 1", "url=%2Ftest.png&w=64&q=0", "q", Image{}, ""},
		{"q is not a number", "url=%2Ftest.png&w=64&q=foo", "q", Image{}, ""},
		{"q is not an integer", "url=%2Ftest.png&w=64&q=99.9", "q", Image{}, ""},
		{"url has file protocol", "url=file%3A%2F%2Flocalhost%3A3000%2Ftest.png&w=64&q=80", "url", Image{}, ""},
		{"url has ftp protocol", "url=ftp%3A%2F%2Flocalhost%3A3000%2Ftest.png&w=64&q=80", "url", Image{}, ""},
		{"url is protocol-relative", "url=%2F%2Fexample.com&w=64&q=80", "url", Image{}, ""},
		{"url is protocol-relative with an image", "url=%2F%2F%3Ch1%3Enot-an-image%3C%2Fh1%3E&w=64&q=39", "url", Image{}, ""},
		{"url has no slash", "url=test.png&w=64&q=80", "url", Image{}, ""},
		{"url is too long", "url=%2F" + strings.Repeat("a", 3072) + "&w=64&q=39", "url", Image{}, ""},
		{"url is as long as it may be", "url=%2F" + strings.Repeat("a", 3071) + "&w=64&q=39", "", Image{Path: "public/" + strings.Repeat("a", 3071)}, "w=64&q=39&q-avif=19"},
		{"url counts characters", "url=%2F" + strings.Repeat("%C3%BC", 3071) + "&w=64&q=39", "", Image{Path: "public/" + strings.Repeat("ü", 3071)}, "w=64&q=39&q-avif=19"},
		{"url is recursive", "url=%2F_next%2Fimage%3Furl%3Dtest.png%26w%3D1%26q%3D1&w=64&q=75", "url", Image{}, ""},
		{"url is recursive with an absolute url", "url=%2F_next%2Fimage%3Furl%3Dhttps%3A%2F%2Fexample.com%26w%3D1%26q%3D1&w=64&q=75", "url", Image{}, ""},
		{"url is recursive below a base path", "url=%2Fbase%2F_next%2Fimage%2F&w=64&q=75", "url", Image{}, ""},
		{"url is recursive and encoded", "url=%2F_next%252Fimage&w=64&q=75", "url", Image{}, ""},
		{"url contains /_next/image", "url=%2F_next%2Fimages%2F_next%2Fimage.png&w=64&q=75", "", Image{Path: "public/_next/images/_next/image.png"}, "w=64&q=75&q-avif=55"},
		{"url is relative", "url=%2Ftest.png&w=64&q=80", "", Image{Path: "public/test.png"}, "w=64&q=80&q-avif=60"},
		{"url is absolute", "url=http%3A%2F%2Flocalhost%3A3000%2Fslow.png%3Fdelay%3D1&w=64&q=80", "", Image{URL: "http://localhost:3000/slow.png?delay=1"}, "w=64&q=80&q-avif=60"},
		{"url names a static image", "url=%2F_next%2Fstatic%2Fmedia%2Ftest.fab2915d.jpg&w=64&q=100", "", Image{Path: "public/_next/static/media/test.fab2915d.jpg"}, "w=64&q-avif=80&q=100"},
		{"url has a deployment's id", "url=%2F_next%2Fstatic%2Fmedia%2Ftest.fab2915d.jpg%3Fdpl%3Ddpl_1&w=64&q=75&dpl=dpl_1", "", Image{Path: "public/_next/static/media/test.fab2915d.jpg"}, "w=64&q=75&q-avif=55"},
		{"url has an escaped space", "url=%2Fa%2520b.png&w=64&q=75", "", Image{Path: "public/a b.png"}, "w=64&q=75&q-avif=55"},
		{"url has a space", "url=https%3A%2F%2Fa.test%2Fa+b.png&w=64&q=75", "", Image{URL: "https://a.test/a%20b.png"}, "w=64&q=75&q-avif=55"},
		{"url has a malformed escape", "url=%2F100%25.png&w=64&q=75", "url", Image{}, ""},
		{"url decodes to a control character", "url=%2Fa%250a.png&w=64&q=75", "url", Image{}, ""},
		{"url has no host", "url=https%3A%2F%2F&w=64&q=75", "url", Image{}, ""},
		{"url has a path but no host", "url=http%3A%2F%2F%2Ftest.png&w=64&q=75", "url", Image{}, ""},
		{"url has a query but no host", "url=http%3A%2F%2F%3Fx&w=64&q=75", "url", Image{}, ""},
		{"url names nothing", "url=%2F%3Fx&w=64&q=75", "url", Image{}, ""},
		{"q is so low that AVIF gets 1", "url=%2Ftest.png&w=3840&q=10", "", Image{Path: "public/test.png"}, "w=3840&q=10&q-avif=1"},
	} {
		r, err := next.Parse(URL{RawQuery: tt.query, DefaultSource: "public"})
		if tt.param != "" {
			if e, ok := err.(*Error); !ok || e.Param != tt.param || e.Reason == "" {
				t.Errorf("%s: %v, want an error about %s", tt.name, err, tt.param)
			}
			continue
		}
		if err != nil || r.Image != tt.image || len(r.Ignored) > 0 {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, r, err, tt.image)
			continue
		}
		wanted, err := transform.ParseQuery(tt.options)
		if err != nil {
			t.Fatal(err)
		}
		want, err := transform.Parse(transform.Defaults(), wanted)
		if err != nil {
			t.Fatal(err)
		}
		if o, err := transform.Parse(transform.Defaults(), r.Options.Query); err != nil || o != want {
			t.Errorf("%s: %s, %v; want %s", tt.name, o, err, want)
		}
	}
}

func TestNextIgnores(t *testing.T) {
	r, err := next.Parse(URL{Path: "/", RawQuery: "url=%2Fa.png&w=64&q=75&h=20&h=30&utm_source=x&=1"})
	if want := []string{"h"}; err != nil || !slices.Equal(r.Ignored, want) {
		t.Errorf("ignored are %q, %v; want %q", r.Ignored, err, want)
	}
	if _, err := next.Parse(URL{Path: "/a.png", RawQuery: "url=%2Fa.png&w=64&q=75"}); err == nil {
		t.Error("a path after the prefix is read")
	}
	if _, err := next.Parse(URL{RawQuery: "url=%2Fa.png;w=64&q=75"}); err == nil {
		t.Error("a query with ; is read")
	}
}

// Vercel's URLs are those of Next, but q may be missing.
func TestVercel(t *testing.T) {
	for query, want := range map[string]string{
		"url=%2Fa.png&w=640":       "75",
		"url=%2Fa.png&w=640&q=":    "75",
		"url=%2Fa.png&w=640&q=100": "100",
	} {
		r, err := vercel.Parse(URL{RawQuery: query})
		if q, _ := r.Options.Get("q"); err != nil || q != want {
			t.Errorf("%s: q is %q, %v; want %s", query, q, err, want)
		}
	}
	for query, param := range map[string]string{
		"url=%2Fa.png&w=640&q=0":        "q",
		"url=%2Fa.png&q=10":             "w",
		"url=%2F_vercel%2Fimage&w=10":   "url",
		"url=data%3Aimage%2Fpng%3B&w=1": "url",
	} {
		_, err := vercel.Parse(URL{RawQuery: query})
		if e, ok := err.(*Error); !ok || e.Param != param {
			t.Errorf("%s: %v, want an error about %s", query, err, param)
		}
	}
}

func FuzzNext(f *testing.F) {
	for _, p := range slices.Concat(nextParams, vercelParams) {
		f.Add(p.Example)
	}
	f.Add("?url=https%3A%2F%2Fa.test%2Fb.jpg%3Fx%3D1&w=3840&q=1")
	f.Add("/?url=%2Fbase%2F_next%252Fimage&w=64&q=75")
	f.Fuzz(func(t *testing.T, s string) {
		fuzzOne(t, next, s)
		fuzzOne(t, vercel, s)
	})
}

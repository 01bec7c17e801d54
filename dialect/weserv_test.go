package dialect

import (
	"slices"
	"testing"

	"github.com/tintype/tintype/transform"
)

func TestWeservImage(t *testing.T) {
	for query, want := range map[string]string{
		"url=wsrv.nl/lichtenstein.jpg":                "http://wsrv.nl/lichtenstein.jpg",
		"url=//wsrv.nl/a.jpg":                         "http://wsrv.nl/a.jpg",
		"url=ssl:wsrv.nl/a.jpg":                       "https://wsrv.nl/a.jpg",
		"url=https://wsrv.nl/a.jpg%3Fx%3D1%26y":       "https://wsrv.nl/a.jpg?x=1&y",
		"url=http%3A%2F%2Fwsrv.nl%2Fa%2520b.jpg&w=10": "http://wsrv.nl/a%20b.jpg",
		"url=a.test/x&url=b.test/y":                   "http://b.test/y",
	} {
		r, err := parseText(weserv, "/?"+query)
		if err != nil || r.Image != (Image{URL: want}) {
			t.Errorf("%s: %+v, %v; want %s", query, r.Image, err, want)
		}
	}
	if r, err := parseText(weserv, "?url=a.test/x"); err != nil || r.Image.URL != "http://a.test/x" {
		t.Errorf("without a slash: %+v, %v", r.Image, err)
	}
}

func TestWeservMeans(t *testing.T) {
	for _, tt := range []struct {
		query, want string
		ignored     []string
	}{
		{"w=50%25&h=10", "w=50%25&h=10&fit=contain&format=original&anim=0", nil},
		{"w=10&h=10&fit=outside", "w=10&h=10&fit=outside&format=original&anim=0", nil},
		{"w=10&h=10&fit=cover&we", "w=10&h=10&fit=cover&enlarge=0&format=original&anim=0", nil},
		{"w=10&fit=inside&we=false", "w=10&fit=contain&format=original&anim=0", nil},
		{"w=10&crop=1,1,5,5", "w=10&fit=contain&format=original&anim=0", []string{"crop"}},
		{"a=crop-25-75&fit=cover&w=10&h=10", "w=10&h=10&fit=cover&fp-x=0.25&fp-y=0.75&gravity=focal&format=original&anim=0", nil},
		{"trim", "fit=contain&trim=10&format=original&anim=0", nil},
		{"blur&sharp&gam", "fit=contain&blur=1&sharpen=10&gamma=2.2&format=original&anim=0", nil},
		{"flip&flop&ro=450", "fit=contain&rotate=90&flip=hv&format=original&anim=0", nil},
		{"w=320&h=240&fit=fill&ro=270", "w=240&h=320&fit=squeeze&rotate=270&format=original&anim=0", nil}, // a test of weserv
		{"w=10&h=10&fit=cover&a=top&ro=90", "w=10&h=10&fit=cover&gravity=north&rotate=90&format=original&anim=0", nil},
		{"w=10&h=20&fit=cover&ro=90", "w=10&h=20&fit=cover&rotate=90&format=original&anim=0", []string{"ro"}},
		{"w=10&ro=30", "w=10&fit=contain&rotate=30&format=original&anim=0", []string{"ro"}},
		{"ro=30", "fit=contain&rotate=30&format=original&anim=0", nil},
		{"ro=90&cx=0&cy=10&cw=280&ch=380", "fit=contain&rect=10,bottom,380,280&rotate=90&format=original&anim=0", nil},
		{"ro=90&cx=20&cy=10&cw=280&ch=380", "fit=contain&rotate=90&format=original&anim=0", []string{"ch"}},
		{"precrop&w=100&ro=180&crop=0,0,50%25,100%25", "w=100&fit=contain&rect=50%25,0,50%25,100%25&rotate=180&format=original&anim=0", nil},
		{"filename=lichtenstein", "fit=contain&format=original&anim=0", nil},
		{"n=-1&output=webp", "fit=contain&format=webp", nil},
		{"n=3&page=2&output=json&mod=1,1,30", "fit=contain&format=original&anim=0", []string{"mod", "output", "n", "page"}},
		{"default=a.test&utm_source=x&widht=3", "fit=contain&format=original&anim=0", []string{"widht", "default"}},
	} {
		r, err := parseText(weserv, "/?url=a.test/b&"+tt.query)
		if err != nil {
			t.Errorf("%s: %v", tt.query, err)
			continue
		}
		o, err := transform.Parse(transform.Defaults(), r.Options.Query)
		if err != nil || o.String() != tt.want || !slices.Equal(r.Ignored, tt.ignored) {
			t.Errorf("%s: %q, ignored %q, %v; want %q, %q", tt.query, o.String(), r.Ignored, err, tt.want, tt.ignored)
		}
	}
	if r, err := parseText(weserv, "/?url=a.test/b&default=1"); err != nil || !r.RedirectOnError {
		t.Errorf("default=1: %+v, %v", r, err)
	}
}

func TestWeservRefuses(t *testing.T) {
	for query, param := range map[string]string{
		"": "url", "url=": "url", "url=//": "url", "url=///": "url", "url=/a.jpg": "url", "url=ssl:": "url", "url=ssl://": "url", "url=ssl:/a.jpg": "url", "url=https://": "url", "url=HTTP:///a.jpg": "url",
		"url=%3Fa=b": "url", "url=:80/a.jpg": "url", "url=user@/a.jpg": "url", "url=https://[]/a.jpg": "url", "url=a.test&w=x": "w", "url=a.test&h=-1": "h", "url=a.test&fit=x": "fit", "url=a.test&dpr=x": "dpr",
		"url=a.test&a=x": "a", "url=a.test&a=focal&fpx=2": "fpx", "url=a.test&a=crop-200-1": "a", "url=a.test&crop=1,2": "crop",
		"url=a.test&mask=x": "mask", "url=a.test&ro=1.5": "ro", "url=a.test&bg=x1": "bg", "url=a.test&blur=x": "blur", "url=a.test&sharp=x": "sharp",
		"url=a.test&con=200": "con", "url=a.test&filt=x": "filt", "url=a.test&mod=1,1,1,1": "mod", "url=a.test&mod=x": "mod", "url=a.test&sat=x": "sat",
		"url=a.test&output=bmp": "output", "url=a.test&q=0": "q", "url=a.test&cbg=x1&fit=contain": "cbg",
	} {
		_, err := parseText(weserv, "/?"+query)
		if e, ok := err.(*Error); !ok || e.Param != param || e.Reason == "" {
			t.Errorf("%s: %v, want an error about %s", query, err, param)
		}
	}
	for _, bad := range []string{"/a.jpg?url=a.test", "/?url=%ff", "/?url=%00", "/?url=a%"} {
		if _, err := parseText(weserv, bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func FuzzWeserv(f *testing.F) {
	for _, p := range weservParams {
		f.Add(p.Example)
	}
	f.Fuzz(func(t *testing.T, s string) { fuzzOne(t, weserv, s) })
}

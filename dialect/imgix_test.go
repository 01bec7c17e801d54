package dialect

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/transform"
)

func TestImgixImage(t *testing.T) {
	for _, tt := range []struct{ path, defaultSource, key, url string }{
		{"/users/1.png", "", "users/1.png", ""},
		{"/users/1.png", "photos", "photos/users/1.png", ""},
		{"/a%20b%2Fc.png", "photos", "photos/a b/c.png", ""},
		{"/http%3A%2F%2Favatars.com%2Fjohn-smith.png", "photos", "", "http://avatars.com/john-smith.png"},
		{"/https%3A%2F%2Favatars.com%2Fa%2520b.png%3Fx%3D1", "", "", "https://avatars.com/a%20b.png?x=1"},
		{"/http://avatars.com/a%20b.png", "", "", "http://avatars.com/a%20b.png"},
	} {
		r, err := imgix.Parse(URL{Path: tt.path, DefaultSource: tt.defaultSource})
		if err != nil || r.Image.Path != tt.key || r.Image.URL != tt.url {
			t.Errorf("%s in %q: %+v, %v; want %q or %q", tt.path, tt.defaultSource, r.Image, err, tt.key, tt.url)
		}
	}
}

// The vectors of imgix's blueprint for client libraries.
func TestImgixSignature(t *testing.T) {
	key := Key{Secret: []byte("FOO123bar")}
	for _, signed := range []string{
		"/users/1.png?s=6797c24146142d5b40bde3141fd3600c",
		"/http%3A%2F%2Favatars.com%2Fjohn-smith.png?s=493a52f008c91416351f8b33d4883135",
		"/users/1.png?w=400&h=300&s=c7b86f666a832434dd38577e38cf86d1",
		"/users/1.png?h=300&w=400&s=1a4e48641614d1109c6a7af51be23d18",
		"/http%3A%2F%2Favatars.com%2Fjohn-smith.png?w=400&h=300&s=61ea1cc7add87653bb0695fe25f2b534",
		"/http%3A%2F%2Favatars.com%2Fjohn-smith.png?h=300&w=400&s=a201fe1a3caef4944dcb40f6ce99e746",
	} {
		r, err := parseText(imgix, signed)
		if err != nil || !imgix.Verify(key, r.Claim) {
			t.Errorf("%s: %v, claim %+v doesn't verify", signed, err, r.Claim)
		}
		for _, changed := range []string{
			strings.Replace(signed, "users/1", "users/2", 1) + "&w=9",
			strings.Replace(signed, "s=", "h=1&s=", 1),
			signed[:len(signed)-1] + "0", signed[:len(signed)-1], signed + "0", strings.ToUpper(signed),
		} {
			if changed == signed {
				continue
			}
			if r, err := parseText(imgix, changed); err == nil && imgix.Verify(key, r.Claim) {
				t.Errorf("%s verifies", changed)
			}
		}
	}
	r, err := parseText(imgix, "/a.jpg?s=6797c24146142d5b40bde3141fd3600c&w=400")
	if err != nil || r.Claim != (Claim{}) {
		t.Errorf("a signature that isn't last: %+v, %v; want no claim", r.Claim, err)
	}
	r, err = parseText(imgix, "/a.jpg?expires=1900000000&s=00")
	if err != nil || !r.Claim.Expires.Equal(time.Unix(1900000000, 0)) {
		t.Errorf("expires: %+v, %v", r.Claim, err)
	}
}

func TestImgixMeans(t *testing.T) {
	const base = "&format=original&q=75"
	for _, tt := range []struct {
		query, want string
		ignored     []string
	}{
		{"", "fit=contain" + base, nil},
		{"w=1&h=0", "w=100%25&fit=contain" + base, nil},
		{"w=0.5", "w=50%25&fit=contain" + base, nil},
		{"w=0.25&h=0.5&fit=crop", "w=25%25&h=50%25&fit=cover" + base, nil},
		{"w=.33333&pad=10", "w=33.333%25&fit=contain&pad=10" + base, nil},
		{"ixid=MnwxMjA3fDB8&w=9", "w=9&fit=contain" + base, nil},
		{"w=400.4", "w=400&fit=contain" + base, nil},
		{"w=99999", "w=8192&fit=contain" + base, nil},
		{"w=400&fit=max", "w=400" + base, nil},
		{"w=400&h=300&fit=min", "w=400&h=300&fit=crop" + base, nil},
		{"w=400&h=300&fit=scale", "w=400&h=300&fit=squeeze" + base, nil},
		{"w=400&h=300&crop=top", "w=400&h=300&fit=contain" + base, nil},
		{"w=400&h=300&fit=crop&crop=right", "w=400&h=300&fit=cover&gravity=east" + base, nil},
		{"w=400&h=300&fit=crop&crop=faces,entropy&fp-x=0.1", "w=400&h=300&fit=cover&gravity=face" + base, nil},
		{"w=400&h=300&fit=crop&fp-x=0.1", "w=400&h=300&fit=cover" + base, nil},
		{"w=400&ar=1.5&fit=crop", "w=400&fit=cover&ar=3:2" + base, nil},
		{"w=400&ar=1.5", "w=400&fit=contain" + base, nil},
		{"auto=format&auto=compress", "fit=contain&q=45", nil},
		{"auto=compress,enhance", "fit=contain&format=original&q=45", []string{"auto"}},
		{"fm=webp&q=0", "fit=contain&format=webp&q=1", nil},
		{"fm=mp4", "fit=contain" + base, []string{"fm"}},
		{"bg=ABC", "fit=contain&bg=aabbcc" + base, nil},
		{"bg=80ff0000", "fit=contain&bg=ff000080" + base, nil},
		{"bg=orange", "fit=contain&bg=ffa500" + base, nil},
		{"w64=NDAw", "w=400&fit=contain" + base, nil},
		{"mark64=aHR0cHM6Ly9hLnRlc3QveC5wbmc", "fit=contain" + base + "&mark=https://a.test/x.png&mark-pad=5", nil},
		{"auto64=Zm9ybWF0", "fit=contain" + base, []string{"auto64"}},
		{"rot=180", "fit=contain&rotate=180" + base, nil},
		{"rot=10", "fit=contain" + base, []string{"rot"}},
		{"txt=hi&exp=20&utm_source=x&ixlib=js-3&widht=4", "fit=contain" + base, []string{"txt", "exp", "widht"}},
		{"sepia=20&mono=ff0000", "fit=contain" + base, []string{"sepia", "mono"}},
		{"width=100&w=200", "w=200&fit=contain" + base, nil},
	} {
		r, err := parseText(imgix, "/photos/a.jpg?"+tt.query)
		if err != nil {
			t.Errorf("%s: %v", tt.query, err)
			continue
		}
		o, err := transform.Parse(transform.Defaults(), r.Options.Query)
		if err != nil || o.String() != tt.want || !slices.Equal(r.Ignored, tt.ignored) {
			t.Errorf("%s: %q, ignored %q, %v; want %q, %q", tt.query, o.String(), r.Ignored, err, tt.want, tt.ignored)
		}
	}
	r, err := parseText(imgix, "/a.jpg?fm=blurhash")
	if err != nil || r.Answer != AnswerBlurHash {
		t.Errorf("fm=blurhash: %v, %v", r.Answer, err)
	}
	r, err = parseText(imgix, "/b/a.jpg?dl")
	if name, _ := r.Options.Get("dl"); err != nil || name != "a.jpg" {
		t.Errorf("dl: %q, %v", name, err)
	}
}

func TestImgixRefuses(t *testing.T) {
	for query, param := range map[string]string{
		"w=abc": "w", "width=-1": "width", "h=1e3": "h", "fit=stretch": "fit", "f=x": "f",
		"fit=crop&crop=middle,up": "crop", "fit=crop&crop=focalpoint&fp-x=2": "fp-x", "fit=crop&crop=focalpoint&fp-z=0": "fp-z",
		"dpr=6": "dpr", "dpr=x": "dpr", "rect=1,2,3": "rect", "rect=1,2,3,-4": "rect", "rect=top,1,2,3": "rect",
		"fm=bmp": "fm", "q=high": "q", "bg=12345": "bg", "bg=": "bg", "blur=x": "blur", "sepia=x": "sepia",
		"invert=2": "invert", "trim=x": "trim", "rot=x": "rot", "rot=1&rot-type=x": "rot-type", "orient=9": "orient", "flip=x": "flip",
		"pad=-1": "pad", "expires=soon": "expires", "expires=-1": "expires", "mask=corners&corner-radius=x": "corner-radius",
		"mark=a&mark-align=x": "mark-align", "mark=a&mark-w=0": "mark-w", "mark=a&mark-fit=x": "mark-fit", "mark=a&mark-tile=x": "mark-tile",
		"mark64=AA": "mark64", "mark64=aGk+": "mark64", "w64=*": "w64", "mark=a&mark-alpha=x": "mark-alpha",
	} {
		_, err := parseText(imgix, "/a.jpg?"+query)
		if e, ok := err.(*Error); !ok || e.Param != param || e.Reason == "" {
			t.Errorf("%s: %v, want an error about %s", query, err, param)
		}
	}
	for _, bad := range []string{"", "/", "/a%", "/a%00.jpg", "/a%ff.jpg", "/http://a\x01", "/a.jpg?w=%", "/a.jpg?%01=1", "/a.jpg?a;b"} {
		if _, err := parseText(imgix, bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

// Every value that imgix documents works or is named as ignored.
func TestImgixDocumentedValues(t *testing.T) {
	suites := os.Getenv("SUITES")
	if suites == "" {
		t.Skip("not run: set SUITES to a folder that holds imgix-url-params")
	}
	data, err := os.ReadFile(filepath.Join(suites, "imgix-url-params", "dist", "parameters.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Parameters map[string]struct {
			Aliases []string
			Expects []struct {
				Type     string
				Possible []any `json:"possible_values"`
			}
		}
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, p := range imgixParams {
		for name := range strings.SplitSeq(p.Name, ", ") {
			listed[name] = true
		}
	}
	cases := 0
	for name, p := range doc.Parameters {
		for _, spelled := range append([]string{name}, p.Aliases...) {
			if !listed[spelled] {
				t.Errorf("docs/dialects.md lacks %s", spelled)
			}
			for _, e := range p.Expects {
				values := []string{}
				for _, v := range e.Possible {
					b, _ := json.Marshal(v) // of a string or a number
					values = append(values, strings.Trim(string(b), `"`))
				}
				switch e.Type {
				case "boolean":
					values = []string{"true", "false"}
				case "hex_color":
					values = []string{"f00", "8f00", "ff0000", "80ff0000"}
				case "color_keyword":
					values = []string{"orange"}
				case "unit_scalar":
					values = []string{"0.5"}
				case "ratio":
					values = []string{"16:9", "1.5:1"}
				case "timestamp":
					values = []string{"1900000000"}
				}
				for _, v := range values {
					cases++
					query := spelled + "=" + v
					r, err := parseText(imgix, "/photos/a.jpg?fit=crop&w=99&"+query)
					if err != nil {
						t.Errorf("%s: %v", query, err)
						continue
					}
					if _, err := transform.Parse(transform.Defaults(), r.Options.Query); err != nil {
						t.Errorf("%s: %v", query, err)
					}
					if _, known := imgixName(spelled); !known && !slices.Contains(r.Ignored, spelled) {
						t.Errorf("%s is neither read nor named", query)
					}
				}
			}
		}
	}
	t.Logf("%d documented values", cases)
}

func FuzzImgix(f *testing.F) {
	for _, p := range imgixParams {
		f.Add(p.Example)
	}
	f.Add("/http%3A%2F%2Favatars.com%2Fjohn-smith.png?w=400&h=300&s=61ea1cc7add87653bb0695fe25f2b534")
	f.Fuzz(func(t *testing.T, s string) { fuzzOne(t, imgix, s) })
}

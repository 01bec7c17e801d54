package dialect

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
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
		{"w=.33333&pad=10", "w=33.333%25&fit=contain&bg=ffffff&pad=10" + base, nil},
		{"pad=10&bg=000", "fit=contain&bg=000000&pad=10" + base, nil},
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
		{"fm=jpg", "fit=contain&format=jpeg&q=75&progressive=1", nil},
		{"fm=jpg&jpeg-progressive=false", "fit=contain&format=jpeg&q=75", nil},
		{"fm=pjpg&jpg-progressive=false", "fit=contain&format=jpeg&q=75&progressive=1", nil},
		{"fm=png&jpg-progressive=true", "fit=contain&format=png&q=75", nil},
		{"jpg-progressive=true", "fit=contain" + base + "&progressive=1", nil},
		{"mask-bg=000", "fit=contain" + base, nil},
		{"mask=ellipse&mask-bg=000", "fit=contain&bg=000000&radius=50%25" + base, nil},
		{"mask=ellipse&mask-bg=000&bg=fff", "fit=contain&bg=ffffff&radius=50%25" + base, nil},
		{"trim=color", "fit=contain&trim=0" + base, nil},
		{"trim=color&trim-tol=300&trim-md=4", "fit=contain&trim=255" + base, nil},
		{"trim=auto&trimmd=20&trim-tol=4", "fit=contain&trim=20" + base, nil},
		{"usm=20", "fit=contain&sharpen=20" + base, nil},
		{"usm=20&sharp=30", "fit=contain&sharpen=30" + base, nil},
		{"usm=-20", "fit=contain" + base, []string{"usm"}},
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
		"invert=2": "invert", "trim=x": "trim", "trim=color&trim-tol=-1": "trim-tol", "trim=auto&trim-md=x": "trim-md", "usm=x": "usm", "mask=ellipse&mask-bg=1": "mask-bg", "rot=x": "rot", "rot=1&rot-type=x": "rot-type", "orient=9": "orient", "flip=x": "flip",
		"pad=-1": "pad", "expires=soon": "expires", "expires=-1": "expires", "mask=corners&corner-radius=x": "corner-radius",
		"mark=a&mark-align=x": "mark-align", "mark=a&mark-w=0": "mark-w", "mark=a&mark-fit=x": "mark-fit", "mark=a&mark-tile=x": "mark-tile",
		"mark64=AA": "mark64", "mark64=aGk+": "mark64", "w64=*": "w64", "mark=a&mark-alpha=x": "mark-alpha",
	} {
		_, err := parseText(imgix, "/a.jpg?"+query)
		if e, ok := err.(*Error); !ok || e.Param != param || e.Reason == "" {
			t.Errorf("%s: %v, want an error about %s", query, err, param)
		}
	}
	for _, bad := range []string{"", "/", "/a%", "/a%00.jpg", "/a%ff.jpg", "/http://a\x01", "/a.jpg?w=%", "/a.jpg?%01=1", "/a.jpg?a;b",
		"/http://", "/https:///a.jpg", "/https%3A%2F%2F", "/https%3A%2F%2F%3Fa", "/https://:443/a.jpg"} {
		if _, err := parseText(imgix, bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

// imgixNoEffect lists documented values, besides documented defaults, that have no effect.
var imgixNoEffect = []struct{ values, why string }{
	{"^cs=(srgb|strip|tinysrgb)$", "Tintype always converts to sRGB"},
	{"^svg-sanitize=", "an SVG becomes pixels"},
	{"^fill=solid$", "fit=fill is solid without it"},
	{"^corner-radius=0(,0)*$", "a radius of 0 rounds nothing"},
	{"^(mark-scale|markscale|ms)=0$", "a scale of 0 is no scale"},
	{"^orient=0$|^or=0$", "an angle of 0 turns nothing"},
	{"^crop=focalpoint$", "the default focal point is the centre"},
	{"^(mark-align|markalign|ma)=(bottom|right)$", "the default position is bottom,right"},
}

// imgixContexts are parameters beside which a documented parameter can have an effect.
var imgixContexts = [...]string{
	"", "w=99&h=50&fit=crop", "w=99&fit=crop", "w=99&h=50&fit=crop&crop=focalpoint", "w=99&h=50&fit=fill", "w=99&h=50&fit=facearea",
	"mark=logo.png&mark-w=20&mark-h=20", "mark=logo.png", "mask=corners&corner-radius=5", "mask=ellipse", "fm=jpg", "rot=10", "trim=auto", "trim=color",
}

// TestImgixDocumentedValues tries every parameter of imgix's parameters.json under all names,
// with every documented value. In one of imgixContexts each value is named as ignored or changes
// the request, or it is known to have no effect.
func TestImgixDocumentedValues(t *testing.T) {
	var doc struct {
		Parameters map[string]struct {
			Aliases []string
			Default any
			Expects []imgixExpected
		}
	}
	if err := json.Unmarshal([]byte(suite(t, "imgix-url-params", "dist/parameters.json")), &doc); err != nil {
		t.Fatal(err)
	}
	listed := slices.Collect(imgix.Spellings())
	base := map[string]string{}
	for _, context := range imgixContexts {
		base[context], _ = imgixMeaning(t, context)
	}
	works, named, none := 0, 0, 0
	for name, p := range doc.Parameters {
		for _, spelled := range append([]string{name}, p.Aliases...) {
			if !slices.Contains(listed, spelled) {
				t.Errorf("docs/dialects.md lacks %s", spelled)
			}
			for _, e := range p.Expects {
				for _, v := range e.values() {
					query := spelled + "=" + url.QueryEscape(v)
					ignored, effect := false, false
					for _, context := range imgixContexts {
						meaning, names := imgixMeaning(t, strings.TrimPrefix(context+"&"+query, "&"))
						ignored = ignored || slices.Contains(names, spelled)
						effect = effect || meaning != base[context]
					}
					switch {
					case effect:
						works++
					case ignored:
						named++
					case v == fmt.Sprint(p.Default) || v == fmt.Sprint(e.Default):
						none++
					case slices.ContainsFunc(imgixNoEffect, func(n struct{ values, why string }) bool {
						return regexp.MustCompile(n.values).MatchString(spelled + "=" + v)
					}):
						none++
					default:
						t.Errorf("%s has no effect and is not named", query)
					}
				}
			}
		}
	}
	t.Logf("%d values work, %d are named, %d have no effect in imgix or in Tintype", works, named, none)
	if works+named+none < 700 {
		t.Errorf("%d values", works+named+none)
	}
}

// imgixMeaning returns all that a query asks for, and the ignored parameters.
func imgixMeaning(t *testing.T, query string) (meaning string, ignored []string) {
	t.Helper()
	r, err := parseText(imgix, "/photos/a.jpg?"+query)
	if err != nil {
		t.Errorf("%s: %v", query, err)
		return "", nil
	}
	o, err := transform.Parse(transform.Defaults(), r.Options.Query)
	if err != nil {
		t.Errorf("%s: %v", query, err)
	}
	return fmt.Sprint(o.String(), r.Answer, r.Claim.Expires), r.Ignored
}

// An imgixExpected is a kind of value in parameters.json.
type imgixExpected struct {
	Type      string
	Possible  []any `json:"possible_values"`
	Default   any
	Strict    imgixRange `json:"strict_range"`
	Suggested imgixRange `json:"suggested_range"`
	Length    int
	Parts     [4][]imgixExpected
}

type imgixRange struct{ Min, Max *float64 }

func (e *imgixExpected) UnmarshalJSON(data []byte) error {
	type plain imgixExpected
	if err := json.Unmarshal(data, (*plain)(e)); err != nil {
		return err
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	for i := range e.Parts {
		if part, ok := parts[strconv.Itoa(i)]; ok {
			if err := json.Unmarshal(part, &e.Parts[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// values returns all possible values, or examples of them.
func (e *imgixExpected) values() (values []string) {
	for _, v := range e.Possible {
		values = append(values, fmt.Sprint(v))
	}
	if values != nil {
		return values
	}
	switch e.Type {
	case "boolean":
		return []string{"true", "false"}
	case "hex_color":
		return []string{"f00", "8f00", "ff0000", "80ff0000"}
	case "color_keyword":
		return []string{"orange"}
	case "unit_scalar":
		return []string{"0.25"}
	case "ratio":
		return []string{"16:9", "1.5:1"}
	case "timestamp":
		return []string{"1900000000"}
	case "url":
		return []string{"https://a.test/b.png"}
	case "path":
		return []string{"/b.png"}
	case "interval":
		return []string{"1:3"}
	case "string", "font":
		return []string{"text"}
	case "integer", "number":
		return e.numbers()
	case "list":
		list := make([]string, 0, 4)
		for i := range min(e.Length, len(e.Parts)) {
			if len(e.Parts[i]) > 0 {
				list = append(list, e.Parts[i][0].values()[0])
			}
		}
		return []string{strings.Join(list, ",")}
	}
	return nil
}

// numbers returns the ends of a range and a number in it.
func (e *imgixExpected) numbers() []string {
	least, most := 0.0, 400.0
	for _, r := range [...]imgixRange{e.Suggested, e.Strict} {
		if r.Min != nil {
			least = *r.Min
		}
		if r.Max != nil {
			most = *r.Max
		}
	}
	between := least + math.Round((most-least)*0.6)
	return []string{format(least), format(between), format(most)}
}

func FuzzImgix(f *testing.F) {
	for _, p := range imgixParams {
		f.Add(p.Example)
	}
	f.Add("/http%3A%2F%2Favatars.com%2Fjohn-smith.png?w=400&h=300&s=61ea1cc7add87653bb0695fe25f2b534")
	f.Fuzz(func(t *testing.T, s string) { fuzzOne(t, imgix, s) })
}

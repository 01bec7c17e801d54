package dialect

import (
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/transform"
)

func TestImgproxyImage(t *testing.T) {
	encoded := base64.RawURLEncoding.EncodeToString([]byte("http://images.dev/lorem/ipsum.jpg"))
	for _, tt := range []struct{ path, source, url, key, format string }{
		{"/_/plain/http://images.dev/lorem/ipsum.jpg", "", "http://images.dev/lorem/ipsum.jpg", "", "original"},
		{"/_/plain/http://images.dev/lorem/ipsum.jpg@png", "", "http://images.dev/lorem/ipsum.jpg", "", "png"},
		{"/_/plain/http%3A%2F%2Fimages.dev%2Florem%2Fipsum.jpg%3Fa=b@webp", "", "http://images.dev/lorem/ipsum.jpg?a=b", "", "webp"},
		{"/_/plain/http://images.dev/a%40b.jpg@", "", "http://images.dev/a@b.jpg", "", "original"},
		{"/_/s:100:100/" + encoded, "", "http://images.dev/lorem/ipsum.jpg", "", "original"},
		{"/_/s:100:100/" + encoded + ".png", "", "http://images.dev/lorem/ipsum.jpg", "", "png"},
		{"/_/s:100:100/" + encoded[:10] + "/" + encoded[10:20] + "/" + encoded[20:] + "=.png", "", "http://images.dev/lorem/ipsum.jpg", "", "png"},
		{"/_/plain/local:///lorem/ipsum.jpg", "photos", "", "photos/lorem/ipsum.jpg", "original"},
		{"/_/plain/lorem/ipsum%20x.jpg@avif", "photos", "", "photos/lorem/ipsum x.jpg", "avif"},
		{"/_/s%3A100%3A200/plain/photos/a.jpg", "", "", "photos/a.jpg", "original"},
	} {
		r, err := imgproxy.Parse(URL{Path: tt.path, DefaultSource: tt.source})
		format, _ := r.Options.Get("format")
		if err != nil || r.Image.URL != tt.url || r.Image.Path != tt.key || format != tt.format {
			t.Errorf("%s: %+v as %s, %v; want %q or %q as %s", tt.path, r.Image, format, err, tt.url, tt.key, tt.format)
		}
	}
}

// The vectors are an example of imgproxy's documentation, and those of imgproxy's tests.
func TestImgproxySignature(t *testing.T) {
	const path = "/rs:fill:300:400:0/g:sm/aHR0cDovL2V4YW1w/bGUuY29tL2ltYWdl/cy9jdXJpb3NpdHku/anBn.png"
	r, err := imgproxy.Parse(URL{Path: "/oKfUtW34Dvo2BGQehJFR4Nr0_rIjOtdtzJ3QFsUcXH8" + path})
	if err != nil || r.Claim.Message != path || !imgproxy.Verify(Key{Secret: []byte("secret"), Salt: []byte("hello")}, r.Claim) {
		t.Errorf("the documentation's example: %+v, %v", r.Claim, err)
	}
	key := Key{Secret: []byte("test-key"), Salt: []byte("test-salt")}
	short := key
	short.Size = 8
	for _, tt := range []struct {
		key       Key
		signature string
		want      bool
	}{
		{key, "oWaL7QoW5TsgbuiS9-5-DI8S3Ibbo1gdB2SteJh3a20", true},
		{key, "oWaL7QoW5Ts", false},
		{short, "oWaL7QoW5Ts", true},
		{short, "oWaL7QoW5TsgbuiS9-5-DI8S3Ibbo1gdB2SteJh3a20", false},
		{Key{Secret: []byte("test-key2"), Salt: []byte("test-salt2")}, "jYz1UZ7j1BCdSzH3pZhaYf0iuz0vusoOTdqJsUT6WXI", true},
		{key, "jYz1UZ7j1BCdSzH3pZhaYf0iuz0vusoOTdqJsUT6WXI", false},
		{key, "oWaL7QoW5TsgbuiS9-5-DI8S3Ibbo1gdB2SteJh3a20=", false},
		{key, "oWaL7QoW5TsgbuiS9-5-DI8S3Ibbo1gdB2SteJh3a21", false}, // other last bits
		{key, "", false}, {short, "", false},
	} {
		if got := imgproxy.Verify(tt.key, Claim{Signature: tt.signature, Message: "/asd"}); got != tt.want {
			t.Errorf("%s with %s: %v", tt.signature, tt.key.Secret, got)
		}
	}
	for _, unsigned := range []string{"unsafe", "_", "insecure"} {
		if r, err := imgproxy.Parse(URL{Path: "/" + unsigned + "/exp:1900000000/plain/a/b"}); err != nil || r.Claim.Signature != "" || !r.Claim.Expires.Equal(time.Unix(1900000000, 0)) {
			t.Errorf("%s: %+v, %v", unsigned, r.Claim, err)
		}
	}
}

func TestImgproxyMeans(t *testing.T) {
	const tail = "format=original&metadata=copyright"
	for _, tt := range []struct {
		options, want string
		ignored       []string
	}{
		{"", tail, nil},
		{"rs:fit:400:300", "w=400&h=300&" + tail, nil},
		{"rs:fit:400:300:1", "w=400&h=300&fit=contain&" + tail, nil},
		{"rs::400", "w=400&" + tail, nil},
		{"rs:fill:400:300:1", "w=400&h=300&fit=cover&" + tail, nil},
		{"rs:force:400:300:1", "w=400&h=300&fit=squeeze&" + tail, nil},
		{"rs:auto:400:300", "w=400&h=300&fit=auto&enlarge=0&" + tail, nil},
		{"rs:auto:400:300:1/g:so", "w=400&h=300&fit=auto&gravity=south&" + tail, nil},
		{"rt:auto/s:400:300:1:1", "w=400&h=300&fit=auto&" + tail, []string{"s"}}, // the fit has no canvas
		{"rs:fill:400:300/ex:1", "w=400&h=300&fit=cover&enlarge=0&" + tail, []string{"ex"}},
		{"rs:fill:400:300:1:1", "w=400&h=300&fit=cover&" + tail, nil}, // nothing is smaller
		{"rs:fill-down:400:300:1/exar:1", "w=400&h=300&fit=cover&" + tail, []string{"exar"}},
		{"w:0/h:0", tail, nil},
		{"w:100/w:200", "w=200&" + tail, nil},
		{"s:400:300:1:1:nowe", "w=400&h=300&fit=pad&gravity=northwest&" + tail, nil},
		{"s:400::0:1", "w=400&" + tail, nil}, // without a height there is nothing to extend to
		{"rs:fill:400:300:1/g:sm", "w=400&h=300&fit=cover&gravity=attention&" + tail, nil},
		{"rs:fill:400:300:1/g:fp:0.25:0.75", "w=400&h=300&fit=cover&fp-x=0.25&fp-y=0.75&gravity=focal&" + tail, nil},
		{"rs:fill:400:300:1/g:no:10:0", "w=400&h=300&fit=cover&gravity=north&" + tail, []string{"g"}},
		{"rs:fill:400:300:1/g:obj:face", "w=400&h=300&fit=cover&gravity=face&" + tail, nil},
		{"rs:fill:400:300:1/g:obj:car", "w=400&h=300&fit=cover&gravity=attention&" + tail, []string{"g"}},
		{"c:100:200", "rect=center,center,100,200&" + tail, nil},
		{"c:0:0.5:so", "rect=0,50%25,100%25,50%25&" + tail, nil},
		{"c:100:200/g:noea", "rect=right,0,100,200&" + tail, nil},
		{"c:100:200:sm", tail, []string{"c"}},
		{"c:100:200:noea:5:10", tail, []string{"c"}},
		{"rot:90/c:100:200:nowe:0:5", "rect=5,bottom,200,100&rotate=90&" + tail, nil},
		{"rot:90/c:100:200:nowe:5:0", "rotate=90&" + tail, []string{"c"}},
		{"rs:fill:400:300:1/g:no/rot:90", "w=400&h=300&fit=cover&gravity=north&rotate=90&" + tail, nil}, // imgproxy turns before it crops
		{"pd:1:2:3:4", "pad=1,2,3,4&" + tail, nil},
		{"pd::5", "pad=0,5&" + tail, nil},
		{"fl:0:1", "flip=v&" + tail, nil},
		{"fl:1/fl:0", tail, nil},
		{"bg:fff/bg:", tail, nil},
		{"rot:450", "rotate=90&" + tail, nil},
		{"q:0", tail, nil},
		{"sm:0", "format=original&metadata=keep", nil},
		{"kcr:0", "format=original", nil},
		{"f:jpg", "format=jpeg&metadata=copyright", nil},
		{"f:svg", tail, []string{"f"}},
		{"wm:0", tail, nil},
		{"nonsense:1/skp:jpg", tail, []string{"nonsense", "skp"}},
		{"z:2/w:100", "w=200&" + tail, nil},
		{"z:2", tail, []string{"z"}},
	} {
		path := "/unsafe/" + tt.options + "/plain/a/b.jpg"
		if tt.options == "" {
			path = "/unsafe/plain/a/b.jpg"
		}
		r, err := imgproxy.Parse(URL{Path: path})
		if err != nil {
			t.Errorf("%s: %v", tt.options, err)
			continue
		}
		o, err := transform.Parse(transform.Defaults(), r.Options.Query)
		if err != nil || o.String() != tt.want || !slices.Equal(r.Ignored, tt.ignored) {
			t.Errorf("%s: %q, ignored %q, %v; want %q, %q", tt.options, o.String(), r.Ignored, err, tt.want, tt.ignored)
		}
	}
	r, err := imgproxy.Parse(URL{Path: "/unsafe/pr:card/plain/a/b.jpg", RawQuery: "v=1&utm_x=2&%77idth=3"})
	if preset, _ := r.Options.Get("preset"); err != nil || preset != "card" || !slices.Equal(r.Ignored, []string{"v", "width"}) {
		t.Errorf("preset and query: %+v, %v", r, err)
	}
}

func TestImgproxyRefuses(t *testing.T) {
	for options, param := range map[string]string{
		"rs:bad": "rs", "s:x": "s", "s:1:-1": "s", "w:": "w", "h:1.5": "h", "rt:x": "rt", "z:0": "z", "dpr:x": "dpr", "ex:1:sm": "ex", "g:zz": "g", "g:fp:2:0": "g", "g:fp:1": "g",
		"c:-1:2": "c", "c:x": "c", "t:x": "t", "pd:1:2:3:4:5": "pd", "pd:x": "pd", "rot:45": "rot", "bg:12": "bg", "bg:1:2:300": "bg", "bl:-1": "bl", "sh:x": "sh", "pix:x": "pix",
		"wm:2": "wm", "wm:1:zz": "wm", "wm:1:ce:x": "wm", "wm:1:ce:0:0:x": "wm", "q:101": "q", "fq:jpg": "fq", "fq:jpg:x": "fq", "f:exe": "f", "exp:x": "exp", "exp:-1": "exp",
		"fn:*:1": "fn", "pr:a:b": "pr", "pr:a/pr:b": "pr", "wmu:AA": "wmu", "cb:%00": "cb", "cb:%": "cb",
	} {
		_, err := imgproxy.Parse(URL{Path: "/unsafe/" + options + "/plain/a/b.jpg"})
		if e, ok := err.(*Error); !ok || e.Param != param || e.Reason == "" {
			t.Errorf("%s: %v, want an error about %s", options, err, param)
		}
	}
	for _, bad := range []string{"", "/", "/unsafe", "/unsafe/", "//plain/a/b", "/unsafe/w:1", "/unsafe/plain/", "/unsafe/plain/@png", "/unsafe/plain/a@png@jpg", "/unsafe/plain/a%", "/unsafe/plain/a%00",
		"/unsafe/plain/s3://bucket/key", "/unsafe/enc/abc", "/unsafe/!!!", "/unsafe/AA", "/unsafe/.png", "/unsafe/YQ.png.jpg", "/unsafe/plain/a@exe",
		"/unsafe/plain/http://", "/unsafe/plain/http://@png", "/unsafe/plain/https:///a.jpg", "/unsafe/plain/https%3A%2F%2F", "/unsafe/plain/https://%3Fa", "/unsafe/plain/https://:443/a.jpg", "/unsafe/plain/local://", "/unsafe/plain/local:///", "/unsafe/plain//",
		"/unsafe/aHR0cHM6Ly8", "/unsafe/aHR0cDovLy9hLmpwZw.png", "/unsafe/bG9jYWw6Ly8v"} {
		if r, err := imgproxy.Parse(URL{Path: bad}); err == nil {
			t.Errorf("%q is read as %+v", bad, r.Image)
		}
	}
}

// noEffect has the options that change nothing, each with the reason.
var noEffect = []struct{ options, why string }{
	{"^(ar|scp):t$", "Tintype always applies the EXIF orientation and always converts to sRGB"},
	{"^(sm|kcr):t$", "the default of imgproxy: metadata is removed, except the copyright"},
	{"^(bl|pix|sh|q|rot|dpr):0$", "0 turns the option off, or is its default"},
	{"^(eth|el|raw|att|ph|da):f$", "the default of imgproxy"},
	{"^(ex|exar):f(:.*)?$", "without extend, its gravity has no effect"},
	{"^fl:f:f$", "no mirror on either axis"},
	{"^g:(ce|fp:0.5:0.5)$", "the centre is the default"},
}

// imgproxyExpected returns the strings that tests of imgproxy-js-core expect. pattern matches
// the test files.
func imgproxyExpected(t *testing.T, pattern string) (list []string) {
	t.Helper()
	suites := os.Getenv("SUITES")
	if suites == "" {
		t.Skip("not run: set SUITES to a folder that holds imgproxy-js-core")
	}
	files, err := filepath.Glob(filepath.Join(suites, "imgproxy-js-core", filepath.FromSlash(pattern)))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	for _, file := range files {
		list = append(list, expectedIn(t, file)...)
	}
	return list
}

// expected matches a string that a test of vitest expects.
var expected = regexp.MustCompile("(?s)(?:toEqual|toBe)\\(\\s*[\"'`]([^\"'`]*)[\"'`]")

func expectedIn(t *testing.T, file string) (list []string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range expected.FindAllStringSubmatch(string(data), -1) {
		list = append(list, m[1])
	}
	return list
}

// The tests below read all test files of imgproxy-js-core.
func TestImgproxyJSCoreFiles(t *testing.T) {
	read := 0
	for _, pattern := range [...]string{"tests/optionsBasic/*", "tests/optionsShared/*", "tests/optionsImageInfo/*", "src/methods/generateUrl.test.ts", "src/methods/generateImageInfoUrl.test.ts"} {
		read += len(imgproxyExpected(t, pattern))
	}
	all := 0
	err := filepath.WalkDir(filepath.Join(os.Getenv("SUITES"), "imgproxy-js-core"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".test.ts") {
			all += len(expectedIn(t, path))
		}
		return err
	})
	if err != nil || read != all || all < 482 {
		t.Errorf("the tests expect %d strings, of which %d are read, %v", all, read, err)
	}
	t.Logf("%d strings", all)
}

// TestImgproxyJSCore parses the options that imgproxy-js-core's tests expect. Each is named as
// ignored, or changes the native options, or has a reason why it changes nothing.
func TestImgproxyJSCore(t *testing.T) {
	used := map[int]bool{}
	for folder, least := range map[string]int{"tests/optionsBasic": 300, "tests/optionsShared": 30} {
		list := imgproxyExpected(t, folder+"/*.test.ts")
		refused := 0
		for _, options := range list {
			r, err := imgproxy.Parse(URL{Path: "/unsafe/" + options + "/plain/a/b.jpg"})
			if err == nil {
				_, err = transform.Parse(transform.Defaults(), withoutPreset(r.Options.Query))
			}
			if err != nil {
				refused++
				t.Logf("%s: %s: %v", folder, options, err)
				continue
			}
			// Gravity and fit need a resize.
			meaning := func(options string) (means string) {
				for _, resize := range [...]string{"s:400:300/", "rs:fill:400:300/"} {
					r, err := imgproxy.Parse(URL{Path: "/unsafe/" + resize + options + "plain/a/b.jpg"})
					if err != nil {
						t.Fatal(err)
					}
					o, err := transform.Parse(transform.Defaults(), withoutPreset(r.Options.Query))
					if err != nil {
						t.Fatal(err)
					}
					preset, _ := r.Options.Get("preset")
					means += o.String() + preset + r.Claim.Expires.String()
				}
				return means
			}
			if len(r.Ignored) > 0 || meaning(options+"/") != meaning("") {
				continue
			}
			why := slices.IndexFunc(noEffect, func(n struct{ options, why string }) bool {
				return regexp.MustCompile(n.options).MatchString(options)
			})
			if why < 0 {
				t.Errorf("%s: %s changes nothing, isn't named as ignored and has no reason in noEffect", folder, options)
			}
			used[why] = true
		}
		t.Logf("%s: %d strings, %d are refused", folder, len(list), refused)
		if len(list) < least || refused > len(list)/20 {
			t.Errorf("%s: %d strings, %d are refused", folder, len(list), refused)
		}
	}
	for i, n := range noEffect {
		if !used[i] {
			t.Errorf("no string matches %s: remove it", n.options)
		}
	}
}

// The folder optionsImageInfo has options of imgproxy Pro's endpoint for facts. Tintype has an
// endpoint of its own, /info. In the URL of an image each of them is named as ignored or is
// refused, so that none is taken for another option.
func TestImgproxyJSCoreInfo(t *testing.T) {
	refused := 0
	for _, options := range imgproxyExpected(t, "tests/optionsImageInfo/*.test.ts") {
		name, _, _ := strings.Cut(options, ":")
		r, err := imgproxy.Parse(URL{Path: "/unsafe/" + options + "/plain/a/b.jpg"})
		switch e, ok := err.(*Error); {
		case ok && e.Param == name && (name == "f" || name == "s"): // format and size of an image
			refused++
		case err != nil || !slices.Equal(r.Ignored, []string{name}):
			t.Errorf("%s: ignored %q, %v", options, r.Ignored, err)
		}
	}
	t.Logf("%d are refused", refused)
}

// TestImgproxyJSCoreURLs parses the URLs that imgproxy-js-core's tests of generateUrl and
// generateImageInfoUrl expect. Three kinds are refused: encrypted URLs, a file name after
// base64, and the options f and s of facts. imgproxy refuses the second kind too, unless
// IMGPROXY_BASE64_URL_INCLUDES_FILENAME is set.
func TestImgproxyJSCoreURLs(t *testing.T) {
	urls := 0
	for _, pattern := range [...]string{"src/methods/generateUrl.test.ts", "src/methods/generateImageInfoUrl.test.ts"} {
		for _, path := range imgproxyExpected(t, pattern) {
			urls++
			r, err := imgproxy.Parse(URL{Path: "/unsafe" + path})
			refused := strings.HasPrefix(path, "/enc/") || strings.HasSuffix(path, "/pic.png") && !strings.Contains(path, "/plain/") ||
				strings.Contains(path, "/f:t/") || strings.Contains(path, "/s:t/")
			if refused != (err != nil) || err == nil && !isURL(r.Image.URL) {
				t.Errorf("%s: %+v, %v", path, r.Image, err)
			}
		}
	}
	t.Logf("%d URLs", urls)
	if urls < 16 {
		t.Errorf("%d URLs", urls)
	}
}

func FuzzImgproxy(f *testing.F) {
	for _, p := range imgproxyParams {
		f.Add(p.Example)
	}
	f.Add("/oKfUtW34Dvo2BGQehJFR4Nr0_rIjOtdtzJ3QFsUcXH8/rs:fill:300:400:0/g:sm/aHR0cDovL2V4YW1w/bGUuY29tL2ltYWdl/cy9jdXJpb3NpdHku/anBn.png")
	f.Fuzz(func(t *testing.T, s string) {
		fuzzOne(t, imgproxy, s)
		path, _, _ := strings.Cut(s, "?")
		if r, err := imgproxy.Parse(URL{Path: path}); err == nil && r.Claim.Signature != "" && !strings.HasSuffix(path, r.Claim.Signature+r.Claim.Message) {
			t.Fatalf("%q: the claim %+v isn't its end", s, r.Claim)
		}
	})
}

package dialect

import (
	"slices"
	"testing"

	"github.com/tintype/tintype/transform"
)

// The examples of Netlify's page on its image CDN, and what its rules say.
func TestNetlifyMeans(t *testing.T) {
	for _, tt := range []struct {
		query   string
		image   Image
		options string
		answer  Answer
		ignored []string
	}{
		{"url=/owl.jpeg", Image{Path: "owl.jpeg"}, "fit=contain&q=75", AnswerImage, nil},
		{"url=owl.jpeg", Image{Path: "owl.jpeg"}, "fit=contain&q=75", AnswerImage, nil},
		{"url=/images/my%2520owl.jpeg?v=1", Image{Path: "images/my owl.jpeg"}, "fit=contain&q=75", AnswerImage, nil},
		{"url=https://my-images.com/owl.jpeg", Image{URL: "https://my-images.com/owl.jpeg"}, "fit=contain&q=75", AnswerImage, nil},
		{"url=/owl.jpeg&fit=cover&w=50&h=50", Image{Path: "owl.jpeg"}, "w=50&h=50&fit=cover&q=75", AnswerImage, nil},
		{"url=/owl.jpeg&fit=cover&w=50&h=50&position=bottom", Image{Path: "owl.jpeg"}, "w=50&h=50&fit=cover&gravity=south&q=75", AnswerImage, nil},
		{"url=/owl.jpeg&fit=cover&w=50", Image{Path: "owl.jpeg"}, "w=50&fit=cover&q=75", AnswerImage, nil},
		{"url=/owl.jpeg&w=50&h=50&position=left", Image{Path: "owl.jpeg"}, "w=50&h=50&fit=contain&q=75", AnswerImage, nil},
		{"url=/owl.jpeg&fm=jpg&q=50", Image{Path: "owl.jpeg"}, "fit=contain&format=jpeg&q=50", AnswerImage, nil},
		{"url=/owl.jpeg&fm=blurhash&w=100", Image{Path: "owl.jpeg"}, "w=100&fit=contain&q=75", AnswerBlurHash, nil},
		{"url=/owl.jpeg&w=50&w=60&dpr=2&fbclid=x", Image{Path: "owl.jpeg"}, "w=50&fit=contain&q=75", AnswerImage, []string{"dpr"}},
	} {
		r, err := netlify.Parse(URL{RawQuery: tt.query})
		if err != nil || r.Image != tt.image || r.Answer != tt.answer || !slices.Equal(r.Ignored, tt.ignored) {
			t.Errorf("%s: %+v, %v; want %+v", tt.query, r, err, tt)
			continue
		}
		if o, err := transform.Parse(transform.Defaults(), r.Options.Query); err != nil || o.String() != tt.options {
			t.Errorf("%s: %s, %v; want %s", tt.query, o, err, tt.options)
		}
	}
}

func TestNetlifyRefuses(t *testing.T) {
	for query, param := range map[string]string{
		"":                                "url",
		"url=":                            "url",
		"url=/":                           "url",
		"url=//a.test/b.jpg":              "url",
		"url=//":                          "url",
		"url=https://":                    "url",
		"url=https:///a.jpg":              "url",
		"url=http://%3Fa":                 "url",
		"url=ftp://a.test/b.jpg":          "url",
		"url=/a%25.jpg":                   "url",
		"url=/a.jpg&w=0":                  "w",
		"url=/a.jpg&w=1.5":                "w",
		"url=/a.jpg&h=-1":                 "h",
		"url=/a.jpg&fit=crop":             "fit",
		"url=/a.jpg&position=north":       "position",
		"url=/a.jpg&fm=bmp":               "fm",
		"url=/a.jpg&q=0":                  "q",
		"url=/a.jpg&q=101":                "q",
		"url=/a.jpg&q=75.5":               "q",
		"url=/a.jpg&fit=cover&position=x": "position",
	} {
		_, err := netlify.Parse(URL{RawQuery: query})
		if e, ok := err.(*Error); !ok || e.Param != param || e.Reason == "" {
			t.Errorf("%s: %v, want an error about %s", query, err, param)
		}
	}
	if _, err := netlify.Parse(URL{Path: "/a.jpg", RawQuery: "url=/a.jpg"}); err == nil {
		t.Error("a path after the prefix is read")
	}
}

func FuzzNetlify(f *testing.F) {
	for _, p := range netlifyParams {
		f.Add(p.Example)
	}
	f.Add("?url=https://my-images.com/owl.jpeg&fm=blurhash")
	f.Fuzz(func(t *testing.T, s string) { fuzzOne(t, netlify, s) })
}

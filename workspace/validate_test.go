package workspace_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

func TestValidate(t *testing.T) {
	type ws = workspace.Workspace
	tooMany := func(n int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("h%d.example.com", i)
		}
		return list
	}
	opacity := func(x float64) *float64 { return &x }
	for _, test := range []struct {
		change  func(*ws)
		path    string // empty if nothing is wrong
		message string
	}{
		{func(w *ws) {}, "", ""},
		{func(w *ws) { w.Namespace = "" }, "namespace", "is missing"},
		{func(w *ws) { w.Namespace = "Acme" }, "namespace", `"Acme" is not allowed: use 3 to 63`},
		{func(w *ws) { w.Namespace = "metrics" }, "namespace", "reserved"},
		{func(w *ws) { w.Name = strings.Repeat("ä", 101) }, "name", "202 bytes long; at most 200"},
		{func(w *ws) { w.Name = "a\nb" }, "name", "control characters"},
		{func(w *ws) { w.AllowedOrigins = []string{"*", "https://a.example.com/"} }, "allowed_origins[1]", "bad origin pattern"},
		{func(w *ws) { w.AllowedOrigins = tooMany(201) }, "allowed_origins", "201 elements; at most 200"},
		{func(w *ws) { w.AllowedOrigins = []string{} }, "", ""},
		{func(w *ws) { w.AllowedSources = []string{"*", "https://*.example.com/a/", "127.0.0.1"} }, "", ""},
		{func(w *ws) { w.AllowedSources = []string{"a@b.example.com"} }, "allowed_sources[0]", "bad source pattern"},
		{func(w *ws) { w.AllowedSources = tooMany(201) }, "allowed_sources", "at most 200"},
		{func(w *ws) { w.Dialect = "" }, "dialect", `"" is unknown; allowed are "native", "imgix"`},
		{func(w *ws) { w.Dialect = "ipx" }, "dialect", `"ipx" is unknown`},
		{func(w *ws) { w.Dialect = "imgproxy" }, "", ""},
		{func(w *ws) { w.DefaultSource = "media" }, "", ""},
		{func(w *ws) { w.FallbackFormat = "png" }, "fallback_format", `allowed are "original" and "jpeg"`},
		{func(w *ws) { w.FallbackFormat = "" }, "fallback_format", `"" is unknown`},
		{func(w *ws) { w.CDNCacheControl = "a\r\nb" }, "cdn_cache_control", "visible ASCII"},
		{func(w *ws) { w.DefaultSource = "" }, "", ""},
		{func(w *ws) { w.DefaultSource = "media/" }, "default_source", `there is no source "media/": give the key of a source`},
		{func(w *ws) { w.Domains = []string{"a.example.com", "a.example.com"} }, "domains[1]", "there twice"},
		{func(w *ws) { w.Domains = []string{"1.2.3.4"} }, "domains[0]", "is an address"},
		{func(w *ws) { w.Domains = []string{"::1"} }, "domains[0]", "is an address"},
		{func(w *ws) { w.Domains = []string{"127.1"} }, "domains[0]", "not a host name"},
		{func(w *ws) { w.Domains = []string{"localhost"} }, "domains[0]", "not a host name"},
		{func(w *ws) { w.Domains = []string{"https://a.example.com"} }, "domains[0]", "not a host name"},
		{func(w *ws) { w.Domains = []string{"a.example.com:80"} }, "domains[0]", "not a host name"},
		{func(w *ws) { w.Domains = []string{"*.example.com"} }, "domains[0]", "not a host name"},
		{func(w *ws) { w.Domains = []string{"A.example.com"} }, "domains[0]", `must be written "a.example.com"`},
		{func(w *ws) { w.Domains = tooMany(21) }, "domains", "at most 20"},
		{func(w *ws) { w.Limits.TransformsPerMonth = -1 }, "limits.transforms_per_month", "0 for no limit"},

		{func(w *ws) { w.Sources[0].Key = "" }, "sources[0].key", "is missing"},
		{func(w *ws) { w.Sources[0].Key = "_photos" }, "sources[0].key", "is not allowed"},
		{func(w *ws) { w.Sources[0].Key = "info" }, "sources[0].key", "reserved"},
		{func(w *ws) { w.Sources[1].Key = "photos" }, "sources[1].key", "there twice"},
		{func(w *ws) { w.Sources[0].Kind = "" }, "sources[0].kind", `allowed are "http", "s3" and "r2"`},
		{func(w *ws) { w.Sources[0].Kind = "dir" }, "sources[0].kind", "--dir NAMESPACE/KEY=FOLDER"},
		{func(w *ws) { w.Sources[0].TTL = -1 }, "sources[0].ttl", "0 to 31536000"},
		{func(w *ws) { w.Sources[0].Revalidate = 31536001 }, "sources[0].revalidate", "0 to 31536000"},
		{func(w *ws) { w.Sources[0].CacheControl = "public\r\nX: y" }, "sources[0].cache_control", "visible ASCII"},
		{func(w *ws) { w.Sources[0].CacheControl = strings.Repeat("a", 257) }, "sources[0].cache_control", "at most 256"},
		{func(w *ws) { w.Sources[0].Bucket = "b-u-c" }, "sources[0].bucket", `not for sources of kind "http", which have url`},
		{func(w *ws) { w.Sources[0].SecretAccessKey = "s" }, "sources[0].secret_access_key", "not for sources"},
		{func(w *ws) { w.Sources[1].URL = "https://a.example.com/" }, "sources[1].url", "not for sources"},
		{func(w *ws) { w.Sources[1].Headers = map[string]string{"A": "b"} }, "sources[1].headers", "not for sources"},
		{func(w *ws) { w.Sources[2].Region = "auto" }, "sources[2].region", "not for sources"},
		{func(w *ws) { w.Sources[2].Endpoint = "https://a.example.com" }, "sources[2].endpoint", "not for sources"},

		{func(w *ws) { w.Sources[0].URL = "" }, "sources[0].url", "is missing"},
		{func(w *ws) { w.Sources[0].URL = "ftp://a.example.com/" }, "sources[0].url", "bad URL: "},
		{func(w *ws) { w.Sources[0].URL = "/photos/" }, "sources[0].url", "bad URL: "},
		{func(w *ws) { w.Sources[0].URL = "https://u:p@a.example.com/" }, "sources[0].url", "user name or password"},
		{func(w *ws) { w.Sources[0].URL = "https://a.example.com/?x=" }, "sources[0].url", "no query"},
		{func(w *ws) { w.Sources[0].URL = "https://a.example.com/?" }, "sources[0].url", "no query"},
		{func(w *ws) { w.Sources[0].URL = "https://a.example.com//x/" }, "sources[0].url", "no //"},
		{func(w *ws) { w.Sources[0].URL = "https://a.example.com/a%2Fx/" }, "sources[0].url", "no //"},
		{func(w *ws) { w.Sources[0].URL = "https://a.example.com/x" }, "sources[0].url", `must be written "https://a.example.com/x/"`},
		{func(w *ws) { w.Sources[0].URL = "https://A.example.com/" }, "sources[0].url", `must be written "https://a.example.com/"`},
		{func(w *ws) { w.Sources[0].PublicURLs = []string{"x"} }, "sources[0].public_urls[0]", "bad URL"},
		{func(w *ws) { w.Sources[0].PublicURLs = []string{"https://a.example.com/", "https://a.example.com/"} }, "sources[0].public_urls[1]", "twice"},
		{func(w *ws) { w.Sources[0].PublicURLs = make([]string, 21) }, "sources[0].public_urls", "at most 20"},
		{func(w *ws) { w.Sources[2].PublicURLs = []string{"https://vault.example.com/"} }, "", ""},
		{func(w *ws) { w.Sources[0].Headers = map[string]string{"Cookie": "a=b", "X-Empty": ""} }, "", ""},
		{func(w *ws) { w.Sources[0].Headers = map[string]string{"a b": "c"} }, `sources[0].headers["a b"]`, "not the name of a header"},
		{func(w *ws) { w.Sources[0].Headers = map[string]string{"A": "x\r\ny"} }, "sources[0].headers.A", "must be the value of a header"},
		{func(w *ws) { w.Sources[0].Headers = map[string]string{"host": "x"} }, "sources[0].headers.host", "can't set"},
		{func(w *ws) { w.Sources[0].Headers = map[string]string{"TRANSFER-ENCODING": "x"} }, "sources[0].headers.TRANSFER-ENCODING", "can't set"},
		{func(w *ws) { w.Sources[0].Headers = map[string]string{"cdn-loop": "x"} }, "sources[0].headers.cdn-loop", "can't set"},
		{func(w *ws) { w.Sources[0].Headers = map[string]string{"X-A": "1", "x-a": "2"} }, "sources[0].headers.x-a", "twice"},
		{func(w *ws) {
			for i := range 21 {
				w.Sources[0].Headers[fmt.Sprintf("X-%d", i)] = "a"
			}
		}, "sources[0].headers", "at most 20"},

		{func(w *ws) { w.Sources[1].Bucket = "" }, "sources[1].bucket", "is missing"},
		{func(w *ws) { w.Sources[1].Bucket = "a.b-c" }, "", ""},
		{func(w *ws) { w.Sources[1].Bucket = "Acme" }, "sources[1].bucket", "not a bucket's name"},
		{func(w *ws) { w.Sources[1].Bucket = "a..b" }, "sources[1].bucket", "not a bucket's name"},
		{func(w *ws) { w.Sources[1].Bucket = "1.2.3.4" }, "sources[1].bucket", "not a bucket's name"},
		{func(w *ws) { w.Sources[1].Bucket = "evil.net/" }, "sources[1].bucket", "not a bucket's name"},
		{func(w *ws) { w.Sources[2].Bucket = "a.b-c" }, "sources[2].bucket", "not a bucket's name"},
		{func(w *ws) { w.Sources[1].Region = "" }, "sources[1].region", "is missing"},
		{func(w *ws) { w.Sources[1].Region = "evil.net/" }, "sources[1].region", "not a region"},
		{func(w *ws) { w.Sources[1].Prefix = "/a/" }, "sources[1].prefix", "must be folders"},
		{func(w *ws) { w.Sources[1].Prefix = "a//b/" }, "sources[1].prefix", "must be folders"},
		{func(w *ws) { w.Sources[1].Prefix = "../" }, "sources[1].prefix", "must be folders"},
		{func(w *ws) { w.Sources[1].Prefix = "a" }, "sources[1].prefix", `must be written "a/"`},
		{func(w *ws) { w.Sources[1].Prefix = strings.Repeat("a", 512) + "/" }, "sources[1].prefix", "at most 512"},
		{func(w *ws) { w.Sources[1].Endpoint = "minio.example.com" }, "sources[1].endpoint", "bad URL"},
		{func(w *ws) { w.Sources[1].Endpoint = "https://minio.example.com/x" }, "sources[1].endpoint", "scheme, host and port only"},
		{func(w *ws) { w.Sources[1].Endpoint = "https://minio.example.com/" }, "sources[1].endpoint", "must be written"},
		{func(w *ws) { w.Sources[1].AccessKeyID = "" }, "sources[1].access_key_id", "is missing"},
		{func(w *ws) { w.Sources[1].SecretAccessKey = "a b" }, "sources[1].secret_access_key", "visible ASCII"},
		{func(w *ws) { w.Sources[2].AccountID = "x" }, "sources[2].account_id", "32 hex digits"},

		{func(w *ws) { w.Marks[0].Name = "Brand" }, "marks[0].name", "is not allowed"},
		{func(w *ws) { w.Marks = append(w.Marks, w.Marks[0]) }, "marks[1].name", "there twice"},
		{func(w *ws) { w.Marks[0].Image = "" }, "marks[0].image", "is missing"},
		{func(w *ws) { w.Marks[0].Image = "logo.png" }, "marks[0].image", "give source/path"},
		{func(w *ws) { w.Marks[0].Image = "other/logo.png" }, "marks[0].image", `no source "other"`},
		{func(w *ws) { w.Marks[0].Image = "media/../logo.png" }, "marks[0].image", ".."},
		{func(w *ws) { w.Marks[0].Image = "//evil.net/logo.png" }, "marks[0].image", "give source/path"},
		{func(w *ws) { w.Marks[0].Image = "/media/logo.png" }, "marks[0].image", "leave out the first slash"},
		{func(w *ws) { w.Marks[0].Image = "https://127.1@evil.net/" }, "marks[0].image", "user name"},
		{func(w *ws) { w.Marks[0].Image = "https://logos.example.net/a.png" }, "marks[0].image", "allowed_sources don't allow"},
		{func(w *ws) { w.Marks[0].Image = "https://cdn.example.com/p/a.png" }, "", ""}, // an original of the source itself
		{func(w *ws) { w.AllowedSources, w.Marks[0].Image = []string{"*"}, "https://logos.example.net/a.png" }, "", ""},
		{func(w *ws) { w.AllowedSources, w.Marks[0].Image = []string{"*"}, "http://logos.example.net/a.png" }, "marks[0].image", "https_only"},
		{func(w *ws) { w.Marks[0].Width = "150%" }, "marks[0].width", "allowed"},
		{func(w *ws) { w.Marks[0].Height = "-1" }, "marks[0].height", "allowed"},
		{func(w *ws) { w.Marks[0].Size = "big" }, "marks[0].size", `"big" is not allowed`},
		{func(w *ws) { w.Marks[0].Fit = "stretch" }, "marks[0].fit", "cover"},
		{func(w *ws) { w.Marks[0].Align = "middle-ish" }, "marks[0].align", "top"},
		{func(w *ws) { w.Marks[0].Pad = "1,2" }, "marks[0].pad", "allowed"},
		{func(w *ws) { w.Marks[0].Opacity = opacity(1.1) }, "marks[0].opacity", "0–1"},
		{func(w *ws) { w.Marks[0].Opacity = opacity(0) }, "", ""},
		{func(w *ws) { w.Marks[0].AutoApplySources = []string{"photo"} }, "marks[0].auto_apply_sources[0]", `no source "photo"`},
		{func(w *ws) { w.Marks[0].AutoApplySources = []string{"photos", "photos"} }, "marks[0].auto_apply_sources[1]", "twice"},

		{func(w *ws) { w.Presets[0].Name = "" }, "presets[0].name", "is missing"},
		{func(w *ws) { w.Presets = append(w.Presets, w.Presets[0]) }, "presets[1].name", "there twice"},
		{func(w *ws) { w.Presets[0].Options = "" }, "", ""},
		{func(w *ws) { w.Presets[0].Options = "w=0" }, "presets[0].options", "w: "},
		{func(w *ws) { w.Presets[0].Options = "w=1&width=2" }, "presets[0].options", "given already"},
		{func(w *ws) { w.Presets[0].Options = "w=%zz" }, "presets[0].options", "malformed escape"},
		{func(w *ws) { w.Presets[0].Options = "?w=1" }, "presets[0].options", `"?w" is no option`},
		{func(w *ws) { w.Presets[0].Options = "wdith=1" }, "presets[0].options", `"wdith" is no option`},
		{func(w *ws) { w.Presets[0].Options = "preset=a" }, "presets[0].options", "presets don't refer to presets"},
		{func(w *ws) { w.Presets[0].Options = "p:a" }, "presets[0].options", "presets don't refer to presets"},
		{func(w *ws) { w.Presets[0].Options = "w=1&sig=a" }, "presets[0].options", "belongs to one URL"},
		{func(w *ws) { w.Presets[0].Options = "exp=1" }, "presets[0].options", "belongs to one URL"},
		{func(w *ws) { w.Presets[0].Options = "src=a/b" }, "presets[0].options", "belongs to one URL"},
		{func(w *ws) { w.Presets[0].Options = "d%6C=b" }, "presets[0].options", "belongs to one URL"},
		{func(w *ws) { w.Presets[0].Options = "mark=brand&v=1&default=media/none.png" }, "", ""},
		{func(w *ws) { w.Presets[0].Options = "mark=brond" }, "presets[0].options", `no mark "brond"`},
		{func(w *ws) { w.Presets[0].Options = "mark=other/a.png" }, "presets[0].options", `no source "other"`},
		{func(w *ws) { w.Presets[0].Options = "default=https://a.example.com/" }, "presets[0].options", "a URL is not allowed"},
		{func(w *ws) { w.Presets[0].Options = strings.Repeat("&", 2049) }, "presets[0].options", "at most 2048"},
	} {
		w := workspacetest.Full("acme")
		test.change(w)
		err := w.Validate()
		if test.path == "" {
			if err != nil {
				t.Errorf("refused: %v", err)
			}
			continue
		}
		wantProblem(t, test.path, err, test.path, test.message)
		if strings.Contains(fmt.Sprint(err), "s3cret") {
			t.Errorf("an error shows a secret: %v", err)
		}
	}
}

func TestValidateReportsAll(t *testing.T) {
	w := &workspace.Workspace{Namespace: "v1", Limits: workspace.Limits{RequestsPerMinute: -1}, Sources: make([]workspace.Source, 30),
		Marks: make([]workspace.Mark, 10), Presets: make([]workspace.Preset, 10)}
	invalid, ok := errors.AsType[*workspace.ValidationError](w.Validate())
	if !ok {
		t.Fatal("no ValidationError")
	}
	for _, path := range []string{"namespace", "dialect", "limits.requests_per_minute", "sources[29].kind", "marks[9].image", "presets[9].name"} {
		if !slices.ContainsFunc(invalid.Problems, func(p workspace.Problem) bool { return p.Path == path }) && len(invalid.Problems) <= 100 {
			t.Errorf("%s is missing in %v", path, invalid)
		}
	}
}

// Workspaces made by code are counted before validation too.
func TestValidateCountsFirst(t *testing.T) {
	w := &workspace.Workspace{Namespace: "v1", AllowedOrigins: make([]string, 201), AllowedSources: make([]string, 201), Domains: make([]string, 21),
		Sources: make([]workspace.Source, 101), Marks: []workspace.Mark{{AutoApplySources: make([]string, 201)}}, Presets: make([]workspace.Preset, 501)}
	invalid, _ := errors.AsType[*workspace.ValidationError](w.Validate())
	var got []string
	for _, p := range invalid.Problems {
		got = append(got, p.Path)
	}
	want := []string{"allowed_origins", "allowed_sources", "domains", "sources", "marks[0].auto_apply_sources", "presets"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// The validator parses the sources' URLs once, not for each image.
func TestValidateReadsPlacesOnce(t *testing.T) {
	w := workspace.New("acme")
	w.AllowedSources = []string{}
	for i := range 100 {
		s := workspace.Source{Key: fmt.Sprintf("s%d", i), Kind: "http", URL: fmt.Sprintf("https://s%d.example.com/", i)}
		for j := range 20 {
			s.PublicURLs = append(s.PublicURLs, fmt.Sprintf("https://p%d.s%d.example.com/", j, i))
		}
		w.Sources = append(w.Sources, s)
	}
	allocs := func(presets int) float64 {
		w.Presets = nil
		for i := range presets {
			w.Presets = append(w.Presets, workspace.Preset{Name: fmt.Sprintf("p%d", i), Options: "mark=https://p19.s99.example.com/logo.png"})
		}
		if err := w.Validate(); err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(3, func() { _ = w.Validate() })
	}
	one, many := allocs(1), allocs(101)
	if each := (many - one) / 100; each > 100 {
		t.Errorf("%v allocations a preset", each)
	}
	// A repeated option is refused before its images are checked.
	w.Presets = []workspace.Preset{{Name: "twice", Options: strings.Repeat("mark=http://a/b&", 128)}}
	invalid, ok := errors.AsType[*workspace.ValidationError](w.Validate())
	if !ok || len(invalid.Problems) != 1 || !strings.Contains(invalid.Error(), "more than once") {
		t.Errorf("%v", invalid)
	}
}

// Patterns for a registry's suffix are refused.
func TestRegistrySuffixes(t *testing.T) {
	for _, test := range []struct {
		name    string // as a domain, and after "*."
		refused bool
	}{
		{"com", true},
		{"co.uk", true},
		{"uk", true},
		{"com.au", true},
		{"foo.ck", true}, // *.ck
		{"xn--p1ai", true},
		{"рф", true},
		{"xn--55qx5d.cn", true},
		{"公司.cn", true},
		{"www.ck", false}, // an exception of *.ck
		{"example.com", false},
		{"example.co.uk", false},
		{"github.io", false}, // private suffixes: pages of customers
		{"vercel.app", false},
		{"eu-west-1.elasticbeanstalk.com", false},
		{"internal", false}, // not in the public DNS
		{"corp.internal", false},
	} {
		w := workspace.New("acme")
		w.AllowedOrigins = []string{"https://a.example.com", "*." + test.name}
		if err := w.Validate(); (err != nil) != test.refused {
			t.Errorf("allowed_origins *.%s: %v", test.name, err)
		} else if err != nil {
			wantProblem(t, test.name, err, "allowed_origins[1]", "allows every domain that anybody registers under ")
		}
		for _, pattern := range []string{"*.%s", "https://*.%s", "*.%s:8443", "*.%s/public/"} {
			w = workspace.New("acme")
			w.AllowedSources = []string{fmt.Sprintf(pattern, test.name)}
			if err := w.Validate(); (err != nil) != test.refused {
				t.Errorf("allowed_sources %s: %v", w.AllowedSources[0], err)
			} else if err != nil {
				wantProblem(t, test.name, err, "allowed_sources[0]", "allows every domain that anybody registers under ")
			}
		}
		if !strings.Contains(test.name, ".") {
			continue // not a valid domain in any case
		}
		w = workspace.New("acme")
		w.Domains = []string{workspace.DomainName(test.name)}
		if err := w.Validate(); (err != nil) != test.refused {
			t.Errorf("domain %s: %v", test.name, err)
		}
	}
	// Without "*." these are hosts like any other.
	w := workspace.New("acme")
	w.AllowedOrigins, w.AllowedSources = []string{"com", "https://com", "*", "null"}, []string{"images.com", "https://*", "*"}
	if err := w.Validate(); err != nil {
		t.Error(err)
	}
}

// Marks and presets may refer to the operator's folders, but not to unknown sources.
func TestValidateOperatorSources(t *testing.T) {
	w := workspace.New("demo")
	w.Marks = []workspace.Mark{{Name: "brand", Image: "samples/logo.png", AutoApplySources: []string{"samples"}}}
	w.Presets = []workspace.Preset{{Name: "card", Options: "default=samples/none.png"}}
	wantProblem(t, "without the folder", w.Validate(), "marks[0].auto_apply_sources[0]", `no source "samples"`)
	if err := w.Validate("samples"); err != nil {
		t.Errorf("with the folder: %v", err)
	}
	w.Sources = []workspace.Source{{Key: "samples", Kind: "http", URL: "https://a.example.com/"}}
	wantProblem(t, "a source of the same key", w.Validate("samples"), "sources[0].key", "folder of the operator's")
}

func TestMarkQuery(t *testing.T) {
	m := workspacetest.Full("acme").Marks[0]
	o, err := transform.Parse(transform.Defaults(), m.Query())
	if err != nil {
		t.Fatal(err)
	}
	want := transform.Mark{Name: "brand", Width: transform.Length{Value: 15, Percent: true}, Height: transform.Length{Value: 20},
		Fit: transform.FitContain, Align: "top,left", Pad: transform.Length{Value: 3, Percent: true}, PadSet: true, Opacity: 0.6, Repeat: true}
	if d := cmp.Diff(want, o.Mark); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestMarkWords: every spelling of a place and of a fit has one word, which is in the list.
func TestMarkWords(t *testing.T) {
	for _, test := range []struct{ align, fit, wantAlign, wantFit string }{
		{"", "", "bottom,right", "contain"},
		{"right,top", "fill", "top,right", "squeeze"},
		{"left", "cover", "center,left", "cover"},
		{"center,center", "crop", "center", "crop"},
		{"bottom,right", "contain", "bottom,right", "contain"},
	} {
		m := workspace.Mark{Align: test.align, Fit: test.fit}
		align, fit := m.Words()
		if align != test.wantAlign || fit != test.wantFit || !slices.Contains(workspace.MarkWords("align"), align) || !slices.Contains(workspace.MarkWords("fit"), fit) {
			t.Errorf("%q, %q: %q of %v, %q of %v", test.align, test.fit, align, workspace.MarkWords("align"), fit, workspace.MarkWords("fit"))
		}
	}
}

// TestLentCredentials: if the process lends its credentials, a bucket has both fields or
// none.
func TestLentCredentials(t *testing.T) {
	for _, test := range []struct {
		id, secret  string
		alone, lent bool // whether it is valid
	}{
		{"k", "s", true, true},
		{"", "", false, true},
		{"k", "", false, false},
		{"", "s", false, false},
	} {
		w := workspace.New("acme")
		w.Sources = []workspace.Source{{Key: "media", Kind: "s3", Bucket: "media", Region: "eu-west-1", AccessKeyID: test.id, SecretAccessKey: test.secret}}
		if err := w.Validate(); (err == nil) != test.alone {
			t.Errorf("%q %q: %v", test.id, test.secret, err)
		}
		if err := (workspace.Process{LendsCredentials: true}).Validate(w); (err == nil) != test.lent {
			t.Errorf("%q %q, lent: %v", test.id, test.secret, err)
		}
	}
}

// TestMarkInBucket: a URL in a bucket of the workspace can name the image of a mark.
func TestMarkInBucket(t *testing.T) {
	w := workspace.New("acme")
	w.AllowedSources = nil
	w.Sources = []workspace.Source{{Key: "media", Kind: "s3", Bucket: "media", Region: "eu-west-1", AccessKeyID: "id", SecretAccessKey: "secret"}}
	for image, ok := range map[string]bool{
		"https://media.s3.eu-west-1.amazonaws.com/logo.png": true,
		"https://s3.eu-west-1.amazonaws.com/media/logo.png": true,
		"https://other.s3.eu-west-1.amazonaws.com/logo.png": false,
	} {
		w.Marks = []workspace.Mark{{Name: "m", Image: image}}
		if err := w.Validate(); (err == nil) != ok {
			t.Errorf("%s: %v", image, err)
		}
	}
}

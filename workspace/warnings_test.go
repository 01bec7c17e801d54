package workspace

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestWarn: a warning names what the rules of one source do to another's images.
func TestWarn(t *testing.T) {
	at := func(key, url string) Source { return Source{Key: key, Kind: "http", URL: url} }
	private := func(s Source) Source { s.Private = true; return s }
	bucket := func(key, prefix string) Source {
		return Source{Key: key, Kind: "s3", Bucket: "media", Region: "eu-west-1", Prefix: prefix}
	}
	photos := at("photos", "https://o.example.com/photos/")
	for name, test := range map[string]struct {
		sources []Source
		marks   []Mark
		want    []string
	}{
		"none":          {[]Source{photos, private(at("vault", "https://o.example.com/vault/"))}, nil, nil},
		"another host":  {[]Source{photos, private(at("vault", "https://o.example.com:8443/photos/"))}, nil, nil},
		"both private":  {[]Source{private(photos), private(at("vault", "https://o.example.com/photos/"))}, nil, nil},
		"public inside": {[]Source{private(photos), at("lobby", "https://o.example.com/photos/lobby/")}, nil, nil},
		"the same place": {[]Source{photos, private(at("vault", "http://o.example.com/photos/"))}, nil, []string{
			"source vault is private and has the place of source photos: all images of source photos need a signature or an API key"}},
		"inside": {[]Source{at("all", "https://o.example.com/"), private(at("vault", "https://o.example.com/a%20b/vault/"))}, nil, []string{
			"source vault is private and lies in source all: images of source all whose paths begin with a b/vault/ need a signature or an API key"}},
		"not told from its folder": {[]Source{at("all", "https://o.example.com/"), private(at("vault", "https://o.example.com/%231/"))}, nil, []string{
			"source vault is private, and some servers take its place for that of source all: all images of source all are refused (INVALID_SOURCE)"}},
		"a wildcard": {[]Source{at("all", "https://o.example.com/"), at("brand", "https://o.example.com/*/")}, []Mark{{Name: "m", AutoApplySources: []string{"brand"}}}, []string{
			"source brand has marks, and some servers take its place for that of source all: all images of source all are refused (INVALID_SOURCE)"}},
		"a wildcard, deeper": {[]Source{at("all", "https://o.example.com/"), private(at("vault", "https://o.example.com/a/*/"))}, nil, []string{
			"source vault is private and lies in source all: images of source all whose paths begin with a/*/ need a signature or an API key; those that some servers may take for them are refused (INVALID_SOURCE)"}},
		"case": {[]Source{photos, private(at("vault", "https://o.example.com/Photos/"))}, nil, []string{
			"source vault is private, and some servers take its place for that of source photos: all images of source photos are refused (INVALID_SOURCE)"}},
		"case, both private":   {[]Source{private(photos), private(at("vault", "https://o.example.com/Photos/"))}, nil, nil},
		"case, the same marks": {[]Source{photos, at("brand", "https://o.example.com/Photos/")}, []Mark{{Name: "m", AutoApplySources: []string{"brand", "photos"}}}, nil},
		"case, private, and marks": {[]Source{private(photos), at("brand", "https://o.example.com/Photos/")}, []Mark{{Name: "m", AutoApplySources: []string{"brand"}}}, []string{
			"source photos is private, and some servers take its place for that of source brand: all images of source brand are refused (INVALID_SOURCE)",
			"source brand has marks, and some servers take its place for that of source photos: all images of source photos are refused (INVALID_SOURCE)"}},
		"case, a mark more": {[]Source{photos, at("brand", "https://o.example.com/Photos/")}, []Mark{{Name: "m", AutoApplySources: []string{"brand", "photos"}}, {Name: "n", AutoApplySources: []string{"photos"}}}, []string{
			"source photos has marks, and some servers take its place for that of source brand: all images of source brand are refused (INVALID_SOURCE)"}},
		"case, in a bucket whose keys are exact": {[]Source{bucket("media", "Vault/"), private(bucket("vault", "vault/"))}, nil, nil},
		"anywhere": {[]Source{at("odd", "https://o.example.com/ph%2500otos/x/"), private(at("vault", "https://o.example.com/vault/"))}, nil, []string{
			"source vault is private, and some servers take its place for that of source odd: all images of source odd are refused (INVALID_SOURCE)"}},
		"case, inside": {[]Source{photos, private(at("vault", "https://o.example.com/Photos/vault/"))}, nil, []string{
			"source vault is private, and some servers take its place for one in source photos: images of photos that may lie there are refused (INVALID_SOURCE)"}},
		"marks": {[]Source{photos, at("brand", "https://o.example.com/photos/")}, []Mark{{Name: "m", AutoApplySources: []string{"brand"}}}, []string{
			"source brand has marks and has the place of source photos: all images of source photos carry them too (m)"}},
		"marks of both": {[]Source{photos, at("brand", "https://o.example.com/photos/")}, []Mark{{Name: "m", AutoApplySources: []string{"brand", "photos"}}}, nil},
		"inside two places of one": {[]Source{func() Source {
			s := photos
			s.PublicURLs = []string{"https://o.example.com/"}
			return s
		}(), private(at("vault", "https://o.example.com/photos/vault/"))}, nil, []string{
			"source vault is private and lies in source photos: images of source photos whose paths begin with vault/ or photos/vault/ or photos/photos/vault/ need a signature or an API key"}},
		"private and marks": {[]Source{photos, private(at("brand", "https://o.example.com/photos/x/"))}, []Mark{{Name: "m", AutoApplySources: []string{"brand"}}}, []string{
			"source brand is private and lies in source photos: images of source photos whose paths begin with x/ need a signature or an API key, and carry its marks (m)"}},
		"buckets": {[]Source{bucket("media", ""), private(func() Source {
			s := bucket("vault", "vault/")
			s.PublicURLs = []string{"https://cdn.example.com/"}
			return s
		}())}, nil, []string{
			"source vault is private and lies in source media: images of source media whose paths begin with vault/ need a signature or an API key"}},
		"a bucket by its public URL": {[]Source{at("web", "https://cdn.example.com/"), private(func() Source {
			s := bucket("vault", "vault/")
			s.PublicURLs = []string{"https://cdn.example.com/"}
			return s
		}())}, nil, []string{
			"source vault is private and has the place of source web: all images of source web need a signature or an API key"}},
		"by a place of a third source": {[]Source{at("root", "https://a.example.com/"), private(at("aa", "https://b.example.com/s/")), func() Source {
			s := at("dd", "https://a.example.com/v/")
			s.PublicURLs = []string{"https://b.example.com/s/"}
			return s
		}()}, nil, []string{
			"source aa is private and has the place of source dd: all images of source dd need a signature or an API key",
			"source aa is private and lies in source root: images of source root whose paths begin with v/ need a signature or an API key"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := New("acme")
			w.Sources, w.Marks = test.sources, test.marks
			if got := w.Warn(); !slices.Equal(got, test.want) {
				t.Errorf("%s\nwant %s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// TestWarnOfManyPlaces: the cost grows with the number of places and marks, although every
// place is compared with every other.
func TestWarnOfManyPlaces(t *testing.T) {
	allocs := func(n int) float64 {
		w := New("acme")
		var keys []string
		for i := range n {
			s := Source{Key: fmt.Sprintf("s%d", i), Kind: "http", URL: fmt.Sprintf("https://o.example.com/%d/", i), Private: i%2 == 0}
			for j := range 20 {
				s.PublicURLs = append(s.PublicURLs, fmt.Sprintf("https://o.example.com/%d/%d/", i, j))
			}
			w.Sources = append(w.Sources, s)
			keys = append(keys, s.Key)
		}
		for i := range n {
			w.Marks = append(w.Marks, Mark{Name: fmt.Sprintf("m%d", i), Image: "s0/a.png", AutoApplySources: keys})
		}
		if err := w.Validate(); err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(1, func() {
			if got := w.Warn(); got != nil {
				t.Errorf("%d sources: %q", n, got)
			}
		})
	}
	const sources = 40
	if n := allocs(sources); n > 40*21*sources { // and not for each of 350,000 pairs of places
		t.Errorf("%v allocations for %d places", n, 21*sources)
	}
}

// TestWarnOfSuffixes: patterns for a company's customers get a warning.
func TestWarnOfSuffixes(t *testing.T) {
	w := New("acme")
	w.AllowedOrigins = []string{"*", "null", "*.example.com", "*.github.io", "acme.github.io", "*.acme.github.io", "*.internal"}
	w.AllowedSources = []string{"*", "github.io", "https://*.S3.amazonaws.com:8443/public/", "*.example.co.uk"}
	if err := w.Validate(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`allowed_origins: "*.github.io" allows the hosts of all customers under github.io: name your own hosts if you can`,
		`allowed_sources: "https://*.S3.amazonaws.com:8443/public/" allows the hosts of all customers under s3.amazonaws.com: name your own hosts if you can`,
	}
	if got := w.Warn(); !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

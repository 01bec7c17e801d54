package delivery

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// TestSourceInsideAnother: the way through an outer source doesn't avoid the rules
// of a private or marked one inside it.
func TestSourceInsideAnother(t *testing.T) {
	b := newBench(t)
	half := 0.5
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Sources = []workspace.Source{
			{Key: "all", Kind: "http", URL: b.upstream.URL + "/"},
			{Key: "vault", Kind: "http", URL: b.upstream.URL + "/vault/", Private: true},
			{Key: "brand", Kind: "http", URL: b.upstream.URL + "/brand/"},
			{Key: "lobby", Kind: "http", URL: b.upstream.URL + "/vault/lobby/"},
		}
		w.Marks = []workspace.Mark{{Name: "m", Image: "all/logo.png", Opacity: &half, AutoApplySources: []string{"brand"}}}
	}))
	for _, path := range []string{"/photos/cat.jpg", "/vault/a.jpg", "/brand/a.jpg", "/vault/lobby/a.jpg"} {
		b.upstream.Serve(path, deliverytest.Body(deliverytest.Photo(t, 20, 20)))
	}
	for target, want := range map[string]string{
		"/acme/all/photos/cat.jpg":                "",
		"/acme/all/vault/a.jpg":                   "SIGNATURE_REQUIRED",
		"/acme/all/%76ault/a.jpg":                 "SIGNATURE_REQUIRED",
		"/acme?src=all/vault/a.jpg":               "SIGNATURE_REQUIRED",
		"/acme/vault/a.jpg":                       "SIGNATURE_REQUIRED",
		"/acme/all/brand/a.jpg":                   "MARK_UNAVAILABLE",
		"/acme/brand/a.jpg":                       "MARK_UNAVAILABLE",
		"/acme/lobby/a.jpg":                       "", // the owner made it public
		"/acme/vault/lobby/a.jpg":                 "SIGNATURE_REQUIRED",
		"/acme/all/x.jpg?default=all/vault/a.jpg": "SIGNATURE_REQUIRED",
	} {
		if got := code(t, b.get(target)); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	if n := b.upstream.Count("/vault/a.jpg") + b.upstream.Count("/brand/a.jpg"); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

// TestPrivateSourceAroundAPublicOne: what a public source has stays open when a private one is
// put around it, so that no warning says that it closes. Full URLs beside it close, and a
// warning says so.
func TestPrivateSourceAroundAPublicOne(t *testing.T) {
	b := newBench(t)
	b.upstream.Serve("/photos/a b.jpg", deliverytest.Body(deliverytest.Photo(t, 20, 20)))
	b.upstream.Serve("/beside.jpg", deliverytest.Body(deliverytest.Photo(t, 20, 20)))
	up := b.upstream.URL
	before := b.acme(func(w *workspace.Workspace) { w.AllowedSources = []string{"*"} })
	after := before.Clone()
	after.Sources = append(after.Sources, workspace.Source{Key: "vault", Kind: "http", URL: up + "/", Private: true})
	if warnings := append(after.Warn(), after.Closes(before)...); len(warnings) != 2 || warnings[1] != workspace.NoSigningKey || !strings.HasPrefix(warnings[0], "source vault is private: full URLs of its place outside of source photos, ") {
		t.Error(warnings)
	}
	targets := map[string]string{ // and the code afterwards
		"/acme/photos/cat.jpg":                "",
		"/acme/photos/a%20b.jpg":              "",
		"/acme?src=" + up + "/photos/cat.jpg": "",
		"/acme?src=" + up + "/beside.jpg":     "SIGNATURE_REQUIRED",
		"/acme/vault/photos/cat.jpg":          "SIGNATURE_REQUIRED",
	}
	b.registry.Set(t, before)
	for target := range targets {
		b.get(target)
	}
	b.registry.Set(t, after)
	for target, want := range targets {
		if got := b.get(target); code(t, got) != want || want == "" && !hit(got) {
			t.Errorf("%s: %q, want %q, hit %v", target, code(t, got), want, hit(got))
		}
	}
}

// TestStalledOriginHoldsUpNobodyElse: one origin that accepts and says nothing, asked
// by many; other origins, folders and workspaces are served meanwhile.
func TestStalledOriginHoldsUpNobodyElse(t *testing.T) {
	b := newStalled(t, time.Minute)
	b.ask()
	if n := b.answered.Load(); n != 0 {
		t.Fatalf("%d of the many are answered by an origin that says nothing", n)
	}
	for _, target := range []string{"/acme/folder/a.jpg", "/other/photos/cat.jpg"} {
		if w := b.get(target); w.Code != 200 {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	if n := b.answered.Load(); n != 0 {
		t.Errorf("others waited until %d of the many were answered", n)
	}
	close(b.release)
	b.asking.Wait()
}

// TestStalledFetchesEnd: of many that ask an origin that says nothing, each is answered: by
// the end of its fetch's time, or of the time that it waits for its turn.
func TestStalledFetchesEnd(t *testing.T) {
	b := newStalled(t, 3*time.Second)
	b.ask()
	early := b.answered.Load() == 0 // all had come before the first was answered
	b.asking.Wait()
	close(b.release)
	for _, c := range b.codes {
		if c != "ORIGIN_TIMEOUT" && c != "OVERLOADED" {
			t.Errorf("a stalled fetch was answered %q", c)
		}
	}
	// Who waits for as long as two fetches take waits too long.
	if n := b.fetched.Load(); early && n > 2*int64(DefaultFetches().PerHost)/4 {
		t.Errorf("%d fetches in turn, want two times %d at most", n, DefaultFetches().PerHost/4)
	}
}

// A stalled is a bench with an origin that says nothing until release is closed, and those
// who ask it.
type stalled struct {
	*bench
	t                 *testing.T
	url               string
	release           chan struct{}
	fetched, answered atomic.Int64
	asking            sync.WaitGroup
	codes             []string // of the answers
}

// newStalled gives each fetch, and each wait for one, a time.
func newStalled(t *testing.T, timeout time.Duration) *stalled {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.jpg"), deliverytest.Photo(t, 20, 20), 0o600); err != nil {
		t.Fatal(err)
	}
	folder, err := origin.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	s := &stalled{t: t, release: make(chan struct{}), codes: make([]string, 3*DefaultFetches().PerHost/4)}
	s.bench = newBench(t, func(c *setup) {
		c.Dirs = map[string]map[string]*origin.Dir{"acme": {"folder": folder}}
		c.FetchTimeout = timeout
		limits := origin.DefaultLimits()
		limits.Timeout = timeout
		c.HTTP = origin.NewHTTP(origin.HTTPConfig{
			Guard: origin.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, Limits: limits, Bodies: c.Bodies,
		})
	})
	upstream := deliverytest.NewUpstream(t)
	upstream.Serve("/s", func(w http.ResponseWriter, r *http.Request) {
		s.fetched.Add(1)
		select {
		case <-s.release:
		case <-r.Context().Done():
		}
	})
	s.url = upstream.URL
	s.registry.Set(t, s.acme(func(w *workspace.Workspace) {
		w.Sources = append(w.Sources, workspace.Source{Key: "slow", Kind: "http", URL: s.url + "/"})
	}))
	s.registry.Set(t, s.acme(func(w *workspace.Workspace) { w.Namespace, w.ID = "other", "" }))
	return s
}

// ask has many ask, and returns once each fetches or waits for its turn, or one is answered.
func (s *stalled) ask() {
	for i := range s.codes {
		s.asking.Go(func() {
			s.codes[i] = code(s.t, s.get(fmt.Sprintf("/acme?src=%s/s%%3F%d", s.url, i)))
			s.answered.Add(1)
		})
	}
	for s.answered.Load() == 0 {
		if running, waiting := s.fetches.figures(); running+waiting == len(s.codes) {
			return
		}
		runtime.Gosched()
	}
}

// TestFolderNoticesChanges: a file that is replaced is seen, without a purge.
func TestFolderNoticesChanges(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.jpg")
	if err := os.WriteFile(file, deliverytest.Photo(t, 20, 20), 0o600); err != nil {
		t.Fatal(err)
	}
	folder, err := origin.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	b := newBench(t, func(c *setup) { c.Dirs = map[string]map[string]*origin.Dir{"acme": {"folder": folder}} })
	b.registry.Set(t, b.acme())
	if got := sizeOf(t, b.get("/acme/folder/a.jpg")); got != "20x20" {
		t.Fatal(got)
	}
	if err := os.WriteFile(file, deliverytest.Photo(t, 30, 30), 0o600); err != nil {
		t.Fatal(err)
	}
	b.clock.Add(dirRevalidate + 1)
	b.get("/acme/folder/a.jpg")
	if err := b.loader.Close(t.Context()); err != nil { // once what goes on behind it has ended
		t.Fatal(err)
	}
	if got := sizeOf(t, b.get("/acme/folder/a.jpg")); got != "30x30" {
		t.Errorf("the old picture stays: %s", got)
	}
}

// TestPathsThatServersReadAsAnother: what some server takes for an original of a private
// or marked source on its host is refused, however it is named, and reaches no origin.
func TestPathsThatServersReadAsAnother(t *testing.T) {
	b := newBench(t)
	var reached atomic.Int64
	everything := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		deliverytest.Body(deliverytest.Photo(t, 20, 20))(w, r)
	}))
	t.Cleanup(everything.Close)
	b.upstream.Server = everything
	half := 0.5
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Sources = []workspace.Source{
			{Key: "pub", Kind: "http", URL: b.upstream.URL + "/pub/"},
			{Key: "all", Kind: "http", URL: b.upstream.URL + "/"},
			{Key: "vault", Kind: "http", URL: b.upstream.URL + "/vault/", Private: true},
			{Key: "brand", Kind: "http", URL: b.upstream.URL + "/x/brand-images/"},
			{Key: "twin", Kind: "http", URL: b.upstream.URL + "/Vault/"},
		}
		w.Marks = []workspace.Mark{{Name: "m", Image: "pub/logo.png", Opacity: &half, AutoApplySources: []string{"brand"}}}
	}))
	for _, name := range []string{
		"pub/..%252fvault/a.png", "pub/..%25252Fvault/a.png", "pub/%252e%252e/vault/a.png", "pub/..%255cvault/a.png", "pub/.%25u002e/vault/a.png",
		"pub/%25C0%25AE%25C0%25AE/vault/a.png", "pub/%EF%BC%8E%EF%BC%8E/vault/a.png", "pub/..%2500/vault/a.png", "pub/..%20/vault/a.png", "pub/.../a.png",
		"pub/.%E2%80%8B./vault/a.png", "pub/%E2%80%A5/vault/a.png", "pub/..%EF%BC%8Fvault/a.png", "pub/..%C2%A5vault/a.png",
		"all/%252576ault/a.png", "all/%2576ault/a.png", "all/VAULT/a.png", "all/vault%20/a.png", "all/vault./a.png", "all/vault%C2%A0/a.png", "all/vault%E2%80%8B/a.png",
		"all/vault::$DATA/a.png", "all/vault:$I30:$INDEX_ALLOCATION/a.png", "all/VAULT~1/a.png", "all/vault%3Bv=1/a.png", "all/%EF%BD%96ault/a.png", "all/vau%C2%ADlt/a.png",
		"all/vault%252fa.png", "all/vault%255ca.png", "all/%252e/vault/a.png", "all/vault%2500/a.png", "all/vault%3Fx/a.png",
		"all/X/BRAND-~1/a.png", "all/x/Brand-Images/a.png", "all/x/brand%252dimages/a.png", "all/x%252fbrand-images/a.png",
		"all/x/brand%E2%80%93images/a.png", "all/x/brand%C2%ADimages/a.png", "all/%E2%88%9Aault/a.png",
		"twin/a.png",
	} {
		source, path, _ := strings.Cut(name, "/")
		full := b.upstream.URL + map[string]string{"pub": "/pub/", "all": "/", "twin": "/Vault/"}[source] + path
		for _, target := range []string{
			"/acme/" + name, "/acme?src=" + name, "/acme?src=" + strings.ReplaceAll(full, "%", "%25"),
			"/acme/pub/none.png?default=" + name,
			"/acme/pub/cat.png?mark=" + name, "/acme/pub/cat.png?mark=" + strings.ReplaceAll(full, "%", "%25"),
		} {
			w := b.get(target)
			if got := code(t, w); w.Code != 400 || !strings.Contains(w.Body.String(), "rules of its own") && !strings.Contains(w.Body.String(), "must be canonical") &&
				!strings.Contains(w.Body.String(), "segments . and ..") {
				t.Errorf("%s: %s %s", target, got, w.Body)
			}
			e, err := b.Explain(t.Context(), target, "", "")
			if err != nil || e.Status != 400 {
				t.Errorf("explain %s: %+v, %v", target, e, err)
			}
			if _, _, err := b.FindPurge(t.Context(), "acme", target); err == nil {
				t.Errorf("%s can be purged", target)
			}
		}
		if _, _, err := b.FindPurge(t.Context(), "acme", full); err == nil {
			t.Errorf("%s can be purged", full)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d requests reached the origin", n)
	}

	// Names in use are no reason to refuse anything.
	for _, name := range []string{
		"pub/cat.jpg", "pub/50%25%20off.jpg", "pub/a%252fb.jpg", "pub/100%25de.jpg", "pub/12:30.jpg", "pub/a;b.jpg", "pub/K%C3%A4se.jpg", "pub/%C2%BD.jpg",
		"pub/IMG~1.JPG", "all/VAUL~1.JPG", "all/x/BRAND~1/a.jpg", "pub/vault/a.jpg", "pub/VAULT/a.jpg", "pub/a..b.jpg", "pub/..b/.c.jpg", "all/vaults/a.jpg", "all/x/vault/a.jpg", "all/x/b.jpg", "all/v.jpg",
		"all/Donau%C2%ADdampf.jpg", "all/%E3%82%B1%E3%83%BC%E3%82%AD.jpg", "all/1990%E2%80%931999.jpg", "all/x/%D9%A3%D9%A4.jpg", "all/a%20%20b.jpg", "all/caf%C3%83%C2%A9.jpg", "pub/brand%E2%80%93images/a.jpg", "all/%E2%88%9E.jpg",
	} {
		if w := b.get("/acme/" + name); w.Code != 200 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	// Nor is anything where there is nobody to mistake it for.
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Sources = []workspace.Source{{Key: "pub", Kind: "http", URL: b.upstream.URL + "/pub/"}, {Key: "all", Kind: "http", URL: b.upstream.URL + "/"}}
	}))
	for _, name := range []string{"pub/..%252fvault/a.png", "all/VAULT/b.png", "all/vault::$DATA/a.png"} {
		if w := b.get("/acme/" + name); w.Code != 200 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// TestRedirectsReadAsAnother: an origin can't send us to where some server takes the path
// for one of a private source.
func TestRedirectsReadAsAnother(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Sources = append(w.Sources, workspace.Source{Key: "vault", Kind: "http", URL: b.upstream.URL + "/vault/", Private: true})
	}))
	for i, path := range []string{"/VAULT/a.jpg", "/vault%20/a.jpg", "/photos/..%252fvault/a.jpg", "/vault::$DATA/a.jpg", "/%2576ault/a.jpg", "/vault%E2%80%8B/a.jpg"} {
		from := fmt.Sprintf("/photos/%d.jpg", i)
		b.upstream.Serve(from, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", path)
			w.WriteHeader(http.StatusFound)
		})
		if w := b.get("/acme" + from); w.Code != 400 || !strings.Contains(w.Body.String(), "rules of its own") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if n := b.upstream.Count(path); n != 0 {
			t.Errorf("%s was fetched", path)
		}
	}
	b.upstream.Serve("/photos/ok.jpg", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other/ok.jpg", http.StatusFound) })
	b.upstream.Serve("/other/ok.jpg", deliverytest.Body(deliverytest.Photo(t, 20, 20)))
	if w := b.get("/acme/photos/ok.jpg"); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestBucketKeysReadAsAnother: S3 and R2 take keys exactly; other stores, and what is in
// front of a bucket, may not.
func TestBucketKeysReadAsAnother(t *testing.T) {
	b := newBench(t)
	bucket := workspace.Source{Kind: "s3", Bucket: "media", Region: "eu-west-1", AccessKeyID: "a", SecretAccessKey: "b"}
	r2 := workspace.Source{Kind: "r2", Bucket: "media", AccountID: strings.Repeat("0", 32), AccessKeyID: "a", SecretAccessKey: "b"}
	store := bucket
	store.Endpoint = "https://store.example.com"
	fronted := bucket
	fronted.PublicURLs = []string{"https://cdn.example.com/"}
	for _, test := range []struct {
		source  workspace.Source
		target  string
		refused bool
	}{
		{bucket, "/acme/outer/VAULT/a.jpg", false},
		{r2, "/acme/outer/VAULT/a.jpg", false},
		{store, "/acme/outer/VAULT/a.jpg", true},
		{store, "/acme/outer/x/..%252fvault/a.jpg", true},
		{store, "/acme/outer/x/a.jpg", false},
		{fronted, "/acme/outer/VAULT/a.jpg", false}, // is read as the bucket's
		{fronted, "/acme/web/..%252fvault/a.jpg", true},
		{fronted, "/acme/web/a.jpg", false},
		{bucket, "/acme?src=https://s3.eu-west-1.amazonaws.com/media%2Bx/vault/a.jpg", false},
		{bucket, "/acme?src=https://cdn.example.com/vault./a.jpg", false}, // the CDN is not known to be the bucket's
	} {
		inner := test.source
		inner.Key, inner.Prefix, inner.Private = "vault", "vault/", true
		if len(inner.PublicURLs) > 0 {
			inner.PublicURLs = []string{inner.PublicURLs[0] + "vault/"}
		}
		outer := test.source
		outer.Key = "outer"
		b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
			w.Sources = []workspace.Source{outer, inner, {Key: "web", Kind: "http", URL: "https://cdn.example.com/web/"}}
		}))
		e, err := b.Explain(t.Context(), test.target, "", "")
		if err != nil || (e.Status == 400) != test.refused {
			t.Errorf("%s %s %v: %d %s, %v", test.source.Kind, test.target, test.source.PublicURLs, e.Status, e.Message, err)
		}
	}
}

// TestLookAlikePlaces: two sources whose places some server confuses are both served, where
// neither has a rule that the other lacks. Otherwise, the stricter one is served.
func TestLookAlikePlaces(t *testing.T) {
	b := newBench(t)
	half := 0.5
	for name, test := range map[string]struct {
		private, marked string // of the sources a and b
		served          string
	}{
		"no rules":            {"", "", "ab"},
		"both private":        {"ab", "", "ab"},
		"one private":         {"a", "", "a"},
		"the same mark":       {"", "ab", "ab"},
		"one marked":          {"", "b", "b"},
		"private, and marked": {"a", "b", ""},
		"private, and both":   {"ab", "b", "b"},
		"all the rules":       {"ab", "ab", "ab"},
	} {
		t.Run(name, func(t *testing.T) {
			b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
				mark := workspace.Mark{Name: "m", Image: "https://logos.example.com/logo.png", Opacity: &half}
				for key, place := range map[string]string{"a": "/mm/", "b": "/MM/"} {
					w.Sources = append(w.Sources, workspace.Source{Key: key, Kind: "http", URL: b.upstream.URL + place, Private: strings.Contains(test.private, key)})
					if strings.Contains(test.marked, key) {
						mark.AutoApplySources = append(mark.AutoApplySources, key)
					}
				}
				w.Marks = []workspace.Mark{mark}
			}))
			for _, key := range []string{"a", "b"} {
				for _, target := range []string{"/acme/" + key + "/x.jpg", "/acme?src=" + b.upstream.URL + map[string]string{"a": "/mm/", "b": "/MM/"}[key] + "x.jpg"} {
					w := b.get(target)
					refused := strings.Contains(w.Body.String(), "rules of its own")
					if served := strings.Contains(test.served, key); refused == served {
						t.Errorf("%s: %d %s, want it served: %v", target, w.Code, w.Body, served)
					}
				}
			}
			// A full URL in no source has no rules.
			if test.private+test.marked != "" {
				if w := b.get("/acme?src=" + b.upstream.URL + "/mM/x.jpg"); !strings.Contains(w.Body.String(), "rules of its own") {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
		})
	}
}

// TestPathsReadAsSharedPlaces: a source that is private or marked protects the places that
// it has through other sources, as well as its own.
func TestPathsReadAsSharedPlaces(t *testing.T) {
	b := newBench(t)
	var reached atomic.Int64
	everything := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		deliverytest.Body(deliverytest.Photo(t, 20, 20))(w, r)
	}))
	t.Cleanup(everything.Close)
	a, vault := everything.URL+"/s/", "http://vault.example.com/s/"
	at := func(key, url string, public ...string) workspace.Source {
		return workspace.Source{Key: key, Kind: "http", URL: url, PublicURLs: public}
	}
	private := func(s workspace.Source) workspace.Source { s.Private = true; return s }
	root := at("root", a)
	for name, test := range map[string]struct {
		sources          []workspace.Source
		marked           string
		closed, odd, fit []string // paths below a that are protected, refused, served
	}{
		"public_urls of another": {[]workspace.Source{root, private(at("aa", vault)), at("dd", a+"v/", vault)}, "",
			[]string{"v/x.png"}, []string{"V/x.png", "v%20/x.png", "v./x.png"}, []string{"w/x.png", "vv/x.png"}},
		"no source around it": {[]workspace.Source{private(at("aa", vault)), at("dd", a+"v/", vault)}, "",
			[]string{"v/x.png"}, []string{"V/x.png", "v%20/x.png", "v./x.png"}, []string{"w/x.png"}},
		"marked": {[]workspace.Source{root, at("aa", vault), at("dd", a+"v/", vault)}, "aa",
			[]string{"v/x.png"}, []string{"V/x.png", "v%20/x.png", "v./x.png"}, []string{"w/x.png"}},
		"its own public_urls": {[]workspace.Source{root, private(at("aa", vault, a+"v/"))}, "",
			[]string{"v/x.png"}, []string{"V/x.png", "v%20/x.png"}, []string{"w/x.png"}},
		"two steps": {[]workspace.Source{root, private(at("aa", vault)), at("dd", "http://cdn.example.com/d/", vault), at("ee", a+"v/", "http://cdn.example.com/d/")}, "",
			[]string{"v/x.png"}, []string{"V/x.png", "v%20/x.png"}, []string{"w/x.png"}},
		"inside the shared place": {[]workspace.Source{root, private(at("aa", vault+"q/")), at("dd", a+"v/", vault)}, "",
			[]string{"v/q/x.png"}, []string{"v/Q/x.png", "V/q/x.png", "V/Q/x.png", "v/q./x.png"}, []string{"v/x.png", "V/x.png", "v/qq/x.png", "V/qq/x.png", "q/x.png"}},
		"around the shared place": {[]workspace.Source{root, private(at("aa", vault)), at("dd", a+"v/", vault+"q/")}, "",
			nil, nil, []string{"v/x.png", "V/x.png"}},
		"opened again": {[]workspace.Source{root, private(at("aa", vault)), at("dd", a+"v/", vault), at("open", vault+"in/")}, "",
			[]string{"v/x.png"}, []string{"V/x.png", "V/in/x.png"}, []string{"v/in/x.png"}},
		"another source there": {[]workspace.Source{root, private(at("aa", vault+"q/")), at("dd", a+"v/", vault), at("own", a+"v/q/")}, "",
			nil, []string{"v/Q/x.png"}, []string{"v/q/x.png", "V/q/x.png"}},
		"nested in itself": {[]workspace.Source{root, private(at("aa", vault)), at("dd", a+"v/w/", vault), at("bb", a+"v/w/", a+"v/")}, "",
			[]string{"v/x.png", "v/w/x.png"}, []string{"V/x.png", "V/w/x.png"}, []string{"x.png"}},
	} {
		t.Run(name, func(t *testing.T) {
			b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
				w.Sources, w.Marks, w.AllowedSources = test.sources, nil, []string{"*"}
				if test.marked != "" {
					half := 0.5
					w.Marks = []workspace.Mark{{Name: "m", Image: "https://logos.example.com/logo.png", Opacity: &half, AutoApplySources: []string{test.marked}}}
				}
			}))
			targets := func(paths []string) (list []string) {
				for _, path := range paths {
					list = append(list, "/acme?src="+strings.ReplaceAll(a+path, "%", "%25"))
					if test.sources[0].Key == "root" {
						list = append(list, "/acme/root/"+path)
					}
				}
				return list
			}
			reached.Store(0)
			for _, target := range targets(test.closed) {
				want := "SIGNATURE_REQUIRED"
				if test.marked != "" {
					want = "MARK_UNAVAILABLE"
				}
				if w := b.get(target); code(t, w) != want {
					t.Errorf("%s: %d %s, want %s", target, w.Code, w.Body, want)
				}
			}
			for _, target := range targets(test.odd) {
				if w := b.get(target); w.Code != 400 || !strings.Contains(w.Body.String(), "rules of its own") {
					t.Errorf("%s: %d %s, want it refused", target, w.Code, w.Body)
				}
			}
			if n := reached.Load(); n != 0 {
				t.Errorf("%d requests reached the origin", n)
			}
			for _, target := range targets(test.fit) {
				if w := b.get(target); w.Code != 200 {
					t.Errorf("%s: %d %s", target, w.Code, w.Body)
				}
			}
		})
	}
}

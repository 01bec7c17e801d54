package delivery

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

var (
	markRed  = color.NRGBA{255, 0, 0, 255}
	markBlue = color.NRGBA{0, 0, 255, 255}
)

// flat is a PNG of one colour.
func flat(t testing.TB, c color.Color) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 20, 10))
	draw.Draw(m, m.Rect, image.NewUniform(c), image.Point{}, draw.Src)
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// shows is what an answer's picture shows as the test's engine stamps it: "red",
// "blue", "red blue" from left to right, or "plain". An error is its code.
func shows(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		return code(t, w)
	}
	m, _, err := image.Decode(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	b := m.Bounds()
	for _, x := range []int{b.Dx() / 4, b.Dx() * 3 / 4} {
		r, g, bl, _ := m.At(b.Min.X+x, b.Min.Y+b.Dy()/2).RGBA()
		name := "plain"
		switch {
		case r > 0xf000 && g < 0x1000 && bl < 0x1000:
			name = "red"
		case bl > 0xf000 && g < 0x1000 && r < 0x1000:
			name = "blue"
		}
		if !slices.Contains(seen, name) {
			seen = append(seen, name)
		}
	}
	return strings.Join(seen, " ")
}

// markedAcme is acme with marks red, bound to photos, and blue; and the sources open,
// media, whose images are the marks', and vault, which is private.
func markedAcme(t *testing.T, b *bench, change ...func(*workspace.Workspace)) *workspace.Workspace {
	t.Helper()
	b.upstream.Serve("/open/a.jpg", deliverytest.Body(deliverytest.Photo(t, 40, 30)))
	b.upstream.Serve("/vault/a.jpg", deliverytest.Body(deliverytest.Photo(t, 40, 30)))
	b.upstream.Serve("/vault/logo.png", deliverytest.Body(flat(t, markBlue)))
	b.upstream.Serve("/media/red.png", deliverytest.Body(flat(t, markRed), "ETag", `"1"`))
	b.upstream.Serve("/media/blue.png", deliverytest.Body(flat(t, markBlue)))
	return b.acme(append([]func(*workspace.Workspace){func(w *workspace.Workspace) {
		for _, key := range []string{"open", "media", "vault"} {
			w.Sources = append(w.Sources, workspace.Source{Key: key, Kind: "http", URL: b.upstream.URL + "/" + key + "/", Private: key == "vault"})
		}
		w.Marks = []workspace.Mark{
			{Name: "red", Image: "media/red.png", AutoApplySources: []string{"photos"}},
			{Name: "blue", Image: "media/blue.png"},
			{Name: "secret", Image: "vault/logo.png"},
		}
		w.Presets = []workspace.Preset{{Name: "stamped", Options: "w=20&mark=blue"}, {Name: "small", Options: "w=20"}}
	}}, change...)...)
}

// TestMarks reads as the policy of marks.
func TestMarks(t *testing.T) {
	b := newBench(t, func(c *setup) { c.BaseDomain = "img.example.com" })
	secret := signing.NewSecret()
	b.registry.Set(t, markedAcme(t, b, func(w *workspace.Workspace) { w.SigningKeys = []signing.Key{{ID: "k", Secret: secret}} }))
	strict := markedAcme(t, b, func(w *workspace.Workspace) { w.Namespace, w.PresetsOnly = "strict", true })
	b.registry.Set(t, strict)
	up := b.upstream.URL
	signed := func(target string) string {
		s, err := secret.SignUntil(target, time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, tt := range []struct {
		target, host string
		want         string
	}{
		{"/acme/open/a.jpg", "", "plain"},
		{"/acme/photos/cat.jpg", "", "red"},
		{"/acme/transform/photos/cat.jpg?w=9", "", "red"},
		{"/acme/transform?src=photos/cat.jpg", "", "red"},
		{"/acme?src=photos/cat.jpg", "", "red"},
		{"/acme?src=" + up + "/photos/cat.jpg", "", "red"},
		{"/photos/cat.jpg", "acme.img.example.com", "red"},
		{"/acme/photos/cat.jpg?mark=blue", "", "red"},
		{"/acme/photos/cat.jpg?mark=nobody", "", "red"},
		{"/acme/photos/cat.jpg?mark=vault/logo.png", "", "red"}, // ignored, so not read either
		{"/acme/photos/cat.jpg?mark=http://169.254.169.254/", "", "red"},
		{"/acme/photos/cat.jpg?preset=stamped", "", "red"},
		{"/acme/photos/cat.jpg?mark-w=99999", "", "INVALID_OPTION"},

		{"/acme/open/a.jpg?mark=red", "", "red"},
		{"/acme/open/a.jpg?mark=blue", "", "blue"},
		{"/acme/open/a.jpg?mark=blue&mark-opacity=0.5", "", "blue"},
		{"/acme/open/a.jpg?p:stamped", "", "blue"},
		{"/acme/open/a.jpg?p:stamped&mark=red", "", "red"},
		{"/acme/open/a.jpg?mark=media/blue.png", "", "blue"},
		{"/acme/open/a.jpg?mark=" + up + "/media/blue.png", "", "blue"},
		{"/acme/open/a.jpg?mark=nobody", "", "INVALID_OPTION"},
		{"/acme/open/a.jpg?mark=nowhere/a.png", "", "INVALID_OPTION"},
		{"/acme/open/a.jpg?mark=media/../a.png", "", "INVALID_OPTION"},
		{"/acme/open/a.jpg?mark=//evil.test/a.png", "", "INVALID_OPTION"},
		{"/acme/open/a.jpg?mark=http://localhost/a.png", "", "INVALID_OPTION"},
		{"/acme/open/a.jpg?mark=http://169.254.169.254/", "", "MARK_UNAVAILABLE"},
		{"/acme/open/a.jpg?mark=media/none.png", "", "MARK_UNAVAILABLE"},
		// What has a mark of its own isn't shown as one, which could cover everything.
		{"/acme/open/a.jpg?mark=photos/cat.jpg&mark-w=100%25", "", "SOURCE_NOT_ALLOWED"},
		{"/acme/open/a.jpg?mark=" + up + "/photos/cat.jpg", "", "SOURCE_NOT_ALLOWED"},

		// Every source that the URL reads counts; what the owner configured doesn't.
		{"/acme/open/a.jpg?mark=vault/logo.png", "", "SIGNATURE_REQUIRED"},
		{"/acme/open/a.jpg?mark=" + up + "/vault/logo.png", "", "SIGNATURE_REQUIRED"},
		{signed("/acme/open/a.jpg?mark=vault/logo.png"), "", "blue"},
		{"/acme/open/a.jpg?mark=secret", "", "blue"},

		{"/acme/open/none.jpg?default=photos/cat.jpg", "", "red"},
		{"/acme/photos/none.jpg?default=open/a.jpg", "", "red"},
		{"/acme/photos/none.jpg?default=open/a.jpg&mark=blue", "", "red"},
		{"/acme/open/none.jpg?default=open/a.jpg", "", "plain"},
		{"/acme/open/none.jpg?default=open/a.jpg&mark=blue", "", "blue"},
		{"/acme/open/none.jpg?default=photos/cat.jpg&mark=blue", "", "red"},

		{"/strict/photos/cat.jpg?preset=small", "", "red"},
		{"/strict/open/a.jpg?preset=stamped", "", "blue"},
		{"/strict/open/a.jpg?preset=stamped&mark=red", "", "PRESET_REQUIRED"},
		{"/strict/open/a.jpg?preset=small&mark-w=9", "", "PRESET_REQUIRED"},
	} {
		for range 2 { // the second from the cache
			if got := shows(t, b.get(tt.target, "Host", tt.host)); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.target, got, tt.want)
			}
		}
	}
}

// TestMarksAddUp: an original that belongs to several sources has the marks of all.
func TestMarksAddUp(t *testing.T) {
	b := newBench(t)
	b.upstream.Serve("/photos/inner/a.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	b.registry.Set(t, markedAcme(t, b, func(w *workspace.Workspace) {
		add := func(key, path string, names ...string) {
			w.Sources = append(w.Sources, workspace.Source{Key: key, Kind: "http", URL: b.upstream.URL + path, PublicURLs: names})
		}
		add("same", "/photos/")                               // the same place as photos
		add("cdn", "/elsewhere/", "https://cdn.example.com/") // another name of …
		add("twin", "/twin/", "https://cdn.example.com/")     // … the same
		add("inner", "/photos/inner/")                        // inside photos
		add("far", "/far/", "https://cdn.example.com/", b.upstream.URL+"/chain/")
		add("chain", "/chain/")
		w.Marks[1].AutoApplySources = []string{"twin", "inner"}
	}))
	for _, path := range []string{"/elsewhere/a.jpg", "/twin/a.jpg", "/far/a.jpg", "/chain/a.jpg"} {
		b.upstream.Serve(path, deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	}
	for target, want := range map[string]string{
		"/acme/photos/cat.jpg":                                "red",
		"/acme/same/cat.jpg":                                  "red",
		"/acme?src=" + b.upstream.URL + "/photos/cat.jpg":     "red",
		"/acme/cdn/a.jpg":                                     "blue",
		"/acme/far/a.jpg":                                     "blue",
		"/acme/chain/a.jpg":                                   "blue", // by way of far
		"/acme/inner/a.jpg":                                   "blue", // the longest prefix
		"/acme?src=" + b.upstream.URL + "/photos/inner/a.jpg": "blue",
		"/acme/photos/inner/a.jpg":                            "red blue",
		"/acme/same/inner/a.jpg":                              "blue",
		"/acme?src=photos/inner/a.jpg":                        "red blue",
	} {
		if got := shows(t, b.get(target)); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}

// TestLookalikes: a path that some servers take for one of a marked source isn't
// fetched past its marks.
func TestLookalikes(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, markedAcme(t, b, func(w *workspace.Workspace) {
		w.Sources = append(w.Sources, workspace.Source{Key: "all", Kind: "http", URL: b.upstream.URL + "/"})
	}))
	for _, path := range []string{"/Photos/cat.jpg", "/photos;v=1/cat.jpg", "/photos./cat.jpg", "/Open/a.jpg"} {
		b.upstream.Serve(path, deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	}
	for target, want := range map[string]string{
		"/acme?src=" + b.upstream.URL + "/Photos/cat.jpg":         "INVALID_SOURCE",
		"/acme?src=" + b.upstream.URL + "/photos%253Bv=1/cat.jpg": "INVALID_SOURCE",
		"/acme?src=" + b.upstream.URL + "/photos./cat.jpg":        "INVALID_SOURCE",
		"/acme/all/Photos/cat.jpg":                                "INVALID_SOURCE",
		"/acme/all/photos;v=1/cat.jpg":                            "INVALID_SOURCE",
		"/acme/all/photos/cat.jpg":                                "red",
		"/acme?src=" + b.upstream.URL + "/Open/a.jpg":             "plain", // open has no rules
		"/acme/all/Open/a.jpg":                                    "plain",
	} {
		if got := shows(t, b.get(target)); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}

// TestRedirectsIntoMarkedSources: only a source's own redirects lead into it.
func TestRedirectsIntoMarkedSources(t *testing.T) {
	b := newBench(t)
	to := func(url string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, url, http.StatusFound) }
	}
	b.registry.Set(t, markedAcme(t, b))
	b.upstream.Serve("/open/to-photo", to("/photos/cat.jpg"))
	b.upstream.Serve("/photos/to-photo", to("/photos/cat.jpg"))
	b.upstream.Serve("/photos/to-open", to("/open/a.jpg"))
	b.upstream.Serve("/photos/to-vault", to("/vault/a.jpg"))
	b.upstream.Serve("/media/to-photo.png", to("/photos/cat.jpg"))
	for target, want := range map[string]string{
		"/acme/open/to-photo":                         "SOURCE_NOT_ALLOWED",
		"/acme/photos/to-photo":                       "red",
		"/acme/photos/to-open":                        "red",
		"/acme/photos/to-vault":                       "SOURCE_NOT_ALLOWED",
		"/acme/open/a.jpg?mark=media/to-photo.png":    "MARK_UNAVAILABLE",
		"/acme/open/a.jpg?default=open/to-photo":      "plain",
		"/acme/open/no.jpg?default=open/to-photo":     "NOT_FOUND",
		"/acme?src=" + b.upstream.URL + "/else/photo": "NOT_FOUND",
	} {
		if got := shows(t, b.get(target)); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}

// TestMarkUnavailable: a mark that can't be had is never left out, nor is anything
// kept of it or shown in its place.
func TestMarkUnavailable(t *testing.T) {
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	b := newBench(t, func(c *setup) { c.Limits.FramePixels = 1e6 })
	b.upstream.Serve("/media/page.png", deliverytest.Body([]byte("<!doctype html><p>not a picture")))
	b.upstream.Serve("/media/cut.png", deliverytest.Body(flat(t, markRed)[:60]))
	b.upstream.Serve("/media/vast.png", deliverytest.Body(make([]byte, 26<<20)))
	b.upstream.Serve("/media/wide.jpg", deliverytest.Body(deliverytest.Photo(t, 1200, 900)))
	b.upstream.Serve("/media/logo.svg", deliverytest.Body([]byte(`<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>`)))
	b.upstream.Serve("/media/broken.png", deliverytest.Body(append(flat(t, markRed)[:50], make([]byte, 40)...)))
	for _, logo := range []string{
		"media/none.png", "media/page.png", "media/cut.png", "media/vast.png", "media/wide.jpg", "media/logo.svg",
		"media/broken.png", dead.URL + "/logo.png",
	} {
		w := markedAcme(t, b, func(w *workspace.Workspace) {
			w.Marks[0].Image = logo
			w.Sources = append(w.Sources, workspace.Source{Key: "dead", Kind: "http", URL: dead.URL + "/"})
		})
		b.registry.Set(t, w)
		for _, target := range []string{
			"/acme/photos/cat.jpg", "/acme/photos/cat.jpg", "/acme/photos/cat.jpg?default=open/a.jpg",
			"/acme/photos/none.jpg?default=open/a.jpg", "/acme/open/none.jpg?default=photos/cat.jpg", "/acme/open/a.jpg?mark=red",
		} {
			res := b.get(target)
			want := "MARK_UNAVAILABLE"
			if strings.HasPrefix(target, "/acme/open/none.jpg") {
				want = "NOT_FOUND" // the picture in its place can't be had
			}
			if got := shows(t, res); got != want || res.Header().Get("Cache-Control") == cacheControlDefault {
				t.Errorf("%s, mark %s: %s %s", target, logo, got, res.Header().Get("Cache-Control"))
			}
		}
		if got := shows(t, b.get("/acme/open/a.jpg")); got != "plain" {
			t.Errorf("others, mark %s: %s", logo, got)
		}
	}
	// Once there is one, at once.
	b.upstream.Serve("/media/none.png", deliverytest.Body(flat(t, markRed)))
	b.registry.Set(t, markedAcme(t, b, func(w *workspace.Workspace) { w.Marks[0].Image = "media/none.png" }))
	if got := shows(t, b.get("/acme/photos/cat.jpg")); got != "red" {
		t.Errorf("a mark that has come: %s", got)
	}
}

// TestMarkChanges: what is bound, edited or drawn anew shows in the next response,
// and a hit asks no origin.
func TestMarkChanges(t *testing.T) {
	b := newBench(t)
	check := func(what, want string) {
		t.Helper()
		if got := shows(t, b.get("/acme/photos/cat.jpg")); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	eventually := func(what, want string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); shows(t, b.get("/acme/photos/cat.jpg")) != want; {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not %s", what, want)
			}
			b.clock.Add(1) // a look that was under way, and failed, puts the next one off
			time.Sleep(time.Millisecond)
		}
	}
	b.registry.Set(t, markedAcme(t, b, func(w *workspace.Workspace) { w.Marks[0].AutoApplySources = nil }))
	check("unbound", "plain")
	asked := b.engine.Runs.Load()
	for range 2 {
		b.get("/acme/photos/cat.jpg?mark=red")
	}
	b.registry.Set(t, markedAcme(t, b))
	b.get("/acme/photos/cat.jpg?mark=red")
	if b.engine.Runs.Load() != asked+2 {
		t.Error("a bound mark, which padding doesn't move, isn't another variant than one that is asked for")
	}
	check("bound", "red")
	check("a hit", "red")
	logos, photos := b.upstream.Count("/media/red.png"), b.upstream.Count("/photos/cat.jpg")
	if logos != 1 || photos != 3 {
		t.Errorf("the mark was fetched %d times, the original %d times", logos, photos)
	}
	runs := b.engine.Runs.Load()
	b.registry.Set(t, markedAcme(t, b, func(w *workspace.Workspace) { w.Marks[0].Align = "top" }))
	check("edited", "red")
	if b.engine.Runs.Load() != runs+1 || b.upstream.Count("/media/red.png") != 1 {
		t.Error("an edited mark isn't another variant, or its image was fetched again")
	}
	b.registry.Set(t, markedAcme(t, b, func(w *workspace.Workspace) { w.Marks[0].Image = "media/blue.png" }))
	check("another image", "blue")
	b.registry.Set(t, markedAcme(t, b))
	check("as before", "red")

	b.upstream.Serve("/media/red.png", deliverytest.Body(flat(t, markBlue), "ETag", `"2"`))
	check("drawn anew, before it was looked at", "red")
	b.clock.Add(301)
	check("stale meanwhile", "red")
	eventually("drawn anew", "blue")

	// The origin of the mark is down: hits and, as long as the image is in memory,
	// misses go on.
	b.upstream.Serve("/media/red.png", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	b.clock.Add(301)
	check("down", "blue")
	if got := shows(t, b.get("/acme/photos/cat.jpg?w=33")); got != "blue" {
		t.Errorf("a miss while the mark's origin is down: %s", got)
	}
	// Gone for good.
	b.upstream.Serve("/media/red.png", http.NotFound)
	b.clock.Add(301)
	eventually("gone", "MARK_UNAVAILABLE")
}

// TestMarkOfFolder: marks and marked sources may be the operator's folders.
func TestMarkOfFolder(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a.jpg"), deliverytest.Photo(t, 20, 20))
	writeFile(t, filepath.Join(dir, "logo.png"), flat(t, markRed))
	folder, err := origin.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	b := newBench(t, func(c *setup) { c.Dirs = map[string]map[string]*origin.Dir{"acme": {"folder": folder}} })
	w := b.acme(func(w *workspace.Workspace) {
		w.Marks = []workspace.Mark{{Name: "red", Image: "folder/logo.png", AutoApplySources: []string{"folder"}}}
	})
	w.ID = "acme"
	b.registry.Set(t, w, "folder")
	if got := shows(t, b.get("/acme/folder/a.jpg")); got != "red" {
		t.Error(got)
	}
}

// TestOneWayToMakeVariants: engines are called where the marks that were decided go
// into the job, and nowhere else. Who adds another way to make a variant finds this
// test, and TestEveryRouteIsMarked in cmd/tintype.
func TestOneWayToMakeVariants(t *testing.T) {
	calls := map[string][]string{} // of Transform: file by function
	makers := map[string]bool{}    // functions that decide on marks
	unmarked := map[string]bool{}  // … that there are none
	workers := map[string]bool{}   // functions that give the engine a job
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			client := name == filepath.Join("..", "client") || name == filepath.Join("..", "mcp") // they ask a server
			if err == nil && (client || strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata" || d.Name() == "tools" || d.Name() == "node_modules") {
				return filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(name), ".."+string(filepath.Separator)))
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr: // called, or handed on
					if n.Sel.Name == "Transform" {
						if id, ok := n.X.(*ast.Ident); !ok || id.Name != "transform" && id.Name != "e" {
							calls[dir] = append(calls[dir], fn.Name.Name)
						}
					}
					if dir == "delivery" && n.Sel.Name == "work" {
						workers[fn.Name.Name] = true
					}
				case *ast.CallExpr:
					if id, ok := n.Fun.(*ast.Ident); ok && dir == "delivery" && id.Name == "withoutMarks" {
						unmarked[fn.Name.Name] = true
					}
				case *ast.CompositeLit:
					if id, ok := n.Type.(*ast.Ident); ok && id.Name == "decidedMarks" && dir == "delivery" && len(n.Elts) > 0 {
						makers[fn.Name.Name] = true
					}
				case *ast.AssignStmt:
					for _, left := range n.Lhs {
						if s, ok := left.(*ast.SelectorExpr); ok && s.Sel.Name == "decided" {
							makers[fn.Name.Name] = true
						}
					}
				}
				return true
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := calls["delivery"]; !slices.Equal(got, []string{"work"}) {
		t.Errorf("package delivery calls engines in %v: only Service.work may", got)
	}
	// Service.transform and layGrid stamp what decideMarks says. The others show no
	// picture, but for CheckUpload: its preview is for the moderation, before the image is stored.
	if got := slices.Sorted(maps.Keys(workers)); !slices.Equal(got, []string{"CheckUpload", "layGrid", "makeInfo", "makePlaceholder", "transform"}) {
		t.Errorf("%v give the engine jobs", got)
	}
	if got := slices.Sorted(maps.Keys(unmarked)); !slices.Equal(got, []string{"readPlaceholder", "readPlain"}) {
		t.Errorf("%v leave out marks: only what shows no picture may", got)
	}
	for dir, functions := range calls {
		switch {
		case dir == "delivery", dir == "bench", strings.HasPrefix(dir, "transform/"): // bench and engines serve nobody
		case dir == "cmd/tintype" && slices.Equal(functions, []string{"Run"}): // `tintype transform`
		default:
			t.Errorf("%s calls an engine in %v: variants are made by package delivery", dir, functions)
		}
	}
	if len(makers) != 2 || !makers["decideMarks"] || !makers["withoutMarks"] {
		t.Errorf("%v decide which marks are stamped: only decideMarks may", makers)
	}
}

// TestNothingUndecided: without a decision nothing is made or looked up.
func TestNothingUndecided(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	c, err := b.site(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.read(Target{"acme", "/photos/cat.jpg", ""}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.marks = decidedMarks{}
	if e, err := b.loadMarked(t.Context(), &a, &timings{}); err == nil {
		t.Errorf("%d bytes", len(e.entry.Body))
	}
	if images, _, _, err := b.markImages(t.Context(), &a); err == nil {
		t.Errorf("%d marks", len(images))
	}
}

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

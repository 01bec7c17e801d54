package server

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/server/web"
	"github.com/tintype/tintype/workspace"
)

// folder is a dir source with files of these names, each the same photo.
func folder(t *testing.T, names ...string) *origin.Dir {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, deliverytest.Photo(t, 30, 20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := origin.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	return dir
}

// playBench has the workspaces demo and acme, each with a folder and with presets
// and a source of the owner's.
func playBench(t *testing.T, change ...func(*workspace.Workspace)) *bench {
	b := newBench(t, func(c *delivery.Config) {
		c.Dirs = map[string]map[string]*origin.Dir{
			"demo": {"samples": folder(t, "dusk.jpg", "sub/a b.png", `x"><script>alert(1)<.jpg`, "notes.txt")},
			"acme": {"pictures": folder(t, "one.jpg")},
		}
	})
	for _, ns := range []string{"demo", "acme"} {
		w := workspace.New(ns)
		w.Sources = []workspace.Source{{Key: "internal-" + ns, Kind: "http", URL: b.upstream.URL + "/photos/"}}
		w.Presets = []workspace.Preset{{Name: "secret-" + ns, Options: "w=10"}}
		for _, f := range change {
			f(w)
		}
		b.registry.Set(t, w)
	}
	return b
}

func TestPlaygroundPage(t *testing.T) {
	b := playBench(t)
	for _, path := range []string{"/", "/playground/demo", "/?utm_source=x"} {
		w := b.get(path)
		body := w.Body.String()
		if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Fatalf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
		for _, want := range []string{`value="samples/dusk.jpg"`, `src="/demo/samples/sub/a%20b.png?`, `"secret-demo"`, `"internal-demo/"`} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: no %s in the page", path, want)
			}
		}
		for _, never := range []string{"<script>alert", "notes.txt", "acme", " style=", " onclick=", "http://", "https://h"} {
			if strings.Contains(body, never) {
				t.Errorf("%s: %s is in the page", path, never)
			}
		}
	}
	w := b.get("/")
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; img-src 'self' blob:; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"Referrer-Policy":         "no-referrer",
		"X-Content-Type-Options":  "nosniff",
		"Cache-Control":           "no-cache",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestPlaygroundMethods(t *testing.T) {
	b := playBench(t)
	for _, path := range []string{"/", "/playground/demo", "/playground/demo/original?src=samples/dusk.jpg", web.Path() + "main.js"} {
		get, head := b.get(path), b.send(http.MethodHead, path)
		if head.Code != 200 {
			t.Errorf("HEAD %s: %d", path, head.Code)
		}
		get.Header().Del("X-Request-Id")
		head.Header().Del("X-Request-Id")
		if d := cmp.Diff(get.Header(), head.Header()); d != "" {
			t.Errorf("%s: headers of GET and HEAD differ:\n%s", path, d)
		}
		if w := b.send(http.MethodPost, path); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %d, Allow %q", path, w.Code, w.Header().Get("Allow"))
		}
	}
}

// TestPlaygroundOfAStranger: outside the demo, the page doesn't show names that an owner
// chose.
func TestPlaygroundOfAStranger(t *testing.T) {
	b := playBench(t)
	body := b.get("/playground/acme").Body.String()
	if !strings.Contains(body, "pictures/one.jpg") {
		t.Error("the folder's picture is not on the page")
	}
	for _, private := range []string{"secret-", "internal-", "demo"} {
		if strings.Contains(body, private) {
			t.Errorf("%s is on the page of another workspace", private)
		}
	}
	for _, closed := range []func(*workspace.Workspace){
		func(w *workspace.Workspace) { w.RequireSignature = true },
		func(w *workspace.Workspace) { w.PresetsOnly = true },
	} {
		b := playBench(t, closed)
		if body := b.get("/playground/acme").Body.String(); strings.Contains(body, "one.jpg") {
			t.Error("a picture that visitors may not see is listed")
		}
	}
}

func TestPlaygroundErrors(t *testing.T) {
	b := playBench(t)
	for path, want := range map[string]fault.Code{
		"/playground":                                         "WORKSPACE_NOT_FOUND",
		"/playground/":                                        "WORKSPACE_NOT_FOUND",
		"/playground/nobody":                                  "WORKSPACE_NOT_FOUND",
		"/playground/static":                                  "WORKSPACE_NOT_FOUND",
		"/playground/..%2fdemo":                               "WORKSPACE_NOT_FOUND",
		"/playground/demo/":                                   "NOT_FOUND",
		"/playground/demo/x":                                  "NOT_FOUND",
		"/playground/nobody/original?src=a/b":                 "WORKSPACE_NOT_FOUND",
		"/playground/demo/original":                           "INVALID_SOURCE",
		"/playground/demo/original?src=none/a.jpg":            "SOURCE_NOT_FOUND",
		"/playground/demo/original?src=samples/none.jpg":      "NOT_FOUND",
		"/playground/demo/original?src=samples/../dusk":       "INVALID_PATH",
		"/playground/demo/original?src=samples/notes.txt%00":  "INVALID_OPTION",
		"/playground/demo/original?src=http://10.0.0.1/a.jpg": "ADDRESS_NOT_ALLOWED",
		"/static/":                                 "NOT_FOUND",
		"/static":                                  "NOT_FOUND",
		"/static/x/nothing.js":                     "NOT_FOUND",
		web.Path():                                 "NOT_FOUND",
		web.Path() + "../playground.html":          "NOT_FOUND",
		web.Path() + "%2e%2e/playground.html":      "NOT_FOUND",
		strings.TrimSuffix(web.Path(), "/"):        "NOT_FOUND",
		"/playgrounds/demo/original?src=samples/a": "WORKSPACE_NOT_FOUND",
	} {
		if w := b.get(path); code(t, w) != string(want) {
			t.Errorf("%s: %d %s, want %s", path, w.Code, w.Body, want)
		}
	}
}

// TestPlaygroundErrorPages: for an unknown page a browser gets an error page, and other
// clients get the JSON error.
func TestPlaygroundErrorPages(t *testing.T) {
	b := playBench(t)
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
	for path, want := range map[string]string{
		"/playground":              "404 WORKSPACE_NOT_FOUND",
		"/playground/nobody":       "404 WORKSPACE_NOT_FOUND",
		"/playground/<b>x":         "404 WORKSPACE_NOT_FOUND",
		"/playground/demo/":        "404 NOT_FOUND",
		"/playground/demo/another": "404 NOT_FOUND",
	} {
		w := b.get(path, "Accept", browser)
		if w.Code != 404 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Cache-Control") != "no-store" ||
			w.Header().Get("Content-Security-Policy") != playgroundCSP {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		body := w.Body.String()
		for _, part := range []string{want, w.Header().Get("X-Request-Id"), "/playground/NAMESPACE"} {
			if !strings.Contains(body, part) {
				t.Errorf("%s: no %s in the page", path, part)
			}
		}
		if strings.Contains(body, "<b>x") || strings.Contains(body, "<script") {
			t.Errorf("%s: %s", path, body)
		}
		for _, accept := range []string{"", "*/*", "application/json"} {
			if w := b.get(path, "Accept", accept); w.Code != 404 || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%s for %q: %d %s", path, accept, w.Code, w.Header().Get("Content-Type"))
			}
		}
	}
	// Requests of the page's script are still answered with JSON.
	if w := b.get("/playground/nobody/original?src=a/b", "Accept", browser); code(t, w) != "WORKSPACE_NOT_FOUND" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestStartPageWithoutDemo(t *testing.T) {
	b := newBench(t)
	w := b.get("/")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "--dir demo/samples=FOLDER") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if strings.Contains(w.Body.String(), "<script") {
		t.Error("a page without a playground runs a script")
	}
	if w := b.get("/playground/demo"); code(t, w) != "WORKSPACE_NOT_FOUND" {
		t.Errorf("/playground/demo: %d", w.Code)
	}
}

func TestDescribe(t *testing.T) {
	b := playBench(t)
	size := len(deliverytest.Photo(t, 30, 20))
	for _, src := range []string{"samples/dusk.jpg", "samples/sub/a%20b.png"} {
		w := b.get("/playground/demo/original?src=" + src)
		var got map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
			t.Fatalf("%s: %d %v %s", src, w.Code, err, w.Body)
		}
		want := map[string]any{"format": "jpeg", "bytes": float64(size), "width": 30.0, "height": 20.0, "frames": 1.0}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s:\n%s", src, d)
		}
		if w.Header().Get("Cross-Origin-Resource-Policy") != "same-origin" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("headers %v", w.Header())
		}
	}
	if w := b.get("/playground/demo/original?src=internal-demo/cat.jpg"); w.Code != 200 {
		t.Errorf("an http source: %d %s", w.Code, w.Body)
	}
}

// TestDescribeAsksForRights: a request needs the same rights to describe an original as to
// show a variant.
func TestDescribeAsksForRights(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*workspace.Workspace)
		want   fault.Code
	}{
		"signed workspace": {func(w *workspace.Workspace) { w.RequireSignature = true }, "SIGNATURE_REQUIRED"},
		"private source":   {func(w *workspace.Workspace) { w.Sources[0].Private = true }, "SIGNATURE_REQUIRED"},
		"presets only":     {func(w *workspace.Workspace) { w.PresetsOnly = true }, "PRESET_REQUIRED"},
	} {
		b := playBench(t, tt.change)
		w := b.get("/playground/acme/original?src=internal-acme/cat.jpg")
		if code(t, w) != string(tt.want) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if n := b.upstream.Count("/photos/cat.jpg"); n != 0 {
			t.Errorf("%s: the origin was asked %d times", name, n)
		}
	}
}

func TestAssets(t *testing.T) {
	b := newBench(t)
	page := b.get("/").Body.String()
	used := regexp.MustCompile(`(?:href|src)="(/static/[^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(used) == 0 {
		t.Fatal("the page uses no static file")
	}
	for _, m := range used {
		w := b.get(m[1])
		if w.Code != 200 || w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" || w.Header().Get("ETag") == "" {
			t.Errorf("%s: %d %v", m[1], w.Code, w.Header())
		}
		if w := b.get(m[1], "If-None-Match", w.Header().Get("ETag")); w.Code != 304 {
			t.Errorf("%s again: %d", m[1], w.Code)
		}
	}
	for method, want := range map[string]int{"GET": 206, "HEAD": 200} {
		if w := b.send(method, web.Path()+"main.js", "Range", "bytes=0-9"); w.Code != want {
			t.Errorf("%s of a range of a static file: %d, want %d", method, w.Code, want)
		}
	}
	w := b.get("/static/000000000000/main.js")
	if w.Code != 200 || w.Header().Get("Cache-Control") != "no-cache" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/javascript") {
		t.Errorf("another version: %d %v", w.Code, w.Header())
	}
}

// TestStartPage: a server without the workspace of the playground speaks to visitors first, and
// to its operator below.
func TestStartPage(t *testing.T) {
	b := newBench(t)
	for _, pages := range []http.Handler{nil, http.NotFoundHandler()} {
		b.pages = pages
		w := b.get("/")
		visitors, operator, ok := strings.Cut(w.Body.String(), `<details class="operator">`)
		if w.Code != 200 || !ok || strings.Contains(visitors, "<code>") || !strings.Contains(operator, "tintype serve --dir demo/samples=FOLDER") {
			t.Error(w.Code, w.Body)
		}
		if got := strings.Contains(visitors, `href="/app">Sign in</a>`); got != (pages != nil) {
			t.Errorf("offers to sign in: %v\n%s", got, visitors)
		}
	}
}

package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// goEngine is a small engine in pure Go, so that these tests need no libvips: it
// scales by the nearest pixel and writes JPEG and PNG, whatever it is called. Each of
// the job's marks colours an equal part of the output from left to right with its
// first pixel.
type goEngine struct {
	runs  atomic.Int64
	block chan struct{} // not nil: Transform waits for it to be closed
	fails error         // not nil: Transform returns it
	full  error         // not nil: Admits returns it

	mu     sync.Mutex
	owners []transform.Owner // of the jobs that came
}

func (e *goEngine) Admits(context.Context, transform.Owner) error { return e.full }

func (e *goEngine) Transform(ctx context.Context, job transform.Job) (transform.Image, error) {
	e.runs.Add(1)
	e.mu.Lock()
	e.owners = append(e.owners, job.Owner)
	e.mu.Unlock()
	if e.fails != nil {
		return transform.Image{}, e.fails
	}
	if e.block != nil {
		select {
		case <-e.block:
		case <-ctx.Done():
			return transform.Image{}, ctx.Err()
		}
	}
	src, _, err := image.Decode(bytes.NewReader(job.Original))
	if err != nil {
		return transform.Image{}, fmt.Errorf("%w: %v", transform.ErrCorrupt, err)
	}
	plan, err := job.Options.Plan(job.Header.Upright())
	if err != nil {
		return transform.Image{}, err
	}
	out := image.NewNRGBA(image.Rect(0, 0, plan.Output.W, plan.Output.H))
	for y := range plan.Output.H {
		for x := range plan.Output.W {
			out.Set(x, y, src.At(x*src.Bounds().Dx()/plan.Output.W, y*src.Bounds().Dy()/plan.Output.H))
		}
	}
	for i, m := range job.Marks {
		logo, _, err := image.Decode(bytes.NewReader(m.Image))
		if err != nil {
			return transform.Image{}, fmt.Errorf("%w: %w: %v", transform.ErrMark, transform.ErrCorrupt, err)
		}
		n, w := len(job.Marks), plan.Output.W
		part := image.Rect(i*w/n, 0, (i+1)*w/n, plan.Output.H)
		draw.Draw(out, part, image.NewUniform(logo.At(logo.Bounds().Min.X, logo.Bounds().Min.Y)), image.Point{}, draw.Src)
	}
	var b bytes.Buffer
	if job.Format == transform.JPEG {
		err = jpeg.Encode(&b, out, nil)
	} else {
		err = png.Encode(&b, out)
	}
	return transform.Image{Data: b.Bytes(), Format: job.Format, Width: plan.Output.W, Height: plan.Output.H, Frames: 1}, err
}

// registry is the workspaces of a test.
type registry struct {
	mu sync.Mutex
	m  map[string]*workspace.Workspace
}

func (r *registry) Get(_ context.Context, ns string) (*workspace.Workspace, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.m[ns]; w != nil {
		return w, nil
	}
	return nil, fmt.Errorf("%w: %s", workspace.ErrNotFound, ns)
}

func (r *registry) set(t testing.TB, w *workspace.Workspace) {
	t.Helper()
	if err := w.Validate(); err != nil {
		t.Fatal(err)
	}
	if w.ID == "" {
		w.ID = "id-of-" + w.Namespace
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.m[w.Namespace] = w
}

// upstream is an origin on loopback that counts what it is asked for.
type upstream struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string]http.HandlerFunc
	hits  map[string]int
}

func newUpstream(t testing.TB) *upstream {
	u := &upstream{files: map[string]http.HandlerFunc{}, hits: map[string]int{}}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.hits[r.URL.RequestURI()]++
		h := u.files[r.URL.Path]
		u.mu.Unlock()
		if h == nil {
			http.NotFound(w, r)
			return
		}
		h(w, r)
	}))
	t.Cleanup(u.Close)
	return u
}

func (u *upstream) serve(path string, h http.HandlerFunc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.files[path] = h
}

func (u *upstream) count(uri string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.hits[uri]
}

func body(b []byte, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		if etag := w.Header().Get("ETag"); etag != "" && r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(b)
	}
}

// photo is a JPEG of w×h with a gradient.
func photo(t testing.TB, w, h int) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetNRGBA(x, y, color.NRGBA{uint8(x * 255 / w), uint8(y * 255 / h), 128, 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A bench is a server under test with all that it talks to.
type bench struct {
	*Server
	engine   *goEngine
	registry *registry
	upstream *upstream
	handler  http.Handler
	log      *bytes.Buffer
	clock    atomic.Int64 // seconds to add to the time
}

func newBench(t testing.TB, change ...func(*Config)) *bench {
	t.Helper()
	b := &bench{engine: &goEngine{}, registry: &registry{m: map[string]*workspace.Workspace{}}, upstream: newUpstream(t), log: &bytes.Buffer{}}
	limits := origin.DefaultLimits()
	limits.Timeout = 2 * time.Second
	bodies := origin.NewBodies(origin.BodiesConfig{Memory: 64 << 20})
	c := Config{
		Bodies:     bodies,
		Workspaces: b.registry, Engine: b.engine,
		HTTP: origin.NewHTTP(origin.HTTPConfig{
			Guard: origin.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, Limits: limits, Bodies: bodies,
		}),
		Cache:   cache.NewMemory(64 << 20),
		Formats: transform.AcceptAVIF | transform.AcceptWebP, Limits: transform.DefaultLimits(),
		TransformTimeout: 5 * time.Second,
		Log:              slog.New(slog.NewJSONHandler(b.log, nil)),
		Now:              func() time.Time { return time.Now().Add(time.Duration(b.clock.Load()) * time.Second) },
	}
	for _, f := range change {
		f(&c)
	}
	b.Server = New(c)
	b.handler = b.Handler()
	t.Cleanup(func() {
		_ = b.Close(context.Background())
		// Whatever the test asked for, no body is held afterwards.
		s := bodies.Stats()
		for deadline := time.Now().Add(10 * time.Second); s.Memory+s.Disk > 0 && time.Now().Before(deadline); s = bodies.Stats() {
			runtime.Gosched() // until what nobody waits for has ended too
		}
		if s.Memory+s.Disk > 0 || s.Reading+s.Whole > 0 {
			t.Errorf("bodies are left: %+v", s)
		}
	})
	b.upstream.serve("/photos/cat.jpg", body(photo(t, 300, 200)))
	return b
}

// acme is a workspace whose source photos is the upstream's /photos/.
func (b *bench) acme(change ...func(*workspace.Workspace)) *workspace.Workspace {
	w := workspace.New("acme")
	w.Sources = []workspace.Source{{Key: "photos", Kind: "http", URL: b.upstream.URL + "/photos/"}}
	for _, f := range change {
		f(w)
	}
	return w
}

// get sends a request with the target as it is written, and headers in pairs.
func (b *bench) get(target string, headers ...string) *httptest.ResponseRecorder {
	return b.send(http.MethodGet, target, headers...)
}

func (b *bench) send(method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", nil)
	r.RequestURI = target
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		} else {
			r.Header.Add(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

// code is the error code of an answer, or "" of an image.
func code(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	if w.Code < 400 {
		return ""
	}
	var e struct {
		Error struct {
			Code, Message string
			Status        int
			RequestID     string `json:"request_id"`
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
		t.Fatalf("status %d with a body that is no envelope: %q", w.Code, w.Body)
	}
	if e.Error.Status != w.Code || e.Error.RequestID == "" || e.Error.RequestID != w.Header().Get("X-Request-Id") || e.Error.Message == "" {
		t.Errorf("envelope %+v does not fit status %d, X-Request-Id %q", e.Error, w.Code, w.Header().Get("X-Request-Id"))
	}
	return e.Error.Code
}

func TestURLs(t *testing.T) {
	b := newBench(t, func(c *Config) { c.BaseDomain = "img.example.com" })
	b.registry.set(t, b.acme())
	b.upstream.serve("/photos/a b+c.jpg", body(photo(t, 30, 20)))
	b.upstream.serve("/photos/ü.jpg", body(photo(t, 30, 20)))
	b.upstream.serve("/photos/100%.jpg", body(photo(t, 30, 20)))
	long := strings.Repeat("a", 9000)
	full := b.upstream.URL + "/photos/cat.jpg"
	tests := []struct {
		target string
		host   string
		status int
		code   string
	}{
		{"/acme/photos/cat.jpg?w=10", "", 200, ""},
		{"/acme/transform/photos/cat.jpg?w=10", "", 200, ""},
		{"/acme/transform?src=photos/cat.jpg&w=10", "", 200, ""},
		{"/acme?src=photos/cat.jpg&w=10", "", 200, ""},
		{"/acme?src=" + full + "&w=10", "", 200, ""},
		{"/acme/photos/a%20b+c.jpg", "", 200, ""},
		{"/acme/photos/%C3%BC.jpg", "", 200, ""},
		{"/acme/photos/100%25.jpg", "", 200, ""},
		{"/acme?src=photos/100%25.jpg", "", 200, ""},
		{"/acme?src=photos/a+b%2Bc.jpg", "", 200, ""},
		{"http://whatever/acme/photos/cat.jpg?w=10", "", 200, ""},

		{"/photos/cat.jpg?w=10", "acme.img.example.com", 200, ""},
		{"/photos/cat.jpg?w=10", "ACME.IMG.example.com.:8080", 200, ""},
		{"/transform/photos/cat.jpg?w=10", "acme.img.example.com", 200, ""},
		{"/?src=photos/cat.jpg&w=10", "acme.img.example.com", 200, ""},
		{"/acme/photos/cat.jpg?w=10", "img.example.com", 200, ""},
		{"/acme/photos/cat.jpg?w=10", "www.img.example.com", 200, ""},
		{"/photos/cat.jpg", "nobody.img.example.com", 404, "WORKSPACE_NOT_FOUND"},
		{"/healthz", "acme.img.example.com", 400, "INVALID_PATH"},
		{"/v1/workspaces", "acme.img.example.com", 404, "SOURCE_NOT_FOUND"},

		{"/acme", "", 400, "INVALID_SOURCE"},
		{"/acme/", "", 400, "INVALID_SOURCE"},
		{"/acme/photos", "", 400, "INVALID_PATH"},
		{"/acme/photos/", "", 400, "INVALID_PATH"},
		{"/acme//photos/cat.jpg", "", 400, "INVALID_SOURCE"},
		{"//acme/photos/cat.jpg", "", 404, "WORKSPACE_NOT_FOUND"},
		{"/acme/photos//cat.jpg", "", 400, "INVALID_PATH"},
		{"/acme/photos/./cat.jpg", "", 400, "INVALID_PATH"},
		{"/acme/photos/../cat.jpg", "", 400, "INVALID_PATH"},
		{"/acme/photos/%2e%2e/cat.jpg", "", 400, "INVALID_PATH"},
		{"/acme/photos/.%2E/cat.jpg", "", 400, "INVALID_PATH"},
		{"/acme/photos/a%5cb.jpg", "", 400, "INVALID_PATH"},
		{"/acme/photos/a%00b.jpg", "", 400, "INVALID_PATH"},
		{"/acme/photos/a%0ab.jpg", "", 400, "INVALID_PATH"},
		{"/acme/photos/a%zz.jpg", "", 400, "INVALID_PATH"},
		{"/acme/photos/cat.jpg#x", "", 400, "INVALID_PATH"},
		{"/acme/Photos/cat.jpg", "", 400, "INVALID_SOURCE"},
		{"/acme/_next/cat.jpg", "", 400, "INVALID_SOURCE"},
		{"/acme/other/cat.jpg", "", 404, "SOURCE_NOT_FOUND"},
		{"/acme/photos/none.jpg", "", 404, "NOT_FOUND"},
		{"/acme/info/photos/cat.jpg", "", 404, "NOT_FOUND"},
		{"/acme/grid?src=photos/cat.jpg", "", 404, "NOT_FOUND"},
		{"/acme/placeholder/color?c=fff", "", 404, "NOT_FOUND"},
		{"/acm%65/photos/cat.jpg", "", 404, "WORKSPACE_NOT_FOUND"},
		{"/ac/photos/cat.jpg", "", 404, "WORKSPACE_NOT_FOUND"},
		{"/docs", "", 404, "NOT_FOUND"},
		{"/static/../server.go", "", 404, "NOT_FOUND"},
		{"/static/", "", 404, "NOT_FOUND"},
		{"*", "", 400, "INVALID_PATH"},

		{"/acme/photos/cat.jpg?src=photos/cat.jpg", "", 400, "INVALID_SOURCE"},
		{"/acme?src=photos/cat.jpg&src=photos/cat.jpg", "", 400, "INVALID_OPTION"},
		{"/acme?src=", "", 400, "INVALID_SOURCE"},
		{"/acme?src=/photos/cat.jpg", "", 400, "INVALID_SOURCE"},
		{"/acme?src=//example.com/cat.jpg", "", 400, "INVALID_SOURCE"},
		{"/acme?src=/%5Cexample.com/cat.jpg", "", 400, "INVALID_SOURCE"},
		{"/acme?src=file:///etc/passwd", "", 400, "INVALID_SOURCE"},
		{"/acme?src=photos/../cat.jpg", "", 400, "INVALID_PATH"},
		{"/acme?src=photos/%252e%252e/cat.jpg", "", 404, "NOT_FOUND"}, // the object "%2e%2e/cat.jpg"
		{"/acme?src=http://user@example.com/", "", 400, "INVALID_SOURCE"},
		{"/acme?src=" + b.upstream.URL + "/photos/../secret.jpg", "", 400, "INVALID_SOURCE"},
		{"/acme?src=" + b.upstream.URL + "//photos/cat.jpg", "", 400, "INVALID_SOURCE"},
		{"/acme?src=" + b.upstream.URL + "/photos%252Fcat.jpg", "", 400, "INVALID_SOURCE"},

		{"/acme/photos/cat.jpg?w=1&w=1", "", 400, "INVALID_OPTION"},
		{"/acme/photos/cat.jpg?w=1&width=1", "", 400, "INVALID_OPTION"},
		{"/acme/photos/cat.jpg?w=%3", "", 400, "INVALID_OPTION"},
		{"/acme/photos/cat.jpg?w=1;h=1", "", 400, "INVALID_OPTION"},
		{"/acme/photos/cat.jpg?utm_source=a&utm_source=b", "", 200, ""},
		{"/acme/photos/cat.jpg?blur=3", "", 200, ""},
		{"/acme/photos/cat.jpg?mark=x", "", 400, "INVALID_OPTION"},
		{"/acme/photos/cat.jpg?x=" + long, "", 414, "URI_TOO_LONG"},
	}
	for _, tt := range tests {
		name := tt.target
		if len(name) > 80 {
			name = name[:80]
		}
		t.Run(tt.host+name, func(t *testing.T) {
			h := []string{}
			if tt.host != "" {
				h = append(h, "Host", tt.host)
			}
			w := b.get(tt.target, h...)
			if got := code(t, w); w.Code != tt.status || got != tt.code {
				t.Errorf("%d %s, want %d %s\n%s", w.Code, got, tt.status, tt.code, w.Body)
			}
			if w.Code < 400 && !strings.HasPrefix(w.Header().Get("Content-Type"), "image/") {
				t.Errorf("Content-Type %q", w.Header().Get("Content-Type"))
			}
			if strings.Contains(w.Body.String(), "127.0.0.1") && w.Code >= 400 {
				t.Errorf("an address leaks: %s", w.Body)
			}
		})
	}
}

func TestMethods(t *testing.T) {
	b := newBench(t)
	b.registry.set(t, b.acme())
	for _, m := range []string{"POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} {
		w := b.send(m, "/acme/photos/cat.jpg")
		if w.Code != 405 || code(t, w) != "METHOD_NOT_ALLOWED" || w.Header().Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("%s: %d Allow %q", m, w.Code, w.Header().Get("Allow"))
		}
	}
	get := b.get("/acme/photos/cat.jpg?w=20")
	head := b.send("HEAD", "/acme/photos/cat.jpg?w=20")
	if head.Code != 200 || head.Body.Len() != 0 {
		t.Errorf("HEAD: %d, %d bytes", head.Code, head.Body.Len())
	}
	for _, name := range []string{"Content-Length", "Content-Type", "ETag", "Cache-Control", "Vary"} {
		if get.Header().Get(name) == "" || get.Header().Get(name) != head.Header().Get(name) {
			t.Errorf("%s: GET %q, HEAD %q", name, get.Header().Get(name), head.Header().Get(name))
		}
	}
	if w := b.send("OPTIONS", "/acme/photos/cat.jpg"); w.Code != 204 || w.Header().Get("Allow") == "" {
		t.Errorf("OPTIONS: %d", w.Code)
	}
}

func TestRequestBounds(t *testing.T) {
	b := newBench(t)
	b.registry.set(t, b.acme())
	if w := b.get("/acme/photos/cat.jpg", "Cookie", strings.Repeat("x", 17<<10)); w.Code != 431 || code(t, w) != "HEADERS_TOO_LARGE" {
		t.Errorf("17 KiB of headers: %d", w.Code)
	}
	for value, status := range map[string]int{"tintype": 403, "a.example, TinType; v=1": 403, "cloudflare": 200, "nottintype, tintype2": 200} {
		if w := b.get("/acme/photos/cat.jpg", "CDN-Loop", value); w.Code != status {
			t.Errorf("CDN-Loop %q: %d, want %d", value, w.Code, status)
		}
	}
	if w := b.get("/acme/photos/cat.jpg", "X-Request-Id", "abc-1.2_3"); w.Header().Get("X-Request-Id") != "abc-1.2_3" {
		t.Errorf("X-Request-Id %q was not kept", w.Header().Get("X-Request-Id"))
	}
	if w := b.get("/acme/photos/cat.jpg", "X-Request-Id", "a\" b"); strings.Contains(w.Header().Get("X-Request-Id"), " ") {
		t.Error("a request id that is no token was kept")
	}
}

func TestPanicIsAnsweredAndLogged(t *testing.T) {
	b := newBench(t, func(c *Config) {
		c.API = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })
	})
	w := b.get("/v1/x")
	if w.Code != 500 || code(t, w) != "INTERNAL_ERROR" || strings.Contains(w.Body.String(), "boom") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(b.log.String(), "boom") {
		t.Error("the panic is not in the log")
	}
}

func TestAPISeesTheRequestID(t *testing.T) {
	b := newBench(t, func(c *Config) {
		c.API = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, RequestID(r.Context())) })
	})
	w := b.get("/v1/workspaces")
	if w.Body.String() == "" || w.Body.String() != w.Header().Get("X-Request-Id") {
		t.Errorf("%q, header %q", w.Body, w.Header().Get("X-Request-Id"))
	}
}

// TestTooManyUnknownNames: who asks for names that don't exist without end is told so, and
// may ask for what is there.
func TestTooManyUnknownNames(t *testing.T) {
	store := workspacetest.NewMemory()
	acme := workspace.New("acme")
	acme.Sources = []workspace.Source{{Key: "photos", Kind: "http", URL: "https://photos.test/"}}
	if err := store.Create(t.Context(), acme); err != nil {
		t.Fatal(err)
	}
	gate := workspace.NewStrangers(Client, nil)
	cached := workspace.NewCached(store, workspace.CachedConfig{Strangers: gate})
	auth := apikey.NewAuthenticator(apikey.AuthenticatorConfig{Keys: store, Strangers: gate})
	b := newBench(t, func(c *Config) { c.Workspaces, c.Domains, c.Auth = cached, cached, auth })
	ask := func(addr, target string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", target, nil)
		r.RemoteAddr = addr
		r.Host = "127.0.0.1"
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		b.Handler().ServeHTTP(w, r)
		return w
	}
	const there = "/acme" // names no image
	if w := ask("[2001:db8::1]:1", there); w.Code != 400 {
		t.Fatal(w.Code, w.Body)
	}
	refused := 0
	for i := range 150 {
		w := ask(fmt.Sprintf("[2001:db8::%x]:1", i+1), fmt.Sprintf("/random-%d/x.jpg", i))
		if w.Code == 429 {
			refused++
			if w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "RATE_LIMITED") || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%v %s", w.Header(), w.Body)
			}
		} else if w.Code != 404 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if refused < 40 {
		t.Errorf("%d of 150 refused", refused)
	}
	if w := ask("[2001:db8::1]:1", "/acme/photos/x.jpg", "Authorization", "Bearer "+apikey.New(false).Reveal()); w.Code != 429 {
		t.Errorf("a made-up key: %d %s", w.Code, w.Body)
	}
	if w := ask("[2001:db8::1]:1", there); w.Code != 400 {
		t.Errorf("what is in memory: %d %s", w.Code, w.Body)
	}
	if w := ask("[2001:db8:0:1::1]:1", "/random/x.jpg"); w.Code != 404 {
		t.Errorf("of another address: %d %s", w.Code, w.Body)
	}
}

package delivery

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/workspacetest"
)

func TestURLs(t *testing.T) {
	b := newBench(t, func(c *setup) { c.BaseDomain = "img.example.com" })
	b.registry.Set(t, b.acme())
	b.upstream.Serve("/photos/a b+c.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	b.upstream.Serve("/photos/ü.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	b.upstream.Serve("/photos/100%.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
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
		{"/acme/grid?src=photos/cat.jpg&w=9&h=9", "", 400, "INVALID_SOURCE"},
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
	b.registry.Set(t, b.acme())
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
	b.registry.Set(t, b.acme())
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
	b := newBench(t, func(c *setup) {
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
	b := newBench(t, func(c *setup) {
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
	gate := cached.NewStrangers(Client, nil)
	workspaces := cached.New(store, cached.Config{Strangers: gate})
	auth := apikey.NewAuthenticator(apikey.AuthenticatorConfig{Keys: store, Strangers: gate})
	b := newBench(t, func(c *setup) { c.Workspaces, c.Domains, c.Auth = workspaces, workspaces, auth })
	ask := func(addr, target string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", target, nil)
		r.RemoteAddr = addr
		r.Host = "127.0.0.1"
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
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

package delivery

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/workspace"
)

// TestOrigins reads as the CORS policy of delivery.
func TestOrigins(t *testing.T) {
	b := newBench(t)
	list := []string{"https://app.example.com", "example.org", "*.example.net", "null"}
	b.registry.Set(t, b.acme())
	listed := b.acme(func(w *workspace.Workspace) { w.Namespace, w.ID, w.AllowedOrigins = "listed", "", list })
	b.registry.Set(t, listed)
	closed := b.acme(func(w *workspace.Workspace) { w.Namespace, w.ID, w.AllowedOrigins = "closed", "", nil })
	b.registry.Set(t, closed)

	const image, missing, bad = "/photos/cat.jpg?w=20&format=jpeg", "/photos/none.jpg", "/photos/cat.jpg?w=x"
	tests := []struct {
		workspace, origin string
		admitted          bool
		allow             string // Access-Control-Allow-Origin
		vary              bool   // Vary: Origin
	}{
		{"acme", "", true, "*", false},
		{"acme", "https://anything.example", true, "*", false},
		{"acme", "null", true, "*", false},
		{"listed", "", true, "", true},
		{"listed", "https://app.example.com", true, "https://app.example.com", true},
		{"listed", "http://app.example.com", false, "", true},
		{"listed", "https://app.example.com:8443", false, "", true},
		{"listed", "https://evil.example", false, "", true},
		{"listed", "https://example.org", true, "https://example.org", true},
		{"listed", "http://example.org", true, "http://example.org", true},
		{"listed", "https://evilexample.org", false, "", true},
		{"listed", "https://example.org.evil.net", false, "", true},
		{"listed", "https://a.b.example.net", true, "https://a.b.example.net", true},
		{"listed", "https://example.net", false, "", true},
		{"listed", "null", true, "null", true},
		{"closed", "", true, "", true},
		{"closed", "https://app.example.com", false, "", true},
	}
	for _, tt := range tests {
		for _, path := range []string{image, missing, bad} {
			// Twice, so that what is cached is seen to hold no CORS decision.
			for range 2 {
				var h []string
				if tt.origin != "" {
					h = []string{"Origin", tt.origin}
				}
				w := b.get("/"+tt.workspace+path, h...)
				refused := w.Code == 403 && code(t, w) == "ORIGIN_NOT_ALLOWED"
				if refused == tt.admitted {
					t.Errorf("%s %s from %q: %d", tt.workspace, path, tt.origin, w.Code)
				}
				if got := w.Header().Get("Access-Control-Allow-Origin"); got != tt.allow {
					t.Errorf("%s %s from %q: Access-Control-Allow-Origin %q, want %q", tt.workspace, path, tt.origin, got, tt.allow)
				}
				if got := slices.Contains(w.Header().Values("Vary"), "Origin"); got != tt.vary {
					t.Errorf("%s %s from %q: Vary %q", tt.workspace, path, tt.origin, w.Header().Values("Vary"))
				}
				if tt.allow != "" && !strings.Contains(w.Header().Get("Access-Control-Expose-Headers"), "Cache-Status") && !strings.Contains(w.Header().Get("Access-Control-Expose-Headers"), "Etag") {
					t.Errorf("Access-Control-Expose-Headers %q", w.Header().Get("Access-Control-Expose-Headers"))
				}
				if w.Header().Get("Access-Control-Allow-Credentials") != "" {
					t.Error("credentials are allowed")
				}
			}
		}
	}
	if w := b.get("/listed"+image, "Origin", "https://app.example.com", "Origin", "https://evil.example"); w.Code != 403 {
		t.Errorf("two Origin headers: %d", w.Code)
	}
	etag := b.get("/listed" + image).Header().Get("ETag")
	w := b.get("/listed"+image, "Origin", "https://app.example.com", "If-None-Match", etag)
	if w.Code != 304 || w.Header().Get("Access-Control-Allow-Origin") != "https://app.example.com" || !slices.Contains(w.Header().Values("Vary"), "Origin") {
		t.Errorf("304: %d %v", w.Code, w.Header())
	}
}

func TestPreflight(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.AllowedOrigins = []string{"https://app.example.com"} }))
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Namespace, w.ID = "open", "" }))
	tests := []struct {
		workspace, origin, method string
		status                    int
		allow                     string
	}{
		{"acme", "https://app.example.com", "GET", 204, "https://app.example.com"},
		{"acme", "https://app.example.com", "HEAD", 204, "https://app.example.com"},
		{"acme", "https://app.example.com", "POST", 204, ""},
		{"acme", "https://evil.example", "GET", 403, ""},
		{"open", "https://evil.example", "GET", 204, "*"},
	}
	for _, tt := range tests {
		w := b.send("OPTIONS", "/"+tt.workspace+"/photos/cat.jpg", "Origin", tt.origin, "Access-Control-Request-Method", tt.method)
		if w.Code != tt.status || w.Header().Get("Access-Control-Allow-Origin") != tt.allow {
			t.Errorf("%+v: %d %v", tt, w.Code, w.Header())
		}
		if tt.allow != "" && (w.Header().Get("Access-Control-Max-Age") != "86400" || w.Header().Get("Access-Control-Allow-Methods") != tt.method) {
			t.Errorf("%+v: %v", tt, w.Header())
		}
	}
}

// TestSourcePolicy reads as the policy of full-URL sources.
func TestSourcePolicy(t *testing.T) {
	b := newBench(t)
	// The upstream under its two names: a source, and a foreign host.
	own := b.upstream.URL
	b.upstream.Serve("/else/dog.jpg", deliverytest.Body(deliverytest.Photo(t, 20, 20)))
	foreign := deliverytest.NewUpstream(t)
	foreign.Serve("/a.jpg", deliverytest.Body(deliverytest.Photo(t, 20, 20)))
	to := func(url string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, url, http.StatusFound) }
	}
	foreign.Serve("/to-dog", to(own+"/else/dog.jpg"))
	foreign.Serve("/to-photo", to(own+"/photos/cat.jpg"))
	foreign.Serve("/to-vault", to(own+"/vault/secret.jpg"))
	foreign.Serve("/to-self", to("http://[::1]:1/x"))
	foreign.Serve("/to-file", to("file:///etc/passwd"))
	foreign.Serve("/loop", to(foreign.URL+"/loop"))
	b.upstream.Serve("/photos/to-vault", to(own+"/vault/secret.jpg"))
	b.upstream.Serve("/photos/to-else", to(own+"/else/dog.jpg"))
	b.upstream.Serve("/photos/to-photo", to(own+"/photos/cat.jpg"))
	b.upstream.Serve("/vault/secret.jpg", deliverytest.Body(deliverytest.Photo(t, 20, 20)))

	withVault := func(w *workspace.Workspace) {
		w.Sources = append(w.Sources, workspace.Source{Key: "vault", Kind: "http", URL: own + "/vault/", Private: true})
	}
	for ns, allowed := range map[string][]string{"any": {"*"}, "none": nil, "listed": {foreign.URL}} {
		b.registry.Set(t, b.acme(withVault, func(w *workspace.Workspace) { w.Namespace, w.ID, w.AllowedSources = ns, "", allowed }))
	}
	b.registry.Set(t, b.acme(withVault, func(w *workspace.Workspace) { w.Namespace, w.ID, w.HTTPSOnly = "https", "", true }))

	tests := []struct {
		workspace, src string
		status         int
		code           string
	}{
		{"any", own + "/photos/cat.jpg", 200, ""},
		{"none", own + "/photos/cat.jpg", 200, ""}, // inside a source: that source
		{"none", own + "/else/dog.jpg", 403, "SOURCE_NOT_ALLOWED"},
		{"any", own + "/else/dog.jpg", 200, ""},
		{"any", foreign.URL + "/a.jpg", 200, ""},
		{"none", foreign.URL + "/a.jpg", 403, "SOURCE_NOT_ALLOWED"},
		{"listed", foreign.URL + "/a.jpg", 200, ""},
		{"listed", own + "/else/dog.jpg", 403, "SOURCE_NOT_ALLOWED"},
		{"https", foreign.URL + "/a.jpg", 403, "SOURCE_NOT_ALLOWED"},

		// A private source stays private under every spelling.
		{"any", "vault/secret.jpg", 401, "SIGNATURE_REQUIRED"},
		{"any", own + "/vault/secret.jpg", 401, "SIGNATURE_REQUIRED"},
		{"any", strings.ToUpper(own[:4]) + own[4:] + "/vault/secret.jpg", 401, "SIGNATURE_REQUIRED"},
		{"any", own + "/%76ault/secret.jpg", 401, "SIGNATURE_REQUIRED"},
		{"any", own + "/vault/secret.jpg?x=1", 401, "SIGNATURE_REQUIRED"},
		{"any", own + "/photos/%2e%2e/vault/secret.jpg", 400, "INVALID_SOURCE"},
		{"any", own + "//vault/secret.jpg", 400, "INVALID_SOURCE"},
		{"any", own + "/vault%2Fsecret.jpg", 400, "INVALID_SOURCE"},
		{"any", foreign.URL + "/to-vault", 403, "SOURCE_NOT_ALLOWED"},
		{"any", "photos/to-vault", 403, "SOURCE_NOT_ALLOWED"},

		// Every redirect is put through the same question.
		{"any", foreign.URL + "/to-dog", 200, ""},
		{"listed", foreign.URL + "/to-dog", 403, "SOURCE_NOT_ALLOWED"},
		{"listed", foreign.URL + "/to-photo", 200, ""},
		{"none", "photos/to-photo", 200, ""},
		{"none", "photos/to-else", 403, "SOURCE_NOT_ALLOWED"},
		{"any", foreign.URL + "/to-self", 403, "ADDRESS_NOT_ALLOWED"},
		{"any", foreign.URL + "/to-file", 400, "INVALID_SOURCE"},
		{"any", foreign.URL + "/loop", 502, "ORIGIN_ERROR"},
	}
	for _, tt := range tests {
		w := b.get("/" + tt.workspace + "?src=" + strings.NewReplacer("%", "%25", "?", "%3F", "&", "%26").Replace(tt.src))
		if got := code(t, w); w.Code != tt.status || got != tt.code {
			t.Errorf("%s %s: %d %s, want %d %s\n%s", tt.workspace, tt.src, w.Code, got, tt.status, tt.code, w.Body)
		}
	}
	if n := b.upstream.Count("/vault/secret.jpg"); n != 0 {
		t.Errorf("the private original was fetched %d times", n)
	}
}

func TestWhatCannotBeHonouredIsRefused(t *testing.T) {
	b := newBench(t)
	half := 0.5
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Sources = append(w.Sources,
			workspace.Source{Key: "media", Kind: "s3", Bucket: "acme-media", Region: "eu-west-1", AccessKeyID: "A", SecretAccessKey: "s"})
		w.Sources[0].Key = "marked"
		w.Marks = []workspace.Mark{{Name: "brand", Image: "media/logo.png", Opacity: &half, AutoApplySources: []string{"marked"}}}
	}))
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Namespace, w.ID, w.RequireSignature = "signed", "", true }))
	for target, want := range map[string]string{
		"/acme/marked/cat.jpg":                            "MARK_UNAVAILABLE",
		"/acme?src=" + b.upstream.URL + "/photos/cat.jpg": "MARK_UNAVAILABLE",
		"/acme/media/cat.jpg":                             "ORIGIN_ERROR",
		"/signed/photos/cat.jpg":                          "SIGNATURE_REQUIRED",
	} {
		if got := code(t, b.get(target)); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
	if n := b.upstream.Count("/photos/cat.jpg"); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

func TestPresets(t *testing.T) {
	b := newBench(t)
	presets := func(w *workspace.Workspace) {
		w.Presets = []workspace.Preset{{Name: "thumb", Options: "w=32&h=16&fit=cover&format=png"}}
	}
	b.registry.Set(t, b.acme(presets))
	b.registry.Set(t, b.acme(presets, func(w *workspace.Workspace) { w.Namespace, w.ID, w.PresetsOnly = "strict", "", true }))
	tests := []struct {
		target, size string
		code         string
	}{
		{"/acme/photos/cat.jpg?preset=thumb", "32x16", ""},
		{"/acme/photos/cat.jpg?p:thumb", "32x16", ""},
		{"/acme/photos/cat.jpg?p:thumb=&h=8", "32x8", ""},
		{"/acme/photos/cat.jpg?preset=none", "", "INVALID_OPTION"},
		{"/acme/photos/cat.jpg?preset=thumb&p:thumb", "", "INVALID_OPTION"},
		{"/strict/photos/cat.jpg?preset=thumb", "32x16", ""},
		{"/strict?src=photos/cat.jpg&p:thumb&v=3&dl=x.png", "32x16", ""},
		{"/strict/photos/cat.jpg", "", "PRESET_REQUIRED"},
		{"/strict/photos/cat.jpg?w=10", "", "PRESET_REQUIRED"},
		{"/strict/photos/cat.jpg?preset=thumb&w=10", "", "PRESET_REQUIRED"},
		{"/strict/photos/cat.jpg?preset=thumb&width=10", "", "PRESET_REQUIRED"},
	}
	for _, tt := range tests {
		w := b.get(tt.target)
		if got := code(t, w); got != tt.code {
			t.Errorf("%s: %d %s, want %q", tt.target, w.Code, w.Body, tt.code)
		}
		if tt.size != "" {
			if got := sizeOf(t, w); got != tt.size {
				t.Errorf("%s: %s, want %s", tt.target, got, tt.size)
			}
		}
	}
}

func sizeOf(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	return imageSize(t, w.Body.Bytes())
}

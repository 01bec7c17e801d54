package delivery

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/workspace"
)

func TestSlow(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		want        bool
	}{
		{"Save-Data", "on", true}, {"Save-Data", "off", false}, {"RTT", "151", true}, {"RTT", "150", false}, {"RTT", "x", false},
		{"ECT", "3g", true}, {"ECT", "slow-2g", true}, {"ECT", "4g", false}, {"Downlink", "4.9", true}, {"Downlink", "5", false}, {"Accept", "on", false},
	} {
		h := http.Header{}
		h.Set(tt.name, tt.value)
		if got := slow(h); got != tt.want {
			t.Errorf("%s: %s is slow: %v, want %v", tt.name, tt.value, got, tt.want)
		}
	}
}

// Cloudflare's slow-connection-quality depends on client hints, and the answer says so.
func TestHints(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	const target = "/acme/cdn-cgi/image/width=20,quality=90,scq=10/photos/cat.jpg"
	fast, slowly := b.get(target), b.get(target, "Save-Data", "on")
	if fast.Code != 200 || slowly.Code != 200 {
		t.Fatal(fast.Code, fast.Body, slowly.Code)
	}
	if got := b.engine.Runs.Load(); got != 2 {
		t.Errorf("%d variants were made, want one for each connection", got)
	}
	if !slices.Contains(fast.Header().Values("Vary"), "Save-Data, RTT, ECT, Downlink") {
		t.Errorf("Vary %q", fast.Header().Values("Vary"))
	}
	if w := b.get("/acme/cdn-cgi/image/width=20/photos/cat.jpg"); strings.Contains(strings.Join(w.Header().Values("Vary"), " "), "RTT") {
		t.Errorf("without scq: Vary %q", w.Header().Values("Vary"))
	}
	if purges, _, err := b.FindPurge(t.Context(), "acme", target); err != nil || len(purges) != 2 || purges[0].Value == purges[1].Value {
		t.Errorf("to purge: %+v, %v; want both variants", purges, err)
	}
}

// TestRedirectOnError redirects only to a URL that the request wrote and the owner named.
func TestRedirectOnError(t *testing.T) {
	b := newBench(t)
	named := func(ns string, allowed ...string) {
		b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Namespace, w.ID, w.AllowedSources = ns, "", allowed }))
	}
	named("acme", strings.TrimPrefix(b.upstream.URL, "http://"))
	named("any", "*")
	named("https", "http://*")
	full := b.upstream.URL + "/else/none.jpg"
	for _, tt := range []struct{ target, to string }{
		{"/acme/cdn-cgi/image/width=20,onerror=redirect/" + full, full},
		{"/any/cdn-cgi/image/width=20,onerror=redirect/" + full, ""},
		{"/https/cdn-cgi/image/width=20,onerror=redirect/" + full, ""},
		{"/acme/cdn-cgi/image/width=20,onerror=redirect/photos/none.jpg", ""},
		{"/acme/cdn-cgi/image/width=20,onerror=redirect/" + b.upstream.URL + "/photos/none.jpg", ""},
		{"/acme/cdn-cgi/image/width=20/" + full, ""},
	} {
		w := b.get(tt.target)
		if got := w.Header().Get("Location"); got != tt.to || (w.Code == 302) != (tt.to != "") {
			t.Errorf("%s: %d to %q, want %q", tt.target, w.Code, got, tt.to)
		}
		if tt.to != "" && w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control %q", tt.target, w.Header().Get("Cache-Control"))
		}
		if ignored := w.Header().Get("Tintype-Ignored") == "onerror"; ignored != (tt.to == "" && strings.Contains(tt.target, "onerror")) {
			t.Errorf("%s: Tintype-Ignored %q", tt.target, w.Header().Get("Tintype-Ignored"))
		}
	}
}

// TestNextHeaders compares the headers with those of Next's own tests, also of a 304.
func TestNextHeaders(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.DefaultSource = "photos" }))
	const target = "/acme/_next/image?url=%2Fcat.jpg&w=20&q=75"
	for i, status := range []string{"MISS", "HIT"} {
		h := b.get(target, "Accept", "image/webp,*/*").Header()
		if h.Get("X-Nextjs-Cache") != status || h.Get("Content-Disposition") != `attachment; filename=cat.webp` || h.Get("Vary") != "Accept" ||
			h.Get("Content-Security-Policy") != "script-src 'none'; frame-src 'none'; sandbox;" {
			t.Errorf("answer %d: %v", i, h)
		}
	}
	etag := b.get(target, "Accept", "image/webp").Header().Get("ETag")
	w := b.get(target, "Accept", "image/webp", "If-None-Match", etag)
	if h := w.Header(); w.Code != 304 || w.Body.Len() > 0 || h.Get("ETag") != etag || etag == "" || h.Get("Vary") != "Accept" || h.Get("Content-Type") != "" || h.Get("Cache-Control") == "" {
		t.Errorf("If-None-Match: %d %v", w.Code, h)
	}
	if h := b.get("/acme/_vercel/image?url=%2Fcat.jpg&w=20&q=75").Header(); h.Get("X-Nextjs-Cache") != "" {
		t.Errorf("another dialect has next's headers: %v", h)
	}
}

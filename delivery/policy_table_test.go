package delivery

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// TestPolicyTable holds every route to every policy of a workspace and of the server. A row
// says what is asked for and which code the answer has, whichever the route.
func TestPolicyTable(t *testing.T) {
	start, secret := time.Now(), signing.NewSecret()
	b := newBench(t, func(c *setup) {
		c.Limiter = limit.New(limit.Config{Now: func() time.Time { return start }}) // no minute ends meanwhile
		bytes := origin.DefaultLimits()
		bytes.Bytes = 100_000
		c.HTTP = origin.NewHTTP(origin.HTTPConfig{Guard: origin.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, Limits: bytes, Bodies: c.Bodies})
		c.Limits.FramePixels = 80_000
	})
	foreign := deliverytest.NewUpstream(t)
	foreign.Serve("/a.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	b.upstream.Serve("/photos/heavy.jpg", deliverytest.Body(append(deliverytest.Photo(t, 30, 20), make([]byte, 100_000)...)))
	b.upstream.Serve("/photos/wide.jpg", deliverytest.Body(deliverytest.Photo(t, 900, 100)))
	b.upstream.Serve("/photos/d.svg", deliverytest.Body([]byte(`<svg xmlns="http://www.w3.org/2000/svg" width="96" height="72"/>`)))
	b.upstream.Serve("/photos/text.jpg", deliverytest.Body([]byte("no image")))
	set := func(ns string, change func(*workspace.Workspace)) {
		b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
			w.Namespace, w.ID, w.SigningKeys = ns, "", []signing.Key{{ID: "k", Secret: secret}}
		}, change))
	}
	set("acme", func(*workspace.Workspace) {})
	set("listed", func(w *workspace.Workspace) { w.AllowedOrigins = []string{"https://app.example.com"} })
	set("closed", func(w *workspace.Workspace) { w.AllowedSources = []string{"https://only.example.com"} })
	set("tls", func(w *workspace.Workspace) { w.HTTPSOnly = true })
	set("presets", func(w *workspace.Workspace) { w.PresetsOnly = true })
	set("strict", func(w *workspace.Workspace) { w.StrictOptions = true })
	set("busy", func(w *workspace.Workspace) { w.Limits.RequestsPerMinute = 1 })
	set("spent", func(w *workspace.Workspace) { w.Limits.TransformsPerDay = 1 })
	for _, ns := range []string{"busy", "spent"} {
		if w := b.get("/" + ns + "/photos/cat.jpg?w=7"); w.Code != 200 {
			t.Fatal(ns, w.Code, w.Body)
		}
	}
	const cat = "photos/cat.jpg"
	key := apikey.New(false).Reveal()
	always := func(code string) func(route) string { return func(route) string { return code } }
	// ofOriginal is the answer about an original. Where it is the image of a mark, its own
	// code stands in the message.
	ofOriginal := func(code, ofMark string) func(route) string {
		return func(r route) string {
			switch {
			case !r.reads:
				return ""
			case r.name == "mark":
				return ofMark
			}
			return code
		}
	}
	const noMark = "MARK_UNAVAILABLE"
	checked := 0
	for _, row := range []struct {
		policy, ns, image, more string
		headers                 []string
		want                    func(route) string
	}{
		{"nothing", "acme", cat, "", nil, always("")},
		{"an origin that is listed", "listed", cat, "", []string{"Origin", "https://app.example.com"}, always("")},
		{"no origin", "listed", cat, "", nil, always("")},
		{"an origin that isn't listed", "listed", cat, "", []string{"Origin", "https://evil.example"}, always("ORIGIN_NOT_ALLOWED")},
		{"a null origin", "listed", cat, "", []string{"Origin", "null"}, always("ORIGIN_NOT_ALLOWED")},
		{"allowed_sources", "acme", foreign.URL + "/a.jpg", "", nil, always("")},
		{"allowed_sources", "closed", foreign.URL + "/a.jpg", "", nil, ofOriginal("SOURCE_NOT_ALLOWED", "SOURCE_NOT_ALLOWED")},
		{"allowed_sources", "closed", b.upstream.URL + "/photos/cat.jpg", "", nil, always("")}, // it is in a source
		{"https_only", "tls", foreign.URL + "/a.jpg", "", nil, ofOriginal("SOURCE_NOT_ALLOWED", "SOURCE_NOT_ALLOWED")},
		{"private addresses", "acme", "http://10.0.0.1/a.jpg", "", nil, ofOriginal("ADDRESS_NOT_ALLOWED", noMark)},
		{"private addresses", "acme", "http://[::1]/a.jpg", "", nil, ofOriginal("ADDRESS_NOT_ALLOWED", noMark)},
		{"presets_only", "presets", cat, "", nil, always("PRESET_REQUIRED")},
		{"strict_options", "strict", cat, "widht=3", nil, always("INVALID_OPTION")},
		{"strict_options", "strict", cat, "utm_source=x", nil, always("")},
		{"without strict_options", "acme", cat, "widht=3", nil, always("")},
		{"requests_per_minute", "busy", cat, "", nil, always("RATE_LIMITED")},
		{"transforms_per_day", "spent", cat, "", nil, always("QUOTA_EXCEEDED")},
		{"bytes of an original", "acme", "photos/heavy.jpg", "", nil, ofOriginal("ORIGINAL_TOO_LARGE", noMark)},
		{"pixels of an original", "acme", "photos/wide.jpg", "", nil, ofOriginal("IMAGE_TOO_LARGE", noMark)},
		{"allow_svg", "acme", "photos/d.svg", "", nil, ofOriginal("UNSUPPORTED_FORMAT", noMark)},
		{"formats", "acme", "photos/text.jpg", "", nil, ofOriginal("UNSUPPORTED_FORMAT", noMark)},
		{"missing originals", "acme", "photos/none.jpg", "", nil, ofOriginal("NOT_FOUND", noMark)},
		{"unknown sources", "acme", "nowhere/a.jpg", "", nil, ofOriginal("SOURCE_NOT_FOUND", "INVALID_OPTION")},
		{"unknown sources", "acme", "photos/../cat.jpg", "", nil, nil}, // see below
		{"keys in URLs", "acme", cat, "x=" + key, nil, always("UNAUTHORIZED")},
	} {
		for _, r := range routes(t) {
			if !r.takes(row.image) {
				continue
			}
			target := "/" + row.ns + r.write(row.image)
			if row.more != "" {
				separator := "?"
				if strings.Contains(target, "?") {
					separator = "&"
				}
				target += separator + row.more
			}
			if r.secret {
				signed, err := secret.Sign(target)
				if err != nil {
					t.Fatal(err)
				}
				target = signed
			}
			for range 2 { // the second may come from the cache
				w := b.get(target, row.headers...)
				got := code(t, w)
				checked++
				if row.want == nil { // where it is refused is the grammar's business
					if r.reads && got != "INVALID_PATH" && got != "INVALID_SOURCE" && got != "INVALID_OPTION" {
						t.Errorf("%s, %s: %s: %d %q", row.policy, r.name, target, w.Code, got)
					}
					continue
				}
				if want := row.want(r); got != want {
					t.Errorf("%s, %s: %s: %d %q, want %q: %.200s", row.policy, r.name, target, w.Code, got, want, w.Body)
				}
				ignored := w.Header().Get("Tintype-Ignored")
				if named := strings.Contains(ignored, "widht"); named != (row.more == "widht=3") {
					t.Errorf("%s, %s: %s: Tintype-Ignored %q", row.policy, r.name, target, ignored)
				}
				allow, vary := "*", false
				if row.ns == "listed" {
					allow, vary = "", true
					if len(row.headers) > 0 && row.headers[1] == "https://app.example.com" {
						allow = row.headers[1]
					}
				}
				if h := w.Header(); h.Get("Access-Control-Allow-Origin") != allow || slices.Contains(h.Values("Vary"), "Origin") != vary {
					t.Errorf("%s, %s: %s: Access-Control-Allow-Origin %q, Vary %q", row.policy, r.name, target, h.Get("Access-Control-Allow-Origin"), h.Values("Vary"))
				}
				if h := w.Header(); h.Get("Cache-Tag") == "" && h.Get("Cache-Control") != "no-store" {
					t.Errorf("%s, %s: %s: no Cache-Tag, but Cache-Control %q", row.policy, r.name, target, h.Get("Cache-Control"))
				}
				if h := w.Header(); row.ns == "listed" && h.Get("CDN-Cache-Control") != "" {
					t.Errorf("%s, %s: %s: CDN-Cache-Control %q where the answer depends on Origin", row.policy, r.name, target, h.Get("CDN-Cache-Control"))
				}
			}
		}
	}
	t.Logf("%d answers", checked)
	if n := foreign.Count("/a.jpg"); n == 0 {
		t.Error("nothing was asked of another host")
	}
}

package delivery

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// A front is a model of a cache in front of this server, by what its owner publishes. It
// says under which key an answer to a request is kept, and whether and how long it is.
type front struct {
	name string
	// forward is the Accept that the server is asked with; absent is none.
	forward func(target, accept string) (sent string, absent bool)
	key     func(target, accept string, answer http.Header) string
	keeps   func(target string, answer http.Header) bool
	// leaves reports whether the cache keeps no answer to such a target unless its owner says
	// so. Nil is none.
	leaves func(target string) bool
}

var fronts = []front{
	{
		// Vary for images (https://developers.cloudflare.com/cache/advanced-configuration/vary-for-images/):
		// an answer with Vary: Accept is kept where its type is the one of the path's
		// extension, or a variant that is configured for it, and bypassed otherwise. The
		// variants that a client accepts are part of the key. Other values of Vary are not
		// considered. Lifetimes: https://developers.cloudflare.com/cache/concepts/cdn-cache-control/.
		name:    "cloudflare",
		forward: func(_, accept string) (string, bool) { return accept, accept == "" },
		key: func(target, accept string, _ http.Header) string {
			key := target
			for _, variant := range []string{"image/avif", "image/webp"} {
				if strings.Contains(accept, variant) {
					key += " " + variant
				}
			}
			return key
		},
		keeps: func(target string, answer http.Header) bool {
			kind := answer.Get("Content-Type")
			byExtension := map[string]string{".jpg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp"}
			own := byExtension[path.Ext(strings.SplitN(target, "?", 2)[0])]
			fits := kind == own || kind == "image/avif" || kind == "image/webp"
			return shared(answer, "Cdn-Cache-Control", "Cache-Control") && (fits || !slices.Contains(answer.Values("Vary"), "Accept"))
		},
		// It keeps by the extension of the path
		// (https://developers.cloudflare.com/cache/concepts/default-cache-behavior/).
		leaves: func(target string) bool {
			bare, _, _ := strings.Cut(target, "?")
			return !slices.Contains([]string{".jpg", ".png", ".gif", ".webp", ".avif"}, path.Ext(bare))
		},
	},
	{
		// A cache policy without Accept (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html,
		// "HTTP request headers and CloudFront behavior"): Accept is removed, so that
		// there is one answer for all.
		name:    "cloudfront",
		forward: func(string, string) (string, bool) { return "", true },
		key:     func(target, _ string, _ http.Header) string { return target },
		keeps:   func(_ string, answer http.Header) bool { return shared(answer, "Cache-Control") },
	},
	{
		// One with Accept in its key: the header is forwarded as it is.
		name:    "cloudfront with Accept",
		forward: func(_, accept string) (string, bool) { return accept, accept == "" },
		key:     func(target, accept string, _ http.Header) string { return target + " " + accept },
		keeps:   func(_ string, answer http.Header) bool { return shared(answer, "Cache-Control") },
	},
	{
		// Vary names headers whose values are part of the key
		// (https://www.fastly.com/documentation/reference/http/http-headers/Vary/). Lifetimes:
		// https://www.fastly.com/documentation/guides/full-site-delivery/caching/about-cache-control-headers/.
		name:    "fastly",
		forward: func(_, accept string) (string, bool) { return accept, accept == "" },
		key: func(target, accept string, answer http.Header) string {
			if slices.Contains(answer.Values("Vary"), "Accept") {
				return target + " " + accept
			}
			return target
		},
		keeps: func(_ string, answer http.Header) bool { return shared(answer, "Surrogate-Control", "Cache-Control") },
	},
}

// shared reports whether a shared cache may keep an answer, by the first of these headers
// that it has (RFC 9111 §3, RFC 9213 §2).
func shared(answer http.Header, names ...string) bool {
	for _, name := range names {
		cc := answer.Get(name)
		if cc == "" {
			continue
		}
		for directive := range strings.SplitSeq(cc, ",") {
			switch name, value, _ := strings.Cut(strings.TrimSpace(directive), "="); name {
			case "private", "no-store", "no-cache":
				return false
			case "s-maxage", "max-age":
				if n, err := strconv.Atoi(value); err == nil && n == 0 {
					return false
				}
			}
		}
		return answer.Get("Set-Cookie") == "" && !slices.Contains(answer.Values("Vary"), "*")
	}
	return false
}

// Accept headers of clients, and the formats that each shows besides JPEG, PNG and GIF.
var clients = map[string][]string{
	"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8":                 {"image/avif", "image/webp"}, // Chrome
	"image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5":            {"image/avif", "image/webp"}, // Firefox
	"image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,*/*": {"image/avif", "image/webp"}, // Safari
	"*/*": {}, // curl
	"":    {},
}

// Behind each cache, every answer is kept, and no client gets what it can't show.
func TestBehindCDNs(t *testing.T) {
	b := newBench(t)
	secret := signing.NewSecret()
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Sources = append(w.Sources, workspace.Source{Key: "vault", Kind: "http", URL: b.upstream.URL + "/vault/", Private: true})
		w.SigningKeys = []signing.Key{{ID: "k", Secret: secret}}
	}))
	b.upstream.Serve("/vault/cat.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	b.upstream.Serve("/photos/flat.png", deliverytest.Body(encoded(t, "png", 255)))
	b.upstream.Serve("/photos/clear.png", deliverytest.Body(encoded(t, "png", 90)))
	b.upstream.Serve("/photos/still.gif", deliverytest.Body(encoded(t, "gif", 255)))
	for _, f := range fronts {
		kept := map[string]http.Header{}
		vary := map[string]http.Header{} // by target: what the answer varies by
		for range 2 {
			for _, target := range []string{"/acme/photos/cat.jpg?w=30", "/acme/photos/flat.png?w=30", "/acme/photos/clear.png?w=30", "/acme/photos/still.gif?w=30",
				"/acme/photos/cat.jpg?w=30&format=webp", "/acme/photos/cat.jpg?w=31&v=2", "/acme/photos/cat.jpg?w=32&radius=max"} {
				for accept, shows := range clients {
					answer, hit := kept[f.key(target, accept, vary[target])]
					if !hit {
						headers := []string{}
						if sent, absent := f.forward(target, accept); !absent {
							headers = []string{"Accept", sent}
						}
						w := b.get(target, headers...)
						answer = w.Header()
						vary[target] = answer
						kept[f.key(target, accept, answer)] = answer
						if w.Code != 200 || !strings.Contains(target, "radius") && !f.keeps(target, answer) {
							t.Errorf("%s: %s for %q isn't kept: %d %v", f.name, target, accept, w.Code, answer)
						}
					}
					kind := answer.Get("Content-Type")
					named := strings.Contains(target, "format=")
					if !named && !slices.Contains([]string{"image/jpeg", "image/png", "image/gif"}, kind) && !slices.Contains(shows, kind) {
						t.Errorf("%s: %s for %q: %s, which the client may not show", f.name, target, accept, kind)
					}
					if strings.Contains(target, "clear") && kind == "image/jpeg" {
						t.Errorf("%s: %s for %q lost its alpha channel", f.name, target, accept)
					}
				}
			}
		}
		signed, err := secret.SignUntil("/acme/vault/cat.jpg?w=30", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range []string{signed, "/acme/vault/cat.jpg?w=30"} {
			if w := b.get(target); f.keeps(target, w.Header()) {
				t.Errorf("%s keeps %s: %d %v", f.name, target, w.Code, w.Header())
			}
		}
	}
}

// Behind each cache, the answer of every route is kept, nobody gets a format that it can't
// show, and what is private is kept nowhere.
func TestRoutesBehindCDNs(t *testing.T) {
	b := newBench(t)
	secret := signing.NewSecret()
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Sources = append(w.Sources, workspace.Source{Key: "vault", Kind: "http", URL: b.upstream.URL + "/vault/", Private: true})
		w.SigningKeys = []signing.Key{{ID: "k", Secret: secret}}
	}))
	b.upstream.Serve("/vault/cat.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	b.upstream.Serve("/photos/clear.png", deliverytest.Body(encoded(t, "png", 90)))
	kinds := map[string]int{}
	for _, f := range fronts {
		for _, r := range routes(t) {
			for _, image := range []string{"photos/cat.jpg", "photos/clear.png", b.upstream.URL + "/photos/cat.jpg", "vault/cat.jpg"} {
				if !r.takes(image) {
					continue
				}
				target := "/acme" + r.write(image)
				private := r.secret || r.reads && strings.HasPrefix(image, "vault")
				if private {
					signed, err := secret.SignUntil(target, time.Now().Add(time.Hour))
					if err != nil {
						t.Fatal(err)
					}
					target = signed
				}
				kept, vary := map[string]http.Header{}, http.Header{}
				for range 2 {
					for accept, shows := range clients {
						answer, hit := kept[f.key(target, accept, vary)]
						if !hit {
							var headers []string
							if sent, absent := f.forward(target, accept); !absent {
								headers = []string{"Accept", sent}
							}
							w := b.get(target, headers...)
							answer, vary = w.Header(), w.Header()
							left := f.leaves != nil && f.leaves(target)
							keeps := f.keeps(target, answer) && !left
							// A placeholder of a PNG is a JPEG for clients that name no format. Only
							// Cloudflare asks for each of those anew.
							left = left || f.name == "cloudflare" && strings.HasPrefix(r.name, "placeholder") && strings.Contains(target, ".png") && answer.Get("Content-Type") == "image/jpeg"
							if w.Code != 200 || keeps == private && !left {
								t.Errorf("%s: %s, %s for %q: %d, kept: %v, %v", f.name, r.name, target, accept, w.Code, keeps, answer)
							}
							if !private {
								if cc := answer.Get("CDN-Cache-Control"); !strings.Contains(cc, "stale-if-error=604800") {
									t.Errorf("%s: %s: CDN-Cache-Control %q", r.name, target, cc)
								}
							} else if answer.Get("CDN-Cache-Control") != "" || strings.Contains(answer.Get("Cache-Control"), "stale-if-error") {
								t.Errorf("%s: %s is private: %v", r.name, target, answer)
							}
							if keeps {
								kept[f.key(target, accept, answer)] = answer
							}
						}
						kind := answer.Get("Content-Type")
						if !slices.Contains([]string{"image/jpeg", "image/png", "image/gif", "application/json", "text/plain"}, kind) && !slices.Contains(shows, kind) {
							t.Errorf("%s: %s, %s for %q: %s, which the client may not show", f.name, r.name, target, accept, kind)
						}
						kinds[kind]++
					}
				}
			}
		}
	}
	t.Logf("answers: %v", kinds)
}

// encoded is a picture whose left half has this alpha, as PNG or GIF.
func encoded(t *testing.T, format string, alpha uint8) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 60, 40))
	for y := range 40 {
		for x := range 60 {
			a := uint8(255)
			if x < 30 {
				a = alpha
			}
			m.SetNRGBA(x, y, color.NRGBA{uint8(x * 4), 80, 90, a})
		}
	}
	var b bytes.Buffer
	err := png.Encode(&b, m)
	if format == "gif" {
		b.Reset()
		err = gif.Encode(&b, m, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What caches in front are told beside Cache-Control is on public answers only.
func TestCDNHeaders(t *testing.T) {
	b := newBench(t, func(c *setup) { c.PurgesFronts = true })
	secret := signing.NewSecret()
	set := func(ns string, change func(*workspace.Workspace)) {
		b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
			w.Namespace, w.ID = ns, ""
			w.SigningKeys = []signing.Key{{ID: "k", Secret: secret}}
			change(w)
		}))
	}
	set("acme", func(w *workspace.Workspace) {})
	set("long", func(w *workspace.Workspace) { w.CDNCacheControl, w.SurrogateKey = "max-age=2592000", true })
	set("own", func(w *workspace.Workspace) { w.Sources[0].CacheControl = "public, max-age=60" })
	set("listed", func(w *workspace.Workspace) {
		w.AllowedOrigins, w.CDNCacheControl = []string{"https://app.example.com"}, "max-age=9"
	})
	set("signed", func(w *workspace.Workspace) { w.RequireSignature, w.CDNCacheControl = true, "max-age=9" })
	set("private", func(w *workspace.Workspace) { w.Sources[0].Private, w.CDNCacheControl = true, "max-age=9" })
	sign := func(target string) string {
		signed, err := secret.SignUntil(target, time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	forEver, err := secret.Sign("/signed/photos/cat.jpg")
	if err != nil {
		t.Fatal(err)
	}
	const byDefault = "public, max-age=86400, stale-while-revalidate=604800, stale-if-error=604800"
	for target, want := range map[string]string{
		"/acme/photos/cat.jpg":            byDefault,
		"/acme/photos/cat.jpg?v=1":        "public, max-age=31536000, immutable, stale-if-error=604800",
		"/long/photos/cat.jpg":            "max-age=2592000",
		"/own/photos/cat.jpg":             "",
		"/listed/photos/cat.jpg":          "",
		forEver:                           "",
		sign("/signed/photos/cat.jpg"):    "",
		sign("/private/photos/cat.jpg"):   "",
		"/acme/photos/none.jpg":           "",
		"/signed/photos/cat.jpg":          "",
		"/long/photos/cat.jpg?w=nonsense": "",
	} {
		for _, w := range []*httptest.ResponseRecorder{b.get(target), b.get(target, "If-None-Match", "*")} {
			if got := w.Header().Get("CDN-Cache-Control"); got != want {
				t.Errorf("%s: %d, CDN-Cache-Control %q, want %q", target, w.Code, got, want)
			}
		}
	}
	if w := b.get("/long/photos/cat.jpg"); w.Header().Get("Surrogate-Key") != "long long/photos long/photos/cat.jpg" {
		t.Errorf("Surrogate-Key %q", w.Header().Get("Surrogate-Key"))
	}
	if w := b.get("/acme/photos/cat.jpg"); w.Header().Get("Surrogate-Key") != "" {
		t.Errorf("Surrogate-Key %q, which nobody asked for", w.Header().Get("Surrogate-Key"))
	}
	if w := b.get("/acme/photos/cat.jpg", "Range", "bytes=9999999-"); w.Code != 416 || w.Header().Get("CDN-Cache-Control") != "" {
		t.Errorf("%d with CDN-Cache-Control %q", w.Code, w.Header().Get("CDN-Cache-Control"))
	}
}

// What a client gets that names no format.
func TestFallbackFormat(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Namespace, w.ID, w.FallbackFormat = "jpeg", "", "jpeg" }))
	b.upstream.Serve("/photos/flat.png", deliverytest.Body(encoded(t, "png", 255)))
	b.upstream.Serve("/photos/clear.png", deliverytest.Body(encoded(t, "png", 90)))
	b.upstream.Serve("/photos/still.gif", deliverytest.Body(encoded(t, "gif", 255)))
	for target, want := range map[string][2]string{
		"/photos/cat.jpg?w=20":                     {"jpeg", "jpeg"},
		"/photos/cat.jpg?w=20&radius=max":          {"png", "png"},
		"/photos/flat.png?w=20":                    {"png", "jpeg"},
		"/photos/clear.png?w=20":                   {"png", "png"},
		"/photos/still.gif?w=20":                   {"gif", "jpeg"},
		"/photos/flat.png?w=20&format=jpeg":        {"jpeg", "jpeg"},
		"/photos/flat.png?w=20&lossless":           {"png", "png"},
		"/photos/cat.jpg?w=20&h=20&fit=pad":        {"png", "png"},
		"/photos/cat.jpg?w=20&fit=pad&bg=fff&h=20": {"jpeg", "jpeg"},
	} {
		for i, ns := range []string{"acme", "jpeg"} {
			for _, accept := range []string{"*/*", "", "image/*", "text/html,*/*;q=0.8"} {
				var headers []string
				if accept != "" {
					headers = []string{"Accept", accept}
				}
				if got := b.get("/"+ns+target, headers...).Header().Get("Content-Type"); got != "image/"+want[i] {
					t.Errorf("%s%s for %q: %s, want %s", ns, target, accept, got, want[i])
				}
			}
			if got := b.get("/"+ns+target, "Accept", "image/webp").Header().Get("Content-Type"); got != "image/webp" && !strings.Contains(target, "format=") {
				t.Errorf("%s%s for a client that names WebP: %s", ns, target, got)
			}
		}
	}
}

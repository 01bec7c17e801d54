package origin

import (
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// anywhere allows every redirect.
func anywhere(URL) error { return nil }

func TestResolve(t *testing.T) {
	const base = "https://o.example.com/a/b.jpg?q=1"
	tests := []struct {
		location string
		want     string // empty: refused
	}{
		{"https://x.example.com/c", "https://x.example.com/c"},
		{"HTTP://X.example.com:80/c", "http://x.example.com/c"},
		{"https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"},
		{"//x.example.com/c", "https://x.example.com/c"},
		{"/c?d=1", "https://o.example.com/c?d=1"},
		{"c.jpg", "https://o.example.com/a/c.jpg"},
		{"../c.jpg", "https://o.example.com/c.jpg"},
		{"?d=https://x.example.com/", "https://o.example.com/a/b.jpg?d=https://x.example.com/"},
		{"login?next=https://x.example.com/", "https://o.example.com/a/login?next=https://x.example.com/"},
		{"/c#fragment", "https://o.example.com/c"},
		{"#fragment", "https://o.example.com/a/b.jpg?q=1"},
		{"http://127.1/", "http://127.0.0.1/"},

		{"", ""},
		{"https:x.example.com", ""},
		{"https:///x.example.com", ""},
		{"ftp://x.example.com/c", ""},
		{"file:///etc/passwd", ""},
		{"data:image/png,AA", ""},
		{"javascript:alert(1)", ""},
		{"https://user:pass@x.example.com/", ""},
		{"//user@x.example.com/", ""},
		{"//localhost/", ""},
		{"//intranet/", ""},
		{`/\x.example.com`, ""},
		{`\\x.example.com`, ""},
		{"https://x.example.com/a b", ""},
		{"/c\td", ""},
		{"/%2e%2e/c", ""},
		{"/c/..%2fd", ""},
		{"https://x.example.com/a/../c", ""},
		{"https://x%2eexample.com/", ""},
		{"https://x.example.com:99999/", ""},
		{"/\xff", ""},
		{"/%zz", ""},
		{":", ""},
	}
	for _, tt := range tests {
		u, err := resolve(mustURL(t, base), tt.location)
		switch {
		case tt.want == "":
			if !errors.Is(err, ErrInvalidURL) && !errors.Is(err, ErrUnavailable) {
				t.Errorf("resolve(%q) = %q, %v; want an error", tt.location, u, err)
			}
		case err != nil || u.String() != tt.want:
			t.Errorf("resolve(%q) = %q, %v; want %q", tt.location, u, err, tt.want)
		}
	}
}

func TestRedirectLimit(t *testing.T) {
	// /3 redirects to /2, and so on to /0.
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch n := r.URL.Path[1:]; n {
		case "0":
			io.WriteString(w, "here")
		case "loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		default:
			http.Redirect(w, r, "/"+string(n[0]-1), http.StatusMovedPermanently)
		}
	})
	h := newTestHTTP(t, HTTPConfig{})
	for _, path := range []string{"/0", "/1", "/2", "/3"} {
		if object, err := get(t, h, s.URL+path); err != nil || string(object.Body) != "here" {
			t.Errorf("%s: %v, %v", path, object, err)
		}
	}
	for _, path := range []string{"/4", "/loop"} {
		if _, err := get(t, h, s.URL+path); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v; want ErrUnavailable", path, err)
		}
	}
}

func TestRedirectStatuses(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/there" {
				io.WriteString(w, "here")
				return
			}
			w.Header().Set("Location", "there")
			w.WriteHeader(status)
		})
		if object, err := get(t, newTestHTTP(t, HTTPConfig{}), s.URL+"/cat.jpg"); err != nil || string(object.Body) != "here" {
			t.Errorf("%d: %v, %v", status, object, err)
		}
	}
}

func TestRedirectHook(t *testing.T) {
	trap := newTrap(t, "127.0.0.1")
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.1:"+trap.port+"//x", http.StatusFound)
	})
	h := newTestHTTP(t, HTTPConfig{})
	refused := errors.New("refused by the hook")
	var asked []string
	_, err := h.Get(t.Context(), Request{URL: mustURL(t, s.URL), Redirect: func(u URL) error {
		asked = append(asked, u.String())
		if u.PathIsCanonical() {
			t.Error("the hook is not told how the path was written")
		}
		return refused
	}})
	if !errors.Is(err, refused) {
		t.Errorf("%v; want the hook's error", err)
	}
	if len(asked) != 1 || asked[0] != "http://127.0.0.1:"+trap.port+"//x" {
		t.Errorf("the hook was asked about %q", asked)
	}
	if _, err := get(t, h, s.URL); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("without a hook: %v; want ErrNotAllowed", err)
	}
	trap.check(t)
}

func TestRedirectDowngrade(t *testing.T) {
	plain := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "here") })
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	t.Cleanup(secure.Close)
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	h := newTestHTTP(t, HTTPConfig{RootCAs: roots})

	if _, err := get(t, h, secure.URL); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("without a hook: %v; want ErrNotAllowed", err)
	}
	object, err := h.Get(t.Context(), Request{URL: mustURL(t, secure.URL), Redirect: anywhere})
	if err != nil || string(object.Body) != "here" {
		t.Errorf("with a hook that allows it: %v, %v", object, err)
	}

	rules := []struct {
		from, to string
		want     error
	}{
		{"http://o.example.com/", "https://o.example.com/", nil},
		{"https://o.example.com/", "https://o.example.com/x", nil},
		{"http://o.example.com/", "http://o.example.com/x", nil},
		{"https://o.example.com/", "http://o.example.com/", ErrNotAllowed},
		{"https://o.example.com/", "https://o.example.com:8443/", ErrNotAllowed},
		{"https://o.example.com/", "https://x.example.com/", ErrNotAllowed},
	}
	for _, tt := range rules {
		if err := allowRedirect(nil, mustURL(t, tt.from), mustURL(t, tt.to)); !errors.Is(err, tt.want) {
			t.Errorf("%s to %s: %v; want %v", tt.from, tt.to, err, tt.want)
		}
	}
}

// TestRedirectHeader: the source's header goes to the source's server only. It isn't sent
// after a redirect from another server back to it.
func TestRedirectHeader(t *testing.T) {
	var home, away *httptest.Server
	var seen []string
	note := func(name string, r *http.Request) {
		seen = append(seen, name+r.URL.Path+" "+r.Header.Get("X-Secret")+r.Header.Get("Authorization")+r.Header.Get("Cookie"))
		if r.Header.Get("CDN-Loop") != "tintype" {
			t.Errorf("%s%s came without CDN-Loop", name, r.URL.Path)
		}
		if r.Referer() != "" {
			t.Errorf("%s%s came with the Referer %q", name, r.URL.Path, r.Referer())
		}
	}
	home = serve(t, func(w http.ResponseWriter, r *http.Request) {
		note("home", r)
		switch r.URL.Path {
		case "/1":
			w.Header().Set("Set-Cookie", "a=b")
			http.Redirect(w, r, "/2", http.StatusFound)
		case "/2":
			http.Redirect(w, r, away.URL+"/3", http.StatusFound)
		}
	})
	away = serve(t, func(w http.ResponseWriter, r *http.Request) {
		note("away", r)
		http.Redirect(w, r, home.URL+"/4", http.StatusTemporaryRedirect)
	})
	_, err := newTestHTTP(t, HTTPConfig{}).Get(t.Context(), Request{
		URL:      mustURL(t, home.URL+"/1"),
		Header:   http.Header{"X-Secret": {"s"}, "Authorization": {"a"}, "Cookie": {"c"}},
		Redirect: anywhere,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "home/1 sac, home/2 sac, away/3 , home/4 "
	if got := strings.Join(seen, ", "); got != want {
		t.Errorf("seen %q; want %q", got, want)
	}
}

// TestRedirectToForbidden: a redirect to a forbidden address, in any spelling, makes no
// connection, even where the allowlist allows everything.
func TestRedirectToForbidden(t *testing.T) {
	trap, trap6 := newTrap(t, "127.0.0.2"), newTrap(t, "::1")
	targets := map[string]error{
		"http://[::1]:" + trap6.port + "/": ErrAddress,
		"//[::1]:" + trap6.port + "/":      ErrAddress,
	}
	for host, want := range map[string]error{
		"127.0.0.2":                   ErrAddress,
		"127.2":                       ErrAddress,
		"127.0.0.2.":                  ErrAddress,
		"0x7f000002":                  ErrAddress,
		"2130706434":                  ErrAddress,
		"0177.0.0.2":                  ErrAddress,
		"①②⑦.0.0.2":                   ErrAddress,
		"[::ffff:127.0.0.2]":          ErrAddress,
		"[::ffff:7f00:2]":             ErrAddress,
		"[::127.0.0.2]":               ErrAddress,
		"[64:ff9b::7f00:2]":           ErrAddress,
		"[64:ff9b:1::7f00:2]":         ErrAddress,
		"[2002:7f00:2::]":             ErrAddress,
		"[2001:0:7f00:2::]":           ErrAddress,
		"[2606:4700::5efe:127.0.0.2]": ErrAddress,
		"169.254.169.254":             ErrAddress,
		"[fd00:ec2::254]":             ErrAddress,
		"0":                           ErrAddress,
		"allowed.com@127.0.0.2":       ErrInvalidURL,
		"allowed.com%2f@127.0.0.2":    ErrInvalidURL,
		`127.0.0.2\.allowed.com`:      ErrInvalidURL,
		"localhost":                   ErrInvalidURL,
		"a.localhost":                 ErrInvalidURL,
		"[::1%25lo]":                  ErrInvalidURL,
		"127.0.0.2.5":                 ErrInvalidURL,
	} {
		targets["http://"+host+":"+trap.port+"/"] = want
		targets["https://"+host+":"+trap.port+"/"] = want
		targets["//"+host+":"+trap.port+"/"] = want
	}
	for name, resolver := range resolvers() {
		t.Run(name, func(t *testing.T) {
			var location string
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", location)
				w.WriteHeader(http.StatusFound)
			})
			h := newTestHTTP(t, HTTPConfig{Resolver: resolver})
			for target, want := range targets {
				location = target
				_, err := h.Get(t.Context(), Request{URL: mustURL(t, s.URL), Redirect: anywhere})
				if strings.HasPrefix(target, "//①") {
					want = ErrInvalidURL // a relative reference is ASCII
				}
				if !errors.Is(err, want) {
					t.Errorf("%s: %v; want %v", target, err, want)
				}
			}
			trap.check(t)
			trap6.check(t)
		})
	}
}

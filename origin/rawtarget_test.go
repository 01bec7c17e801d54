package origin

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

// An HTTP origin is asked in one spelling, whatever the client wrote: delimiters stand as
// they are, since some origins take their escapes for another object.
func TestSpellingOfRequests(t *testing.T) {
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.RequestURI
		http.NotFound(w, r)
	}))
	defer server.Close()
	base, err := ParsePlace(server.URL + "/photos/")
	if err != nil {
		t.Fatal(err)
	}
	limits := DefaultLimits()
	h := NewHTTP(HTTPConfig{Guard: Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, Limits: limits, Bodies: NewBodies(BodiesConfig{Memory: 1 << 20})})
	source := &HTTPSource{HTTP: h, Base: base}
	for _, tt := range []struct{ written, want string }{
		{"a,b.jpg", "/photos/a,b.jpg"},
		{"a%2Cb.jpg", "/photos/a,b.jpg"},
		{"v1:2/w=3@2x.jpg", "/photos/v1:2/w=3@2x.jpg"},
		{"v1%3a2/w%3D3%402x.jpg", "/photos/v1:2/w=3@2x.jpg"},
		{"!~$&'()*;.jpg", "/photos/!~$&'()*;.jpg"},
		{"%21%7E%24%26%27%28%29%2A%3B.jpg", "/photos/!~$&'()*;.jpg"},
		{"a%20b%2Bc.jpg", "/photos/a%20b%2Bc.jpg"},
		{"a%20b+c.jpg", "/photos/a%20b%2Bc.jpg"}, // in a path of ours "+" is itself
		{"%C3%BC%25%23%3F%5B.jpg", "/photos/%C3%BC%25%23%3F%5B.jpg"},
	} {
		path, err := ParsePath(tt.written)
		if err != nil {
			t.Errorf("%s: %v", tt.written, err)
			continue
		}
		asked = ""
		_, _ = source.Fetch(t.Context(), Key{Path: path}, Validators{})
		if asked != tt.want {
			t.Errorf("%s as a key: the origin was asked for %q, want %q", tt.written, asked, tt.want)
		}
		// The same by its full URL, where "+" keeps its spelling.
		u, err := ParsePlace(server.URL + "/photos/" + tt.written)
		if err != nil {
			t.Errorf("%s as a URL: %v", tt.written, err)
			continue
		}
		asked = ""
		_, _ = h.Get(t.Context(), Request{URL: u})
		if want := tt.want; asked != want && tt.written != "a%20b+c.jpg" {
			t.Errorf("%s as a URL: the origin was asked for %q, want %q", tt.written, asked, want)
		}
		if key, ok := u.Within(base); !ok || key.Path != path {
			t.Errorf("%s as a URL is the key %q, want %q", tt.written, key.Path, path)
		}
	}
}

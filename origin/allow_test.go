package origin

import (
	"errors"
	"testing"
)

// TestAllowlist is the policy of allowed_sources.
func TestAllowlist(t *testing.T) {
	tests := []struct {
		patterns []string
		url      string
		want     bool
	}{
		// Everything, on every port.
		{[]string{"*"}, "https://anything.example.net/a", true},
		{[]string{"*"}, "http://anything.example.net:8080/a", true},
		{[]string{"*"}, "http://93.184.216.34/a", true},
		{[]string{"https://*"}, "https://anything.example.net:8443/a", true},
		{[]string{"https://*"}, "http://anything.example.net/a", false},
		// Nothing.
		{nil, "https://example.com/a", false},
		{[]string{}, "https://example.com/a", false},

		// A host is that host, however it is spelled.
		{[]string{"example.com"}, "https://example.com/a", true},
		{[]string{"example.com"}, "http://example.com/a", true},
		{[]string{"example.com"}, "https://EXAMPLE.com/a", true},
		{[]string{"example.com"}, "https://example.com./a", true},
		{[]string{"example.com"}, "https://example。com/a", true},
		{[]string{"EXAMPLE.com."}, "https://example.com/a", true},
		{[]string{"bücher.example"}, "https://xn--bcher-kva.example/a", true},
		{[]string{"xn--bcher-kva.example"}, "https://BÜCHER.example/a", true},
		{[]string{"93.184.216.34"}, "https://93.184.55330/a", true},
		{[]string{"[2606:4700:0::1]"}, "https://[2606:4700::1]/a", true},
		{[]string{"example.com"}, "https://evil-example.com/a", false},
		{[]string{"example.com"}, "https://evilexample.com/a", false},
		{[]string{"example.com"}, "https://example.com.evil.net/a", false},
		{[]string{"example.com"}, "https://www.example.com/a", false},
		{[]string{"example.com"}, "https://example.co/a", false},
		{[]string{"example.com"}, "https://evil.net/example.com", false},
		{[]string{"example.com"}, "https://evil.net/?example.com", false},
		{[]string{"apple.example"}, "https://аpple.example/a", false}, // a Cyrillic а

		// A wildcard is every name below, not the name itself.
		{[]string{"*.example.com"}, "https://a.example.com/a", true},
		{[]string{"*.example.com"}, "https://a.b.example.com/a", true},
		{[]string{"*.example.com"}, "https://example.com/a", false},
		{[]string{"*.example.com"}, "https://evil-example.com/a", false},
		{[]string{"*.example.com"}, "https://evilexample.com/a", false},
		{[]string{"*.example.com"}, "https://a.example.com.evil.net/a", false},
		{[]string{"*.b.test"}, "https://evilb.test/a", false},
		{[]string{"*.bücher.example"}, "https://a.xn--bcher-kva.example/a", true},
		{[]string{"*.example"}, "https://a.example/a", true},

		// A scheme is that scheme only.
		{[]string{"https://example.com"}, "https://example.com/a", true},
		{[]string{"https://example.com"}, "http://example.com/a", false},
		{[]string{"http://example.com"}, "https://example.com/a", false},
		{[]string{"HTTPS://*.example.com"}, "https://a.example.com/a", true},

		// A port other than the default one must be named.
		{[]string{"example.com"}, "https://example.com:443/a", true},
		{[]string{"example.com"}, "https://example.com:8443/a", false},
		{[]string{"example.com"}, "https://example.com:80/a", false},
		{[]string{"*.example.com"}, "https://a.example.com:8443/a", false},
		{[]string{"example.com:8443"}, "https://example.com:8443/a", true},
		{[]string{"example.com:8443"}, "http://example.com:8443/a", true},
		{[]string{"example.com:8443"}, "https://example.com/a", false},
		{[]string{"example.com:443"}, "https://example.com/a", true},
		{[]string{"example.com:443"}, "http://example.com/a", false},
		{[]string{"https://example.com:443"}, "https://example.com/a", true},
		{[]string{"*.example.com:8443"}, "https://a.example.com:8443/a", true},

		// A path is whole segments.
		{[]string{"example.com/public/"}, "https://example.com/public/a", true},
		{[]string{"example.com/public"}, "https://example.com/public/a", true},
		{[]string{"example.com/public"}, "https://example.com/public", true},
		{[]string{"example.com/public"}, "https://example.com/public?a", true},
		{[]string{"example.com/"}, "https://example.com/a", true},
		{[]string{"example.com/a%20b/"}, "https://example.com/a%20b/c", true},
		{[]string{"example.com/ü/"}, "https://example.com/%c3%bc/c", true},
		{[]string{"example.com/public"}, "https://example.com/public123/a", false},
		{[]string{"example.com/public/"}, "https://example.com/publi", false},
		{[]string{"example.com/public/"}, "https://example.com/", false},
		{[]string{"example.com/public/"}, "https://example.com//public/a", false},
		{[]string{"example.com/public/"}, "https://example.com/Public/a", false},
		{[]string{"example.com/public/"}, "https://example.com/public%2fa", false},
		{[]string{"example.com/public/"}, "https://example.com/x/public/a", false},
		{[]string{"example.com/public/"}, "https://example.com/x?/public/a", false},
		{[]string{"example.com:8443/a/b/"}, "https://example.com:8443/a/b/c", true},
		{[]string{"example.com/public/"}, "https://example.com/public/..%252fprivate/a", false},
		{[]string{"example.com/public/"}, "https://example.com/public/%252e%252e/private/a", false},
		{[]string{"example.com/public/"}, "https://example.com/public/100%25/..b/a%252fb", true},
		{[]string{"example.com/"}, "https://example.com/public/..%252fprivate/a", true},

		// Any one is enough.
		{[]string{"a.example.com", "b.example.com"}, "https://b.example.com/a", true},
		{[]string{"a.example.com", "b.example.com"}, "https://c.example.com/a", false},
	}
	for _, tt := range tests {
		list, err := ParseAllowlist(tt.patterns)
		if err != nil {
			t.Errorf("ParseAllowlist(%q): %v", tt.patterns, err)
			continue
		}
		if got := list.Allow(mustURL(t, tt.url)); got != tt.want {
			t.Errorf("%q allow %q: %v; want %v", tt.patterns, tt.url, got, tt.want)
		}
	}
}

func TestPatternZero(t *testing.T) {
	for _, u := range []URL{{}, mustURL(t, "https://example.com/")} {
		if (Pattern{}).Match(u) {
			t.Errorf("the zero pattern matches %q", u)
		}
	}
}

func TestParsePatternRefuses(t *testing.T) {
	for _, s := range []string{
		"", " ", "**", "*.", "*.*", "*.*.com", "*example.com", "ex*mple.com", "a.*.com", "example.*",
		"*:8443", "*/a/", "https://*:8443", "*.127.0.0.1", "*.1", "*.[::1]", "*.localhost",
		"localhost", "intranet", "a.localhost", "//example.com", "https:///", "https://", "://example.com",
		"ftp://example.com", "example.com:0", "example.com:65536", "example.com:*", "user@example.com",
		`example.com\a`, "example.com/a b", "example.com/a?b", "example.com/#a", "example.com/public/*",
		"example.com/a/../b", "example.com/a//b", "example.com/a%2Fb", "example.com/%2e", "example.com/a%2eb",
		"example.com/%", "exa%6dple.com", "1.2.3.256", "[::1", "example..com", "example.com\n", "\xff.com",
	} {
		if p, err := ParsePattern(s); !errors.Is(err, ErrInvalidURL) {
			t.Errorf("ParsePattern(%q) = %q, %v; want ErrInvalidURL", s, p, err)
		}
		if list, err := ParseAllowlist([]string{"*", s}); list != nil || !errors.Is(err, ErrInvalidURL) {
			t.Errorf("ParseAllowlist with %q = %v, %v; want ErrInvalidURL", s, list, err)
		}
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{
		"*", "https://*", "example.com", "*.example.com:8443/a/", "[::1]:80", "127.1", "http://bücher.example./ü",
		"*.a.", "*.xn--", "example.com/public", "*.example",
	} {
		f.Add(s, "https://a.example.com/a")
	}
	f.Fuzz(func(t *testing.T, s, raw string) {
		p, err := ParsePattern(s)
		if err != nil {
			if !errors.Is(err, ErrInvalidURL) {
				t.Fatalf("%v does not wrap ErrInvalidURL", err)
			}
			return
		}
		again, err := ParsePattern(p.String())
		if err != nil || again != p {
			t.Fatalf("%q is %#v, its String %q is %#v, %v", s, p, p, again, err)
		}
		u, err := ParseURL(raw)
		if err != nil || p.any {
			return
		}
		if p.Match(u) && u.Host != p.host && !p.sub {
			t.Fatalf("%q matches %q", p, u)
		}
	})
}

package origin

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// TestRefusedSources is the policy for full URLs. Each row has a spelling, and its errors
// under an allowlist of two hosts and under one that allows everything. No row may make a
// connection.
//
// ErrInvalidPath and ErrInvalidURL are status 400, ErrNotAllowed and ErrAddress 403.
func TestRefusedSources(t *testing.T) {
	trap, trap6 := newTrap(t, "127.0.0.1"), newTrap(t, "::1")
	named, err := ParseAllowlist([]string{"example.com", "*.example.com", "allowed.com", "*.b.test", "cdn.example/public"})
	if err != nil {
		t.Fatal(err)
	}
	everything, err := ParseAllowlist([]string{"*"})
	if err != nil {
		t.Fatal(err)
	}

	tests := []struct {
		src        string // PORT is one that listens on the loopback address
		named, all error
	}{
		// Addresses, in every notation.
		{"http://127.0.0.1:PORT/", ErrNotAllowed, ErrAddress},
		{"http://127.1:PORT/", ErrNotAllowed, ErrAddress},
		{"http://127.0.1:PORT/", ErrNotAllowed, ErrAddress},
		{"http://0:PORT/", ErrNotAllowed, ErrAddress},
		{"http://0.0.0.0:PORT/", ErrNotAllowed, ErrAddress},
		{"http://2130706433:PORT/", ErrNotAllowed, ErrAddress},
		{"http://0x7f000001:PORT/", ErrNotAllowed, ErrAddress},
		{"http://0x7f.1:PORT/", ErrNotAllowed, ErrAddress},
		{"http://0177.0.0.1:PORT/", ErrNotAllowed, ErrAddress},
		{"http://127.0.0.1.:PORT/", ErrNotAllowed, ErrAddress},
		{"http://①②⑦.①:PORT/", ErrNotAllowed, ErrAddress},
		{"http://127。0。0。1:PORT/", ErrNotAllowed, ErrAddress},
		{"http://[::ffff:127.0.0.1]:PORT/", ErrNotAllowed, ErrAddress},
		{"http://[::127.0.0.1]:PORT/", ErrNotAllowed, ErrAddress},
		{"http://[64:ff9b::7f00:1]:PORT/", ErrNotAllowed, ErrAddress},
		{"http://[64:ff9b:1::7f00:1]:PORT/", ErrNotAllowed, ErrAddress},
		{"http://[2002:7f00:1::]:PORT/", ErrNotAllowed, ErrAddress},
		{"http://[2001:0:7f00:1::]:PORT/", ErrNotAllowed, ErrAddress},
		{"http://[2606:4700::5efe:7f00:1]:PORT/", ErrNotAllowed, ErrAddress},
		{"http://[::1]:PORT6/", ErrNotAllowed, ErrAddress},
		{"http://[::]:PORT6/", ErrNotAllowed, ErrAddress},
		{"http://169.254.169.254/latest/meta-data/", ErrNotAllowed, ErrAddress},
		{"http://10.0.0.1/", ErrNotAllowed, ErrAddress},
		{"http://192.168.0.1/", ErrNotAllowed, ErrAddress},
		{"http://100.64.0.1/", ErrNotAllowed, ErrAddress},
		{"http://224.0.0.1/", ErrNotAllowed, ErrAddress},
		{"http://[fe80::1]/", ErrNotAllowed, ErrAddress},
		{"http://[fd00:ec2::254]/", ErrNotAllowed, ErrAddress},
		{"http://64:ff9b::7f00:1/", ErrInvalidURL, ErrInvalidURL},
		{"http://[::1%25lo]:PORT6/", ErrInvalidURL, ErrInvalidURL},
		{"http://127.0.0.1.5:PORT/", ErrInvalidURL, ErrInvalidURL},
		{"http://127%2e0.0.1:PORT/", ErrInvalidURL, ErrInvalidURL},

		// Local names.
		{"http://localhost:PORT/", ErrInvalidURL, ErrInvalidURL},
		{"http://LOCALHOST.:PORT/", ErrInvalidURL, ErrInvalidURL},
		{"http://example.com.localhost:PORT/", ErrInvalidURL, ErrInvalidURL},
		{"http://intranet:PORT/", ErrInvalidURL, ErrInvalidURL},

		// A host that only looks allowed.
		{"http://allowed.com@127.0.0.1:PORT/", ErrInvalidURL, ErrInvalidURL},
		{"http://allowed.com%2f@127.0.0.1:PORT/", ErrInvalidURL, ErrInvalidURL},
		{"http://allowed.com:80@127.0.0.1:PORT/", ErrInvalidURL, ErrInvalidURL},
		{"http://127.0.0.1:PORT#.allowed.com/", ErrInvalidURL, ErrInvalidURL},
		{`http://127.0.0.1:PORT\.allowed.com/`, ErrInvalidURL, ErrInvalidURL},
		{`http://allowed.com\@127.0.0.1:PORT/`, ErrInvalidURL, ErrInvalidURL},
		{"http://127.0.0.1:PORT/.allowed.com/", ErrNotAllowed, ErrAddress},
		{"http://127.0.0.1:PORT?.allowed.com/", ErrNotAllowed, ErrAddress},
		{"https://allowed.com:99999/", ErrInvalidURL, ErrInvalidURL},
		{"https://allowed.com:0/", ErrInvalidURL, ErrInvalidURL},
		{"https://evil-example.com/", ErrNotAllowed, nil},
		{"https://evilexample.com/", ErrNotAllowed, nil},
		{"https://example.com.evil.net/", ErrNotAllowed, nil},
		{"https://evilb.test/", ErrNotAllowed, nil},
		{"https://b.test/", ErrNotAllowed, nil},
		{"https://example.com:8443/", ErrNotAllowed, nil},
		{"https://cdn.example/public123/a.jpg", ErrNotAllowed, nil},
		{"https://cdn.example/public/../secret/a.jpg", ErrInvalidURL, ErrInvalidURL},
		{"https://cdn.example/public/%2e%2e/secret/a.jpg", ErrInvalidURL, ErrInvalidURL},
		{"https://cdn.example/public/..%2fsecret/a.jpg", ErrInvalidURL, ErrInvalidURL},
		{"https://cdn.example/public/..%5csecret/a.jpg", ErrInvalidURL, ErrInvalidURL},
		{"https://cdn.example/public/..;/secret/a.jpg", ErrInvalidURL, ErrInvalidURL},

		// No full URL.
		{"//host/a.jpg", ErrInvalidURL, ErrInvalidURL},
		{`/\host/a.jpg`, ErrInvalidURL, ErrInvalidURL},
		{"http:/example.com/", ErrInvalidURL, ErrInvalidURL},
		{"http:///example.com/", ErrInvalidURL, ErrInvalidURL},
		{"ftp://example.com/a.jpg", ErrInvalidURL, ErrInvalidURL},
		{"file:///etc/passwd", ErrInvalidURL, ErrInvalidURL},
		{"gopher://127.0.0.1:PORT/", ErrInvalidURL, ErrInvalidURL},
		{"https://example.com/\r\nHost: evil.net", ErrInvalidURL, ErrInvalidURL},
		{" https://example.com/", ErrInvalidURL, ErrInvalidURL},

		// Allowed, in unusual spellings.
		{"HTTPS://EXAMPLE.COM:443/a.jpg", nil, nil},
		{"https://example.com./a.jpg", nil, nil},
		{"https://allowed。com/a.jpg", nil, nil},
		{"https://a.b.test/a.jpg", nil, nil},
		{"https://cdn.example/public/a@2x.jpg", nil, nil},
	}

	ports := strings.NewReplacer("PORT6", trap6.port, "PORT", trap.port)
	for name, resolver := range resolvers() {
		t.Run(name, func(t *testing.T) {
			h := NewHTTP(HTTPConfig{Resolver: resolver})
			judge := func(list Allowlist, src string) error {
				u, err := ParseURL(src)
				if err != nil {
					return err
				}
				if !list.Allow(u) {
					return ErrNotAllowed
				}
				if _, err := netip.ParseAddr(u.Host); err != nil {
					return nil // a name, which would be looked up
				}
				_, err = h.Get(t.Context(), Request{URL: u, Redirect: anywhere})
				return err
			}
			for _, tt := range tests {
				src := ports.Replace(tt.src)
				if err := judge(named, src); !errors.Is(err, tt.named) {
					t.Errorf("%q, hosts named: %v; want %v", src, err, tt.named)
				}
				if err := judge(everything, src); !errors.Is(err, tt.all) {
					t.Errorf("%q, everything allowed: %v; want %v", src, err, tt.all)
				}
			}
			trap.check(t)
			trap6.check(t)
		})
	}

	// Paths of objects.
	for _, path := range []string{
		"//host", "/host", `/\host`, `\host`, "%2e%2e%2f", "%2e%2e%2fa.jpg", "..%2fa.jpg", "../a.jpg", "%2e%2e/a.jpg",
		"a/%2E%2e/b.jpg", "a//b.jpg", "a%2Fb.jpg", "a%5cb.jpg", "a%00.jpg", "a%0d%0a.jpg", "",
	} {
		if key, err := ParsePath(path); !errors.Is(err, ErrInvalidPath) {
			t.Errorf("path %q: %q, %v; want ErrInvalidPath", path, key, err)
		}
	}
}

package origin

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func mustURL(t testing.TB, raw string) URL {
	t.Helper()
	u, err := ParseURL(raw)
	if err != nil {
		t.Fatalf("ParseURL(%q): %v", raw, err)
	}
	return u
}

func TestParseURLCanonicalises(t *testing.T) {
	tests := []struct{ raw, want string }{
		{"https://example.com", "https://example.com/"},
		{"HTTPS://Example.COM/A", "https://example.com/A"},
		{"https://example.com:443/a", "https://example.com/a"},
		{"http://example.com:80/a", "http://example.com/a"},
		{"http://example.com:0080/a", "http://example.com/a"},
		{"http://example.com:/a", "http://example.com/a"},
		{"http://example.com:443/a", "http://example.com:443/a"},
		{"https://example.com:8443/a", "https://example.com:8443/a"},
		{"https://example.com./a", "https://example.com/a"},
		{"https://example.com.:443/a", "https://example.com/a"},
		{"https://example.com?a=1", "https://example.com/?a=1"},
		{"https://example.com/a?", "https://example.com/a"},
		{"https://example.com/a?@b.com/../x", "https://example.com/a?@b.com/../x"},
		{"https://example.com/%7euser/%41%2f%3a%c3%bc", "https://example.com/~user/A%2F:%C3%BC"},
		{"https://example.com/%21%24%26%27%28%29%2a%2b%2c%3B%3D%3a%40%7e", "https://example.com/!$&'()*%2B,;=:@~"},
		{"https://example.com/!$&'()*+,;=:@~", "https://example.com/!$&'()*+,;=:@~"},
		{"https://example.com/ü\"<>^`{|}", "https://example.com/%C3%BC%22%3C%3E%5E%60%7B%7C%7D"},
		{"https://example.com/a@2x,b;c=1:d!$&'()*+", "https://example.com/a@2x,b;c=1:d!$&'()*+"},
		{"https://example.com/a//b", "https://example.com/a//b"},
		{"https://example.com/a?x=%2f%7e&y=ü'%zz", "https://example.com/a?x=%2f%7e&y=%C3%BC%27%zz"},
		{"https://my_bucket.s3.example.com/a", "https://my_bucket.s3.example.com/a"},
		{"https://r3---sn-5.example.com/a", "https://r3---sn-5.example.com/a"},

		// IDNA, fullwidth and ideographic dots.
		{"https://Bücher.example/", "https://xn--bcher-kva.example/"},
		{"https://XN--BCHER-KVA.example/", "https://xn--bcher-kva.example/"},
		{"https://faß.example/", "https://xn--fa-hia.example/"},
		{"https://allowed。com/", "https://allowed.com/"},
		{"https://allowed．com｡/", "https://allowed.com/"},
		{"https://ｅｘａｍｐｌｅ.com/", "https://example.com/"},
		{"https://exa\u00admple.com/", "https://example.com/"},

		// WHATWG IPv4: addresses, never names.
		{"http://127.0.0.1/", "http://127.0.0.1/"},
		{"http://127.1/", "http://127.0.0.1/"},
		{"http://127.0.1/", "http://127.0.0.1/"},
		{"http://2130706433/", "http://127.0.0.1/"},
		{"http://0x7f000001/", "http://127.0.0.1/"},
		{"http://0X7F.1/", "http://127.0.0.1/"},
		{"http://0177.0.0.1/", "http://127.0.0.1/"},
		{"http://017700000001/", "http://127.0.0.1/"},
		{"http://0/", "http://0.0.0.0/"},
		{"http://0x/", "http://0.0.0.0/"},
		{"http://1.2.3.4./", "http://1.2.3.4/"},
		{"http://1.0x/", "http://1.0.0.0/"},
		{"http://１２７.１/", "http://127.0.0.1/"},
		{"http://①②⑦.0.0.1/", "http://127.0.0.1/"},
		{"http://127。0。0。1/", "http://127.0.0.1/"},
		{"http://4294967295/", "http://255.255.255.255/"},

		{"http://[::1]/", "http://[::1]/"},
		{"http://[0:0:0:0:0:0:0:1]:8080/", "http://[::1]:8080/"},
		{"http://[2606:4700::ABCD]/", "http://[2606:4700::abcd]/"},
		{"http://[::ffff:127.0.0.1]/", "http://127.0.0.1/"},
		{"http://[::ffff:7f00:1]:81/", "http://127.0.0.1:81/"},
		{"http://[64:ff9b::127.0.0.1]/", "http://[64:ff9b::7f00:1]/"},
	}
	for _, tt := range tests {
		u, err := ParseURL(tt.raw)
		if err != nil {
			t.Errorf("ParseURL(%q): %v", tt.raw, err)
			continue
		}
		if got := u.String(); got != tt.want {
			t.Errorf("ParseURL(%q) = %q; want %q", tt.raw, got, tt.want)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	label64 := strings.Repeat("a", 64)
	tests := []struct{ why, raw string }{
		{"not a full URL", ""},
		{"not a full URL", "example.com/a"},
		{"not a full URL", "//example.com/a"},
		{"not a full URL", "///example.com/a"},
		{"not a full URL", "/a"},
		{"not a full URL", "https:example.com/a"},
		{"not a full URL", "https:/example.com/a"},
		{"scheme", "ftp://example.com/a"},
		{"scheme", "file:///etc/passwd"},
		{"scheme", "gopher://example.com/"},
		{"scheme", "data:image/png;base64,AA=="},
		{"scheme", "javascript://example.com/"},
		{"scheme", "http ://example.com/"},
		{"scheme", "httpſ://example.com/"}, // folds to https
		{"scheme", "view-source:https://example.com/"},
		{"no host", "https://"},
		{"no host", "https:///example.com"},
		{"no host", "https://?a"},
		{"no host", "https://:80/"},
		{"userinfo", "https://user@example.com/"},
		{"userinfo", "https://user:pass@example.com/"},
		{"userinfo", "https://@example.com/"},
		{"userinfo", "https://allowed.com@127.0.0.1/"},
		{"userinfo", "https://allowed.com%2f@127.0.0.1/"},
		{"userinfo", "https://allowed.com%40127.0.0.1/"},
		{"userinfo", "https://allowed.com＠127.0.0.1/"},
		{"userinfo", "https://allowed.com:80@127.0.0.1/"},
		{"userinfo", "https://a@b@example.com/"},
		{"backslash", `https:\\example.com/`},
		{"backslash", `https://example.com\@127.0.0.1/`},
		{"backslash", `https://127.0.0.1\.example.com/`},
		{"backslash", `https://example.com/a\b`},
		{"backslash", `https://example.com/a?b=\`},
		{"backslash", `/\example.com`},
		{"fragment", "https://127.0.0.1#.allowed.com/"},
		{"fragment", "https://example.com/a#b"},
		{"fragment", "https://example.com/a?b#c"},
		{"white space", " https://example.com/"},
		{"white space", "https://example.com/ "},
		{"white space", "https://exa mple.com/"},
		{"white space", "https://example.com/a\tb"},
		{"white space", "https://exam\nple.com/"},
		{"white space", "\thttps://example.com/"},
		{"control", "https://example.com/\x00"},
		{"control", "https://example.com\r\nHost: x/"},
		{"control", "https://example.com/\x7f"},
		{"control", "https://example.com/\u0085"},
		{"control", "https://example.com/%00"},
		{"control", "https://example.com/a%0d%0ab"},
		{"control", "https://example.com/%7F"},
		{"not UTF-8", "https://example.com/\xff"},
		{"not UTF-8", "https://ex\xc0\xafample.com/"},
		{"escape", "https://example.com/%"},
		{"escape", "https://example.com/%2"},
		{"escape", "https://example.com/%zz"},
		{"host escape", "https://ex%61mple.com/"},
		{"host escape", "https://127%2e0.0.1/"},
		{"host escape", "https://example.com%2f.evil.net/"},
		{"host escape", "https://example.com%00.evil.net/"},
		{"port", "https://example.com:0/"},
		{"port", "https://example.com:65536/"},
		{"port", "https://example.com:99999/"},
		{"port", "https://example.com:-1/"},
		{"port", "https://example.com:+80/"},
		{"port", "https://example.com:8_0/"},
		{"port", "https://example.com:0x50/"},
		{"port", "https://example.com:８０/"},
		{"port", "https://example.com:80:80/"},
		{"port", "https://[::1]80/"},
		{"local name", "http://localhost/"},
		{"local name", "http://LOCALHOST:80/"},
		{"local name", "http://localhost./"},
		{"local name", "http://ⓛocalhost/"},
		{"local name", "http://a.localhost/"},
		{"local name", "http://a.LocalHost./"},
		{"single label", "http://metadata/"},
		{"single label", "http://com./"},
		{"host", "http://./"},
		{"host", "http://../"},
		{"host", "http://.example.com/"},
		{"host", "http://example..com/"},
		{"host", "http://example.com../"},
		{"host", "http://-a.example.com/"},
		{"host", "http://a-.example.com/"},
		{"host", "http://" + label64 + ".example.com/"},
		{"host", "http://" + strings.Repeat("abc.", 64) + "com/"},
		{"host", "http://exa*mple.com/"},
		{"host", "http://exa$mple.com/"},
		{"host", "http://example.com,evil.net/"},
		{"host", "http://a℀b.example.com/"}, // maps to "aa/cb"
		{"host", "http://example：80.com/"},  // maps to ":"
		{"host", "http://xn--example-.com/"},
		{"host", "http://xn--a.com/"},
		{"host", "http://xn--.com/"},
		{"host", "http://example.com.xn--/"},
		{"host", "http://bücher.com.xn--/"},
		{"number", "http://1.2.3.4.5/"},
		{"number", "http://256.1.1.1/"},
		{"number", "http://1.2.3.256/"},
		{"number", "http://1.2.65536/"},
		{"number", "http://4294967296/"},
		{"number", "http://99999999999999999999/"},
		{"number", "http://0x100000000/"},
		{"number", "http://1.2.3.08/"},
		{"number", "http://09.1.1.1/"},
		{"number", "http://example.com.1/"},
		{"number", "http://example.0x7f/"},
		{"number", "http://1..2/"},
		{"number", "http://127.0.0.1../"},
		{"number", "http://0x7g.1/"},
		{"IPv6", "http://::1/"},
		{"IPv6", "http://[::1/"},
		{"IPv6", "http://::1]/"},
		{"IPv6", "http://[]/"},
		{"IPv6", "http://[127.0.0.1]/"},
		{"IPv6", "http://[example.com]/"},
		{"IPv6", "http://[::1%25eth0]/"},
		{"IPv6", "http://[fe80::1%eth0]/"},
		{"IPv6", "http://[v1.a]/"},
		{"IPv6", "http://[::ffff:0127.0.0.1]/"},
		{"dot segment", "https://example.com/.."},
		{"dot segment", "https://example.com/a/../b"},
		{"dot segment", "https://example.com/./a"},
		{"dot segment", "https://example.com/a/%2e%2e/b"},
		{"dot segment", "https://example.com/a/.%2E"},
		{"dot segment", "https://example.com/%2e%2e%2f"},
		{"dot segment", "https://example.com/a/..%2fb"},
		{"dot segment", "https://example.com/a%2f..%2fb"},
		{"dot segment", "https://example.com/a/..%5cb"},
		{"dot segment", "https://example.com/a/..;x/b"},
		{"dot segment", "https://example.com/a/..%3bx/b"},
		{"length", "https://example.com/" + strings.Repeat("a", 8192)},
		{"length once canonical", "https://example.com/" + strings.Repeat("ü", 2000)},
	}
	for _, tt := range tests {
		u, err := ParseURL(tt.raw)
		if !errors.Is(err, ErrInvalidURL) {
			t.Errorf("%s: ParseURL(%.60q) = %q, %v; want ErrInvalidURL", tt.why, tt.raw, u, err)
		}
	}
}

func TestWithin(t *testing.T) {
	const none = "none"
	tests := []struct {
		raw, prefix string
		want        string // path of the key, "?" and query where there is one
	}{
		{"https://o.example.com/photos/a/b.jpg", "https://o.example.com/photos/", "a/b.jpg"},
		{"https://o.example.com/photos/a.jpg?v=%20", "https://o.example.com/photos/", "a.jpg?v=%20"},
		{"https://o.example.com/photos/a%20b.jpg", "https://o.example.com/photos/", "a b.jpg"},
		{"https://o.example.com/ph%6Ftos/a.jpg", "https://o.example.com/photos/", "a.jpg"},
		{"https://o.example.com/a%40b/c.jpg", "https://o.example.com/a@b/", "c.jpg"},
		{"https://o.example.com/a.jpg", "https://o.example.com", "a.jpg"},
		{"https://O.EXAMPLE.com.:443/photos/a.jpg", "https://o.example.com/photos", "a.jpg"},
		{"https://o.example.com/photos/", "https://o.example.com/photos/", ""},
		{"https://o.example.com/photos", "https://o.example.com/photos/", ""},
		{"https://o.example.com/", "https://o.example.com/", ""},
		{"https://o.example.com/photos/a/", "https://o.example.com/photos/", "a/"},

		// The other scheme doesn't avoid a source.
		{"http://o.example.com/photos/a.jpg", "https://o.example.com/photos/", "a.jpg"},
		{"https://o.example.com/photos/a.jpg", "http://o.example.com/photos/", "a.jpg"},
		{"http://o.example.com:443/photos/a.jpg", "https://o.example.com/photos/", "a.jpg"},
		{"https://o.example.com:80/photos/a.jpg", "https://o.example.com/photos/", "a.jpg"},
		{"http://o.example.com:8443/photos/a.jpg", "https://o.example.com:8443/photos/", "a.jpg"},

		{"https://o.example.com/photos123/a.jpg", "https://o.example.com/photos", none},
		{"https://o.example.com/Photos/a.jpg", "https://o.example.com/photos/", none},
		{"https://o.example.com/x/photos/a.jpg", "https://o.example.com/photos/", none},
		{"https://o.example.com/photo", "https://o.example.com/photos/", none},
		{"https://o.example.com/a", "https://o.example.com/a/b/", none},
		{"https://o.example.com:8443/photos/a.jpg", "https://o.example.com/photos/", none},
		{"https://x.o.example.com/photos/a.jpg", "https://o.example.com/photos/", none},
		{"https://o.example.com.evil.net/photos/a.jpg", "https://o.example.com/photos/", none},
	}
	for _, tt := range tests {
		key, ok := mustURL(t, tt.raw).Within(mustURL(t, tt.prefix))
		got := none
		if ok {
			got = key.Path
			if key.Query != "" {
				got += "?" + key.Query
			}
		}
		if got != tt.want {
			t.Errorf("%q within %q: %q; want %q", tt.raw, tt.prefix, got, tt.want)
		}
	}
}

func TestPathIsCanonical(t *testing.T) {
	tests := []struct {
		path string
		want bool
	}{
		{"", true},
		{"/", true},
		{"/a/b.jpg", true},
		{"/a/", true},
		{"/a%20b.jpg", true},
		{"/%61.jpg", true},
		{"/a?b=//%2F%2e", true},
		{"//a.jpg", false},
		{"/a//b.jpg", false},
		{"/a//", false},
		{"/a%2Fb.jpg", false},
		{"/a%2fb.jpg", false},
		{"/a%5cb.jpg", false},
		{"/a%2ejpg", false},
		{"/a%2Ejpg", false},
	}
	for _, tt := range tests {
		if got := mustURL(t, "https://example.com"+tt.path).PathIsCanonical(); got != tt.want {
			t.Errorf("%q: %v; want %v", tt.path, got, tt.want)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{
		"https://Example.com:443/a%7e?b#c", "http://127.1/", "http://[::ffff:127.0.0.1]:81/", "http://0x7f.1/",
		"https://allowed.com@127.0.0.1/", "https://bücher.example/ü?ü", "http://①②⑦.0.0.1", "http://xn--a.com/",
		"http://a.xn--/", "http://allowed。com｡", `http://a.com\b`, "http://a.com/..%2f", "http://[fe80::1%25a]/",
		"http://a.com/!$&'()*+,;=:@[]\"", "http://a.com?'", "http://1.2.3.08/",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := ParseURL(raw)
		if err != nil {
			if !errors.Is(err, ErrInvalidURL) {
				t.Fatalf("%v does not wrap ErrInvalidURL", err)
			}
			return
		}
		canonical := u.String()
		again, err := ParseURL(canonical)
		if err != nil || again.String() != canonical {
			t.Fatalf("%q is not a fixed point: %q, %v", canonical, again, err)
		}
		again.encodedDot = u.encodedDot
		if again != u {
			t.Fatalf("%q parses to %#v, then to %#v", raw, u, again)
		}

		// Go's reader finds the same host, port, path and query, and nothing else.
		std, err := url.Parse(canonical)
		if err != nil {
			t.Fatalf("url.Parse(%q): %v", canonical, err)
		}
		if std.Scheme != u.Scheme || std.Hostname() != u.Host || std.Port() != u.Port ||
			std.EscapedPath() != u.Path || std.RawQuery != u.Query || std.User != nil || std.Fragment != "" || std.Opaque != "" {
			t.Fatalf("%q: Go reads %#v", canonical, std)
		}
		if std.RequestURI() != strings.TrimPrefix(canonical, u.Scheme+"://"+std.Host) {
			t.Fatalf("%q is requested as %q", canonical, std.RequestURI())
		}

		if addr, err := netip.ParseAddr(u.Host); err == nil {
			if addr.String() != u.Host || addr.Is4In6() || addr.Zone() != "" {
				t.Fatalf("address %q is not canonical", u.Host)
			}
		} else if strings.Trim(u.Host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" ||
			!strings.Contains(u.Host, ".") || strings.HasSuffix(u.Host, ".") || endsInNumber(u.Host) {
			t.Fatalf("host %q of %q", u.Host, raw)
		}
		if u.Port == "0" || u.Port == defaultPort(u.Scheme) {
			t.Fatalf("port %q of %q", u.Port, raw)
		}

		root := u
		root.Path, root.Query = "/", ""
		if _, ok := u.Within(root); !ok {
			t.Fatalf("%q is not within %q", u, root)
		}
	})
}

// FuzzWithin: Within returns the key for the URL that Below returns for it.
func FuzzWithin(f *testing.F) {
	f.Add("https://o.example.com/photos/", "a b/+.jpg", "v=1")
	f.Add("http://o.example.com:81", "..a/%2e%2e/;", "")
	f.Fuzz(func(t *testing.T, rawBase, path, query string) {
		base, err := ParseURL(rawBase)
		if err != nil || !base.PathIsCanonical() {
			return
		}
		source := HTTPSource{Base: base}
		u, err := source.URL(Key{Path: path, Query: query})
		if err != nil {
			return
		}
		key, ok := u.Within(base)
		if !ok || key.Path != path {
			t.Fatalf("key %q of %q is asked for at %q, which is within it (%v) as %q", path, base, u, ok, key.Path)
		}
	})
}

// TestParsePlace: settings may have local names, which src may not. All other URLs are
// refused as in src.
func TestParsePlace(t *testing.T) {
	for raw, want := range map[string]string{
		"http://minio:9000/photos/":   "http://minio:9000/photos/",
		"http://LOCALHOST:8081":       "http://localhost:8081/",
		"https://cdn.localhost/a/":    "https://cdn.localhost/a/",
		"https://images.example.com/": "https://images.example.com/",
	} {
		u, err := ParsePlace(raw)
		if err != nil || u.String() != want {
			t.Errorf("ParsePlace(%q) = %q, %v; want %q", raw, u, err, want)
		}
		if _, err := ParseURL(raw); (err == nil) != strings.Contains(raw, ".com") {
			t.Errorf("ParseURL(%q): %v", raw, err)
		}
	}
	for _, raw := range []string{"http://user@minio/", "http://", "ftp://minio/", "http://mi nio/", "//minio/", "http://a..b/"} {
		if u, err := ParsePlace(raw); err == nil {
			t.Errorf("ParsePlace(%q) = %q", raw, u)
		}
	}
}

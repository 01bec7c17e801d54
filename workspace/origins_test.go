package workspace_test

import (
	"strings"
	"testing"

	"github.com/tintype/tintype/workspace"
)

// The policy of allowed_origins.
func TestOrigins(t *testing.T) {
	for _, test := range []struct {
		patterns string // separated by spaces
		allowed  string
		refused  string
	}{
		{patterns: "*",
			allowed: "https://app.example.com http://localhost:3000 null chrome-extension://abc"},
		{patterns: "",
			refused: "https://app.example.com http://localhost null *"},

		{patterns: "https://app.example.com",
			allowed: "https://app.example.com https://APP.Example.com HTTPS://app.example.com https://app.example.com:443",
			refused: "http://app.example.com https://app.example.com:8443 https://app.example.com:80 https://example.com " +
				"https://x.app.example.com https://evilapp.example.com https://app.example.com.evil.net https://app.example.comevil.net " +
				"https://app.example.com. https://app.example.com/ https://app.example.com/x https://user@app.example.com " +
				"https://app.example.com@evil.net https://evil.net#https://app.example.com https://app.example.com,https://evil.net " +
				"app.example.com //app.example.com null ftp://app.example.com https:app.example.com https:///app.example.com"},
		{patterns: "https://app.example.com:8443",
			allowed: "https://app.example.com:8443",
			refused: "https://app.example.com https://app.example.com:443 http://app.example.com:8443 https://app.example.com:08443 " +
				"https://app.example.com:8443: https://app.example.com:84430"},
		{patterns: "http://app.example.com:80",
			allowed: "http://app.example.com http://app.example.com:80",
			refused: "https://app.example.com http://app.example.com:443"},

		{patterns: "example.com",
			allowed: "https://example.com http://example.com https://example.com:443 http://example.com:80",
			refused: "https://example.com:8443 http://example.com:443 https://example.com:80 https://www.example.com " +
				"https://evilexample.com https://example.com.evil.net https://example.comevil.net https://examplexcom " +
				"ws://example.com capacitor://example.com null"},
		{patterns: "*.example.com",
			allowed: "https://www.example.com http://www.example.com https://a.b.c.example.com https://WWW.EXAMPLE.COM https://www.example.com:443",
			refused: "https://example.com https://evilexample.com https://www.example.com.evil.net https://.example.com " +
				"https://www.example.com:8443 https://*.example.com https://wwwexample.com https://evil.net/.example.com " +
				"https://evil.net?.example.com https://evil.net\\.example.com https://a@www.example.com"},

		{patterns: "null",
			allowed: "null",
			refused: "NULL https://null.example.com https://example.com"},
		{patterns: "localhost http://localhost:3000",
			allowed: "http://localhost https://localhost http://localhost:3000",
			refused: "http://localhost:3001 https://localhost:3000"},

		{patterns: "bücher.example https://BÜCHER.example:8443 *.例え.jp",
			allowed: "https://xn--bcher-kva.example https://xn--bcher-kva.example:8443 https://www.xn--r8jz45g.jp",
			refused: "https://bücher.example https://bucher.example https://xn--r8jz45g.jp"},
		{patterns: "192.168.1.10 http://127.0.0.1:5173 http://[::1]:5173 http://[2001:DB8::0:1]",
			allowed: "http://192.168.1.10 https://192.168.1.10 http://127.0.0.1:5173 http://[::1]:5173 http://[2001:db8::1]",
			refused: "http://192.168.1.100 http://127.0.0.1 http://127.1:5173 http://[::1] http://[::1%eth0]:5173 http://::1:5173"},
		{patterns: "my_app.example.com", allowed: "https://my_app.example.com"},
		{patterns: "task.example", refused: "https://tas\u212a.example"}, // a Kelvin sign is not a k
	} {
		o, err := workspace.ParseOrigins(strings.Fields(test.patterns))
		if err != nil {
			t.Errorf("%q: %v", test.patterns, err)
			continue
		}
		if o.Any() != (test.patterns == "*") {
			t.Errorf("%q: Any is %v", test.patterns, o.Any())
		}
		for origin := range strings.FieldsSeq(test.allowed) {
			if !o.Allow(origin) {
				t.Errorf("%q refuses %s", test.patterns, origin)
			}
		}
		for origin := range strings.FieldsSeq(test.refused) {
			if o.Allow(origin) {
				t.Errorf("%q allows %s", test.patterns, origin)
			}
		}
		if o.Allow("") && !o.Any() || o.Allow("https://") && !o.Any() || o.Allow("https://a b.example.com") && !o.Any() {
			t.Errorf("%q allows an empty or broken origin", test.patterns)
		}
	}
	if (workspace.Origins{}).Allow("https://example.com") {
		t.Error("the zero value allows something")
	}
}

func TestBadOriginPatterns(t *testing.T) {
	for _, pattern := range []string{
		"", " ", "https://example.com/", "https://example.com/path", "example.com/", "example.com:8443", "https://", "https://*",
		"https://*.example.com", "*example.com", "a.*.example.com", "*.", "*.*.example.com", "**", "*.1.2.3", "1.2.3", "127.1",
		"0x7f.1", "https://user@example.com", "https://example.com:", "https://example.com:0", "https://example.com:99999",
		"https://example.com:08", "ftp://example.com", "//example.com", "exa mple.com", "example..com", ".example.com",
		"example.com.", "-a.example.com", "https://[::1", "[fe80::1%eth0]", "[::ffff:1.2.3.4]", "example.com?x", "example.com#x",
		"xn--a.example", strings.Repeat("a", 64) + ".example", strings.Repeat("abc.", 70) + "example", "a,b", "NULL ",
	} {
		if _, err := workspace.ParseOrigins([]string{"*", pattern}); err == nil {
			t.Errorf("%q is accepted", pattern)
		} else if !strings.Contains(err.Error(), "use *, https://app.example.com") {
			t.Errorf("%q: the error doesn't say what is allowed: %v", pattern, err)
		}
	}
}

func FuzzParseOrigins(f *testing.F) {
	for _, pattern := range []string{
		"*", "null", "https://app.example.com", "https://app.example.com:8443", "example.com", "*.example.com", "bücher.example",
		"http://[::1]:80", "1.2.3.4", "ｅxample.com", "a\u00adb.example", "ﬁ.example", "xn--bcher-kva.example",
	} {
		f.Add(pattern, "https://app.example.com")
	}
	f.Fuzz(func(t *testing.T, pattern, origin string) {
		o, err := workspace.ParseOrigins([]string{pattern})
		if err != nil {
			return
		}
		allowed := o.Allow(origin)
		if o.Any() || pattern == "null" {
			return
		}
		// Whatever the pattern, it allows only origins of web pages, and not an allowed
		// origin with a longer host.
		lower := strings.ToLower(origin)
		if allowed && (!strings.HasPrefix(lower, "https://") && !strings.HasPrefix(lower, "http://") || strings.ContainsAny(origin, "/@?#\\, ") &&
			strings.ContainsAny(lower[len("http:///"):], "/@?#\\, ")) {
			t.Errorf("%q allows %q", pattern, origin)
		}
		if allowed && o.Allow(origin+".evil.net") || o.Allow(origin+"/") {
			t.Errorf("%q allows more than %q", pattern, origin)
		}
		if suffix, ok := strings.CutPrefix(pattern, "*."); ok && o.Allow("https://"+suffix) {
			t.Errorf("%q allows the apex", pattern)
		}
	})
}

func BenchmarkOriginsAllow(b *testing.B) {
	o, err := workspace.ParseOrigins([]string{"https://app.example.com", "*.example.org", "example.net"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		o.Allow("https://www.example.org")
	}
}

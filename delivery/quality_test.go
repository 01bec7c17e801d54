package delivery

import (
	"strings"
	"testing"
)

// The quality that was found for an image is told with each of its answers, from the cache too.
func TestQualityFound(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	for target, want := range map[string]string{
		"/acme/photos/cat.jpg?w=20&format=jpeg&q=auto":     "71",
		"/acme/photos/cat.jpg?w=20&format=jpeg&q=70":       "",
		"/acme/photos/cat.jpg?w=20&format=png&q=auto":      "",
		"/acme/placeholder/color?color=fff&w=3&h=3&q=auto": "",
		"/acme/info/photos/cat.jpg?select=metadata":        "",
	} {
		made := b.get(target)
		again := b.get(target)
		fresh := b.get(target, "If-None-Match", made.Header().Get("ETag"))
		for name, w := range map[string]interface{ Get(string) string }{"made": made.Header(), "hit": again.Header(), "not modified": fresh.Header()} {
			if got := w.Get("Tintype-Quality"); got != want {
				t.Errorf("%s, %s: quality %q, want %q", target, name, got, want)
			}
		}
		if made.Code >= 500 || !strings.Contains(made.Header().Get("Access-Control-Expose-Headers"), "Tintype-Quality") && made.Code == 200 {
			t.Errorf("%s: %d, exposed are %q", target, made.Code, made.Header().Get("Access-Control-Expose-Headers"))
		}
	}
}

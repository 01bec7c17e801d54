package delivery

import (
	"mime"
	"strings"
	"testing"

	"github.com/tintype/tintype/workspace"
)

// Every answer with an image names the parameters that changed nothing, by what its own URL
// says, whichever variant it shares.
func TestIgnored(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Namespace, w.ID, w.StrictOptions = "strict", "", true }))
	long := strings.Repeat("n", 100)
	for _, tt := range []struct{ target, want, hint string }{
		{"/photos/cat.jpg?w=20", "", ""},
		{"/photos/cat.jpg?w=20&utm_source=a&gclid=1&fbclid=2&_=3&cb=4&ixlib=5&sig=6&exp=7&s=8", "", ""},
		{"/photos/cat.jpg?w=20&widht=3", "widht", "did you mean width?"},
		{"/photos/cat.jpg?w=20&zeta=1&alpha=2&zeta=3", "alpha, zeta", ""},
		{"/photos/cat.jpg?w=20&a%20b=1&%C3%BC=2&c%25=3&d%22,=4", "%C3%BC, a%20b, c%25, d%22%2C", ""},
		{"/photos/cat.jpg?w=20&9=1&8=1&7=1&6=1&5=1&4=1&3=1&2=1&1=1", "1, 2, 3, 4, 5, 6, 7, 8", ""},
		{"/photos/cat.jpg?w=20&" + long + "=1", long[:64], ""},
		{"/transform?src=photos/cat.jpg&w=20&qualty=3", "qualty", "did you mean quality?"},
		{"/imgproxy/unsafe/w:20/nonsense:1/skp:jpg/plain/photos/cat.jpg", "nonsense, skp", ""},
		{"/info/photos/cat.jpg?select=metadata&w=3", "w", ""},
		{"/placeholder/color?color=fff&w=3&h=3&blur=3", "blur", ""},
		{"/imgix/photos/cat.jpg?w=20&widht=3", "widht", ""},
		{"/imgix/photos/cat.jpg?w=20&bulr=3", "bulr", "did you mean blur?"},
		{"/imgproxy/unsafe/resise:fit:20/plain/photos/cat.jpg", "resise", "did you mean resize?"},
	} {
		w := b.get("/acme" + tt.target)
		again := b.get("/acme" + tt.target)
		if got := w.Header().Get("Tintype-Ignored"); w.Code != 200 || got != tt.want {
			t.Errorf("%s: %d %q, want %q", tt.target, w.Code, got, tt.want)
		}
		if got := again.Header().Get("Tintype-Ignored"); got != tt.want || !strings.Contains(again.Header().Get("Cache-Status"), "hit") {
			t.Errorf("%s, from the cache: %q %q", tt.target, got, again.Header().Get("Cache-Status"))
		}
		fresh := b.get("/acme"+tt.target, "If-None-Match", w.Header().Get("ETag"))
		if got := fresh.Header().Get("Tintype-Ignored"); fresh.Code != 304 || got != tt.want {
			t.Errorf("%s, not modified: %d %q", tt.target, fresh.Code, got)
		}
		if got := w.Header().Get("Access-Control-Expose-Headers"); !strings.Contains(got, "Tintype-Ignored") {
			t.Errorf("exposed are %q", got)
		}
		e, err := b.Explain(t.Context(), "/acme"+tt.target, "", "")
		if err != nil || (len(e.Ignored) == 0) != (tt.want == "") || tt.hint != "" && e.Ignored[0].Hint != tt.hint {
			t.Errorf("%s is explained with %+v, %v", tt.target, e.Ignored, err)
		}
		refused := b.get("/strict" + tt.target)
		if want := map[bool]string{false: "INVALID_OPTION"}[tt.want == ""]; code(t, refused) != want || !strings.Contains(refused.Body.String(), tt.hint) {
			t.Errorf("%s where options are strict: %s %.200s", tt.target, code(t, refused), refused.Body)
		}
	}
	// An option of the product that Tintype can't do is said to be that.
	e, err := b.Explain(t.Context(), "/strict/imgproxy/unsafe/skp:jpg/plain/photos/cat.jpg", "", "")
	if err != nil || e.Status != 400 || !strings.Contains(e.Message, "skp: is no option") {
		t.Errorf("strict: %+v, %v", e, err)
	}
}

// A short name takes a path of its own to the same header.
func TestContentDisposition(t *testing.T) {
	for _, name := range []string{"cat.jpg", "a b.jpg", "50%.png", "x\"y", "ü.gif", "", "~!#$&'*+-.^_`|", strings.Repeat("a", 300)} {
		if got, want := contentDisposition(name), mime.FormatMediaType("attachment", map[string]string{"filename": name}); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

package delivery

import (
	"net/url"
	"strings"
	"testing"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/workspace"
)

// keyOf is the key that the answer to a target is cached under.
func (b *bench) keyOf(t *testing.T, target, accept string) cache.Key {
	t.Helper()
	c, err := b.site(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	path, query, _ := strings.Cut(strings.TrimPrefix(target, "/acme"), "?")
	a, _, err := b.decide(c, Target{"acme", path, query}, false, client{accept: accept}, func() (sender, error) { return sender{}, nil })
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	marked, err := b.findMarks(t.Context(), a)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return marked.key()
}

// TestKeysOfLooks: a server that makes variants for looks alone has keys of its own.
func TestKeysOfLooks(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, markedAcme(t, b))
	fast := b.keyOf(t, "/acme/open/a.jpg?w=40", "")
	b.best, b.sites = true, newSites()
	if best := b.keyOf(t, "/acme/open/a.jpg?w=40", ""); best == fast {
		t.Error("both looks have the same key")
	}
}

// TestKeysOfEndpoints: what decides a byte of info, of a placeholder or of a grid is in its
// key, and what decides none isn't. Each row is one answer in several spellings: they share
// a key, and no other row has it.
func TestKeysOfEndpoints(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, markedAcme(t, b))
	b.upstream.Serve("/open/b.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 50)))
	up := b.upstream.URL
	const webp = " Accept: image/webp"
	src := func(path, image, more string) string { return "/acme" + path + "?src=" + url.QueryEscape(image) + more }
	rows := [][]string{
		// Info: select chooses from one entry.
		{"/acme/info/open/a.jpg", src("/info", "open/a.jpg", ""), src("/info", up+"/open/a.jpg", ""), "/acme/info/open/%61.jpg", "/acme/info/colors/open/a.jpg", "/acme/info/blurhash/open/a.jpg",
			"/acme/info/open/a.jpg?select=thumbhash", "/acme/info/open/a.jpg?select=palette,colors", "/acme/info/open/a.jpg?w=9&utm_source=x", "/acme/info/open/a.jpg" + webp},
		{"/acme/info/open/b.jpg"},
		{"/acme/info/photos/cat.jpg"},
		{"/acme/info/open/a.jpg?v=1", "/acme/info/open/a.jpg?v=1&select=colors"},
		{src("/info", up+"/else/a.jpg", "")},
		{src("/info", up+"/else/a.jpg?x=1", "")},
		// Placeholders.
		{"/acme/placeholder/blurhash/open/a.jpg", src("/placeholder/blurhash", "open/a.jpg", ""), src("/placeholder/blurhash", up+"/open/a.jpg", "&fit=cover&dpr=1"), "/acme/placeholder/blurhash/open/a.jpg?punch=1&q=80&format=auto"},
		{"/acme/placeholder/blurhash/open/a.jpg" + webp, "/acme/placeholder/blurhash/open/a.jpg Accept: text/html,image/webp;q=0.9"},
		{"/acme/placeholder/blurhash/open/b.jpg"},
		{"/acme/placeholder/thumbhash/open/a.jpg", "/acme/placeholder/thumbhash/open/a.jpg?fit=contain"},
		{"/acme/placeholder/color/open/a.jpg", "/acme/placeholder/color/open/a.jpg?punch=3"},
		{"/acme/placeholder/blurhash/open/a.jpg?w=20", "/acme/placeholder/blurhash/open/a.jpg?width=20", "/acme/placeholder/blurhash/open/a.jpg?w=10&dpr=2"},
		{"/acme/placeholder/blurhash/open/a.jpg?h=20", "/acme/placeholder/blurhash/open/a.jpg?height=20"},
		{"/acme/placeholder/blurhash/open/a.jpg?w=20&h=20", "/acme/placeholder/blurhash/open/a.jpg?h=20&w=20&fit=contain"},
		{"/acme/placeholder/blurhash/open/a.jpg?w=20&h=20&fit=cover"},
		{"/acme/placeholder/blurhash/open/a.jpg?punch=2", "/acme/placeholder/blurhash/open/a.jpg?punch=2.0"},
		{"/acme/placeholder/blurhash/open/a.jpg?q=50", "/acme/placeholder/blurhash/open/a.jpg?quality=50"},
		{"/acme/placeholder/blurhash/open/a.jpg?q-webp=50"},
		{"/acme/placeholder/blurhash/open/a.jpg?v=1"},
		{"/acme/placeholder/blurhash/open/a.jpg?format=png", "/acme/placeholder/blurhash/open/a.jpg?fm=png", "/acme/placeholder/blurhash/open/a.jpg?output=png" + webp},
		{"/acme/placeholder/blurhash/open/a.jpg?format=webp", "/acme/placeholder/blurhash/open/a.jpg?f=webp" + webp},
		{"/acme/placeholder/blurhash/open/a.jpg?format=datauri", "/acme/placeholder/blurhash/open/a.jpg?fm=datauri" + webp},
		{blurhash("&w=20&h=20"), blurhash("&w=20&h=20&fit=cover"), blurhash("&dpr=2&w=10&h=10")},
		{blurhash("&w=20&h=21")},
		{"/acme/placeholder/blurhash?blurhash=00OZZy&w=20&h=20"},
		{thumbhash(""), "/acme/placeholder/thumbhash?thumbhash=3OcRJYB4d3h_iIeHeEh3eIhw-j2w"},
		{thumbhash("&w=20&h=20")},
		{thumbhash("&w=20&h=20&fit=cover")},
		{"/acme/placeholder/color?color=red", "/acme/placeholder/color?color=%23f00", "/acme/placeholder/color?color=FF0000FF"},
		{"/acme/placeholder/color?color=f008"},
		{"/acme/placeholder/color?color=blue"},
		// Grids.
		{gridURL("w=40&h=20", "open/a.jpg", "open/b.jpg"), gridURL("w=40&h=20", "open/a.jpg", up+"/open/b.jpg"), gridURL("w=20&h=10&dpr=2", "open/a.jpg", "open/b.jpg"),
			gridURL("width=40&height=20&type=auto&gap=0&missing=error&dl=x.png", "open/a.jpg", "open/b.jpg"), gridURL("w=40&h=20&cols=3", "open/a.jpg", "open/b.jpg")},
		{gridURL("w=40&h=20", "open/a.jpg", "open/b.jpg") + webp},
		{gridURL("w=40&h=20", "open/b.jpg", "open/a.jpg")},
		{gridURL("w=40&h=20", "open/a.jpg", "open/b.jpg", "open/b.jpg")},
		{gridURL("w=40&h=20", "open/a.jpg", "photos/cat.jpg"), gridURL("w=40&h=20&mark=blue", "open/a.jpg", "photos/cat.jpg")},
		{gridURL("size=40", "open/a.jpg", "open/b.jpg"), gridURL("w=40&h=40", "open/a.jpg", "open/b.jpg")},
		{gridURL("w=41&h=20", "open/a.jpg", "open/b.jpg")},
		{gridURL("w=40&h=21", "open/a.jpg", "open/b.jpg")},
		{gridURL("w=40&h=20&type=row", "open/a.jpg", "open/b.jpg"), gridURL("w=40&h=20&type=row&cols=3", "open/a.jpg", "open/b.jpg")},
		{gridURL("w=40&h=20&type=column", "open/a.jpg", "open/b.jpg"), gridURL("w=40&h=20&type=column&cols=2", "open/a.jpg", "open/b.jpg")},
		{gridURL("w=40&h=20&type=column&cols=1", "open/a.jpg", "open/b.jpg")},
		{gridURL("w=40&h=20&type=classic&cols=1", "open/a.jpg", "open/b.jpg")},
		{gridURL("w=40&h=20&gap=4", "open/a.jpg", "open/b.jpg"), gridURL("w=20&h=10&dpr=2&gap=2", "open/a.jpg", "open/b.jpg")},
		{gridURL("w=40&h=20&missing=skip", "open/a.jpg", "open/b.jpg")},
		{gridURL("w=40&h=20&bg=fff", "open/a.jpg", "open/b.jpg"), gridURL("w=40&h=20&background=white", "open/a.jpg", "open/b.jpg")},
		{gridURL("w=40&h=20&q=50", "open/a.jpg", "open/b.jpg")},
		{gridURL("w=40&h=20&format=png", "open/a.jpg", "open/b.jpg"), gridURL("w=40&h=20&format=nocompress", "open/a.jpg", "open/b.jpg") + webp},
		{gridURL("w=40&h=20&lossless", "open/a.jpg", "open/b.jpg")},
		{gridURL("w=40&h=20&v=1", "open/a.jpg", "open/b.jpg")},
		{gridURL("w=40&h=20&mark=blue", "open/a.jpg", "open/b.jpg")},
		{gridURL("w=40&h=20&mark=blue&mark-opacity=0.5", "open/a.jpg", "open/b.jpg")},
		{gridURL("w=40&h=20&mark=blue&mark-w=9", "open/a.jpg", "open/b.jpg")},
		{gridURL("w=40&h=20&mark=red", "open/a.jpg", "open/b.jpg")},
		// Variants of the same.
		{"/acme/open/a.jpg?w=40&h=20", src("/transform", "open/a.jpg", "&h=20&w=40")},
	}
	seen := map[cache.Key]string{}
	split := func(request string) (target, accept string) {
		target, accept, _ = strings.Cut(request, " Accept: ")
		return target, accept
	}
	key := func(request string) cache.Key {
		target, accept := split(request)
		return b.keyOf(t, target, accept)
	}
	for _, row := range rows {
		want := key(row[0])
		if other, taken := seen[want]; taken {
			t.Errorf("%s has the key of %s", row[0], other)
		}
		seen[want] = row[0]
		for _, request := range row {
			if got := key(request); got != want {
				t.Errorf("%s has another key than %s", request, row[0])
			}
		}
	}

	// The settings of the workspace, one by one, and purges.
	requests := []string{"/acme/info/photos/cat.jpg", "/acme/placeholder/thumbhash/photos/cat.jpg", "/acme/placeholder/color?color=red", gridURL("w=40&h=20", "open/a.jpg", "photos/cat.jpg"), gridURL("w=40&h=20", "open/a.jpg", "open/b.jpg")}
	before := map[string]cache.Key{}
	for _, r := range requests {
		before[r] = b.keyOf(t, r, "*/*")
	}
	purged := func(p workspace.Purge) func(*workspace.Workspace) {
		return func(w *workspace.Workspace) { w.Purges, _ = w.Purges.Add(p) }
	}
	for _, tt := range []struct {
		name   string
		change func(*workspace.Workspace)
		new    string // which of the requests have another key: x in their order
	}{
		{"nothing", func(*workspace.Workspace) {}, "....."},
		{"fallback_format", func(w *workspace.Workspace) { w.FallbackFormat = "jpeg" }, "....."},
		{"strict_options", func(w *workspace.Workspace) { w.StrictOptions = true }, "....."},
		{"default_source", func(w *workspace.Workspace) { w.DefaultSource = "photos" }, "....."},
		{"dialect", func(w *workspace.Workspace) { w.Dialect = "imgix" }, "....."},
		{"cdn_cache_control", func(w *workspace.Workspace) {
			w.CDNCacheControl, w.SurrogateKey, w.QuotaHeaders = "max-age=9", true, true
		}, "....."},
		{"plan", func(w *workspace.Workspace) { w.Plan = "pro" }, "....."},
		{"allowed_origins", func(w *workspace.Workspace) { w.AllowedOrigins = []string{"https://app.example.com"} }, "....."},
		{"cache_control and ttl", func(w *workspace.Workspace) { w.Sources[0].CacheControl, w.Sources[0].TTL = "public, max-age=9", 60 }, "....."},
		{"allow_svg", func(w *workspace.Workspace) { w.AllowSVG = true }, "xxxxx"},
		{"allow_tiff", func(w *workspace.Workspace) { w.AllowTIFF = true }, "xxxxx"},
		{"another workspace", func(w *workspace.Workspace) { w.ID = "another" }, "xxxxx"},
		{"the place of a source", func(w *workspace.Workspace) { w.Sources[0].URL = up + "/moved/" }, "xx.x."},
		{"a bound mark", func(w *workspace.Workspace) { w.Marks[1].AutoApplySources = []string{"open"} }, "...xx"},
		{"no bound mark", func(w *workspace.Workspace) { w.Marks[0].AutoApplySources = nil }, "...x."},
		{"the size of a mark", func(w *workspace.Workspace) { w.Marks[0].Width = "9" }, "...x."},
		{"the image of a mark", func(w *workspace.Workspace) { w.Marks[0].Image = "media/blue.png" }, "...x."},
		{"a purge of everything", purged(workspace.Purge{Kind: workspace.PurgeAll}), "xxxxx"},
		{"a purge of a source", purged(workspace.Purge{Kind: workspace.PurgeSource, Source: "photos"}), "xx.x."},
		{"a purge of a path", purged(workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: "cat.jpg"}), "xx.x."},
		{"a purge of another path", purged(workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: "dog.jpg"}), "....."},
	} {
		b.registry.Set(t, markedAcme(t, b, tt.change))
		for i, r := range requests {
			if got := b.keyOf(t, r, "*/*") != before[r]; got != (tt.new[i] == 'x') {
				t.Errorf("%s: another key of %s: %v", tt.name, r, got)
			}
		}
	}

	// Two answers with one key are one answer: the bodies of all rows.
	b.registry.Set(t, markedAcme(t, b))
	b.upstream.Serve("/else/a.jpg", deliverytest.Body(deliverytest.Photo(t, 33, 22)))
	for _, row := range rows {
		bodies := map[string]string{}
		for _, request := range row {
			target, accept := split(request)
			w := b.get(target, "Accept", accept)
			if w.Code != 200 {
				t.Errorf("%s: %d %s", request, w.Code, w.Body)
			}
			if !strings.Contains(target, "/info") {
				bodies[w.Body.String()] = request
			}
		}
		if len(bodies) > 1 {
			t.Errorf("%s has %d bodies under one key", row[0], len(bodies))
		}
	}
}

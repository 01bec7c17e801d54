package delivery

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// TestBlocked: a blocked image is 451 by every route, also what was cached before, until it
// is unblocked.
func TestBlocked(t *testing.T) {
	secret := signing.NewSecret()
	picture := deliverytest.Photo(t, 33, 21)
	for _, tt := range []struct {
		by   string
		full bool // images by full URL that are in no source are blocked too
		with workspace.Block
	}{
		{"path", false, workspace.Block{Path: "photos/b.jpg"}},
		{"hash", true, workspace.Block{SHA256: fmt.Sprintf("%x", sha256.Sum256(picture))}},
	} {
		b := newBench(t)
		foreign := deliverytest.NewUpstream(t)
		foreign.Serve("/b.jpg", deliverytest.Body(picture))
		b.upstream.Serve("/photos/b.jpg", deliverytest.Body(picture))
		set := func(blocks ...workspace.Block) {
			b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
				w.SigningKeys, w.Blocks = []signing.Key{{ID: "k", Secret: secret}}, blocks
			}))
		}
		check := func(when string, blocked bool) {
			t.Helper()
			for _, image := range []string{"photos/b.jpg", b.upstream.URL + "/photos/b.jpg", foreign.URL + "/b.jpg"} {
				for _, r := range routes(t) {
					if !r.takes(image) {
						continue
					}
					target := "/acme" + r.write(image)
					if r.secret {
						var err error
						if target, err = secret.Sign(target); err != nil {
							t.Fatal(err)
						}
					}
					want := ""
					if blocked && r.reads && (tt.full || !strings.HasPrefix(image, foreign.URL)) {
						want = "BLOCKED"
					}
					w := b.get(target)
					if got := code(t, w); got != want || want != "" && w.Code != http.StatusUnavailableForLegalReasons {
						t.Errorf("by %s, %s, %s: %s: %d %q, want %q", tt.by, when, r.name, target, w.Code, got, want)
					}
				}
			}
		}
		set()
		check("before", false)
		set(workspace.Block{SHA256: strings.Repeat("0a", 32)}, workspace.Block{Path: "photos/other.jpg"})
		check("with other blocks", false)
		set(workspace.Block{SHA256: strings.Repeat("0a", 32)}, tt.with)
		check("blocked", true)
		check("blocked, from the cache", true)
		for _, target := range []string{"/acme/photos/b.jpg?w=20&default=photos/cat.jpg", "/acme/grid?src=photos/cat.jpg&src=photos/cat.jpg&src=photos/b.jpg&missing=skip&w=40&h=20"} {
			if w := b.get(target); code(t, w) != "BLOCKED" {
				t.Errorf("by %s: %s: %d", tt.by, target, w.Code)
			}
		}
		if w := b.get("/acme/photos/none.jpg?w=20&default=photos/b.jpg"); code(t, w) != "NOT_FOUND" {
			t.Errorf("by %s: as default=: %d %s", tt.by, w.Code, w.Body)
		}
		set()
		check("unblocked", false)
	}
}

// TestBlockedBoundMark: where the image of a bound mark is blocked, nothing of its sources is
// shown, since it would be shown without the mark.
func TestBlockedBoundMark(t *testing.T) {
	picture := deliverytest.Photo(t, 12, 9)
	for _, block := range []workspace.Block{{Path: "photos/logo.jpg"}, {SHA256: fmt.Sprintf("%x", sha256.Sum256(picture))}} {
		b := newBench(t)
		b.upstream.Serve("/photos/logo.jpg", deliverytest.Body(picture))
		set := func(blocks ...workspace.Block) {
			b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
				w.Marks = []workspace.Mark{{Name: "brand", Image: "photos/logo.jpg", AutoApplySources: []string{"photos"}}}
				w.Blocks = blocks
			}))
		}
		set()
		if w := b.get("/acme/photos/cat.jpg?w=20"); w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
		set(block)
		if w := b.get("/acme/photos/cat.jpg?w=20"); code(t, w) != "BLOCKED" {
			t.Errorf("%+v: %d %s", block, w.Code, w.Body)
		}
	}
}

// TestUnblockedHash: that an image is blocked by its hash is known for a minute.
func TestUnblockedHash(t *testing.T) {
	picture := deliverytest.Photo(t, 33, 21)
	hash := workspace.Block{SHA256: fmt.Sprintf("%x", sha256.Sum256(picture))}
	other := workspace.Block{SHA256: strings.Repeat("0a", 32)}
	now := time.Now()
	b := newBench(t, func(c *setup) { c.Now = func() time.Time { return now } })
	b.upstream.Serve("/photos/b.jpg", deliverytest.Body(picture))
	set := func(blocks ...workspace.Block) {
		b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Blocks = blocks }))
	}
	get := func() string { return code(t, b.get("/acme/photos/b.jpg?w=20")) }
	set(other, hash)
	for range 3 {
		if got := get(); got != "BLOCKED" {
			t.Fatal(got)
		}
	}
	if n := b.upstream.Count("/photos/b.jpg"); n != 1 {
		t.Errorf("a blocked original was fetched %d times", n)
	}
	set(other)
	now = now.Add(61 * time.Second)
	if got := get(); got != "" {
		t.Errorf("unblocked: %s", got)
	}
}

// TestBlockedBehindRedirect: no origin leads to a blocked image, for a source, a full URL or
// a mark.
func TestBlockedBehindRedirect(t *testing.T) {
	b := newBench(t)
	foreign := deliverytest.NewUpstream(t)
	away := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, b.upstream.URL+"/photos/b.jpg", http.StatusFound)
	}
	foreign.Serve("/away.jpg", away)
	b.upstream.Serve("/photos/away.jpg", away)
	b.upstream.Serve("/photos/b.jpg", deliverytest.Body(deliverytest.Photo(t, 33, 21)))
	targets := []string{"/acme/photos/away.jpg?w=20", "/acme?w=20&src=" + foreign.URL + "/away.jpg", "/acme/photos/cat.jpg?w=20&mark=" + foreign.URL + "/away.jpg"}
	for _, blocked := range []bool{true, false} {
		b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
			if blocked {
				w.Blocks = []workspace.Block{{ID: "1", Path: "photos/b.jpg"}}
			}
		}))
		for i, target := range targets {
			w := b.get(target + fmt.Sprint("&v=", blocked))
			if got := code(t, w); blocked && i < 2 && got != "BLOCKED" || blocked && got == "" || !blocked && got != "" {
				t.Errorf("%s, blocked %v: %d %q", target, blocked, w.Code, got)
			}
		}
	}
}

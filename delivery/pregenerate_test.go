package delivery

import (
	"fmt"
	"testing"

	"github.com/tintype/tintype/workspace"
)

// TestPregenerate: variants that are made in the background are background jobs, and hits of
// the first request. What can't be made stops nothing.
func TestPregenerate(t *testing.T) {
	b := newBench(t)
	presets := []string{"none"}
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		for i := range 5 {
			presets = append(presets, fmt.Sprintf("p%d", i))
			w.Presets = append(w.Presets, workspace.Preset{Name: presets[i+1], Options: fmt.Sprintf("w=%d", 20+i)})
		}
	}))
	b.Pregenerate("acme", "photos", "cat.jpg", presets)
	b.Pregenerate("acme", "photos", "missing.jpg", presets)
	b.Pregenerate("nobody", "photos", "cat.jpg", presets)
	b.pregenerator.all.Wait()
	for _, owner := range b.engine.Owners() {
		if !owner.Background {
			t.Errorf("%+v: a client waits for it", owner)
		}
	}
	for _, name := range presets[1:] {
		w := b.get("/acme/photos/cat.jpg?preset="+name, "Accept", "image/avif,image/webp,image/apng,*/*;q=0.8")
		if got := w.Header().Get("Cache-Status"); got != "tintype; hit; detail=memory" {
			t.Errorf("%s: %d %q", name, w.Code, got)
		}
	}
	if n := b.upstream.Count("/photos/cat.jpg"); n > 5 || n == 0 {
		t.Errorf("fetched %d times", n)
	}
	b.pregenerator.close()
	b.Pregenerate("acme", "photos", "cat.jpg", presets) // does nothing
	b.pregenerator.all.Wait()
}

// TestPregenerateQuota: what an upload has made in the background is held to the limits of the
// workspace.
func TestPregenerateQuota(t *testing.T) {
	b := newBench(t)
	var presets []string
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Limits.TransformsPerDay = 2
		for i := range 5 {
			presets = append(presets, fmt.Sprintf("p%d", i))
			w.Presets = append(w.Presets, workspace.Preset{Name: presets[i], Options: fmt.Sprintf("w=%d", 20+i)})
		}
	}))
	b.Pregenerate("acme", "photos", "cat.jpg", presets)
	b.pregenerator.all.Wait()
	if made := len(b.engine.Owners()); made != 2 {
		t.Errorf("%d variants were made", made)
	}
	if got := code(t, b.get("/acme/photos/cat.jpg?w=99")); got != "QUOTA_EXCEEDED" {
		t.Error("a request after them:", got)
	}
}

package delivery

import (
	"fmt"
	"log/slog"
	"runtime"
	"testing"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// typical is how many bytes a workspace with three sources, a mark and four presets may take in
// memory in all.
const typical = 6000

// TestFootprint: what sites are said to take is what the heap says, as long as requests name images
// by source and path, and where some have named them by URL. Together with its workspace a typical
// one is small.
func TestFootprint(t *testing.T) {
	for _, sources := range []int{1, 3, 5, 50} {
		t.Run(fmt.Sprint(sources), func(t *testing.T) {
			s := New(Config{Log: slog.New(slog.DiscardHandler)})
			n := max(2000/sources, 200)
			list := make([]*workspace.Workspace, n)
			sites := make([]*site, n)
			beside := workspacetest.HeapOf(func() {
				for i := range list {
					list[i] = workspacetest.Typical(i, sources)
				}
			}) / int64(n)
			measure := func(what string, took int64) int64 {
				var estimate int64
				for _, c := range sites {
					estimate += c.footprint()
				}
				estimate /= int64(n)
				t.Logf("%s: %d bytes, estimated %d, beside %d of the workspace", what, took, estimate, beside)
				if estimate < took*7/10 || estimate > took*13/10 {
					t.Errorf("%s: %d bytes are estimated, and %d taken", what, estimate, took)
				}
				return took
			}
			took := measure("compiled", workspacetest.HeapOf(func() {
				for i, w := range list {
					var err error
					if sites[i], err = s.siteOf(w); err != nil {
						t.Fatal(err)
					}
				}
			})/int64(n))
			if sources == 3 && took+cached.Footprint(list[0]) > typical {
				t.Errorf("a typical workspace takes %d bytes, want %d at most", took+cached.Footprint(list[0]), typical)
			}
			measure("with an index", took+workspacetest.HeapOf(func() {
				for _, c := range sites {
					c.index()
				}
			})/int64(n))
			runtime.KeepAlive(s)
			runtime.KeepAlive(list)
		})
	}
}

// TestSitesAreBounded: a server that is asked for more workspaces than memory has room for keeps no
// site longer than its workspace, and what both take is within the bound.
func TestSitesAreBounded(t *testing.T) {
	const limit, workspaces = 1 << 20, 500
	store := workspacetest.NewMemory()
	for i := range workspaces {
		if err := store.Create(t.Context(), workspacetest.Typical(i, 3)); err != nil {
			t.Fatal(err)
		}
	}
	c := cached.New(store, cached.Config{Memory: limit})
	s := New(Config{Workspaces: c, Log: slog.New(slog.DiscardHandler)})
	c.OnDrop(s.Forget)
	ask := func(i int, by string) {
		t.Helper()
		site, err := s.site(t.Context(), fmt.Sprintf("space-%d", i))
		if err == nil {
			_, err = site.resolveImage(fmt.Sprintf(by, i))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	held := func(least, most int) {
		t.Helper()
		stats := c.Stats()
		if n := len(s.sites.list); n != stats.Workspaces || n < least || n > most || stats.Bytes > limit {
			t.Errorf("%d sites, want %d to %d: %+v", n, least, most, stats)
		}
	}
	for i := range workspaces {
		ask(i, "photos0/%d.jpg")
	}
	held(150, 200)
	for i := range workspaces { // which takes an index
		ask(i, "https://media-%d-2.s3.amazonaws.com/cat.jpg")
	}
	held(40, 70)
}

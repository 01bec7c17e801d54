package workspace_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// TestFootprint: the estimate is what the heap says, for workspaces as stores return them.
func TestFootprint(t *testing.T) {
	codec, err := workspace.NewCodec(strings.Repeat("0a", 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, sources := range []int{1, 3, 5, 50} {
		t.Run(fmt.Sprint(sources), func(t *testing.T) {
			n := max(1000/sources, 200)
			list := make([]*workspace.Workspace, n)
			var estimate int64
			took := workspacetest.HeapOf(func() {
				for i := range list {
					data, err := codec.Marshal(workspacetest.Typical(i, sources))
					if err != nil {
						t.Fatal(err)
					}
					if list[i], err = codec.Unmarshal(data); err != nil {
						t.Fatal(err)
					}
				}
			}) / int64(n)
			for _, w := range list {
				estimate += w.Footprint()
			}
			estimate /= int64(n)
			t.Logf("%d bytes, estimated %d", took, estimate)
			if estimate < took*7/10 || estimate > took*13/10 {
				t.Errorf("%d bytes are estimated, and %d taken", estimate, took)
			}
			runtime.KeepAlive(list)
		})
	}
}

// Purges count too: most of all where there are many.
func TestFootprintOfPurges(t *testing.T) {
	w := workspace.New("acme")
	alone := w.Footprint()
	var purges []workspace.Purge
	for i := range 20 * workspace.MaxRecentPurges {
		purges = append(purges, workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: fmt.Sprintf("a/%d.jpg", i)})
	}
	took := workspacetest.HeapOf(func() { w.Purges, _ = w.Purges.Add(purges...) })
	if estimate := w.Footprint() - alone; estimate < took*7/10 || estimate > took*13/10 {
		t.Errorf("%d bytes are estimated, and %d taken", estimate, took)
	}
	runtime.KeepAlive(purges)
}

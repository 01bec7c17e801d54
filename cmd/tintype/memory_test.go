package main

import (
	"strings"
	"testing"
)

// TestMemoryPlan: on every machine the parts fit into the memory. Values of flags are kept,
// with a warning where they don't fit.
func TestMemoryPlan(t *testing.T) {
	const mib, gib = 1 << 20, 1 << 30
	for _, machine := range []int64{384 * mib, 512 * mib, gib, 2 * gib, 24 * gib, 256 * gib} {
		for _, workers := range []int{1, 2, 4} {
			c := serveCmd{Workers: workers, Fetches: 512}
			p := c.planMemory(machine)
			if err := p.fits(); err != nil {
				t.Errorf("%d MiB, %d workers: %v", machine/mib, workers, err)
			}
			// There is room for a body of the largest size, and for some connections.
			if p.bodies < 32*mib || p.bodies > gib || p.cache > 256*mib || p.marks > p.bodies/4 || p.answers < 16*mib || p.workspaces < 8*mib || p.workspaces > 256*mib || p.connections < 256 {
				t.Errorf("%d MiB, %d workers: %+v", machine/mib, workers, p)
			}
			if misses := int64(p.waiting+c.Fetches) * missSize; p.waiting < 256 || p.waiting > 256 && p.cache+p.workspaces+p.answers+serverBase+misses > p.heap {
				t.Errorf("%d MiB, %d workers: %d fetches wait, and the heap may have %d MiB", machine/mib, workers, p.waiting, p.heap/mib)
			}
			if heap := p.cache + p.workspaces + p.answers + serverBase; p.heap < heap {
				t.Errorf("%d MiB, %d workers: the heap may have %d MiB, and what it holds %d alone", machine/mib, workers, p.heap/mib, heap/mib)
			}
		}
	}
	c := serveCmd{Workers: 2, TransformMemory: gib, CacheMemory: 300 * mib, BodyMemory: 100 * mib, AnswerMemory: 50 * mib, WorkspaceMemory: 20 * mib}
	p := c.planMemory(512 * mib)
	if p.transforms != gib || p.cache != 300*mib || p.bodies != 100*mib || p.answers != 50*mib || p.workspaces != 20*mib {
		t.Errorf("flags: %+v", p)
	}
	if err := p.fits(); err == nil || !strings.Contains(err.Error(), "--transform-memory") {
		t.Errorf("more than there is: %v", err)
	}
	large := &serveCmd{CacheBucket: "s3://cache", CacheBucketFilter: 4 << 30}
	if err := large.planMemory(2 << 30).fits(); err == nil || !strings.Contains(err.Error(), "--cache-bucket-filter") {
		t.Errorf("a filter larger than the memory: %v", err)
	}
	if p := (&serveCmd{Workers: 2}).planMemory(0); p.heap != 0 || p.bodies == 0 || p.transforms == 0 || p.fits() != nil {
		t.Errorf("where the machine doesn't say: %+v", p)
	}
}

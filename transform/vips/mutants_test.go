//go:build cgo

package vips_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/transform/worker"
)

const mutantsFolder = "../../data/mutants"

// mutantLimits keep single images cheap, so that there can be many.
func mutantLimits() transform.Limits {
	return transform.Limits{FramePixels: 2e6, TotalPixels: 4e6, Frames: 100, Edge: 20_000, OutputPixels: 2e6, AVIFPixels: 1e5}
}

// TestMutations puts mutated images through the header check and the workers. An
// image may cost its worker, no more than that: it fails where a call outlasts its
// deadline, an error is of no kind, the pool is not at full strength again in the
// end, or something is left behind. Images that crashed a worker or took it too
// long are kept, as little mutated as will do. The number to run is -mutations.
func TestMutations(t *testing.T) {
	corpus := seeds(t)
	pool := startWorkers(t)
	before := holds()
	var (
		next   atomic.Int64
		mu     sync.Mutex // guards all below
		counts = map[ending]int{}
		bad    []mutantFailure
		half   int64 // bytes that the workers held for themselves, half way
		wait   sync.WaitGroup
	)
	start := time.Now()
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for n := int(next.Add(1)) - 1; n < *mutations; n = int(next.Add(1)) - 1 {
				m := newMutant(*mutationSeed, n, len(corpus))
				_, end, _ := put(t, pool, fmt.Sprint(n), m.file(corpus, nil), m.options, m.format, mutantLimits())
				mu.Lock()
				counts[end]++
				if n == *mutations/2 {
					half = pool.Stats().PrivateSize
				}
				if end.isBad() {
					bad = append(bad, mutantFailure{n, m, end})
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	took := time.Since(start)
	atFullStrength(t, pool)
	leaksNothing(t, before)
	stats := pool.Stats()
	grown := stats.PrivateSize - half
	t.Logf("%d seeds, %d images in %v: %d made, %d refused by header, %d refused by decoder, %d workers crashed, %d timed out; the workers' memory %+d KB over the second half",
		len(corpus), *mutations, took.Round(time.Second/10), counts[made], counts[byHeader], counts[byDecoder], counts[workerDied], counts[workerIsLate], grown>>10)
	wantHonestDeaths(t, pool)

	for i, f := range bad {
		text := fmt.Sprintf("mutant %d (%s, %q to %s): %s", f.number, corpus[f.mutant.base].name, f.mutant.options, f.mutant.format, f.end)
		if i < 20 { // each takes as many jobs as it has mutations
			text += "; kept as " + f.save(t, pool, corpus)
		}
		if f.end.isFault() {
			t.Error(text)
		} else {
			t.Log(text)
		}
	}
	if counts[made] == 0 && *mutations >= 1000 {
		t.Error("not one image was made")
	}
	// Large images among the mutants leave holes in the heap, so that memory grows by
	// leaps whatever is freed; of a worker that was replaced it begins anew.
	workers := int64(stats.Idle)
	if *mutations >= 40_000 && grown > workers*(100<<20) {
		t.Errorf("the memory of %d workers grew by %d MB over the second half", workers, grown>>20)
	}
}

// A mutantFailure is an image that ended badly.
type mutantFailure struct {
	number int
	mutant mutant
	end    ending
}

// save leaves out the mutations that the failure doesn't need, and writes the image.
func (f mutantFailure) save(t *testing.T, pool *worker.Pool, corpus []seed) string {
	keep := make([]bool, len(f.mutant.steps))
	for i := range keep {
		keep[i] = true
	}
	for i := range keep {
		keep[i] = false
		name := fmt.Sprint(f.number, " ", keep)
		if _, end, _ := put(t, pool, name, f.mutant.file(corpus, keep), f.mutant.options, f.mutant.format, mutantLimits()); end != f.end {
			keep[i] = true
		}
	}
	file := f.mutant.file(corpus, keep)
	err := os.MkdirAll(mutantsFolder, 0o755)
	name := filepath.Join(mutantsFolder, fmt.Sprintf("%d-%d.%s", *mutationSeed, f.number, cmp.Or(header.Sniff(file), "image")))
	if err == nil {
		err = os.WriteFile(name, file, 0o644)
	}
	if err != nil {
		t.Error(err)
	}
	return name
}

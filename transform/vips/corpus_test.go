//go:build cgo

package vips_test

import (
	"cmp"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
)

var (
	corpusDir  = flag.String("corpus", "", "folder of images that TestCorpus puts through the workers")
	corpusMade = flag.String("corpus-made", "", "folder where TestCorpus keeps what came of the first of its transforms, to look at")
)

// corpusTransforms are what TestCorpus asks of every image.
var corpusTransforms = []struct {
	query  string
	format transform.Format
}{
	{"w=200", transform.PNG},
	{"w=120&h=80&fit=cover&gravity=attention", transform.JPEG},
	{"rotate=90&h=150&metadata=keep&sharpen=2", transform.WebP},
	{"rect=10%25,10%25,50%25,50%25&w=64&fit=contain", transform.AVIF},
	{"w=64&trim=10", transform.GIF},
}

// TestCorpus puts the images of a folder through the workers, and says how many ended
// in which way and which crashed a worker or timed out. It fails for what
// TestMutations fails for. Known corpora of broken images are the fixtures of sharp,
// libvips, Pillow and Go, and the seeds of other fuzzers:
//
//	go test ./transform/vips -run Corpus -v -corpus DIR
func TestCorpus(t *testing.T) {
	if *corpusDir == "" {
		t.Skip("no folder: -corpus names one")
	}
	var files []string
	err := filepath.WalkDir(*corpusDir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	pool := startWorkers(t)
	before := holds()

	type class struct {
		end ending
		why string
	}
	var (
		mu     sync.Mutex // guards the next two
		counts = map[class]map[transform.Format]int{}
		bad    []string
		wait   sync.WaitGroup
		names  = make(chan string)
	)
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for name := range names {
				file, err := os.ReadFile(name)
				if err != nil {
					t.Error(err)
					continue
				}
				short, _ := filepath.Rel(*corpusDir, name)
				for i, c := range corpusTransforms {
					image, end, why := put(t, pool, fmt.Sprint(i, name), file, c.query, c.format, transform.DefaultLimits())
					if end == made && i == 0 && *corpusMade != "" {
						kept := filepath.Join(*corpusMade, strings.ReplaceAll(short, string(filepath.Separator), "_")+"."+string(c.format))
						if err := os.WriteFile(kept, image.Data, 0o644); err != nil {
							t.Error(err)
						}
					}
					mu.Lock()
					if counts[class{end, why}] == nil {
						counts[class{end, why}] = map[transform.Format]int{}
					}
					counts[class{end, why}][cmp.Or(header.Sniff(file), "no image")]++
					if end.isBad() {
						bad = append(bad, fmt.Sprintf("%s: %s, %s to %s", end, short, c.query, c.format))
					}
					mu.Unlock()
					if end.isFault() {
						t.Errorf("%s, %s to %s: %s", short, c.query, c.format, end)
					}
					if end == byHeader {
						break // it would be, whatever is asked
					}
				}
			}
		})
	}
	for _, name := range files {
		names <- name
	}
	close(names)
	wait.Wait()
	atFullStrength(t, pool)
	leaksNothing(t, before)
	wantHonestDeaths(t, pool)

	t.Logf("%d files", len(files))
	for _, c := range slices.SortedFunc(maps.Keys(counts), func(a, b class) int {
		return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.why, b.why))
	}) {
		n := 0
		for _, of := range counts[c] {
			n += of
		}
		t.Logf("%6d %s %s %v", n, c.end, c.why, counts[c])
	}
	slices.Sort(bad)
	for _, line := range bad {
		t.Log(line)
	}
}

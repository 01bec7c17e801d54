//go:build cgo

package vips_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/vips"
)

const (
	mutantsEnv    = "TINTYPE_MUTANTS" // "folder seed from to": what a child is to do
	mutantTimeout = 15 * time.Second  // after which an image is taken to hang
	mutantsFolder = "../../data/mutants"
)

// mutantLimits keep single images cheap, so that there can be many.
func mutantLimits() transform.Limits {
	return transform.Limits{FramePixels: 2e6, TotalPixels: 4e6, Frames: 100, Edge: 20_000, OutputPixels: 2e6, AVIFPixels: 1e5}
}

// TestMutations puts mutated images through the header check and the engine, in
// processes of their own: it fails where one crashes, hangs, or leaves memory
// behind, and keeps the image, as little mutated as will do. The number to run is
// -mutations.
func TestMutations(t *testing.T) {
	dir := t.TempDir()
	corpus := writeSeeds(t, dir)
	var (
		mu    sync.Mutex // guards total and bad
		total mutantCounts
		bad   []mutantFailure
		wait  sync.WaitGroup
	)
	start := time.Now()
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wait.Go(func() {
			for from, end := *mutations*w/workers, *mutations*(w+1)/workers; from < end; {
				counts, next, failure := runMutants(t, dir, from, end)
				mu.Lock()
				total.add(counts)
				if failure != nil {
					bad = append(bad, *failure)
				}
				mu.Unlock()
				if failure != nil && len(bad) > 50 {
					return
				}
				from = next
			}
		})
	}
	wait.Wait()
	t.Logf("%d seeds, %d images in %v: %s", len(corpus), *mutations, time.Since(start).Round(time.Second/10), total.String())

	for _, f := range bad {
		name := f.save(t, dir)
		t.Errorf("mutant %d (%s, %q to %s): %s; kept as %s\n%s", f.number, corpus[f.mutant.base].name, f.mutant.options, f.mutant.format, f.what, name, f.output)
	}
	if total.made == 0 && *mutations >= 1000 {
		t.Error("not one image was made")
	}
	if total.open != 0 {
		t.Errorf("%d images were left open", total.open)
	}
	// Large images among the mutants leave holes in the heap, so that resident
	// memory grows by leaps, to some 250 MB, whatever is freed.
	each := *mutations / workers
	if total.tracked > 64<<10+40*each {
		t.Errorf("libvips has not freed %d KB after %d images", total.tracked>>10, each)
	}
	if each >= 20_000 && total.growth > 100<<20 {
		t.Errorf("memory grew by %d MB over the second half of %d images", total.growth>>20, each)
	}
	for text, n := range total.faults {
		t.Errorf("%d× an error of no kind: %s", n, text)
	}
}

// mutantCounts is what became of images.
type mutantCounts struct {
	header, limits, engine, made int
	open                         int // images left open
	tracked                      int // bytes that libvips still held
	growth                       int // of resident memory, bytes, over the second half of a process's work; the largest
	faults                       map[string]int
}

func (c *mutantCounts) add(d mutantCounts) {
	c.header += d.header
	c.limits += d.limits
	c.engine += d.engine
	c.made += d.made
	c.open += d.open
	c.tracked = max(c.tracked, d.tracked)
	c.growth = max(c.growth, d.growth)
	for text, n := range d.faults {
		if c.faults == nil {
			c.faults = map[string]int{}
		}
		c.faults[text] += n
	}
}

func (c mutantCounts) String() string {
	return fmt.Sprintf("%d refused by their header, %d over a limit, %d refused by the engine, %d made; %d left open, %d bytes held by libvips, memory %+d KB over the second half",
		c.header, c.limits, c.engine, c.made, c.open, c.tracked, c.growth>>10)
}

// A mutantFailure is an image that a process did not survive.
type mutantFailure struct {
	number int
	mutant mutant
	what   string // "crash" or "hang"
	output string // the last that the process said
}

// runMutants lets a child work through the images from from to end. It returns
// where to go on: end, or after the image that stopped the child.
func runMutants(t *testing.T, dir string, from, end int) (mutantCounts, int, *mutantFailure) {
	counts, at, what, output := startMutants(t, dir, from, end, nil)
	if what == "" {
		return counts, end, nil
	}
	n, err := countSeeds(dir)
	if err != nil {
		t.Error(err)
	}
	return counts, at + 1, &mutantFailure{at, newMutant(*mutationSeed, at, n), what, output}
}

func countSeeds(dir string) (int, error) {
	all, err := readSeeds(dir)
	return len(all), err
}

// startMutants runs a child; keep says which mutations of its only image to keep.
// what is how the child ended if not well, and at the image that it was at.
func startMutants(t *testing.T, dir string, from, end int, keep []bool) (counts mutantCounts, at int, what, output string) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestMutantsChild$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d %d %s", mutantsEnv, dir, *mutationSeed, from, end, formatKeep(keep)), "GOMAXPROCS=1")
	var stderr tail
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Error(err)
		return counts, end, "", ""
	}
	hung := false
	stop := time.AfterFunc(mutantTimeout, func() {
		hung = true
		_ = cmd.Process.Kill()
	})
	at, done := from, false
	counts.faults = map[string]int{}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		kind, rest, _ := strings.Cut(lines.Text(), " ")
		switch kind {
		case "@at":
			at, _ = strconv.Atoi(rest)
			stop.Reset(mutantTimeout)
		case "@header":
			counts.header++
		case "@limits":
			counts.limits++
		case "@engine":
			counts.engine++
		case "@made":
			counts.made++
		case "@fault":
			counts.faults[rest]++
		case "@done":
			done = true
			var half, all int
			_, _ = fmt.Sscan(rest, &counts.open, &counts.tracked, &half, &all)
			counts.growth = all - half
		}
	}
	stop.Stop()
	err = cmd.Wait()
	switch {
	case hung:
		return counts, at, "hang", stderr.String()
	case !done:
		return counts, at, fmt.Sprintf("crash (%v)", err), stderr.String()
	}
	return counts, at, "", ""
}

func formatKeep(keep []bool) string {
	s := "-"
	for _, k := range keep {
		s += map[bool]string{true: "1", false: "0"}[k]
	}
	return s
}

// save leaves out the mutations that the failure doesn't need, and writes the
// image.
func (f mutantFailure) save(t *testing.T, dir string) string {
	keep := make([]bool, len(f.mutant.steps))
	for i := range keep {
		keep[i] = true
	}
	for i := range keep {
		keep[i] = false
		if _, _, what, _ := startMutants(t, dir, f.number, f.number+1, keep); what == "" {
			keep[i] = true
		}
	}
	all, err := readSeeds(dir)
	if err == nil {
		err = os.MkdirAll(mutantsFolder, 0o755)
	}
	name := filepath.Join(mutantsFolder, fmt.Sprintf("%d-%d.%s", *mutationSeed, f.number, f.mutant.format))
	if err == nil {
		err = os.WriteFile(name, f.mutant.file(all, keep), 0o644)
	}
	if err != nil {
		t.Error(err)
	}
	return name
}

// A tail keeps the last of what is written to it.
type tail struct{ b []byte }

func (w *tail) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	w.b = w.b[max(0, len(w.b)-2000):]
	return len(p), nil
}

func (w *tail) String() string { return string(w.b) }

// TestMutantsChild is the work of a process that TestMutations starts.
func TestMutantsChild(t *testing.T) {
	var dir, keepText string
	var number uint64
	var from, end int
	if _, err := fmt.Sscan(os.Getenv(mutantsEnv), &dir, &number, &from, &end, &keepText); err != nil {
		t.Skip("started by TestMutations only")
	}
	corpus, err := readSeeds(dir)
	if err != nil {
		t.Fatal(err)
	}
	var keep []bool
	for _, c := range keepText[1:] {
		keep = append(keep, c == '1')
	}
	half := 0
	for n := from; n < end; n++ {
		if n == from+(end-from)/2 {
			half = resetPeak()
		}
		fmt.Println("@at", n)
		m := newMutant(number, n, len(corpus))
		fmt.Println(tryMutant(t.Context(), m, m.file(corpus, keep)))
	}
	var stats govips.MemoryStats
	for range 10 { // finalisers free what they hold one after the other
		runtime.GC()
		if govips.ReadVipsMemStats(&stats); stats.Mem == 0 {
			break
		}
	}
	fmt.Println("@done", govips.OpenImageRefs(), stats.Mem, half, resetPeak())
}

// tryMutant does what the server would.
func tryMutant(ctx context.Context, m mutant, file []byte) string {
	header, err := transform.ReadHeader(file)
	if err != nil {
		return "@header"
	}
	if err := mutantLimits().Check(header); err != nil {
		return "@limits"
	}
	q, err := transform.ParseQuery(m.options)
	if err != nil {
		return "@fault " + err.Error()
	}
	o, err := transform.Parse(transform.Defaults(), q)
	if err != nil {
		return "@fault " + err.Error()
	}
	job := transform.Job{Original: file, Header: header, Options: o, Format: m.format, Limits: mutantLimits()}
	out, err := vips.New().Transform(ctx, job)
	if err == nil {
		if _, err := transform.ReadHeader(out.Data); err != nil {
			return "@fault the output: " + err.Error()
		}
		return "@made"
	}
	var option *transform.OptionError
	for _, known := range []error{transform.ErrCorrupt, transform.ErrTooLarge, transform.ErrOutputTooLarge, transform.ErrUnsupported} {
		if errors.Is(err, known) {
			return "@engine"
		}
	}
	if errors.As(err, &option) {
		return "@engine"
	}
	return "@fault " + strings.ReplaceAll(err.Error(), "\n", "; ")
}

//go:build cgo && linux

package main

import (
	"debug/elf"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/transform/vips"
)

const (
	tableRounds = 3
	inFlight    = 4
	mostScored  = 8 // originals of a work
)

// printTable prints what a server costs as a whole: processor time and memory of all of its
// processes, for works and for cache hits. With a folder of peers it measures them beside it,
// in turn. Of starts, hits and works, which go by their keys, it measures those that the pattern matches.
func printTable(out io.Writer, binary, peersDir, corpusDir string, only *regexp.Regexp) error {
	scratch, err := os.MkdirTemp("", "tintype-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	c, err := openCorpus(corpusDir, scratch)
	if err != nil {
		return err
	}
	if binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	ours := tintype(binary, filepath.Join(scratch, "data"), port, "")
	all := []*target{ours}
	if peersDir != "" {
		others, err := peers(peersDir)
		if err != nil {
			return err
		}
		all = append(all, others...)
	}
	fmt.Fprintf(out, "libvips %s here; processor time and memory of whole process trees, %d requests in flight, %d rounds in turn\n", vips.Version(), inFlight, tableRounds)
	if only.MatchString("start") {
		if err := printStart(out, ours, c.dir, binary); err != nil {
			return err
		}
	}
	if err := printWorks(out, all, c, only); err != nil {
		return err
	}
	if only.MatchString("hits") {
		return printHits(out, binary, scratch, c)
	}
	return nil
}

// freePort returns a port, of which the next is free too.
func freePort() (int, error) {
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		next, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1))
		_ = l.Close()
		if err == nil {
			return port, next.Close()
		}
	}
	return 0, fmt.Errorf("no two ports are free")
}

// printStart prints how long a start takes, what an idle server takes, and the size of the
// program.
func printStart(out io.Writer, t *target, corpus, binary string) error {
	const starts = 5
	var times []float64
	for i := range starts + 1 {
		took, err := t.begin(corpus)
		if err != nil {
			return err
		}
		if i > 0 { // the first makes the store
			times = append(times, float64(took)/1e6)
		}
		if i < starts {
			t.end()
		}
	}
	time.Sleep(2 * time.Second)
	idle := t.memory()
	t.end()
	size, err := strippedSize(binary)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "start to ready: %.0f ms (median of %d); idle: %.0f MB; program: %.1f MB stripped\n", median(times), starts, float64(idle)/1e6, float64(size)/1e6)
	return err
}

// strippedSize returns the size of a program without its symbols and debug information.
func strippedSize(binary string) (int64, error) {
	info, err := os.Stat(binary)
	if err != nil {
		return 0, err
	}
	f, err := elf.Open(binary)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size := info.Size()
	for _, s := range f.Sections {
		if s.Name == ".symtab" || s.Name == ".strtab" || strings.HasPrefix(s.Name, ".debug_") || strings.HasPrefix(s.Name, ".zdebug_") {
			size -= int64(s.FileSize)
		}
	}
	return size, nil
}

// A share is what a work has cost one server.
type share struct {
	used     time.Duration
	bytes    int64
	requests int
	memory   int64
}

// printWorks has the servers do works, in turn, and prints what each variant cost, and the mean
// score of some (see ssimulacra2.go).
func printWorks(out io.Writer, all []*target, c corpus, only *regexp.Regexp) error {
	var up []*target
	for _, t := range all {
		if _, err := t.begin(c.dir); err != nil {
			if t.ours {
				return err
			}
			fmt.Fprintln(out, "left out:", err)
			continue
		}
		defer t.end()
		up = append(up, t)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "work\tserver\tCPU ms\tbytes\tMB at most\tscore\t")
	for _, w := range works {
		if !only.MatchString(w.key) {
			continue
		}
		sums := make([]share, len(up))
		for round := range tableRounds {
			for i, t := range up {
				if t.address(w, "", 0) == "" {
					continue
				}
				if err := t.do(w, c.files[w.folder], round, &sums[i]); err != nil {
					return fmt.Errorf("%s, %s: %w", t.Name, w.name, err)
				}
			}
		}
		scores, err := scores(w, up, c)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		for i, t := range up {
			if s := sums[i]; s.requests > 0 {
				fmt.Fprintf(table, "%s\t%s\t%.1f\t%d\t%.0f\t%.2f\t\n", w.name, t.Name, float64(s.used)/1e6/float64(s.requests), s.bytes/int64(s.requests), float64(s.memory)/1e6, scores[i])
			}
		}
	}
	return table.Flush()
}

// scores returns the mean score of each server's variants of the first originals.
func scores(w work, servers []*target, c corpus) ([]float64, error) {
	sums := make([]float64, len(servers))
	files := c.files[w.folder]
	files = files[:min(len(files), mostScored)]
	for _, file := range files {
		original, err := os.ReadFile(filepath.Join(c.dir, file))
		if err != nil {
			return nil, err
		}
		references, err := decode(original)
		if err != nil {
			return nil, err
		}
		for i, t := range servers {
			url := t.address(w, file, w.width)
			if url == "" {
				continue
			}
			b, err := get(url)
			if err != nil {
				return nil, err
			}
			score, err := compareFrames(references, b)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.Name, err)
			}
			sums[i] += score / float64(len(files))
		}
	}
	return sums, nil
}

// do asks for the variants of one round, each of which is another.
func (t *target) do(w work, files []string, round int, sum *share) error {
	address := func(n int) string {
		n += round * w.requests
		return t.address(w, files[n%len(files)], w.width+n/len(files))
	}
	if b, err := get(t.address(w, files[0], w.width-1-round)); err != nil { // what only a first request costs
		return err
	} else if h, err := header.Read(b); err != nil || h.Format != w.to || h.Width != w.width-1-round || max(h.Frames, 1) != w.frames {
		return fmt.Errorf("it answers %s of %d pixels and %d frames: %v", h.Format, h.Width, h.Frames, err)
	}
	before := t.used()
	var next, bytes, most atomic.Int64
	var failed atomic.Pointer[error]
	var asking, watching sync.WaitGroup
	over := make(chan struct{})
	watching.Go(func() {
		for {
			most.Store(max(most.Load(), t.memory()))
			select {
			case <-over:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	for range inFlight {
		asking.Go(func() {
			for n := next.Add(1) - 1; n < int64(w.requests); n = next.Add(1) - 1 {
				b, err := get(address(int(n)))
				if err != nil {
					failed.Store(&err)
					return
				}
				bytes.Add(int64(len(b)))
			}
		})
	}
	asking.Wait()
	close(over)
	watching.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	sum.used += t.used() - before
	sum.bytes += bytes.Load()
	sum.requests += w.requests
	sum.memory = max(sum.memory, most.Load())
	return nil
}

// printHits prints what a hit costs in memory, and on disk, where more variants are asked for
// in turn than memory holds.
func printHits(out io.Writer, binary, scratch string, c corpus) error {
	for _, kind := range []struct {
		name, flags string
		variants    int
	}{{"memory", "", 1}, {"disk", "--cache-memory 1MiB", 200}} {
		port, err := freePort()
		if err != nil {
			return err
		}
		t := tintype(binary, filepath.Join(scratch, kind.name), port, kind.flags)
		if _, err := t.begin(c.dir); err != nil {
			return err
		}
		used, size, err := t.hits(c.files["jm"][0], kind.variants)
		t.end()
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "hit in %s: %.1f µs, %d bytes\n", kind.name, float64(used)/1e3, size); err != nil {
			return err
		}
	}
	return nil
}

// hits returns the processor time of one hit, with so many variants asked for in turn.
func (t *target) hits(file string, variants int) (each time.Duration, size int, err error) {
	const many = 20_000
	webp := works[2]
	for v := range variants {
		b, err := get(t.address(webp, file, webp.width+v))
		if err != nil {
			return 0, 0, err
		}
		size = len(b)
	}
	before := t.used()
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var asking sync.WaitGroup
	for range 16 {
		asking.Go(func() {
			for n := next.Add(1); n <= many; n = next.Add(1) {
				if _, err := get(t.address(webp, file, webp.width+int(n)%variants)); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	asking.Wait()
	if err := failed.Load(); err != nil {
		return 0, 0, *err
	}
	return (t.used() - before) / many, size, nil
}

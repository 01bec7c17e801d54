//go:build cgo && linux

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/transform"
)

// A work is what servers are compared by: variants of one kind, each of another width, so
// that none is in a cache.
type work struct {
	name     string // in the table
	key      string // in peers.json
	folder   string // of the corpus
	width    int
	requests int // in each round
	to       transform.Format
	quality  int // for peers, which hand it to the encoder
	ours     int // q of Tintype, with which the encoder gets the same
	frames   int // of the variant
}

var works = []work{
	{"JPEG 2000→512", "jm-jpeg", "jm", 512, 64, transform.JPEG, 80, 80, 1},
	{"JPEG 4000→504", "jl-jpeg", "jl", 504, 24, transform.JPEG, 80, 80, 1},
	{"JPEG→WebP", "jm-webp", "jm", 512, 48, transform.WebP, 75, 69, 1},
	{"JPEG→AVIF", "jm-avif", "jm", 512, 32, transform.AVIF, 60, 65, 1},
	{"PNG→PNG", "png-png", "png", 512, 32, transform.PNG, 80, 80, 1},
	{"WebP→WebP", "webp-webp", "webp", 512, 32, transform.WebP, 75, 69, 1},
	{"GIF→WebP, 12 frames", "gif-webp", "gif", 200, 12, transform.WebP, 75, 69, 12},
}

// corpus are the files of works, by folder, relative to dir.
type corpus struct {
	dir   string
	files map[string][]string
}

// openCorpus reads a folder that has the folders of works, or, where its name is empty,
// writes drawn originals into scratch.
func openCorpus(dir, scratch string) (corpus, error) {
	if dir == "" {
		dir = filepath.Join(scratch, "corpus")
		if err := drawCorpus(dir); err != nil {
			return corpus{}, err
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return corpus{}, err
	}
	c := corpus{dir, map[string][]string{}}
	for _, w := range works {
		names, err := filepath.Glob(filepath.Join(dir, w.folder, "*.*"))
		if err != nil {
			return c, err
		}
		if len(names) == 0 {
			return c, fmt.Errorf("%s has no files in %s: a corpus has the folders jm (JPEGs of 2000 pixels), jl (of 4000), png, webp, and gif (12 frames)", dir, w.folder)
		}
		c.files[w.folder] = nil
		for _, name := range names {
			c.files[w.folder] = append(c.files[w.folder], w.folder+"/"+filepath.Base(name))
		}
	}
	return c, nil
}

// drawCorpus writes drawn originals. Each is there under several names, so that the widths of
// a work stay close together.
func drawCorpus(dir string) error {
	const copies = 16
	drawn := originals{}
	drawn.add("large.jpg", toJPEG(samples.Scene(4000, 2667)))
	if err := drawn.addPhoto(toPNG(samples.Scene(2000, 1333))); err != nil {
		return err
	}
	if err := drawn.addAnimation("orbit.gif", 1000, 600, 12); err != nil {
		return err
	}
	for folder, name := range map[string]string{"jm": "photo.jpg", "jl": "large.jpg", "png": "photo.png", "webp": "photo.webp", "gif": "orbit.gif"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			return err
		}
		for i := range copies {
			if err := os.WriteFile(filepath.Join(dir, folder, fmt.Sprint(i, filepath.Ext(name))), drawn[name][0], 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

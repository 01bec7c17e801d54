package worker

import (
	"testing"

	"github.com/tintype/tintype/transform"
)

func TestEstimate(t *testing.T) {
	photo := func(change ...func(*transform.Job)) int64 {
		job := transform.Job{
			Original: make([]byte, 5e6),
			Header:   transform.Header{Format: transform.JPEG, Width: 6000, Height: 4000, Frames: 1, Orientation: 1, Bands: 3, Bits: 8},
			Options:  transform.Defaults(), Format: transform.JPEG,
		}
		job.Options.Width = 512
		for _, f := range change {
			f(&job)
		}
		return Estimate(&job)
	}
	plain := photo()
	if plain < 15e6 || plain > 40e6 {
		t.Errorf("a photograph: %d bytes", plain)
	}
	// Each takes more than the plain one, by about the bytes that it has to hold.
	for name, c := range map[string]struct {
		change   func(*transform.Job)
		from, to int64
	}{
		"progressive":       {func(j *transform.Job) { j.Header.Interlaced = true }, 120e6, 200e6},
		"avif original":     {func(j *transform.Job) { j.Header.Format = transform.AVIF }, 150e6, 250e6},
		"interlaced png":    {func(j *transform.Job) { j.Header.Format, j.Header.Interlaced = transform.PNG, true }, 80e6, 150e6},
		"16 bits":           {func(j *transform.Job) { j.Header.Format, j.Header.Bits = transform.TIFF, 16 }, 300e6, 500e6},
		"large output":      {func(j *transform.Job) { j.Options.Width = 6000 }, 150e6, 300e6},
		"large avif output": {func(j *transform.Job) { j.Options.Width, j.Format = 4000, transform.AVIF }, 200e6, 400e6},
		"turned":            {func(j *transform.Job) { j.Header.Orientation = 6; j.Options.Width = 4000 }, 200e6, 500e6},
		"animation": {func(j *transform.Job) {
			j.Header.Format, j.Header.Frames, j.Format = transform.GIF, 100, transform.WebP
			j.Options.Width = 2000
		}, 200e6, 500e6},
		"mark": {func(j *transform.Job) {
			j.Marks = []transform.MarkImage{{Image: make([]byte, 1e6), Header: transform.Header{Width: 2000, Height: 2000}}}
		}, 16e6, 20e6},
	} {
		if more := photo(c.change) - plain; more < c.from || more > c.to {
			t.Errorf("%s: %d bytes more, want %d to %d", name, more, c.from, c.to)
		}
	}
}

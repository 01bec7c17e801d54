package worker

import (
	"errors"
	"strings"
	"testing"

	"github.com/tintype/tintype/transform"
)

func TestEstimate(t *testing.T) {
	photo := func(change ...func(*transform.Job)) int64 {
		job := transform.Job{
			Originals: []transform.Original{{
				Body:   make([]byte, 5e6),
				Header: transform.Header{Format: transform.JPEG, Width: 6000, Height: 4000, Frames: 1, Orientation: 1, Bands: 3, Bits: 8},
			}},
			Options: transform.Defaults(), Format: transform.JPEG,
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
		"progressive":   {func(j *transform.Job) { j.Originals[0].Header.Interlaced = true }, 120e6, 200e6},
		"avif original": {func(j *transform.Job) { j.Originals[0].Header.Format = transform.AVIF }, 200e6, 300e6},
		"interlaced png": {func(j *transform.Job) {
			j.Originals[0].Header.Format, j.Originals[0].Header.Interlaced = transform.PNG, true
		}, 80e6, 150e6},
		"16 bits":           {func(j *transform.Job) { j.Originals[0].Header.Format, j.Originals[0].Header.Bits = transform.TIFF, 16 }, 300e6, 500e6},
		"large output":      {func(j *transform.Job) { j.Options.Width = 6000 }, 150e6, 300e6},
		"large avif output": {func(j *transform.Job) { j.Options.Width, j.Format = 4000, transform.AVIF }, 300e6, 450e6},
		"turned":            {func(j *transform.Job) { j.Originals[0].Header.Orientation = 6; j.Options.Width = 4000 }, 200e6, 500e6},
		"slanted":           {func(j *transform.Job) { j.Options.Width, j.Options.Rotate = 4000, 30 }, 200e6, 400e6},
		"the middle, slanted": {func(j *transform.Job) {
			j.Options.Width, j.Options.Height, j.Options.Fit, j.Options.Rotate = 400, 400, transform.FitCover, 30
			j.Options.Gravity, j.Options.FocalZoom = transform.GravityFocal, 8
		}, 30e6, 150e6},
		"round corners in avif": {func(j *transform.Job) {
			j.Options.Width, j.Format, j.Options.Radius = 4000, transform.AVIF, transform.Length{Value: 50, Percent: true}
		}, 450e6, 700e6},
		"animation": {func(j *transform.Job) {
			j.Originals[0].Header.Format, j.Originals[0].Header.Frames, j.Format = transform.GIF, 100, transform.WebP
			j.Options.Width = 700
		}, 250e6, 500e6},
		"turned animation": {func(j *transform.Job) {
			j.Originals[0].Header.Format, j.Originals[0].Header.Frames, j.Format = transform.GIF, 100, transform.WebP
			j.Options.Width, j.Options.Rotate = 700, 90
		}, 800e6, 1500e6},
		"jxl": {func(j *transform.Job) { j.Options.Width, j.Format = 4000, transform.JXL }, 800e6, 1200e6},
		"drawing": {func(j *transform.Job) {
			j.Originals[0].Header.Format, j.Options.Width = transform.SVG, 6000
		}, 300e6, 500e6},
		"stretched drawing": {func(j *transform.Job) {
			j.Originals[0].Header.Format, j.Options.Width, j.Options.Height, j.Options.Fit = transform.SVG, 6000, 100, transform.FitSqueeze
		}, 50e6, 150e6},
		"placeholder": {func(j *transform.Job) {
			j.Task, j.Drawing = transform.TaskDraw, &transform.Drawing{Of: transform.DrawBlurHash, Output: transform.Size{W: 2048, H: 2048}}
		}, 80e6, 100e6},
		"a mark": {func(j *transform.Job) {
			j.Marks = []transform.MarkImage{{Image: make([]byte, 1e6), Header: transform.Header{Width: 2000, Height: 2000}}}
		}, 1e6, 12e6},
	} {
		if more := photo(c.change) - plain; more < c.from || more > c.to {
			t.Errorf("%s: %d bytes more, want %d to %d", name, more, c.from, c.to)
		}
	}
}

// TestEstimateAlpha: a large picture with alpha takes no more the smaller it gets, since blocks are
// averaged before a strip is held. Frames of an animation aren't averaged.
func TestEstimateAlpha(t *testing.T) {
	of := func(h transform.Header, width int) int64 {
		h.Orientation, h.Bands, h.Alpha, h.Frames = 1, 4, true, max(h.Frames, 1)
		job := transform.Job{Originals: []transform.Original{{Header: h}}, Options: transform.Defaults(), Format: transform.WebP}
		job.Options.Width = width
		return Estimate(&job)
	}
	deep := transform.Header{Format: transform.PNG, Width: 8000, Height: 8000, Bits: 16}
	for _, width := range []int{1, 10, 100, 500, 1000, 1500} {
		if n, wide := of(deep, width), of(deep, 2500); n > wide || n > 200e6 {
			t.Errorf("to a width of %d: %d bytes, and %d to 2500", width, n, wide)
		}
	}
	frames := transform.Header{Format: transform.WebP, Width: 4000, Height: 4000, Bits: 8}
	still := of(frames, 40)
	if frames.Frames = 2; of(frames, 40) < still+100e6 {
		t.Errorf("an animation takes %d bytes, a picture of it %d", of(frames, 40), still)
	}
}

// TestEstimateTasks: a task that decodes nothing takes little, and what only looks at an
// original takes no more than a small variant of it.
func TestEstimateTasks(t *testing.T) {
	job := transform.Job{
		Originals: []transform.Original{{Body: make([]byte, 5e6), Header: transform.Header{Format: transform.AVIF, Width: 6000, Height: 4000, Frames: 1, Orientation: 1}}},
		Options:   transform.Defaults(), Format: transform.JPEG,
	}
	job.Options.Width = 128
	variant := Estimate(&job)
	job.Format, job.Task = transform.JSON, transform.TaskFacts
	if facts := Estimate(&job); facts > variant || expectedTime(&job) < slowAfter {
		t.Errorf("facts: %d bytes in %v, and a variant %d", facts, expectedTime(&job), variant)
	}
	job.Task = transform.TaskMetadata
	if n := Estimate(&job); n > 30e6 || expectedTime(&job) != 0 {
		t.Errorf("metadata: %d bytes in %v", n, expectedTime(&job))
	}
	drawn := transform.Job{Task: transform.TaskDraw, Format: transform.WebP, Options: transform.Defaults(),
		Drawing: &transform.Drawing{Of: transform.DrawBlurHash, Output: transform.Size{W: 64, H: 48}}}
	if n := Estimate(&drawn); n > 10e6 {
		t.Errorf("a small drawing: %d bytes", n)
	}
	drawn.Drawing.Output = transform.Size{W: 2048, H: 2048}
	if n, took := Estimate(&drawn), expectedTime(&drawn); n < 80e6 || took < slowAfter/2 {
		t.Errorf("a large drawing: %d bytes in %v", n, took)
	}
}

// TestWorkerIsTooSmall: what takes more memory than a worker has is refused before any
// process has it: for the options, or for the original where that alone is too much.
func TestWorkerIsTooSmall(t *testing.T) {
	if race {
		t.Skip("processes have no bound on memory")
	}
	p := startPool(t, func(c *Config) { c.Memory = 1 << 30 })
	job := func(h transform.Header, width int, f transform.Format, change ...func(*transform.Options)) transform.Job {
		job := asked("echo well", width, change...)
		h.Frames, h.Orientation, h.Bands, h.Bits = max(h.Frames, 1), 1, 3, 8
		job.Originals[0].Header, job.Format = h, f
		return job
	}
	photo := transform.Header{Format: transform.JPEG, Width: 8000, Height: 8000}
	for _, c := range []struct {
		name string
		job  transform.Job
		err  error
	}{
		{"jxl of 64 megapixels", job(photo, 8000, transform.JXL), transform.ErrOutputTooLarge},
		{"a smaller one", job(photo, 2000, transform.JXL), nil},
		{"webp without loss", job(photo, 6000, transform.WebP, func(o *transform.Options) { o.Lossless = true }), transform.ErrOutputTooLarge},
		{"webp with loss", job(photo, 6000, transform.WebP), nil},
		{"jpeg", job(photo, 8000, transform.JPEG), nil},
		{"a large original", job(transform.Header{Format: transform.JXL, Width: 8000, Height: 8000}, 10, transform.JPEG), transform.ErrTooLarge},
		{"1,000 frames", job(transform.Header{Format: transform.GIF, Width: 250, Height: 250, Frames: 1000}, 250, transform.WebP, func(o *transform.Options) { o.Blur = 100 }), nil},
		{"1,000 frames turned, over any limit", job(transform.Header{Format: transform.GIF, Width: 500, Height: 500, Frames: 1000}, 500, transform.WebP, func(o *transform.Options) { o.Rotate = 90 }), transform.ErrOutputTooLarge},
		{"a mark", func() transform.Job {
			j := job(photo, 100, transform.JPEG)
			j.Marks = []transform.MarkImage{{Image: []byte("well"), Header: transform.Header{Format: transform.JXL, Width: 8000, Height: 8000}}}
			return j
		}(), transform.ErrMark},
	} {
		err := p.fits(&c.job)
		if !errors.Is(err, c.err) || err != nil && !strings.Contains(err.Error(), "--worker-memory") {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
	}
	large := job(photo, 8000, transform.JXL)
	if _, err := p.Transform(t.Context(), large); !errors.Is(err, transform.ErrOutputTooLarge) {
		t.Error(err)
	}
	p.mu.Lock()
	for w := range p.all {
		if w.jobs > 0 {
			t.Error("a process had the job")
		}
	}
	p.mu.Unlock()
	if s := p.Stats(); s.lost() != 0 || s.Blamed != 0 {
		t.Errorf("%v, %d blocked", s.Deaths, s.Blamed)
	}
	p.wantWell(t)
	// Trimmed, the output may turn out larger than the plan says: by no more than fits.
	trimmed := job(photo, 2000, transform.JXL, func(o *transform.Options) { o.Trim = 10 })
	if err := p.fits(&trimmed); err != nil {
		t.Fatal(err)
	}
	if most := trimmed.Limits.OutputPixels; most < 4e6 || most > 12e6 {
		t.Errorf("a limit of %d pixels", most)
	}
	if err := p.fits(&transform.Job{}); err != nil {
		t.Errorf("a job of nothing: %v", err)
	}
}

// TestWornWorkers: a process that keeps memory of earlier jobs is replaced where a job doesn't fit
// beside that, and not where it fits.
func TestWornWorkers(t *testing.T) {
	if race {
		t.Skip("processes have no bound on memory")
	}
	p := startPool(t, func(c *Config) { c.Memory, c.Workers = 1<<30, 1 })
	var large transform.Job // nearly fills a worker
	for width := 1000; Estimate(&large) < p.room()-300<<20; width += 200 {
		large = asked("echo large", width)
		large.Originals[0].Header = transform.Header{Format: transform.JPEG, Width: 8000, Height: 8000, Frames: 1, Orientation: 1, Bands: 3, Bits: 8}
		large.Format = transform.PNG
	}
	for i, step := range []struct {
		job     transform.Job
		retired int64
	}{
		{jobOf("keep 400"), 0}, {jobOf("echo small"), 0}, {large, 1}, {jobOf("echo small"), 1}, {jobOf("keep 400"), 1}, {large, 2},
	} {
		if _, err := p.Transform(t.Context(), step.job); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if s := p.Stats(); s.Retired != step.retired || len(s.Deaths) != 0 {
			t.Errorf("after step %d: %+v, want %d replaced", i, s, step.retired)
		}
	}
}

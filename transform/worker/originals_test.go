package worker

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/transform"
)

// TestSeveralOriginals: a job of no original, one or several finds the bytes of each.
func TestSeveralOriginals(t *testing.T) {
	p := startPool(t)
	large := strings.Repeat("x", keptInput)
	for _, texts := range [][]string{{"one", "two", "three"}, {}, {large, "two", large}, {"one"}, {"one", large}} {
		var originals []string
		want := ""
		for _, text := range texts {
			originals = append(originals, "echo "+text)
			want += "/" + text
		}
		if len(texts) == 1 {
			want = texts[0]
		}
		job := gridOf(originals...)
		image, err := p.Transform(t.Context(), job)
		if err != nil || !isEcho(image, want) {
			t.Errorf("%d originals: %v, %d bytes of %d", len(texts), err, len(image.Data), len(want))
		}
		for i, o := range job.Originals {
			if string(o.Body) != originals[i] || o.ID == "" {
				t.Error("the caller's job was changed")
			}
		}
	}
}

// TestPutSeveral: between two originals there are zeros, whatever the file held before,
// and nothing is left behind a shorter job.
func TestPutSeveral(t *testing.T) {
	f, reader, err := tempFile("original")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	defer reader.Close()
	w := &process{input: f}
	for _, originals := range [][]string{
		{strings.Repeat("x", 5*inputGap)}, {"one", "two"}, {strings.Repeat("y", inputGap), "b", "c"}, {"single"}, {}, {"one", "two", "three"},
	} {
		if err := w.put(gridOf(originals...).Originals); err != nil {
			t.Fatal(err)
		}
		var want []byte
		for i, o := range originals {
			if i > 0 {
				want = append(want, make([]byte, startOf(i, len(want))-len(want))...)
			}
			want = append(want, o...)
		}
		got, err := io.ReadAll(io.NewSectionReader(reader, 0, 1<<20))
		if err != nil || !slices.Equal(got, want) || w.held != len(want) {
			t.Errorf("%d originals: the file holds %d bytes, counted as %d, want %d (%v)", len(originals), len(got), w.held, len(want), err)
		}
	}
	for _, end := range []int{1, inputGap, inputGap + 1} {
		if gap := startOf(1, end) - end; gap < inputGap || gap >= 2*inputGap {
			t.Errorf("a gap of %d bytes", gap)
		}
	}
}

// TestEstimateOfSeveral: originals count one by one.
func TestEstimateOfSeveral(t *testing.T) {
	o := func(format transform.Format, bytes int) transform.Original {
		return transform.Original{Body: make([]byte, bytes), Header: transform.Header{Format: format, Width: 2000, Height: 1000, Orientation: 1, Frames: 1, Bands: 3, Bits: 8}}
	}
	estimate := func(originals ...transform.Original) int64 {
		job := transform.Job{Originals: originals, Options: transform.Defaults(), Format: transform.JPEG, Limits: transform.DefaultLimits()}
		job.Options.Width = 300
		return Estimate(&job)
	}
	jpeg, avif, svg := o(transform.JPEG, 1e6), o(transform.AVIF, 2e6), o(transform.SVG, 3e6)
	one := estimate(jpeg)
	if got, want := estimate(jpeg, avif, svg)-one, estimate(jpeg, avif)-one+estimate(jpeg, svg)-one; got != want {
		t.Errorf("two more take %d bytes, want %d", got, want)
	}
	if more := estimate(jpeg, avif) - one; more < 2*2e6+2e6*perPixelAVIFIn {
		t.Errorf("an AVIF more takes %d bytes", more)
	}
	none := transform.Job{Options: transform.Defaults(), Format: transform.JPEG}
	if got := Estimate(&none); got < base || got > 2*base {
		t.Errorf("no original takes %d bytes", got)
	}
	job := transform.Job{Originals: []transform.Original{jpeg, avif, svg}, Options: transform.Defaults(), Format: transform.JPEG}
	if held := claimOf(&job).held; held != 6e6 {
		t.Errorf("it holds %d bytes while it waits", held)
	}
	alone := job
	alone.Originals = job.Originals[:1]
	if expectedTime(&job) <= expectedTime(&alone) {
		t.Error("three originals take no longer than one")
	}
}

// TestOneOfSeveralIsTooLarge: what takes more memory than a worker has is named: one
// original, or all of them together.
func TestOneOfSeveralIsTooLarge(t *testing.T) {
	if race {
		t.Skip("processes have no bound on memory")
	}
	p := startPool(t, func(c *Config) { c.Memory = 1 << 30 })
	job := gridOf("echo one", "echo two", "echo three")
	size := func(i, side int) {
		h := &job.Originals[i].Header
		h.Format, h.Width, h.Height = transform.JXL, side, side
	}
	size(1, 8000)
	err := p.fits(&job)
	if e, ok := errors.AsType[*transform.OriginalError](err); !ok || e.Index != 1 || !errors.Is(err, transform.ErrTooLarge) {
		t.Errorf("a large one: %v", err)
	}
	for i := range job.Originals {
		size(i, 5000)
	}
	err = p.fits(&job)
	if _, ok := errors.AsType[*transform.OriginalError](err); ok || !errors.Is(err, transform.ErrTooLarge) || !strings.Contains(err.Error(), "3 originals") {
		t.Errorf("large together: %v", err)
	}
}

// index is that of the original that an error is about; -1 is none.
func index(err error) int {
	if e, ok := errors.AsType[*transform.OriginalError](err); ok {
		return e.Index
	}
	return -1
}

// TestOneOfSeveralIsBlamed: an original that brings a worker down while it is read is
// refused wherever it stands, and alone. The originals beside it are not.
func TestOneOfSeveralIsBlamed(t *testing.T) {
	for _, c := range []struct {
		bad    string
		losses int64
	}{{"segv", 1}, {"abort", 1}, {"panic", 0}, {"exit", 2}} {
		t.Run(c.bad, func(t *testing.T) {
			t.Parallel()
			p := startPool(t)
			for i, job := range []transform.Job{
				gridOf("echo one", c.bad, "echo three"),
				gridOf("echo one", c.bad, "echo three"), // again
				gridOf("echo four", c.bad, "echo five"), // blocked beside others, too
			} {
				if _, err := p.Transform(t.Context(), job); !errors.Is(err, transform.ErrFailed) || index(err) != 1 {
					t.Errorf("job %d: %v", i, err)
				}
			}
			if n := p.Stats().lost(); n != c.losses {
				t.Errorf("%d processes lost, want %d", n, c.losses)
			}
			if _, err := p.Transform(t.Context(), jobOf(c.bad)); !errors.Is(err, transform.ErrFailed) || index(err) != -1 {
				t.Errorf("alone: %v", err)
			}
			if _, err := p.Transform(t.Context(), gridOf("echo one", "echo two", "echo three", c.bad)); !errors.Is(err, transform.ErrFailed) || index(err) != 3 {
				t.Errorf("among other numbers: %v", err)
			}
			if n := p.Stats().lost(); n != 2*c.losses { // and over the probe
				t.Errorf("%d processes lost in all, want %d", n, 2*c.losses)
			}
			for _, job := range []transform.Job{gridOf("echo one", "echo three"), gridOf("echo one", "echo two", "echo three"), jobOf("echo one"), jobOf("echo three")} {
				if toProbe, err := p.blocks.check(&job); err != nil || len(toProbe) > 0 {
					t.Errorf("others: %v, %d to probe", err, len(toProbe))
				}
				if _, err := p.Transform(t.Context(), job); err != nil {
					t.Errorf("others: %v", err)
				}
			}
		})
	}
}

// TestCombinationIsBlamed: where no original is known to be at fault, all of them
// together are, with what was asked of them, and none alone.
func TestCombinationIsBlamed(t *testing.T) {
	p := startPool(t)
	grid := func(width int, originals ...string) transform.Job {
		job := gridOf(originals...)
		job.Options.Width, job.Options.Fit = width, transform.FitContain
		return job
	}
	for range 2 {
		if _, err := p.Transform(t.Context(), grid(300, "echo one", "quiet good segv", "echo three")); !errors.Is(err, transform.ErrFailed) || index(err) != -1 {
			t.Errorf("got %v", err)
		}
	}
	if s := p.Stats(); s.lost() != 1 || s.Blamed != 1 {
		t.Errorf("%d processes lost, %d blocked", s.lost(), s.Blamed)
	}
	for _, job := range []transform.Job{
		jobOf("echo one"), jobOf("quiet good segv"), jobOf("echo three"),
		grid(300, "echo one", "echo three"), grid(300, "echo one", "quiet good segv"), grid(300, "echo three", "quiet good segv", "echo one"),
	} {
		if toProbe, err := p.blocks.check(&job); err != nil || len(toProbe) > 0 {
			t.Errorf("others: %v, %d to probe", err, len(toProbe))
		}
	}
	// Other options of the same combination are tried once a plain variant is well.
	if _, err := p.Transform(t.Context(), grid(64, "echo one", "quiet good segv", "echo three")); err != nil {
		t.Errorf("a small variant: %v", err)
	}
	if n := p.Stats().lost(); n != 1 {
		t.Errorf("%d processes lost", n)
	}

	// And all are refused where it is not.
	for width := 300; width < 303; width++ {
		if _, err := p.Transform(t.Context(), grid(width, "quiet segv", "echo three")); !errors.Is(err, transform.ErrFailed) || index(err) != -1 {
			t.Errorf("%d pixels wide: %v", width, err)
		}
	}
	if n := p.Stats().lost(); n != 1+2 { // the variant and the probe
		t.Errorf("%d processes lost in all", n)
	}
	p.wantWell(t)
}

// TestProbeFindsOne: a probe of a combination during which the worker is lost at one
// original blames this one.
func TestProbeFindsOne(t *testing.T) {
	p := startPool(t)
	job := gridOf("echo one", "segv", "echo three")
	p.blocks.suspectToo(together(job.Originals))
	if _, err := p.Transform(t.Context(), job); !errors.Is(err, transform.ErrFailed) || index(err) != 1 {
		t.Errorf("got %v", err)
	}
	if n := p.Stats().lost(); n != 2 { // the combination's probe, and the original's
		t.Errorf("%d processes lost", n)
	}
	if _, err := p.Transform(t.Context(), jobOf("segv")); !errors.Is(err, transform.ErrFailed) {
		t.Errorf("alone: %v", err)
	}
	if n := p.Stats().lost(); n != 2 {
		t.Errorf("%d processes lost in all", n)
	}
}

// TestLateAtOneOfSeveral: where time runs out over an original, those before it may have
// taken most of it: the combination is refused, and the original is probed.
func TestLateAtOneOfSeveral(t *testing.T) {
	t.Parallel() // it waits
	p := startPool(t, func(c *Config) { c.Timeout, c.grace = enough, time.Minute })
	job := gridOf("echo one", "wait", "echo three")
	for range 2 {
		if _, err := p.Transform(t.Context(), job); !errors.Is(err, transform.ErrTimeout) || index(err) != -1 {
			t.Errorf("got %v", err)
		}
	}
	if n := p.Stats().Blamed; n != 1 {
		t.Errorf("%d are blocked", n)
	}
	if _, err := p.Transform(t.Context(), gridOf("wait", "echo four")); !errors.Is(err, transform.ErrTimeout) || index(err) != 0 {
		t.Errorf("beside others: %v", err)
	}
	if _, err := p.Transform(t.Context(), gridOf("echo one", "echo three")); err != nil {
		t.Errorf("the others: %v", err)
	}
}

// TestErrorOfOne: an error of the engine about one of several originals says which.
func TestErrorOfOne(t *testing.T) {
	p := startPool(t)
	_, err := p.Transform(t.Context(), gridOf("echo one", "echo two", "corrupt cut"))
	if !errors.Is(err, transform.ErrTruncated) || index(err) != 2 || err.Error() != "original 3: image is truncated: cut" {
		t.Errorf("got %v", err)
	}
	if n := p.Stats().Blamed; n != 0 {
		t.Errorf("%d are blocked", n)
	}
}

// TestNames: originals have a name together where each has one, and none is that of
// another combination.
func TestNames(t *testing.T) {
	names := map[subject][]string{}
	for _, ids := range [][]string{{"a", "b"}, {"b", "a"}, {`a"`, "b"}, {`a""b`}, {"ab", "c"}, {"a", "bc"}, {"a", "b", "c"}, {`"a""b"`}, {"a"}} {
		job := gridOf(ids...)
		s := together(job.Originals)
		if other, known := names[s]; known || s == (subject{}) {
			t.Errorf("%q and %q are %v", ids, other, s)
		}
		names[s] = ids
	}
	job := gridOf("a", "b", "c")
	job.Originals[1].ID = ""
	if s := together(job.Originals); s != (subject{}) {
		t.Errorf("one without a name: %v", s)
	}
	job.Marks = make([]transform.MarkImage, 2)
	of := subjects(&job)
	for i := range of {
		if got := subjectAt(&job, placeOf(&job, i)); got != i {
			t.Errorf("subject %d is at %d", i, got)
		}
	}
	if len(of) != 1+3+2 {
		t.Errorf("%d subjects", len(of))
	}
}

// TestProbeRetainsAll: the bytes of all originals are kept until the probe of one of
// them has ended.
func TestProbeRetainsAll(t *testing.T) {
	p := startPool(t)
	if _, err := p.Transform(t.Context(), asked("good segv", 500)); !errors.Is(err, transform.ErrFailed) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var retained, released atomic.Int32
	job := gridOf("echo one", "good segv", "echo three")
	job.Retain = func() func() { retained.Add(1); return func() { released.Add(1) } }
	if _, err := p.Transform(ctx, job); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that is gone: %v", err)
	}
	if retained.Load() != 1 {
		t.Errorf("its images were retained %d times", retained.Load())
	}
	eventually(t, "the images are released", func() bool { return released.Load() == 1 })
}

package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/transform"
)

func markedJob(original string, marks ...string) transform.Job {
	job := jobOf(original)
	for _, m := range marks {
		job.Marks = append(job.Marks, transform.MarkImage{Image: []byte(m), Hash: [32]byte([]byte(m + "                                ")), Mark: transform.Mark{Opacity: 1}})
	}
	return job
}

// TestMarksAreBlamed: a mark whose image brings a worker down is refused on all
// originals, which are served without it as ever; an original that does so under a
// mark is refused, and not the mark.
func TestMarksAreBlamed(t *testing.T) {
	for _, c := range []struct {
		bad       string
		processes int64
	}{
		{"segv", 1}, {"abort", 1}, {"panic", 0}, {"exit", 2},
	} {
		t.Run(c.bad, func(t *testing.T) {
			t.Parallel()
			p := startPool(t)
			lost := func() int64 { return p.Stats().lost() }
			for _, original := range []string{"echo one", "echo two", "echo three"} {
				_, err := p.Transform(t.Context(), markedJob(original, "well", c.bad))
				if !errors.Is(err, transform.ErrMark) || !errors.Is(err, transform.ErrFailed) {
					t.Errorf("%s with a bad mark: %v", original, err)
				}
				for _, marks := range [][]string{nil, {"well"}} {
					if _, err := p.Transform(t.Context(), markedJob(original, marks...)); err != nil {
						t.Errorf("%s with marks %q: %v", original, marks, err)
					}
				}
			}
			if n := lost(); n != c.processes {
				t.Errorf("%d processes lost over three originals with the mark, want %d", n, c.processes)
			}
			other := markedJob("echo one", c.bad)
			other.Owner.Workspace = "other"
			if _, err := p.blocks.check(&other); err != nil {
				t.Error("another workspace is refused the image")
			}

			if _, err := p.Transform(t.Context(), markedJob("marked "+c.bad, "well")); errors.Is(err, transform.ErrMark) || !errors.Is(err, transform.ErrFailed) {
				t.Errorf("a bad original: %v", err)
			}
			if _, err := p.Transform(t.Context(), jobOf("marked "+c.bad)); !errors.Is(err, transform.ErrFailed) {
				t.Errorf("a bad original without its mark: %v", err)
			}
			if n := lost(); n != 3*c.processes { // over the mark, the marked original, and its probe
				t.Errorf("%d processes lost in all, want %d", n, 3*c.processes)
			}
			if _, err := p.Transform(t.Context(), markedJob("echo one", "well")); err != nil {
				t.Errorf("the mark of a bad original: %v", err)
			}
		})
	}
}

// TestLateAtMark: where time runs out over a mark, what came before may have taken
// most of it. Probes tell which of the two it is.
func TestLateAtMark(t *testing.T) {
	t.Parallel() // it waits
	p := startPool(t, func(c *Config) { c.Timeout, c.grace = enough, time.Minute })
	for range 2 {
		if _, err := p.Transform(t.Context(), markedJob("echo one", "wait")); !errors.Is(err, transform.ErrTimeout) || errors.Is(err, transform.ErrMark) {
			t.Errorf("got %v", err)
		}
	}
	if n := p.Stats().Blamed; n != 1 {
		t.Errorf("%d are blocked", n)
	}
	for _, c := range []struct {
		job  transform.Job
		want error
	}{
		{jobOf("echo one"), nil},
		{markedJob("echo one", "well"), nil},
		{markedJob("echo two", "wait"), transform.ErrMark},
		{markedJob("echo two", "well"), nil},
	} {
		if _, err := p.Transform(t.Context(), c.job); !errors.Is(err, c.want) {
			t.Errorf("%s with %d marks: %v, want %v", c.job.Originals[0].Body, len(c.job.Marks), err, c.want)
		}
	}
}

// TestMarkIsTooLarge: a mark that can't be stamped as large as one URL wants it is
// stamped in other sizes, also by who asks next.
func TestMarkIsTooLarge(t *testing.T) {
	p := startPool(t)
	sized := func(width int) transform.Job {
		job := markedJob("echo one", "good segv")
		job.Options.Width, job.Options.Fit = width, transform.FitContain
		job.Originals[0].Header.Width, job.Originals[0].Header.Height = 400, 400
		job.Marks[0].Header = transform.Header{Format: transform.PNG, Width: 100, Height: 100, Orientation: 1, Frames: 1}
		job.Marks[0].Mark.Width = transform.Length{Value: 50, Percent: true}
		return job
	}
	if _, err := p.Transform(t.Context(), sized(4000)); !errors.Is(err, transform.ErrMark) {
		t.Errorf("the mark 2000 pixels wide: %v", err)
	}
	for range 2 {
		if _, err := p.Transform(t.Context(), sized(100)); err != nil {
			t.Errorf("the mark 50 pixels wide: %v", err)
		}
	}
	if _, err := p.Transform(t.Context(), sized(4000)); !errors.Is(err, transform.ErrMark) {
		t.Errorf("the mark 2000 pixels wide, again: %v", err)
	}
	if n := p.Stats().lost(); n != 1 {
		t.Errorf("%d processes lost", n)
	}
}

// TestAtNoMark: a worker that says it is at a mark which the job hasn't is not itself.
func TestAtNoMark(t *testing.T) {
	p := startPool(t)
	if _, err := p.Transform(t.Context(), markedJob("nowhere", "well")); !errors.Is(err, transform.ErrFailed) || errors.Is(err, transform.ErrMark) {
		t.Errorf("got %v", err)
	}
	if n := p.Stats().Deaths[Death{lostProtocol, "acme", "photos", "gif"}]; n != 2 {
		t.Errorf("%d processes lost", n)
	}
	p.wantWell(t)
}

// lost is how many processes were lost.
func (s Stats) lost() (n int64) {
	for _, k := range s.Deaths {
		n += k
	}
	return n
}

// asked is a job for a variant that is not small.
func asked(original string, width int, change ...func(*transform.Options)) transform.Job {
	job := jobOf(original)
	job.Options.Width, job.Options.Fit = width, transform.FitContain
	for _, f := range change {
		f(&job.Options)
	}
	return job
}

// TestVariantIsBlocked: what an option breaks is refused for that option: the plain
// variant of the same original is served, whatever was asked of it before.
func TestVariantIsBlocked(t *testing.T) {
	for _, c := range []struct {
		fault  string
		err    error
		losses int64 // of one failure
	}{
		{"segv", transform.ErrFailed, 1}, {"abort", transform.ErrFailed, 1}, {"panic", transform.ErrFailed, 0}, {"exit", transform.ErrFailed, 2},
		{"garbage", transform.ErrFailed, 2}, {"wait", transform.ErrTimeout, 0}, {"loop", transform.ErrTimeout, 1},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			p := startPool(t, func(config *Config) {
				if c.err == transform.ErrTimeout {
					config.Timeout = enough
				}
				if c.fault == "wait" { // a job that heeds its end costs no process, however slow the machine is
					config.grace = time.Minute
				}
			})
			original := "good " + c.fault
			for n := range 4 {
				job := asked(original, 500+n/2) // each twice
				job.Options.Version = fmt.Sprint(n)
				if _, err := p.Transform(t.Context(), job); !errors.Is(err, c.err) {
					t.Errorf("variant %d: %v, want %v", n, err, c.err)
				}
				if _, err := p.Transform(t.Context(), asked(original, 64, func(o *transform.Options) { o.Quality = 50 + n })); err != nil {
					t.Errorf("the plain variant after %d: %v", n, err)
				}
			}
			if n := p.Stats().lost(); n != 2*c.losses {
				t.Errorf("%d processes lost over two variants, want %d", n, 2*c.losses)
			}
		})
	}
}

// TestManyVariants: how many workers one original costs is bounded, however many of
// its variants are asked for.
func TestManyVariants(t *testing.T) {
	for _, c := range []struct {
		original string
		most     int64
	}{
		{"segv", 2 + 1},            // those that run at a time, and the probe
		{"exit", 2 * (2 + 1)},      // each takes two processes
		{"good segv", 2 * (2 + 1)}, // two of each of two groups, and one that runs beside the second
	} {
		t.Run(c.original, func(t *testing.T) {
			t.Parallel()
			p := startPool(t, func(c *Config) { c.Queue, c.MaxWait = 1000, time.Hour })
			var wg sync.WaitGroup
			for n := range 60 {
				wg.Go(func() {
					job := asked(c.original, 200+n, func(o *transform.Options) {
						if n%2 == 0 {
							o.Blur = 1
						}
					})
					if _, err := p.Transform(t.Context(), job); !errors.Is(err, transform.ErrFailed) {
						t.Errorf("variant %d: %v", n, err)
					}
				})
			}
			wg.Wait()
			if n := p.Stats().lost(); n < 1 || n > c.most {
				t.Errorf("%d processes lost, want %d at most", n, c.most)
			}
			p.wantWell(t)
		})
	}
}

// TestGroups: what else is refused with two crashes.
func TestGroups(t *testing.T) {
	large := func(o *transform.Options) { o.Width = 4000 }
	blurred := func(o *transform.Options) { o.Blur = 3 }
	attention := func(o *transform.Options) {
		o.Height, o.Fit, o.Gravity = 300, transform.FitCover, transform.GravityAttention
	}
	for _, c := range []struct {
		name string
		a, b func(*transform.Options)
		same bool
	}{
		{"sizes", func(o *transform.Options) { o.Width = 300 }, func(o *transform.Options) { o.Width, o.Quality, o.DPR = 150, 9, 2 }, true},
		{"as small as a probe", func(o *transform.Options) { o.Width, o.Quality = 64, 9 }, func(o *transform.Options) { o.Width = 200 }, false},
		{"a size in percent, and an inset", func(o *transform.Options) {
			o.Width, o.WidthPercent, o.Inset = 0, 10, [4]int{1, 2, 3, 4}
		}, func(*transform.Options) {}, true},
		{"a large size in percent", func(o *transform.Options) { o.Width, o.WidthPercent = 0, 100 }, func(*transform.Options) {}, false},
		{"a crop", func(o *transform.Options) {
			o.Height, o.Fit, o.Gravity = 300, transform.FitCover, transform.GravityWest
		}, func(*transform.Options) {}, true},
		{"a preset's mark and version", func(o *transform.Options) { o.Mark.Name, o.Version, o.Download = "m", "1", "x" }, func(*transform.Options) {}, true},
		{"blur", blurred, func(*transform.Options) {}, false},
		{"blur and attention", blurred, attention, true},
		{"large", large, func(*transform.Options) {}, false},
		{"large and blurred", func(o *transform.Options) { large(o); blurred(o) }, large, true},
	} {
		a, b := asked("x", 300, c.a), asked("x", 400, c.b)
		a.Originals[0].Header.Width, a.Originals[0].Header.Height, b.Originals[0].Header.Width, b.Originals[0].Header.Height = 4000, 3000, 4000, 3000
		if same := groupOf(&a) == groupOf(&b); same != c.same {
			t.Errorf("%s: %v, %v", c.name, groupOf(&a), groupOf(&b))
		}
	}
	a, b := asked("x", 300), asked("x", 300)
	b.Format = transform.WebP
	if groupOf(&a) == groupOf(&b) {
		t.Error("two formats are of one group")
	}
}

func TestBlocklist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBlocklist(time.Minute, 3)
		bad := errors.New("bad")
		of := func(name string) (transform.Job, culprit) {
			job := jobOf(name)
			return job, subjects(&job)[0]
		}
		if b.failed(culprit{}, bad, true); b.len() != 0 {
			t.Error("what has no name is blocked")
		}
		job, c := of("original")
		for range 3 { // the same variant at the same time
			b.failed(c, bad, true)
		}
		other := job
		other.Options.Width = 9
		if toProbe, err := b.check(&other); err != nil || len(toProbe) != 1 {
			t.Errorf("another variant: %v, %d to probe", err, len(toProbe))
		}
		time.Sleep(time.Minute - time.Nanosecond)
		if _, err := b.check(&job); !errors.Is(err, bad) {
			t.Error("forgotten too early")
		}
		time.Sleep(time.Nanosecond)
		if toProbe, err := b.check(&job); err != nil || len(toProbe) > 0 || b.len() != 0 || len(b.suspects) != 0 {
			t.Errorf("after its time: %v, %d to probe, %d blocked", err, len(toProbe), b.len())
		}
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			_, c := of(name)
			b.failed(c, bad, false)
		}
		last, _ := of("e")
		if _, err := b.check(&last); b.len() != 3 || len(b.suspects) != 3 || !errors.Is(err, bad) {
			t.Errorf("%d blocked, %d suspects, the last: %v", b.len(), len(b.suspects), err)
		}
	})
}

// TestProbes: one at a time for each image, whose end all hear of.
func TestProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBlocklist(time.Minute, 100)
		bad := errors.New("bad")
		for _, tried := range []bool{false, true} {
			for _, fault := range []error{nil, bad} {
				if !tried && fault != nil {
					continue
				}
				job := jobOf(fmt.Sprint(tried, fault))
				c := subjects(&job)[0]
				b.failed(c, bad, true)
				done, end := b.beginProbe(c.subject)
				again, notMine := b.beginProbe(c.subject)
				if end == nil || notMine != nil || done != again {
					t.Fatal("two probes run")
				}
				time.Sleep(2 * time.Minute) // a probe that takes long keeps its suspect
				select {
				case <-done:
					t.Error("done before its end")
				default:
				}
				end(tried, fault)
				<-done
				job.Options.Width = 9
				toProbe, err := b.check(&job)
				if !errors.Is(err, fault) || tried && len(toProbe) > 0 {
					t.Errorf("tried %v, fault %v: %v, %d to probe", tried, fault, err, len(toProbe))
				}
			}
		}
	})
}

// TestProbeOutlivesItsRequest: who asked for a probe may go; others wait for it. The
// images are kept until it has ended.
func TestProbeOutlivesItsRequest(t *testing.T) {
	p := startPool(t)
	job := asked("good segv", 500)
	if _, err := p.Transform(t.Context(), job); !errors.Is(err, transform.ErrFailed) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var retained, released atomic.Int32
	gone := asked("good segv", 64)
	gone.Retain = func() func() { retained.Add(1); return func() { released.Add(1) } }
	if _, err := p.Transform(ctx, gone); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that is gone: %v", err)
	}
	if retained.Load() != 1 {
		t.Errorf("its images were retained %d times", retained.Load())
	}
	eventually(t, "the probe ends", func() bool {
		p.blocks.mu.Lock()
		defer p.blocks.mu.Unlock()
		s := p.blocks.suspect(subjects(&job)[0].subject)
		return s != nil && s.cleared
	})
	eventually(t, "the images are released", func() bool { return released.Load() == 1 })
}

package worker

import (
	"errors"
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
			lost := func() (n int64) {
				for _, k := range p.Stats().Deaths {
					n += k
				}
				return n
			}
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
			if p.grudge.check(&other) != nil {
				t.Error("another workspace is refused the image")
			}

			if _, err := p.Transform(t.Context(), markedJob("marked "+c.bad, "well")); errors.Is(err, transform.ErrMark) || !errors.Is(err, transform.ErrFailed) {
				t.Errorf("a bad original: %v", err)
			}
			if _, err := p.Transform(t.Context(), jobOf("marked "+c.bad)); !errors.Is(err, transform.ErrFailed) {
				t.Errorf("a bad original without its mark: %v", err)
			}
			if n := lost(); n != 2*c.processes {
				t.Errorf("%d processes lost in all, want %d", n, 2*c.processes)
			}
			if _, err := p.Transform(t.Context(), markedJob("echo one", "well")); err != nil {
				t.Errorf("the mark of a bad original: %v", err)
			}
		})
	}
}

// TestLateAtMark: where time runs out over a mark, what came before may have taken
// most of it: neither the original nor the mark is refused without the other.
func TestLateAtMark(t *testing.T) {
	p := startPool(t, func(c *Config) { c.Timeout, c.grace = 100*time.Millisecond, time.Minute })
	job := markedJob("echo one", "wait")
	for range 2 {
		if _, err := p.Transform(t.Context(), job); !errors.Is(err, transform.ErrTimeout) {
			t.Errorf("got %v", err)
		}
	}
	if n := p.Stats().Blamed; n != 1 {
		t.Errorf("%d are blamed", n)
	}
	for _, free := range []transform.Job{jobOf("echo one"), markedJob("echo two", "wait"), markedJob("echo one", "well")} {
		if err := p.grudge.check(&free); err != nil {
			t.Errorf("%s with %d marks: %v", free.Original, len(free.Marks), err)
		}
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

func TestGrudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGrudge(time.Minute, 3)
		bad := errors.New("bad")
		g.blame(culprit{}, bad)
		if g.len() != 0 {
			t.Error("what has no name is blamed")
		}
		job := markedJob("original", "mark")
		g.blame(markCulprit(&job, 0), bad)
		time.Sleep(time.Minute - time.Nanosecond)
		if !errors.Is(g.check(&job), bad) {
			t.Error("forgotten too early")
		}
		time.Sleep(time.Nanosecond)
		if err := g.check(&job); err != nil || g.len() != 0 {
			t.Errorf("after its time: %v, %d blamed", err, g.len())
		}
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			g.blame(culprit{original: name}, bad)
		}
		last := jobOf("e")
		if g.len() != 3 || !errors.Is(g.check(&last), bad) {
			t.Errorf("%d blamed, the last: %v", g.len(), g.check(&last))
		}
	})
}

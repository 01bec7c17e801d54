package worker

import (
	"cmp"
	"sync"
	"time"

	"github.com/tintype/tintype/transform"
)

// A grudge remembers for a while the originals and marks that brought a worker down,
// with the error that their next request gets without being tried.
type grudge struct {
	lasts time.Duration
	most  int

	mu  sync.Mutex // guards all below
	bad map[culprit]verdict
}

// A culprit is an original by its name, or a mark, or both where it takes both.
type culprit struct {
	original string

	// A mark: its image, as it is stamped for this workspace. What one URL asks of an
	// image must not keep the mark of that image from all others.
	workspace string
	image     [32]byte
	mark      transform.Mark
}

func markCulprit(job *transform.Job, i int) culprit {
	m := &job.Marks[i]
	return culprit{workspace: job.Owner.Workspace, image: m.Hash, mark: m.Mark}
}

type verdict struct {
	err   error
	until time.Time
}

func newGrudge(lasts time.Duration, most int) *grudge {
	return &grudge{lasts: lasts, most: most, bad: map[culprit]verdict{}}
}

// blame remembers the error of a culprit. An original without a name can't be
// remembered.
func (g *grudge) blame(c culprit, err error) {
	if c == (culprit{}) {
		return
	}
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.bad) >= g.most {
		for c, v := range g.bad {
			if !now.Before(v.until) {
				delete(g.bad, c)
			}
		}
	}
	for c := range g.bad { // still: any one of them makes room
		if len(g.bad) < g.most {
			break
		}
		delete(g.bad, c)
	}
	g.bad[c] = verdict{err, now.Add(g.lasts)}
}

// check returns the error of a job that has a culprit.
func (g *grudge) check(job *transform.Job) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.bad) == 0 {
		return nil
	}
	err := g.checkOne(culprit{original: job.Owner.Original})
	for i := range job.Marks {
		c := markCulprit(job, i)
		err = cmp.Or(err, g.checkOne(c))
		c.original = job.Owner.Original
		err = cmp.Or(err, g.checkOne(c))
	}
	return err
}

// checkOne is check for one culprit. The caller holds mu.
func (g *grudge) checkOne(c culprit) error {
	v, ok := g.bad[c]
	if !ok {
		return nil
	}
	if !time.Now().Before(v.until) {
		delete(g.bad, c)
		return nil
	}
	return v.err
}

func (g *grudge) len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.bad)
}

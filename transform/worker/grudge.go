package worker

import (
	"sync"
	"time"
)

// A grudge remembers for a while the originals that brought a worker down, with the
// error that their next request gets without being tried.
type grudge struct {
	lasts time.Duration
	most  int

	mu  sync.Mutex // guards all below
	bad map[string]verdict
}

type verdict struct {
	err   error
	until time.Time
}

func newGrudge(lasts time.Duration, most int) *grudge {
	return &grudge{lasts: lasts, most: most, bad: map[string]verdict{}}
}

// blame remembers the error of an original. Without a name there is nothing to
// remember it by.
func (g *grudge) blame(original string, err error) {
	if original == "" {
		return
	}
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.bad) >= g.most {
		for name, v := range g.bad {
			if !now.Before(v.until) {
				delete(g.bad, name)
			}
		}
	}
	for name := range g.bad { // still: any one of them makes room
		if len(g.bad) < g.most {
			break
		}
		delete(g.bad, name)
	}
	g.bad[original] = verdict{err, now.Add(g.lasts)}
}

// check returns the error of an original that is remembered.
func (g *grudge) check(original string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	v, ok := g.bad[original]
	if !ok {
		return nil
	}
	if !time.Now().Before(v.until) {
		delete(g.bad, original)
		return nil
	}
	return v.err
}

func (g *grudge) len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.bad)
}

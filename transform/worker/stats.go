package worker

import (
	"maps"
	"slices"
	"time"

	"github.com/tintype/tintype/transform"
)

// Stats are the figures of a pool at one moment. Counters begin at its start.
type Stats struct {
	Idle, Busy, Starting int // processes

	Waiting      int   // jobs that wait in the queue
	Running      int   // jobs that run
	Budget, Used int64 // estimated bytes: the bound, and the sum of all running jobs

	Started int64 // processes that became ready
	Retired int64 // processes that were replaced after many jobs or for their memory
	Retried int64 // jobs that were given to a second process
	Refused map[string]int64
	Deaths  map[Death]int64
	Blamed  int // entries of the blocklist: variants, groups of variants, and images

	Waits       Histogram          // seconds in the queue
	Replaced    Histogram          // seconds from the loss of a process until a process replaced it
	Times       map[Kind]Histogram // seconds that jobs ran
	PrivateSize int64              // private bytes of all processes; 0 where unknown
}

// A Kind says what a job makes.
type Kind struct {
	Endpoint string // transform, info, placeholder or grid
	Format   transform.Format
}

func jobKind(job *transform.Job) Kind {
	k := Kind{Endpoint: "transform", Format: job.Format}
	switch {
	case job.Grid != nil:
		k.Endpoint = "grid"
	case job.Drawing != nil:
		k.Endpoint = "placeholder"
	case job.Format == transform.JSON:
		k.Endpoint = "info"
	}
	return k
}

// A Death is the reason for the loss of a process, and the job that it ran.
type Death struct {
	Reason                    string // crash, timeout, killed, unresponsive, protocol, exit, start
	Workspace, Source, Format string // of the job; empty for an idle process
}

// A Histogram counts values by upper bounds.
type Histogram struct {
	Bounds []float64
	Counts []uint64 // cumulative: the number of values up to each bound
	Count  uint64
	Sum    float64
}

type histogram struct{ Histogram }

func newHistogram(bounds ...float64) histogram {
	return histogram{Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds))}}
}

func (h *histogram) add(v float64) {
	h.Count++
	h.Sum += v
	for i, bound := range h.Bounds {
		if v <= bound {
			h.Counts[i]++
		}
	}
}

func (h *histogram) copy() Histogram {
	c := h.Histogram
	c.Counts = slices.Clone(c.Counts)
	return c
}

// maxDeaths bounds the number of different deaths, since workspaces choose the names of
// sources.
const maxDeaths = 1000

func (p *Pool) countDeath(d Death) {
	if _, known := p.deaths[d]; !known && len(p.deaths) >= maxDeaths {
		d = Death{Reason: d.Reason, Workspace: "other"}
	}
	p.deaths[d]++
}

// Stats returns the pool's figures.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	s := Stats{
		Idle: len(p.idle), Starting: p.starting, Busy: len(p.all) - len(p.idle),
		Started: p.started, Retired: p.retired, Retried: p.retried,
		Deaths: maps.Clone(p.deaths), Replaced: p.replaced.copy(),
	}
	pids := make([]int, 0, len(p.all))
	for w := range p.all {
		pids = append(pids, w.pid())
	}
	p.mu.Unlock()
	for _, pid := range pids {
		s.PrivateSize += privateMemory(pid)
	}
	s.Blamed = p.blocks.len()
	q := p.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	s.Waiting, s.Running, s.Budget, s.Used = int(q.taken[places]), len(q.running), q.budget, q.memory
	if q.express != nil {
		s.Running++
		s.Used += q.express.bytes
	}
	s.Refused, s.Waits = maps.Clone(q.refused), q.waits.copy()
	s.Times = make(map[Kind]Histogram, len(q.times))
	for kind, h := range q.times {
		s.Times[kind] = h.copy()
	}
	return s
}

// since returns the seconds since t.
func since(t time.Time) float64 { return time.Since(t).Seconds() }

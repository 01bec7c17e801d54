package server

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/delivery"
)

// perWorkspace has figures of the workspaces that get most requests, one series each, and one of
// all others. So there are few series, however many workspaces there are. A workspace whose
// series ends may get another later, which begins at 0. It is safe for concurrent use.
type perWorkspace struct {
	most int // workspaces with series of their own

	mu      sync.Mutex            // guards the fields below, and the figures in them
	named   map[string]*wsFigures // at most most
	rest    wsFigures             // of all others
	waiting map[string]int        // requests in this span of workspaces without series
	until   time.Time             // of this span
}

// wsFigures are those of one series.
type wsFigures struct {
	statuses [6]int64 // by their first digit; 0 is of clients that didn't wait
	bytes    int64
	misses   int64
	seconds  float64
	recent   int // requests in this span
}

const (
	// restName is the label of all other workspaces. One of that name is among them.
	restName = "other"
	// rankSpan is how often it is looked at which workspaces get most requests.
	rankSpan = 5 * time.Minute
)

func newPerWorkspace(most int, r prometheus.Registerer) *perWorkspace {
	if most <= 0 || r == nil {
		return nil
	}
	p := &perWorkspace{most: most, named: map[string]*wsFigures{}, waiting: map[string]int{}}
	r.MustRegister(p)
	return p
}

// observe counts an answer for an image of a workspace that exists.
func (p *perWorkspace) observe(res *delivery.Response, took time.Duration) {
	if p == nil || !res.Log.Known() {
		return
	}
	name := res.Log.Workspace
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); !now.Before(p.until) {
		p.rank()
		p.until = now.Add(rankSpan)
	}
	f := p.named[name]
	switch {
	case f != nil:
	case len(p.named) < p.most && name != restName:
		f = &wsFigures{}
		p.named[name] = f
	default:
		f = &p.rest
		if _, known := p.waiting[name]; known || len(p.waiting) < 10*p.most {
			p.waiting[name]++
		}
	}
	if res.Status != delivery.StatusClientGone {
		f.statuses[min(res.Status/100, 5)]++
	} else {
		f.statuses[0]++
	}
	f.bytes += res.Bytes
	f.seconds += took.Seconds()
	f.recent++
	if res.Log.Cache == "miss" {
		f.misses++
	}
}

// rank gives the series of workspaces with few requests to those with more than twice as many,
// and begins another span. The caller holds mu.
func (p *perWorkspace) rank() {
	delete(p.waiting, restName)
	busiest := slices.SortedFunc(maps.Keys(p.waiting), func(a, b string) int {
		return cmp.Or(cmp.Compare(p.waiting[b], p.waiting[a]), cmp.Compare(a, b))
	})
	idlest := slices.SortedFunc(maps.Keys(p.named), func(a, b string) int {
		return cmp.Or(cmp.Compare(p.named[a].recent, p.named[b].recent), cmp.Compare(a, b))
	})
	for i := 0; i < min(len(busiest), len(idlest)) && p.waiting[busiest[i]] > 2*p.named[idlest[i]].recent; i++ {
		delete(p.named, idlest[i])
		p.named[busiest[i]] = &wsFigures{}
	}
	for _, f := range p.named {
		f.recent = 0
	}
	clear(p.waiting)
}

var (
	wsRequests = prometheus.NewDesc("tintype_workspace_requests_total", "With --metrics-per-workspace: requests for images answered, by workspace (other: all that have no figures of their own) and class of the status (2xx, 3xx, 4xx, 5xx; 499: the client did not wait).", []string{"workspace", "status"}, nil)
	wsBytes    = prometheus.NewDesc("tintype_workspace_response_bytes_total", "With --metrics-per-workspace: bytes of response bodies sent, by workspace.", []string{"workspace"}, nil)
	wsMisses   = prometheus.NewDesc("tintype_workspace_misses_total", "With --metrics-per-workspace: requests whose variant was not in the cache, by workspace.", []string{"workspace"}, nil)
	wsSeconds  = prometheus.NewDesc("tintype_workspace_request_seconds_total", "With --metrics-per-workspace: seconds that requests took, by workspace.", []string{"workspace"}, nil)
)

// Describe implements [prometheus.Collector].
func (p *perWorkspace) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{wsRequests, wsBytes, wsMisses, wsSeconds} {
		c <- d
	}
}

// Collect implements [prometheus.Collector].
func (p *perWorkspace) Collect(c chan<- prometheus.Metric) {
	p.mu.Lock()
	all := map[string]wsFigures{restName: p.rest}
	for name, f := range p.named {
		all[name] = *f
	}
	p.mu.Unlock()
	counter := func(d *prometheus.Desc, value float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
	}
	for name, f := range all {
		for class, n := range f.statuses {
			status := strconv.Itoa(class) + "xx"
			switch class {
			case 0:
				status = strconv.Itoa(delivery.StatusClientGone)
			case 1:
				continue
			}
			counter(wsRequests, float64(n), name, status)
		}
		counter(wsBytes, float64(f.bytes), name)
		counter(wsMisses, float64(f.misses), name)
		counter(wsSeconds, f.seconds, name)
	}
}

package server

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
)

// metrics are those of the public listener.
type metrics struct {
	requests *prometheus.CounterVec
	bytes    prometheus.Counter
	seconds  *prometheus.HistogramVec

	workspaces *perWorkspace // nil is none

	// requests and seconds by their labels
	counters byLabels[answerLabels, prometheus.Counter]
	timers   byLabels[timeLabels, prometheus.Observer]
}

type answerLabels struct {
	status int
	cache  string
}

type timeLabels struct{ endpoint, format, cache string }

// byLabels keeps metrics that each request needs: to find one of a vector takes some hashing and
// a lock. Labels are of few values. It is safe for concurrent use.
type byLabels[L comparable, M any] struct {
	find func(L) M
	mu   sync.Mutex // serialises additions
	all  atomic.Pointer[map[L]M]
}

func (b *byLabels[L, M]) of(labels L) M {
	if all := b.all.Load(); all != nil {
		if m, ok := (*all)[labels]; ok {
			return m
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	more, m := map[L]M{}, b.find(labels)
	if all := b.all.Load(); all != nil {
		maps.Copy(more, *all)
	}
	more[labels] = m
	b.all.Store(&more)
	return m
}

func newMetrics(r prometheus.Registerer, perWorkspace int) *metrics {
	m := &metrics{
		workspaces: newPerWorkspace(perWorkspace, r),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_requests_total", Help: "Requests answered, by status (499: the client did not wait) and by result of the cache (memory, disk, bucket, peer, stale, miss; empty: the request doesn't use the cache, or was refused or failed before there was a variant).",
		}, []string{"status", "cache"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tintype_response_bytes_total", Help: "Bytes of response bodies sent.",
		}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tintype_request_seconds", Help: "How long requests took, by endpoint (transform, info, placeholder, grid; empty: anything else), by format of the answer (jpeg, png, webp, gif, avif, jxl, tiff, svg, json; empty: others) and by result of the cache.",
			Buckets: []float64{.0001, .0005, .001, .005, .01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"endpoint", "format", "cache"}),
	}
	m.counters.find = func(l answerLabels) prometheus.Counter {
		return m.requests.WithLabelValues(strconv.Itoa(l.status), l.cache)
	}
	m.timers.find = func(l timeLabels) prometheus.Observer {
		return m.seconds.WithLabelValues(l.endpoint, l.format, l.cache)
	}
	m.begin()
	if r != nil {
		r.MustRegister(m.requests, m.bytes, m.seconds)
	}
	return m
}

// begin makes the counters with known labels at 0. Otherwise a rate would miss their first
// event.
func (m *metrics) begin() {
	ofImages := []int{http.StatusOK, http.StatusPartialContent, http.StatusNotModified}
	for _, kind := range fault.All() {
		if kind.Remembered || kind.Original { // the cache keeps the error, or the image of default=
			ofImages = append(ofImages, kind.Status)
		}
	}
	for _, did := range []string{"memory", "disk", "bucket", "stale", "miss"} {
		for _, status := range ofImages {
			m.requests.WithLabelValues(strconv.Itoa(status), did)
		}
	}
	m.seconds.WithLabelValues("", "", "")
	for _, status := range []int{http.StatusOK, http.StatusNoContent, http.StatusNotModified, delivery.StatusClientGone} {
		m.requests.WithLabelValues(strconv.Itoa(status), "")
	}
	for _, kind := range fault.All() {
		m.requests.WithLabelValues(strconv.Itoa(kind.Status), "")
	}
}

func (m *metrics) observe(res *delivery.Response, took time.Duration) {
	m.counters.of(answerLabels{res.Status, res.Log.Cache}).Inc()
	m.bytes.Add(float64(res.Bytes))
	m.timers.of(timeLabels{res.Log.Operation(), res.Format(), res.Log.Cache}).Observe(took.Seconds())
	m.workspaces.observe(res, took)
}

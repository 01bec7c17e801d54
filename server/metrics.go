package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/limit"
)

// metrics are the figures of the public listener.
type metrics struct {
	requests  *prometheus.CounterVec
	bytes     prometheus.Counter
	seconds   *prometheus.HistogramVec
	refused   *prometheus.CounterVec
	warnings  prometheus.Counter
	unfetched *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_requests_total", Help: "Requests answered, by status (499: the client did not wait) and by what the cache did (memory, disk, bucket, stale, miss; empty: it holds nothing for such a request, or the request was refused or failed before there was a variant).",
		}, []string{"status", "cache"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tintype_response_bytes_total", Help: "Bytes of response bodies sent.",
		}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tintype_request_seconds", Help: "How long requests took, by what the cache did.",
			Buckets: []float64{.0001, .0005, .001, .005, .01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"cache"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_limited_total", Help: "Requests refused since a limit was used up, by what is limited (requests, transforms) and by the limit's window.",
		}, []string{"what", "window"}),
		warnings: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tintype_limit_warnings_total", Help: "Days and months of workspaces in which 80 % of a limit came to be used.",
		}),
		unfetched: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_fetches_refused_total", Help: "Fetches of originals that found no place in time, by the bound that was full (all, workspace, host, workspace_host: of one workspace from one host, queue).",
		}, []string{"bound"}),
	}
	m.begin()
	if r != nil {
		r.MustRegister(m.requests, m.bytes, m.seconds, m.refused, m.warnings, m.unfetched)
	}
	return m
}

// begin has the counters of all that is known beforehand start at 0, so that a rate
// counts their first event.
func (m *metrics) begin() {
	ofImages := []int{http.StatusOK, http.StatusPartialContent, http.StatusNotModified}
	for _, kind := range fault.All() {
		if kind.Remembered || kind.Original { // the cache keeps it, or the image that stands in
			ofImages = append(ofImages, kind.Status)
		}
	}
	for _, did := range []string{"memory", "disk", "bucket", "stale", "miss"} {
		for _, status := range ofImages {
			m.requests.WithLabelValues(strconv.Itoa(status), did)
		}
		m.seconds.WithLabelValues(did)
	}
	m.seconds.WithLabelValues("")
	for _, status := range []int{http.StatusOK, http.StatusNoContent, http.StatusNotModified, statusClientGone} {
		m.requests.WithLabelValues(strconv.Itoa(status), "")
	}
	for _, kind := range fault.All() {
		m.requests.WithLabelValues(strconv.Itoa(kind.Status), "")
	}
	m.refused.WithLabelValues("requests", string(limit.Minute))
	for _, window := range []limit.Window{limit.Minute, limit.Day, limit.Month} {
		m.refused.WithLabelValues("transforms", string(window))
	}
	for _, b := range []fetchBound{boundAll, boundWorkspace, boundHost, boundWorkspaceHost, boundQueue} {
		m.unfetched.WithLabelValues(string(b))
	}
}

func (m *metrics) observe(res *response, took time.Duration) {
	m.requests.WithLabelValues(strconv.Itoa(res.status), res.log.cache).Inc()
	m.bytes.Add(float64(res.bytes))
	m.seconds.WithLabelValues(res.log.cache).Observe(took.Seconds())
}

func (m *metrics) fetchRefused(b fetchBound) { m.unfetched.WithLabelValues(string(b)).Inc() }

// watch registers the figures of fetches.
func (m *metrics) watch(r prometheus.Registerer, f *fetchGate) {
	if r == nil {
		return
	}
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tintype_fetches_running", Help: "Originals that are being fetched over the network.",
		}, func() float64 { running, _ := f.figures(); return float64(running) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tintype_fetches_waiting", Help: "Fetches that wait for a place.",
		}, func() float64 { _, waiting := f.figures(); return float64(waiting) }),
	)
}

package server

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the figures of the public listener.
type metrics struct {
	requests *prometheus.CounterVec
	bytes    prometheus.Counter
	seconds  *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	warnings prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_requests_total", Help: "Requests answered, by status and by what the cache did (memory, disk, stale, miss; empty: not an image).",
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
	}
	if r != nil {
		r.MustRegister(m.requests, m.bytes, m.seconds, m.refused, m.warnings)
	}
	return m
}

func (m *metrics) observe(res *response, took time.Duration) {
	m.requests.WithLabelValues(strconv.Itoa(res.status), res.log.cache).Inc()
	m.bytes.Add(float64(res.bytes))
	m.seconds.WithLabelValues(res.log.cache).Observe(took.Seconds())
}

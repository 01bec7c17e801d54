package peer

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/cache"
)

// metrics are the figures of a fleet.
type metrics struct {
	fills   *prometheus.CounterVec
	answers *prometheus.CounterVec
	seconds prometheus.Histogram
}

func newMetrics(r prometheus.Registerer, members func() float64) *metrics {
	m := &metrics{
		fills: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_peer_fills_total", Help: "Variants that another server of the fleet was asked for, by result: ok, error (about the original), busy, gone, silent, declined (it has other settings, or failed), left (nobody waited). After the last five, this server makes the variant itself, if anybody waits.",
		}, []string{"result"}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_peer_answers_total", Help: "Questions of other servers of the fleet, by what they got: made, found (it was cached, or was being made), error (about the original), busy, declined.",
		}, []string{"result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tintype_peer_fill_seconds", Help: "How long other servers of the fleet took for a variant that they were asked for.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
	}
	for _, result := range []string{"ok", "error", "busy", "gone", "silent", "declined", "left"} {
		m.fills.WithLabelValues(result)
	}
	for _, result := range []string{"made", "found", "error", "busy", "declined"} {
		m.answers.WithLabelValues(result)
	}
	if r != nil {
		r.MustRegister(m.fills, m.answers, m.seconds, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tintype_peers", Help: "Servers of the fleet that share the work of making variants, this one included. 0 without --peer-listen.",
		}, members))
	}
	return m
}

// Idle registers the figures of a server that is in no fleet, all 0.
func Idle(r prometheus.Registerer) { newMetrics(r, func() float64 { return 0 }) }

func (m *metrics) asked(e *cache.Entry, err error, took time.Duration) {
	result := "ok"
	switch {
	case errors.Is(err, ErrBusy), errors.Is(err, cache.ErrNoRoom):
		result = "busy"
	case errors.Is(err, ErrGone):
		result = "gone"
	case errors.Is(err, ErrSilent):
		result = "silent"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		result = "left"
	case err != nil:
		result = "declined"
	case e.Code != "":
		result = "error"
	}
	m.fills.WithLabelValues(result).Inc()
	if err == nil {
		m.seconds.Observe(took.Seconds())
	}
}

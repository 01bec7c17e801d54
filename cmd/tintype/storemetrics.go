package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
)

// storeCalls counts what the store asks its table, or its database.
type storeCalls struct {
	calls     *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	units     *prometheus.CounterVec
	throttled prometheus.Counter
}

// newStoreCalls returns the counters of a store, on another machine or on this one. They exist
// before the first call.
func newStoreCalls(elsewhere bool) *storeCalls {
	m := &storeCalls{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_store_calls_total", Help: "Calls of the store, by operation (of DynamoDB, or read and write with SQLite) and by result: ok, condition (another write came between, or what is stored isn't as needed), throttled, timeout, left (nobody waited), error.",
		}, []string{"call", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tintype_store_call_seconds", Help: "How long calls of the store took, with their tries and the pauses between them, by operation.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"call"}),
		units: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_store_units_total", Help: "Request units that DynamoDB says this server has consumed, by kind (read, write). It doesn't tell those of refused calls. 0 with SQLite.",
		}, []string{"kind"}),
		throttled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tintype_store_throttled_total", Help: "Requests that DynamoDB refused for too much load. Each is tried again, so few of them fail in the end.",
		}),
	}
	calls := []string{"read", "write"}
	if elsewhere {
		calls = []string{"GetItem", "Query", "BatchGetItem", "PutItem", "UpdateItem", "TransactWriteItems", "BatchWriteItem"}
	}
	for _, call := range calls {
		m.seconds.WithLabelValues(call)
		for _, result := range workspace.CallResults() {
			m.calls.WithLabelValues(call, string(result))
		}
	}
	m.units.WithLabelValues("read")
	m.units.WithLabelValues("write")
	return m
}

func (m *storeCalls) watch(c workspace.Call) {
	m.calls.WithLabelValues(c.Name, string(c.Result)).Inc()
	m.seconds.WithLabelValues(c.Name).Observe(c.Took.Seconds())
	m.units.WithLabelValues("read").Add(c.Read)
	m.units.WithLabelValues("write").Add(c.Write)
	m.throttled.Add(float64(c.Throttled))
}

// Describe implements prometheus.Collector.
func (m *storeCalls) Describe(c chan<- *prometheus.Desc) {
	for _, part := range []prometheus.Collector{m.calls, m.seconds, m.units, m.throttled} {
		part.Describe(c)
	}
}

// Collect implements prometheus.Collector.
func (m *storeCalls) Collect(c chan<- prometheus.Metric) {
	for _, part := range []prometheus.Collector{m.calls, m.seconds, m.units, m.throttled} {
		part.Collect(c)
	}
}

// feedMetrics collects how this server follows the store.
type feedMetrics struct{ *cached.Store }

var (
	feedAge     = prometheus.NewDesc("tintype_store_feed_age_seconds", "How long ago this server last began a look at the store's feed that read all of it. Up to 5 s and the time of the look where all is well.", nil, nil)
	feedWaiting = prometheus.NewDesc("tintype_store_feed_unread", "Workspaces in memory that were changed elsewhere and haven't been read again yet.", nil, nil)
	feedDown    = prometheus.NewDesc("tintype_store_down", "1 while the store counts as down and the last known copies serve, else 0.", nil, nil)
)

// Describe implements prometheus.Collector.
func (feedMetrics) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{feedAge, feedWaiting, feedDown} {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (m feedMetrics) Collect(c chan<- prometheus.Metric) {
	f := m.Feed()
	c <- prometheus.MustNewConstMetric(feedAge, prometheus.GaugeValue, f.Age.Seconds())
	c <- prometheus.MustNewConstMetric(feedWaiting, prometheus.GaugeValue, float64(f.Waiting))
	c <- prometheus.MustNewConstMetric(feedDown, prometheus.GaugeValue, oneIf(f.Down))
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// unsentMetrics collects how much isn't in the store yet.
type unsentMetrics struct {
	counts *usage.Recorder
	log    *usage.Journal
	errors *usage.Errors
}

var (
	unsentRows = prometheus.NewDesc("tintype_unsent", "What isn't in the store yet, by what it is: counts (rows of usage, those on disk too), log (lines of the access log), errors (workspaces with new errors of images). The audit log is written with the change it is about.", []string{"what"}, nil)
	unsentLost = prometheus.NewDesc("tintype_unsent_left_out_total", "What was left out since the store took it too slowly or there was too much of it, by what it is: log (lines of the access log), errors (of images).", []string{"what"}, nil)
)

// Describe implements prometheus.Collector.
func (unsentMetrics) Describe(c chan<- *prometheus.Desc) { c <- unsentRows; c <- unsentLost }

// Collect implements prometheus.Collector.
func (m unsentMetrics) Collect(c chan<- prometheus.Metric) {
	lines, leftOut := m.log.Waiting()
	failed, forgotten := m.errors.Waiting()
	c <- prometheus.MustNewConstMetric(unsentRows, prometheus.GaugeValue, float64(m.counts.Waiting()), "counts")
	c <- prometheus.MustNewConstMetric(unsentRows, prometheus.GaugeValue, float64(lines), "log")
	c <- prometheus.MustNewConstMetric(unsentRows, prometheus.GaugeValue, float64(failed), "errors")
	c <- prometheus.MustNewConstMetric(unsentLost, prometheus.CounterValue, float64(leftOut), "log")
	c <- prometheus.MustNewConstMetric(unsentLost, prometheus.CounterValue, float64(forgotten), "errors")
}

// limiterMetric says whether limits are counted by this server alone.
func limiterMetric(l *limit.Limiter) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tintype_limits_alone", Help: "1 while this server counts limits alone, since the store of limits fails, else 0.",
	}, func() float64 { return oneIf(l.Alone()) })
}

package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/cache"
)

// A tier is a cache tier that counts what it does.
type tier interface{ Stats() cache.Stats }

// tierMetrics shows the figures of the cache tiers, read when they are asked for.
type tierMetrics map[string]tier

var tierFigures = []struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(cache.Stats) float64
}{
	{tierDesc("bytes", "Bytes that the tier holds."), prometheus.GaugeValue, func(s cache.Stats) float64 { return float64(s.Bytes) }},
	{tierDesc("entries", "Entries that the tier holds."), prometheus.GaugeValue, func(s cache.Stats) float64 { return float64(s.Entries) }},
	{tierDesc("hits_total", "Lookups that found their entry."), prometheus.CounterValue, func(s cache.Stats) float64 { return float64(s.Hits) }},
	{tierDesc("misses_total", "Lookups that found none."), prometheus.CounterValue, func(s cache.Stats) float64 { return float64(s.Misses) }},
	{tierDesc("puts_total", "Entries stored."), prometheus.CounterValue, func(s cache.Stats) float64 { return float64(s.Puts) }},
	{tierDesc("dropped_total", "Entries not stored: too large, or the write queue was full."), prometheus.CounterValue, func(s cache.Stats) float64 { return float64(s.Dropped) }},
	{tierDesc("evictions_total", "Entries that made room for others."), prometheus.CounterValue, func(s cache.Stats) float64 { return float64(s.Evictions) }},
	{tierDesc("corrupt_total", "Entries that failed their checksum and were deleted."), prometheus.CounterValue, func(s cache.Stats) float64 { return float64(s.Corrupt) }},
	{tierDesc("failures_total", "Reads and writes that the device failed."), prometheus.CounterValue, func(s cache.Stats) float64 { return float64(s.Failures) }},
}

func tierDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("tintype_cache_"+name, help, []string{"tier"}, nil)
}

// Describe implements prometheus.Collector.
func (tierMetrics) Describe(c chan<- *prometheus.Desc) {
	for _, f := range tierFigures {
		c <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (m tierMetrics) Collect(c chan<- prometheus.Metric) {
	for name, t := range m {
		s := t.Stats()
		for _, f := range tierFigures {
			c <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(s), name)
		}
	}
}

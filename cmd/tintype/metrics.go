package main

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform/worker"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/sqlite"
)

// A tier is a cache tier with statistics.
type tier interface{ Stats() cache.Stats }

// tierMetrics collects the figures of the cache tiers.
type tierMetrics map[string]tier

var tierFigures = []struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(cache.Stats) float64
}{
	{tierDesc("bytes", "Bytes that the tier holds."), prometheus.GaugeValue, func(s cache.Stats) float64 { return float64(s.Bytes) }},
	{tierDesc("entries", "Entries that the tier holds."), prometheus.GaugeValue, func(s cache.Stats) float64 { return float64(s.Entries) }},
	{tierDesc("hits_total", "Lookups that found their entry."), prometheus.CounterValue, func(s cache.Stats) float64 { return float64(s.Hits) }},
	{tierDesc("misses_total", "Lookups that found no entry."), prometheus.CounterValue, func(s cache.Stats) float64 { return float64(s.Misses) }},
	{tierDesc("puts_total", "Entries stored."), prometheus.CounterValue, func(s cache.Stats) float64 { return float64(s.Puts) }},
	{tierDesc("dropped_total", "Entries not stored: too large, or the write queue was full."), prometheus.CounterValue, func(s cache.Stats) float64 { return float64(s.Dropped) }},
	{tierDesc("evictions_total", "Entries that made room for others."), prometheus.CounterValue, func(s cache.Stats) float64 { return float64(s.Evictions) }},
	{tierDesc("corrupt_total", "Entries that failed their checksum and were deleted."), prometheus.CounterValue, func(s cache.Stats) float64 { return float64(s.Corrupt) }},
	{tierDesc("failures_total", "Reads and writes that failed."), prometheus.CounterValue, func(s cache.Stats) float64 { return float64(s.Failures) }},
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

// workspaceMetrics collects the figures of the workspaces that this server keeps, and of copies on
// its disk. Copies are nil with a store on this machine.
type workspaceMetrics struct {
	workspaces *cached.Store
	copies     *sqlite.Copies
}

var workspaceFigures = []struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(cached.Stats) float64
}{
	{workspaceDesc("held", "Workspaces in memory."), prometheus.GaugeValue, func(s cached.Stats) float64 { return float64(s.Workspaces) }},
	{workspaceDesc("bytes", "Bytes of memory that workspaces take, by estimate, with what images need of them."), prometheus.GaugeValue, func(s cached.Stats) float64 { return float64(s.Bytes) }},
	{workspaceDesc("limit_bytes", "Bytes of memory that workspaces may take (--workspace-memory)."), prometheus.GaugeValue, func(s cached.Stats) float64 { return float64(s.Limit) }},
	{workspaceDesc("evictions_total", "Workspaces that left memory, since others needed the room."), prometheus.CounterValue, func(s cached.Stats) float64 { return float64(s.Evicted) }},
}

var copyFigures = []struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(sqlite.CopiesStats) float64
}{
	{copyDesc("bytes", "Bytes on the disk that copies of workspaces take. 0 with a store on this machine."), prometheus.GaugeValue, func(s sqlite.CopiesStats) float64 { return float64(s.Bytes) }},
	{copyDesc("limit_bytes", "Bytes on the disk that copies of workspaces may take (--copies-disk)."), prometheus.GaugeValue, func(s sqlite.CopiesStats) float64 { return float64(s.Limit) }},
	{copyDesc("evictions_total", "Copies that left the disk, since others needed the room."), prometheus.CounterValue, func(s sqlite.CopiesStats) float64 { return float64(s.Gone) }},
}

var workspaceLoads = prometheus.NewDesc("tintype_workspaces_loaded_total", "Workspaces that came into memory for a request, by where they were read (store, copies).", []string{"from"}, nil)

func workspaceDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("tintype_workspaces_"+name, help, nil, nil)
}

func copyDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("tintype_copies_"+name, help, nil, nil)
}

// Describe implements prometheus.Collector.
func (workspaceMetrics) Describe(c chan<- *prometheus.Desc) {
	for _, f := range workspaceFigures {
		c <- f.desc
	}
	for _, f := range copyFigures {
		c <- f.desc
	}
	c <- workspaceLoads
}

// Collect implements prometheus.Collector.
func (m workspaceMetrics) Collect(c chan<- prometheus.Metric) {
	s := m.workspaces.Stats()
	for _, f := range workspaceFigures {
		c <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(s))
	}
	c <- prometheus.MustNewConstMetric(workspaceLoads, prometheus.CounterValue, float64(s.Loaded), "store")
	c <- prometheus.MustNewConstMetric(workspaceLoads, prometheus.CounterValue, float64(s.Copied), "copies")
	var copies sqlite.CopiesStats
	if m.copies != nil {
		copies = m.copies.Stats()
	}
	for _, f := range copyFigures {
		c <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(copies))
	}
}

// bodyMetrics collects the figures of the originals that are read or in use.
type bodyMetrics struct{ *origin.Bodies }

var (
	bodyBytes   = bodyDesc("bytes", "Bytes of originals that are being read or in use, by where they are (memory, disk).", "place")
	bodyLimit   = bodyDesc("limit_bytes", "Bytes that originals may take at most, by where they are.", "place")
	bodyPeak    = bodyDesc("peak_bytes", "The most bytes that originals took since the start, by where they are.", "place")
	bodyCount   = bodyDesc("held", "Originals by state: reading (they are being read), whole (they wait for their transform or are in use).", "state")
	bodyEnded   = bodyDesc("ended_total", "Originals that were not read to their end, by reason: room (another took their room), wait (they found no room in time), slow.", "reason")
	bodySpilled = bodyDesc("spilled_total", "Originals that went to files in the data folder.")
	bodyDisk    = bodyDesc("disk_failures_total", "Times that the data folder had no room for originals, or failed.")
)

func bodyDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tintype_originals_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (bodyMetrics) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{bodyBytes, bodyLimit, bodyPeak, bodyCount, bodyEnded, bodySpilled, bodyDisk} {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (m bodyMetrics) Collect(c chan<- prometheus.Metric) {
	s := m.Stats()
	for _, f := range []struct {
		desc  *prometheus.Desc
		kind  prometheus.ValueType
		value int64
		label string
	}{
		{bodyBytes, prometheus.GaugeValue, s.Memory, "memory"},
		{bodyBytes, prometheus.GaugeValue, s.Disk, "disk"},
		{bodyLimit, prometheus.GaugeValue, s.MemoryLimit, "memory"},
		{bodyLimit, prometheus.GaugeValue, s.DiskLimit, "disk"},
		{bodyPeak, prometheus.GaugeValue, s.PeakMemory, "memory"},
		{bodyPeak, prometheus.GaugeValue, s.PeakDisk, "disk"},
		{bodyCount, prometheus.GaugeValue, int64(s.Reading), "reading"},
		{bodyCount, prometheus.GaugeValue, int64(s.Whole), "whole"},
		{bodyEnded, prometheus.CounterValue, s.Evicted, "room"},
		{bodyEnded, prometheus.CounterValue, s.Refused, "wait"},
		{bodyEnded, prometheus.CounterValue, s.Slow, "slow"},
		{bodySpilled, prometheus.CounterValue, s.Spilled, ""},
		{bodyDisk, prometheus.CounterValue, s.DiskFailures, ""},
	} {
		var labels []string
		if f.label != "" {
			labels = []string{f.label}
		}
		c <- prometheus.MustNewConstMetric(f.desc, f.kind, float64(f.value), labels...)
	}
}

// poolMetrics collects the figures of the worker processes.
type poolMetrics struct{ *worker.Pool }

var (
	poolProcesses = poolDesc("processes", "Worker processes, by state (idle, busy, starting).", "state")
	poolWaiting   = poolDesc("queue_length", "Transforms that wait for a worker.")
	poolRunning   = poolDesc("running", "Transforms that run.")
	poolBudget    = poolDesc("budget_bytes", "Bound of the estimated memory of all running transforms.")
	poolUsed      = poolDesc("budget_used_bytes", "Estimated memory of the running transforms.")
	poolMemory    = poolDesc("memory_bytes", "Memory that the worker processes hold for themselves.")
	poolBlamed    = poolDesc("blamed_originals", "Variants and originals that are refused because a worker was lost over them.")
	poolStarted   = poolDesc("started_total", "Worker processes that became ready.")
	poolRetired   = poolDesc("retired_total", "Worker processes replaced because of the number of their jobs or their memory.")
	poolRetried   = poolDesc("retried_total", "Transforms given to another worker because the first was lost.")
	poolRefused   = poolDesc("refused_total", "Transforms refused by the queue, by reason (full, late).", "reason")
	poolDeaths    = poolDesc("lost_total", "Worker processes lost, by reason and by the original of their job.", "reason", "workspace", "source", "format")
	poolWaits     = poolDesc("queue_seconds", "How long transforms waited for a worker.")
	poolTimes     = prometheus.NewDesc("tintype_transform_seconds", "How long workers took for a job, without the wait for a worker, by endpoint (transform, info, placeholder, grid) and by format of the answer.", []string{"endpoint", "format"}, nil)
	poolReplaced  = poolDesc("replaced_seconds", "Time from the loss of a worker until all workers were ready again.")
)

func poolDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tintype_workers_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (m poolMetrics) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		poolProcesses, poolWaiting, poolRunning, poolBudget, poolUsed, poolMemory, poolBlamed, poolStarted, poolRetired, poolRetried,
		poolRefused, poolDeaths, poolWaits, poolReplaced, poolTimes,
	} {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (m poolMetrics) Collect(c chan<- prometheus.Metric) {
	s := m.Stats()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(poolProcesses, float64(s.Idle), "idle")
	gauge(poolProcesses, float64(s.Busy), "busy")
	gauge(poolProcesses, float64(s.Starting), "starting")
	gauge(poolWaiting, float64(s.Waiting))
	gauge(poolRunning, float64(s.Running))
	gauge(poolBudget, float64(s.Budget))
	gauge(poolUsed, float64(s.Used))
	gauge(poolMemory, float64(s.PrivateSize))
	gauge(poolBlamed, float64(s.Blamed))
	counter(poolStarted, s.Started)
	counter(poolRetired, s.Retired)
	counter(poolRetried, s.Retried)
	for reason, n := range s.Refused {
		counter(poolRefused, n, reason)
	}
	for _, reason := range worker.LossReasons() { // counters start at 0
		if idle := (worker.Death{Reason: reason}); s.Deaths[idle] == 0 {
			counter(poolDeaths, 0, reason, "", "", "")
		}
	}
	for d, n := range s.Deaths {
		counter(poolDeaths, n, d.Reason, d.Workspace, d.Source, d.Format)
	}
	histogram := func(d *prometheus.Desc, h worker.Histogram, labels ...string) {
		buckets := map[float64]uint64{}
		for i, bound := range h.Bounds {
			buckets[bound] = h.Counts[i]
		}
		c <- prometheus.MustNewConstHistogram(d, h.Count, h.Sum, buckets, labels...)
	}
	histogram(poolWaits, s.Waits)
	histogram(poolReplaced, s.Replaced)
	for kind, h := range s.Times {
		histogram(poolTimes, h, kind.Endpoint, string(kind.Format))
	}
}

// buildInfo is 1, labelled with the versions of what runs.
func buildInfo() prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tintype_build_info", Help: "1, labelled with the versions of Tintype, Go and libvips, and the encoder of JPEGs.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version(), "libvips": engineVersion(), "jpeg_encoder": jpegEncoder()},
	})
	info.Set(1)
	return info
}

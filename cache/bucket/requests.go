package bucket

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/aws/smithy-go"
	"github.com/prometheus/client_golang/prometheus"
)

// What is asked of a bucket, by the names that it bills.
const (
	requestGet = iota
	requestPut
	requestDelete
	requestList
	requestKinds
)

// What becomes of it.
const (
	resultOK = iota
	resultAbsent
	resultLate   // it took longer than a lookup may
	resultFailed // also what nobody waited for any more
	results
)

var (
	requestNames = [requestKinds]string{"get", "put", "delete", "list"}
	resultNames  = [results]string{"ok", "absent", "late", "failed"}
)

// requests counts requests by what becomes of them. One that is sent again after a failure counts
// once. It is safe for concurrent use.
type requests struct {
	n [requestKinds][results]atomic.Uint64
}

func (r *requests) count(ctx context.Context, kind int, err error) {
	result := resultFailed
	switch {
	case errors.Is(context.Cause(ctx), errLate):
		result = resultLate
	case isAbsent(err):
		result = resultAbsent
	case err == nil, errors.Is(err, errTooLarge), errors.Is(err, errNoRoom), errors.Is(err, errList):
		result = resultOK
	}
	r.n[kind][result].Add(1)
}

// isAbsent reports whether an error of the bucket means that there is no such object.
func isAbsent(err error) bool {
	if errors.Is(err, errAbsent) {
		return true
	}
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && api.ErrorCode() == "NoSuchKey"
}

var (
	requestsTotal = metric("requests_total", "Requests to the cache's bucket, by kind (get, put, delete, list) and result (ok, absent, late, failed). One that is sent again after a failure counts once.", "request", "result")
	unaskedTotal  = metric("unasked_total", "Lookups that missed without a request to the cache's bucket, by reason: filter (the bucket hasn't it, by what servers have written), again (it had none a moment ago), paused (the bucket fails).", "reason")
	heldTotal     = metric("held_total", "Variants that aren't written to the cache's bucket before they are asked for again.")
	sweptTotal    = metric("swept_total", "Objects of the cache's bucket that were deleted for their age.")
	filterBytes   = metric("filter_bytes", "Memory of the filter of what the cache's bucket holds.")
	filterEntries = metric("filter_entries", "Variants in the filter of what the cache's bucket holds.")
	filterIn      = metric("filter_in_use", "1 where the filter of what the cache's bucket holds spares lookups, 0 until it is known to be right.")
)

func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tintype_cache_bucket_"+name, help, labels, nil)
}

// Describe implements [prometheus.Collector].
func (c *Cache) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{requestsTotal, unaskedTotal, heldTotal, sweptTotal, filterBytes, filterEntries, filterIn} {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *Cache) Collect(to chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	for kind, name := range requestNames {
		for result, of := range resultNames {
			if kind != requestGet && (result == resultAbsent || result == resultLate) {
				continue
			}
			send(requestsTotal, prometheus.CounterValue, float64(c.store.requests.n[kind][result].Load()), name, of)
		}
	}
	c.mu.Lock()
	unasked, held, swept := c.unasked, c.held, c.sweptObjects
	c.mu.Unlock()
	for reason, n := range map[string]uint64{"filter": unasked.filter, "again": unasked.again, "paused": unasked.paused} {
		send(unaskedTotal, prometheus.CounterValue, float64(n), reason)
	}
	send(heldTotal, prometheus.CounterValue, float64(held))
	send(sweptTotal, prometheus.CounterValue, float64(swept))
	var f indexFigures
	if c.index != nil {
		f = c.index.figures()
	}
	send(filterBytes, prometheus.GaugeValue, float64(f.bytes))
	send(filterEntries, prometheus.GaugeValue, float64(f.prints))
	inUse := 0.
	if f.believed {
		inUse = 1
	}
	send(filterIn, prometheus.GaugeValue, inUse)
}

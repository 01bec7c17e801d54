package delivery

import (
	"cmp"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/origin"
)

// metrics are the figures of originals, and of images that were refused or had to wait.
type metrics struct {
	refused   *prometheus.CounterVec
	unfetched *prometheus.CounterVec
	seconds   *prometheus.HistogramVec // by kind of source
	failed    *prometheus.CounterVec
}

// origins are the kinds of places that originals come from. Those that the URL of a request
// names are "url".
var origins = []string{"http", "s3", "r2", "dir", "url"}

// originErrors name the errors of origins in metrics.
var originErrors = []struct {
	kind string
	is   error
}{
	{"not_found", origin.ErrNotFound},
	{"timeout", origin.ErrTimeout},
	{"too_large", origin.ErrTooLarge},
	{"address", origin.ErrAddress},
	{"not_allowed", origin.ErrNotAllowed},
	{"invalid", origin.ErrInvalidURL},
	{"invalid", origin.ErrInvalidPath},
	{"unavailable", origin.ErrUnavailable},
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_limited_total", Help: "Requests refused since a limit was used up, by what is limited (requests, transforms) and by the limit's window.",
		}, []string{"what", "window"}),
		unfetched: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_fetches_refused_total", Help: "Fetches of originals that found no place in time, by the bound that was full (all, workspace, host, workspace_host: of one workspace from one host, queue).",
		}, []string{"bound"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tintype_fetch_seconds", Help: "How long originals took to be read, without the wait for a place, by where they are: the kind of a source (http, s3, r2, dir), or url for those that the URL of a request names.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"origin"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_origin_errors_total", Help: "Originals that couldn't be read, by where they are and by kind: not_found, timeout, too_large, address (private or special), not_allowed (a redirect that the workspace doesn't allow), invalid (path or URL), unavailable (no connection, a short body, another status), other.",
		}, []string{"origin", "kind"}),
	}
	// Counters start at 0, so that a rate counts their first event.
	m.refused.WithLabelValues("requests", string(limit.Minute))
	for _, window := range []limit.Window{limit.Minute, limit.Day, limit.Month} {
		m.refused.WithLabelValues("transforms", string(window))
	}
	for _, b := range []bound{boundAll, boundWorkspace, boundHost, boundWorkspaceHost, boundQueue} {
		m.unfetched.WithLabelValues(string(b))
	}
	for _, from := range origins {
		m.seconds.WithLabelValues(from)
		m.failed.WithLabelValues(from, "other")
		for _, e := range originErrors {
			m.failed.WithLabelValues(from, e.kind)
		}
	}
	if r != nil {
		r.MustRegister(m.refused, m.unfetched, m.seconds, m.failed)
	}
	return m
}

// fetched notes that an original of r was read, or why it wasn't. What was given up because
// of others here is no error of the origin.
func (m *metrics) fetched(r ref, took time.Duration, err error) {
	from := kindOfOrigin(r)
	if err == nil || errors.Is(err, origin.ErrNotModified) {
		m.seconds.WithLabelValues(from).Observe(took.Seconds())
		return
	}
	m.failed.WithLabelValues(from, errorKind(err)).Inc()
}

// kindOfOrigin names where an original is.
func kindOfOrigin(r ref) string {
	if r.source == nil {
		return "url"
	}
	return cmp.Or(r.source.Kind, "http")
}

func errorKind(err error) string {
	for _, e := range originErrors {
		if errors.Is(err, e.is) {
			return e.kind
		}
	}
	return "other"
}

func (m *metrics) fetchRefused(b bound) { m.unfetched.WithLabelValues(string(b)).Inc() }

// watch registers the figures of fetches.
func (m *metrics) watch(r prometheus.Registerer, f *gate) {
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

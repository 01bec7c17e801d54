package delivery

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/limit"
)

// metrics are the figures of images that were refused or had to wait.
type metrics struct {
	refused   *prometheus.CounterVec
	unfetched *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_limited_total", Help: "Requests refused since a limit was used up, by what is limited (requests, transforms) and by the limit's window.",
		}, []string{"what", "window"}),
		unfetched: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_fetches_refused_total", Help: "Fetches of originals that found no place in time, by the bound that was full (all, workspace, host, workspace_host: of one workspace from one host, queue).",
		}, []string{"bound"}),
	}
	// Counters start at 0, so that a rate counts their first event.
	m.refused.WithLabelValues("requests", string(limit.Minute))
	for _, window := range []limit.Window{limit.Minute, limit.Day, limit.Month} {
		m.refused.WithLabelValues("transforms", string(window))
	}
	for _, b := range []bound{boundAll, boundWorkspace, boundHost, boundWorkspaceHost, boundQueue} {
		m.unfetched.WithLabelValues(string(b))
	}
	if r != nil {
		r.MustRegister(m.refused, m.unfetched)
	}
	return m
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

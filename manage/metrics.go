package manage

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/workspace"
)

// metrics counts purges.
type metrics struct {
	purges  *prometheus.CounterVec
	widened *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		purges: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_purges_total", Help: "Purges that this server received, by kind (all, source, prefix, path, url, mark).",
		}, []string{"kind"}),
		widened: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_purges_widened_total", Help: "Purges replaced by wider ones because a workspace has too many, by the kind of the wider one (slice: a part of all paths by their hashes, prefix, source, all).",
		}, []string{"kind"}),
	}
	for _, kind := range []workspace.PurgeKind{
		workspace.PurgeAll, workspace.PurgeSource, workspace.PurgePrefix, workspace.PurgePath, workspace.PurgeURL, workspace.PurgeMark,
	} {
		m.purges.WithLabelValues(string(kind))
	}
	for _, kind := range []workspace.PurgeKind{workspace.PurgeSlice, workspace.PurgePrefix, workspace.PurgeSource, workspace.PurgeAll} {
		m.widened.WithLabelValues(string(kind))
	}
	if r != nil {
		r.MustRegister(m.purges, m.widened)
	}
	return m
}

func (m *metrics) purged(purges []workspace.Purge, widened []workspace.Widened) {
	for _, p := range purges {
		m.purges.WithLabelValues(string(p.Kind)).Inc()
	}
	for _, w := range widened {
		m.widened.WithLabelValues(string(w.Kind)).Add(float64(w.Purges))
	}
}

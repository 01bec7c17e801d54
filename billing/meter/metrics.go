package meter

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics say what becomes of events.
type metrics struct {
	events  *prometheus.CounterVec
	waiting *prometheus.GaugeVec
	oldest  *prometheus.GaugeVec
}

func newMetrics(r prometheus.Registerer, sinks []Sink) *metrics {
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_billing_events_total", Help: "Events of usage by receiver and result: sent, skipped (the workspace has no customer there), failed (sent again later), reported (not billed: see the log).",
		}, []string{"sink", "result"}),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tintype_billing_backlog_events", Help: "Events of usage in the journal that the receiver hasn't taken yet. 0 on servers that don't send.",
		}, []string{"sink"}),
		oldest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tintype_billing_backlog_oldest_timestamp_seconds", Help: "Time of the oldest event of usage that the receiver hasn't taken yet, as a Unix time. 0 if there is none.",
		}, []string{"sink"}),
	}
	for _, s := range sinks {
		for _, result := range []string{"sent", "skipped", "failed", "reported"} {
			m.events.WithLabelValues(s.Name(), result)
		}
		m.empty(s.Name())
	}
	if r != nil {
		r.MustRegister(m.events, m.waiting, m.oldest)
	}
	return m
}

func (m *metrics) sent(sink string, err error) {
	result := "sent"
	if errors.Is(err, ErrSkip) {
		result = "skipped"
	}
	m.events.WithLabelValues(sink, result).Inc()
}

func (m *metrics) failed(sink string)   { m.events.WithLabelValues(sink, "failed").Inc() }
func (m *metrics) reported(sink string) { m.events.WithLabelValues(sink, "reported").Inc() }

func (m *metrics) empty(sink string) { m.backlog(sink, 0, time.Time{}) }

func (m *metrics) backlog(sink string, events int, oldest time.Time) {
	m.waiting.WithLabelValues(sink).Set(float64(events))
	seconds := 0.0
	if !oldest.IsZero() {
		seconds = float64(oldest.Unix())
	}
	m.oldest.WithLabelValues(sink).Set(seconds)
}

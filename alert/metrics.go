package alert

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the figures of an Engine.
type metrics struct {
	alerts *prometheus.CounterVec
	sends  *prometheus.CounterVec
	waits  prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_alerts_total", Help: "Alerts of workspaces that this server fired or ended, by rule and by what happened (fired, over).",
		}, []string{"rule", "what"}),
		sends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_alert_deliveries_total", Help: "Tries of this server to send a message of an alert, by kind of channel and by result (ok, failed).",
		}, []string{"kind", "result"}),
		waits: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tintype_alert_outbox_messages", Help: "Messages of alerts that a channel hasn't taken, and that are sent again. 0 on servers that don't send.",
		}),
	}
	for _, k := range kinds { // counters start at 0
		m.alerts.WithLabelValues(string(k.Rule), "fired")
		m.alerts.WithLabelValues(string(k.Rule), "over")
	}
	for _, kind := range []ChannelKind{Email, Webhook, Slack} {
		m.sends.WithLabelValues(string(kind), "ok")
		m.sends.WithLabelValues(string(kind), "failed")
	}
	if r != nil {
		r.MustRegister(m.alerts, m.sends, m.waits)
	}
	return m
}

func (m *metrics) fired(rule Rule, over bool) {
	what := "fired"
	if over {
		what = "over"
	}
	m.alerts.WithLabelValues(string(rule), what).Inc()
}

func (m *metrics) sent(kind ChannelKind, err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.sends.WithLabelValues(string(kind), result).Inc()
}

package server

import (
	"maps"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/delivery"
)

// counters returns the counters of one name. The keys are the values of their labels, in the
// order of the labels' names.
func counters(t *testing.T, from prometheus.Gatherer, name string) (help string, values map[string]float64) {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values = map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			values[strings.Join(labels, " ")] = m.GetCounter().GetValue()
		}
		return family.GetHelp(), values
	}
	t.Fatalf("no %s", name)
	return "", nil
}

// Counters must exist before their first event: the rate of a counter that appears as 1 is 0.
func TestCountersStartAtZero(t *testing.T) {
	figures := prometheus.NewRegistry()
	b := newBench(t, func(c *delivery.Config) { c.Metrics = figures })
	b.registry.Set(t, b.acme())
	for name, known := range map[string][]string{
		"tintype_requests_total": {
			"memory 200", "disk 200", "bucket 200", "stale 200", "miss 200", "memory 304", "miss 206",
			" 200", " 400", " 401", " 403", " 404", " 422", " 429", " 499", " 500", " 502", " 503", " 504",
		},
		"tintype_limited_total":         {"requests minute", "transforms minute", "transforms day", "transforms month"},
		"tintype_fetches_refused_total": {"all", "workspace", "host", "workspace_host", "queue"},
		"tintype_limit_warnings_total":  {""},
		"tintype_response_bytes_total":  {""},
	} {
		_, values := counters(t, figures, name)
		for _, labels := range known {
			if n, ok := values[labels]; !ok || n != 0 {
				t.Errorf("%s{%s}: %v, exists: %v", name, labels, n, ok)
			}
		}
	}

	// All counters of these requests existed before.
	_, before := counters(t, figures, "tintype_requests_total")
	for _, target := range []string{"/acme/photos/cat.jpg?w=5", "/acme/photos/cat.jpg?w=5", "/acme/photos/cat.jpg?w=x", "/nobody/a/b", "/healthz", "/acme/photos/none.jpg", "/"} {
		b.get(target)
	}
	b.send("POST", "/healthz")
	help, after := counters(t, figures, "tintype_requests_total")
	if extra := len(after) - len(before); extra != 0 {
		t.Errorf("%d label sets came up with their first event: %v", extra, after)
	}
	if maps.Equal(before, after) {
		t.Error("nothing was counted")
	}
	if !strings.Contains(help, "refused") || !strings.Contains(help, "bucket") {
		t.Errorf("help: %s", help)
	}
}

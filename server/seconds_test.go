package server

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/tintype/tintype/delivery"
)

// histogramCounts returns how many values a histogram has seen. The keys are the values of its
// labels, in the order of the labels' names.
func histogramCounts(t *testing.T, from prometheus.Gatherer, name string) map[string]uint64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]uint64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			values[strings.Join(labels, " ")] = m.GetHistogram().GetSampleCount()
		}
	}
	return values
}

// TestSeconds: the times of requests say for which endpoint and format they are, and those of
// originals where they come from. What can't be read is counted by its reason.
func TestSeconds(t *testing.T) {
	figures := prometheus.NewRegistry()
	b := newBench(t, func(c *delivery.Config) { c.Metrics = figures })
	b.registry.Set(t, b.acme())
	for _, target := range []string{
		"/acme/photos/cat.jpg?w=5&format=jpeg", "/acme/photos/cat.jpg?w=5&format=jpeg", "/acme/photos/cat.jpg?w=6&format=webp",
		"/acme/photos/none.jpg", "/acme/photos/cat.jpg?w=x", "/healthz", "/nobody/" + strings.Repeat("x", 50),
	} {
		b.get(target)
	}
	got := histogramCounts(t, figures, "tintype_request_seconds")
	// The labels are sorted: cache, endpoint, format.
	for labels, want := range map[string]uint64{"miss transform jpeg": 1, "memory transform jpeg": 1, "miss transform webp": 1} {
		if got[labels] != want {
			t.Errorf("%q: %d, want %d; all: %v", labels, got[labels], want, got)
		}
	}
	if len(got) > 8 {
		t.Errorf("%d label sets: %v", len(got), got)
	}
	if n := histogramCounts(t, figures, "tintype_fetch_seconds"); n["http"] != 2 || n["url"] != 0 || len(n) != 5 {
		t.Errorf("fetches: %v", n)
	}
	_, failed := counters(t, figures, "tintype_origin_errors_total")
	if failed["not_found http"] != 1 || failed["timeout s3"] != 0 || len(failed) != 5*8 {
		t.Errorf("errors of origins: %v", failed)
	}
	families, err := figures.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

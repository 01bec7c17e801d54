package server

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/workspace"
)

// TestPerWorkspace: only so many workspaces have figures of their own. Those that get most
// requests come to have them, and no figure ever goes down but to begin anew.
func TestPerWorkspace(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"one", "two", "three", "other"} {
		w := b.acme()
		w.Namespace = name
		w.ID = workspace.New(name).ID
		b.registry.Set(t, w)
	}
	synctest.Test(t, func(t *testing.T) {
		figures := prometheus.NewRegistry()
		b.metrics.workspaces = newPerWorkspace(2, figures)
		ask := func(name string, n int) {
			for range n {
				b.get("/" + name + "/photos/cat.jpg?w=x") // takes no fetch
			}
		}
		check := func(want ...string) {
			t.Helper()
			families, err := figures.Gather()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range families {
				for _, m := range f.GetMetric() {
					if f.GetName() == "tintype_workspace_requests_total" && m.GetCounter().GetValue() > 0 {
						got = append(got, fmt.Sprint(m.GetLabel()[1].GetValue(), " ", m.GetLabel()[0].GetValue(), " ", m.GetCounter().GetValue()))
					}
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("the figures are %q, want %q", got, want)
			}
		}
		ask("one", 3)
		ask("two", 5)
		ask("three", 7)
		ask("other", 9)
		ask("nobody", 100) // isn't one
		for i := range 100 {
			ask(fmt.Sprint("made-up-", i), 1)
		}
		check("one 4xx 3", "other 4xx 16", "two 4xx 5")
		time.Sleep(rankSpan)
		ask("two", 1)
		check("other 4xx 16", "two 4xx 6")
		ask("three", 2)
		check("other 4xx 16", "three 4xx 2", "two 4xx 6")
		time.Sleep(rankSpan)
		ask("one", 1)
		check("other 4xx 17", "three 4xx 2", "two 4xx 6")
	})
	if problems, err := testutil.CollectAndLint(newPerWorkspace(2, prometheus.NewRegistry())); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	if newPerWorkspace(0, prometheus.NewRegistry()) != nil {
		t.Error("0 has figures")
	}
	newPerWorkspace(0, nil).observe(&delivery.Response{}, time.Second)
}

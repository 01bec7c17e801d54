package delivery

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/transform"
)

const wantLabels = `labels: {"endpoint":"transform", "workspace":"acme"}`

// labelled reports whether goroutines with a function in their stacks have the labels.
func labelled(t *testing.T, function string) bool {
	t.Helper()
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		t.Fatal(err)
	}
	for stack := range strings.SplitSeq(b.String(), "\n\n") {
		if strings.Contains(stack, function) && strings.Contains(stack, wantLabels) {
			return true
		}
	}
	return false
}

// labelEngine looks at the labels while it transforms.
type labelEngine struct {
	deliverytest.Engine
	t   *testing.T
	saw bool
}

func (e *labelEngine) Transform(ctx context.Context, job transform.Job) (transform.Image, error) {
	e.saw = labelled(e.t, "labelEngine")
	return e.Engine.Transform(ctx, job)
}

// labelWriter looks at the labels while the answer is written.
type labelWriter struct {
	*httptest.ResponseRecorder
	t   *testing.T
	saw bool
}

func (w *labelWriter) Write(b []byte) (int, error) {
	w.saw = labelled(w.t, "labelWriter")
	return w.ResponseRecorder.Write(b)
}

// TestProfileLabels: profiles say for which workspace and endpoint a variant is made. Of hits
// they do so while a CPU profile is taken.
func TestProfileLabels(t *testing.T) {
	engine, profiled := &labelEngine{t: t}, false
	b := newBench(t, func(c *setup) {
		c.Engine, c.Profiled = engine, func() bool { return profiled }
	})
	b.registry.Set(t, b.acme())
	get := func() bool {
		w := &labelWriter{httptest.NewRecorder(), t, false}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RequestURI = "/acme/photos/cat.jpg?w=20"
		b.handler.ServeHTTP(w, r)
		if w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
		return w.saw
	}
	if get() || !engine.saw {
		t.Errorf("while a variant is made: %v, while it is written: labels without a profile", engine.saw)
	}
	profiled = true
	if !get() {
		t.Error("a hit has no labels while a profile is taken")
	}
	profiled = false
	if get() || labelled(t, "TestProfileLabels") {
		t.Error("a hit has labels without a profile")
	}
	if labelled(t, "net/http.(*persistConn)") {
		t.Error("a connection that other workspaces use too has the labels of one")
	}
}

// BenchmarkHitLabelled is what labels cost a hit while a CPU profile is taken.
func BenchmarkHitLabelled(b *testing.B) {
	for name, profiled := range map[string]bool{"off": false, "on": true} {
		b.Run(name, func(b *testing.B) {
			bb := newBench(b, func(c *setup) { c.Profiled = func() bool { return profiled } })
			bb.registry.Set(b, bb.acme())
			r := httptest.NewRequest("GET", "/", nil)
			r.RequestURI = "/acme/photos/cat.jpg?w=100"
			bb.handler.ServeHTTP(httptest.NewRecorder(), r)
			b.ReportAllocs()
			for b.Loop() {
				bb.handler.ServeHTTP(&discard{http.Header{}}, r)
			}
		})
	}
}

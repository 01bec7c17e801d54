package delivery

import (
	"bytes"
	"context"
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/transform"
)

// A retainingEngine keeps the images of its last job.
type retainingEngine struct {
	deliverytest.Engine
	job     transform.Job
	release func()
}

func (e *retainingEngine) Transform(ctx context.Context, job transform.Job) (transform.Image, error) {
	e.job, e.release = job, job.Retain()
	return e.Engine.Transform(ctx, job)
}

// TestSeveralOriginals: an ask of several references becomes a job that has the bytes of
// each in their order, under its own name. The engine can keep all of them past its end.
func TestSeveralOriginals(t *testing.T) {
	e := &retainingEngine{}
	b := newBench(t, func(c *setup) { c.Engine = e })
	b.registry.Set(t, b.acme())
	pictures := [][]byte{deliverytest.Photo(t, 30, 20), deliverytest.Photo(t, 40, 20), deliverytest.Photo(t, 50, 20)}
	site, err := b.Service.site(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	var all *ask
	for i, name := range []string{"one", "two", "three"} {
		b.upstream.Serve("/photos/"+name+".jpg", deliverytest.Body(pictures[i]))
		a, _, err := b.decide(site, Target{Namespace: "acme", Rest: "/photos/" + name + ".jpg", RawQuery: "w=10"}, false, client{}, func() (sender, error) { return sender{}, nil })
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			all = a
			continue
		}
		all.refs = append(all.refs, a.refs...)
	}
	if _, err := b.make(t.Context(), all, nil, &timings{}); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for i, o := range e.job.Originals {
		if !bytes.Equal(o.Body, pictures[i]) || o.Header.Width != 30+10*i {
			t.Errorf("original %d: %d bytes, %d pixels wide", i, len(o.Body), o.Header.Width)
		}
		names[o.ID] = true
	}
	if len(names) != 3 || names[""] {
		t.Errorf("names %v", names)
	}
	held := int64(len(pictures[0]) + len(pictures[1]) + len(pictures[2]))
	if s := b.bodies.Stats(); s.Memory+s.Disk < held {
		t.Errorf("%d bytes are kept of %d", s.Memory+s.Disk, held)
	}
	e.release()
	if s := b.bodies.Stats(); s.Memory+s.Disk != 0 {
		t.Errorf("%d bytes are left", s.Memory+s.Disk)
	}
}

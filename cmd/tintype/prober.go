package main

import (
	"net/http"
	"time"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/workspace"
)

// A prober opens sources that aren't stored, for tests of sources. It shares the budget of
// originals and the guard with deliveries.
type prober struct {
	http    *origin.HTTP
	buckets func(workspace.Source) (origin.Source, error)
}

// newProber returns a prober. The limits are those of deliveries, within the time of a test.
func newProber(fetching origin.HTTPConfig, buckets func(workspace.Source) (origin.Source, error)) prober {
	fetching.Limits.Timeout = min(fetching.Limits.Timeout, 5*time.Second)
	return prober{origin.NewHTTP(fetching), buckets}
}

// Open implements manage.Prober. Redirects of a web server stay on its host.
func (p prober) Open(s workspace.Source) (origin.Source, error) {
	if s.Kind != "http" {
		return p.buckets(s)
	}
	base, err := origin.ParsePlace(s.URL)
	if err != nil {
		return nil, fault.New(fault.Validation, "url: "+err.Error()+".")
	}
	h := http.Header{}
	for name, value := range s.Headers {
		h.Set(name, value)
	}
	return &origin.HTTPSource{HTTP: p.http, Base: base, Header: h}, nil
}

// Describe implements manage.Prober.
func (p prober) Describe(body []byte) (format string, width, height int, err error) {
	h, err := header.Read(body)
	if err != nil {
		return "", 0, 0, err
	}
	size := h.Upright()
	return string(h.Format), size.W, size.H, nil
}

package server

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// A bench is a server under test with all that it talks to.
type bench struct {
	*Server
	registry *deliverytest.Workspaces
	upstream *deliverytest.Upstream
	handler  http.Handler
}

func newBench(t testing.TB, change ...func(*delivery.Config)) *bench {
	t.Helper()
	b := &bench{registry: &deliverytest.Workspaces{}, upstream: deliverytest.NewUpstream(t)}
	limits := origin.DefaultLimits()
	limits.Timeout = time.Minute
	c := delivery.Config{
		Workspaces: b.registry, Engine: &deliverytest.Engine{},
		HTTP: origin.NewHTTP(origin.HTTPConfig{
			Guard: origin.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, Limits: limits,
		}),
		Cache:   cache.NewMemory(64 << 20),
		Formats: transform.AcceptAVIF | transform.AcceptWebP, Limits: transform.DefaultLimits(),
		TransformTimeout: time.Minute,
		Log:              slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&c)
	}
	delivery.NewLimitWarnings(nil, c.Metrics, c.Log) // for its metric
	images := delivery.New(c)
	t.Cleanup(func() { _ = images.Close(t.Context()) })
	b.Server = New(Config{Delivery: images, Metrics: c.Metrics, Log: c.Log})
	b.handler = b.Handler()
	b.upstream.Serve("/photos/cat.jpg", deliverytest.Body(deliverytest.Photo(t, 300, 200)))
	return b
}

// acme is a workspace whose source photos is the upstream's /photos/.
func (b *bench) acme() *workspace.Workspace {
	w := workspace.New("acme")
	w.Sources = []workspace.Source{{Key: "photos", Kind: "http", URL: b.upstream.URL + "/photos/"}}
	return w
}

// get sends a request with the target as it is written, and headers in pairs.
func (b *bench) get(target string, headers ...string) *httptest.ResponseRecorder {
	return b.send(http.MethodGet, target, headers...)
}

func (b *bench) send(method, target string, headers ...string) *httptest.ResponseRecorder {
	return deliverytest.Send(b.handler, method, target, headers...)
}

func code(t *testing.T, w *httptest.ResponseRecorder) string { return deliverytest.Code(t, w) }

package delivery

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// A setup is what a bench is made of.
type setup struct {
	Config
	API            http.Handler
	TrustedProxies []netip.Prefix
	Ready          func() error
	AuditLog       workspace.AuditLog // where warnings of limits go; nil is nowhere
}

// Front puts package server in front of a service: these tests ask it what clients ask.
// That package imports this one, so that front_test.go sets it.
var Front func(s *Service, api http.Handler, trusted []netip.Prefix, ready func() error, c Config) http.Handler

// RequestID and Client are that package's, set in the same way.
var RequestID, Client func(context.Context) string

// A bench is a server under test with all that it talks to.
type bench struct {
	*Service
	engine   *deliverytest.Engine
	registry *deliverytest.Workspaces
	upstream *deliverytest.Upstream
	handler  http.Handler
	warnings *LimitWarnings
	log      *bytes.Buffer
	clock    atomic.Int64 // seconds to add to the time
}

func newBench(t testing.TB, change ...func(*setup)) *bench {
	t.Helper()
	b := &bench{engine: &deliverytest.Engine{}, registry: &deliverytest.Workspaces{}, upstream: deliverytest.NewUpstream(t), log: &bytes.Buffer{}}
	limits := origin.DefaultLimits()
	limits.Timeout = time.Minute
	bodies := origin.NewBodies(origin.BodiesConfig{Memory: 64 << 20})
	c := setup{Config: Config{
		Bodies:     bodies,
		Workspaces: b.registry, Engine: b.engine,
		HTTP: origin.NewHTTP(origin.HTTPConfig{
			Guard: origin.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, Limits: limits, Bodies: bodies,
		}),
		Cache:   cache.NewMemory(64 << 20),
		Formats: transform.AcceptAVIF | transform.AcceptWebP, Limits: transform.DefaultLimits(),
		TransformTimeout: time.Minute,
		Log:              slog.New(slog.NewJSONHandler(b.log, nil)),
		Now:              func() time.Time { return time.Now().Add(time.Duration(b.clock.Load()) * time.Second) },
	}}
	for _, f := range change {
		f(&c)
	}
	b.warnings = NewLimitWarnings(c.AuditLog, c.Metrics, c.Log)
	if c.Limiter == nil {
		c.Limiter = limit.New(limit.Config{Warn: b.warnings.Warn, Log: c.Log})
	}
	b.Service = New(c.Config)
	b.handler = Front(b.Service, c.API, c.TrustedProxies, c.Ready, c.Config)
	t.Cleanup(func() {
		_ = b.Close(context.Background())
		// Whatever the test asked for, no body is held afterwards.
		s := bodies.Stats()
		for deadline := time.Now().Add(time.Minute); s.Memory+s.Disk > 0 && time.Now().Before(deadline); s = bodies.Stats() {
			runtime.Gosched() // until what nobody waits for has ended too
		}
		if s.Memory+s.Disk > 0 || s.Reading+s.Whole > 0 {
			t.Errorf("bodies are left: %+v", s)
		}
	})
	b.upstream.Serve("/photos/cat.jpg", deliverytest.Body(deliverytest.Photo(t, 300, 200)))
	return b
}

// acme is a workspace whose source photos is the upstream's /photos/.
func (b *bench) acme(change ...func(*workspace.Workspace)) *workspace.Workspace {
	w := workspace.New("acme")
	w.Sources = []workspace.Source{{Key: "photos", Kind: "http", URL: b.upstream.URL + "/photos/"}}
	for _, f := range change {
		f(w)
	}
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

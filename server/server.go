// Package server answers HTTP: it listens, and hands images to package delivery, /v1 to
// the management API, and the rest to its own pages and health.
//
// For most uses, call [New] and serve [Server.Handler]. A request goes through the
// middleware list in Handler, and is dispatched on its raw target (dispatch). The package
// knows no image.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// Config is what a Server is made of. Fields without a comment on their zero value
// are required.
type Config struct {
	Delivery       *delivery.Service
	API            http.Handler   // under /v1; nil is none
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed

	// Ready says what this server still lacks to serve; it is asked by /readyz. A nil
	// function, and a nil error, are nothing.
	Ready func() error

	Metrics prometheus.Registerer // nil registers nothing
	Log     *slog.Logger
}

// A Server is ready to serve once New returns. It is safe for concurrent use.
type Server struct {
	delivery *delivery.Service
	api      http.Handler
	trusted  []netip.Prefix
	ready    func() error
	draining atomic.Bool
	metrics  *metrics
	log      *slog.Logger
}

// New makes a server.
func New(c Config) *Server {
	return &Server{
		delivery: c.Delivery, api: c.API, trusted: c.TrustedProxies, ready: c.Ready, metrics: newMetrics(c.Metrics), log: c.Log,
	}
}

// Drain announces the end of this server while it still takes requests: /readyz is 503,
// so that load balancers choose another server, and every answer closes its connection.
func (s *Server) Drain() { s.draining.Store(true) }

// Close waits, until ctx ends, for work behind requests. Call it when the last request has
// been answered.
func (s *Server) Close(ctx context.Context) error { return s.delivery.Close(ctx) }

var errDraining = errors.New("this server is about to stop")

// Ready returns why this server should get no requests now, or nil.
func (s *Server) Ready() error {
	if s.draining.Load() {
		return errDraining
	}
	if s.ready != nil {
		return s.ready()
	}
	return nil
}

// Handler answers everything on the public listener.
func (s *Server) Handler() http.Handler {
	return chain(http.HandlerFunc(s.dispatch),
		s.observe, // first, so that every answer has a request id, a log line and a count, panics included
		s.bound,   // before anything looks at the target or headers, which may be huge or our own
	)
}

func chain(h http.Handler, middleware ...func(http.Handler) http.Handler) http.Handler {
	for i := len(middleware) - 1; i >= 0; i-- {
		h = middleware[i](h)
	}
	return h
}

// dispatch decides what a request is for by its raw target. http.ServeMux would
// redirect // and .. in object paths, so it never sees them.
func (s *Server) dispatch(w http.ResponseWriter, r *http.Request) {
	res := w.(*delivery.Response)
	path, query, err := delivery.SplitTarget(r.RequestURI)
	if err != nil {
		res.Fail(err)
		return
	}
	r = withRecord(r, &res.Log)
	if path != "/healthz" && path != "/readyz" {
		if err := s.delivery.AdmitClient(r.Context(), res.Log.Client); err != nil {
			res.Fail(err)
			return
		}
	}
	if t, ok := s.delivery.Target(r.Context(), r.Host, path, query); ok {
		s.delivery.Deliver(res, r, t)
		return
	}
	first, _, _ := strings.Cut(path[1:], "/")
	res.Log.Path = path
	switch {
	case path == "/":
		s.startPage(res, r)
	case first == "playground":
		s.servePlayground(res, r, strings.TrimPrefix(path, "/playground"), query)
	case first == "static":
		assets.serve(res, r, path)
	case path == "/healthz", path == "/readyz":
		s.health(res, r, path)
	case first == "v1" && s.api != nil:
		s.api.ServeHTTP(w, r)
	case workspace.ValidNamespace(first):
		res.Fail(fault.New(fault.NotFound, "there is nothing under this path"))
	default:
		res.Fail(fault.New(fault.WorkspaceNotFound, "the first segment of the path names no workspace"))
	}
}

// Health answers /healthz and /readyz on another listener than that of images. Nothing
// is counted there.
func (s *Server) Health() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.health(&delivery.Response{ResponseWriter: w, Draining: &s.draining}, r, r.URL.Path)
	})
}

// health answers probes. A server that answers /healthz lives; one that answers /readyz
// with 200 should get requests.
func (s *Server) health(w *delivery.Response, r *http.Request, path string) {
	w.Log.Probe = true
	if !readOnly(w, r) {
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if path == "/readyz" {
		if err := s.Ready(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(err.Error() + "\n"))
			return
		}
	}
	_, _ = w.Write([]byte("ok\n"))
}

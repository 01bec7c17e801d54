// Package server answers HTTP. It passes requests for images to package delivery, and /v1
// to the management API. It answers the playground and the health probes itself.
//
// For most uses, call [New] and serve [Server.Handler]. A request goes through the
// middleware list in Handler. Then dispatch looks at its raw target. The package knows
// nothing about images.
package server

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/accesslog"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/server/web"
	"github.com/tintype/tintype/tracing"
	"github.com/tintype/tintype/workspace"
)

// Config has the parts and settings of a Server. Fields without a comment on their zero
// value are required.
type Config struct {
	Delivery  *delivery.Service
	API       http.Handler // under /v1; nil is none
	Dashboard http.Handler // under /app; nil is none
	// Examples returns what the page at / shows beside the playground. Nil shows nothing.
	Examples       func(context.Context) []Example
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
	// Preload reports whether answers over TLS on a host, which is in lower case and has no
	// port, ask browsers to know by themselves that the host and all below it are reached by
	// https. Nil is none.
	Preload func(host string) bool
	// HTTP3Port is the port of UDP that answers over TLS offer for HTTP/3. Empty offers none.
	HTTP3Port string

	// Answers reports whether the server answers to a host, which is in lower case and has no port.
	// Nil is every host. It is for tintype dev, whose pictures no other site may read by a name
	// that it lets lead here (DNS rebinding).
	Answers func(host string) bool
	// Start is the workspace whose playground is at /. Empty is demo.
	Start string

	Signup bool // everybody gets an account of the dashboard by signing in
	Live   bool // the playground shows a picture anew when its file changes
	// Contact is whom security.txt names. Nil is nobody.
	Contact *SecurityContact

	// Ready returns why this server can't serve yet, or nil. /readyz calls it. A nil function
	// means that the server is always ready.
	Ready func() error

	Tracer  *tracing.Tracer       // nil records nothing
	Metrics prometheus.Registerer // nil registers nothing
	// MetricsPerWorkspace is how many workspaces have figures of their own. 0 is none.
	MetricsPerWorkspace int
	Log                 *slog.Logger
	// AccessLog gets the lines about requests, at the levels that Log has. Nil leaves them to Log.
	AccessLog *accesslog.Writer
	// AccessSample is of how many requests that are answered without an error one gets a line: 1
	// is each, and a negative number none. 0 is 1.
	AccessSample int
}

// A Server is ready to serve once New returns. It is safe for concurrent use.
type Server struct {
	delivery *delivery.Service
	api      http.Handler
	pages    http.Handler // under /app
	examples func(context.Context) []Example
	trusted  []netip.Prefix
	preload  func(host string) bool
	altSvc   []string // nil is none
	answers  func(host string) bool
	start    string
	signup   bool
	live     bool
	contact  *SecurityContact
	clients  limit.Clients
	ready    func() error
	draining atomic.Bool
	tracer   *tracing.Tracer
	metrics  *metrics
	log      *slog.Logger

	accessLog    *accesslog.Writer // nil is none
	accessSample int
	answered     atomic.Uint64 // requests without an error, where they are sampled
}

// New returns a Server. Call Close at the end.
func New(c Config) *Server {
	s := &Server{
		delivery: c.Delivery, api: c.API, pages: c.Dashboard, examples: c.Examples, trusted: c.TrustedProxies, preload: c.Preload, ready: c.Ready, contact: c.Contact, signup: c.Signup, live: c.Live, tracer: c.Tracer, metrics: newMetrics(c.Metrics, c.MetricsPerWorkspace), log: c.Log,
		answers: c.Answers, start: cmp.Or(c.Start, demoNamespace),
		accessLog: c.AccessLog, accessSample: cmp.Or(c.AccessSample, 1),
	}
	if c.HTTP3Port != "" {
		s.altSvc = []string{`h3=":` + c.HTTP3Port + `"; ma=86400`}
	}
	return s
}

// Drain announces the end of this server, which still takes requests. /readyz answers 503,
// so that load balancers choose another server, and every answer closes its connection.
func (s *Server) Drain() { s.draining.Store(true) }

// Close waits for background work of requests, until ctx ends. Call it after the last
// request has been answered.
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

// Handler returns the handler of the public listener.
func (s *Server) Handler() http.Handler {
	return chain(http.HandlerFunc(s.dispatch),
		s.observe, // first: every answer, after a panic too, has a request id, a log line and a count
		s.bound,   // before others look at the target or the headers, which may be huge or our own
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
	if s.answers != nil && !s.answers(delivery.Hostname(r.Host)) {
		res.Fail(fault.New(fault.Forbidden, "this server answers only to the host that it listens on, so that no site reads its pictures by a name of its own: ask for localhost, or name the host in --listen"))
		return
	}
	if err := s.delivery.RefuseRootKey(path, query); err != nil {
		res.Fail(err)
		return
	}
	r = s.withRecord(r, &res.Log)
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
		if readOnly(res, r) {
			web.Serve(res, r, path)
		}
	case path == "/healthz", path == "/readyz":
		s.health(res, r, path)
	case path == securityText, path == securityPage:
		s.security(res, r, path)
	case first == "v1" && s.api != nil:
		s.api.ServeHTTP(w, r)
	case first == "app" && s.pages != nil:
		s.pages.ServeHTTP(w, r)
	case workspace.ValidNamespace(first):
		res.Fail(fault.New(fault.NotFound, "there is nothing under this path"))
	default:
		res.Fail(fault.New(fault.WorkspaceNotFound, "the first segment of the path names no workspace"))
	}
}

// Health returns a handler of /healthz and /readyz for another listener than that of images.
// It counts no requests.
func (s *Server) Health() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.health(&delivery.Response{ResponseWriter: w, Draining: &s.draining}, r, r.URL.Path)
	})
}

// health answers probes. /healthz answers while the process runs. /readyz answers 200 while
// the server should get requests.
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

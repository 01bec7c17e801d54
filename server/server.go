// Package server answers HTTP: images for everybody, and around them the
// playground, health and the management API.
//
// [New] takes what it needs in one [Config]. A request goes through the middleware
// list in Handler, is dispatched on its raw target (dispatch), and, where it names
// a workspace, is delivered: deliver in deliver.go is the life of a request,
// readable from top to bottom. What errors become is one table in errors.go.
//
// The server decodes no image, stores no workspace and opens no connection itself:
// the engine, the store, the caches and the fetcher are given to it.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/marks"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
)

// Workspaces finds workspaces by namespace, from memory: it is asked on every
// request. Two calls that answer the same revision answer the same pointer.
type Workspaces interface {
	Get(ctx context.Context, namespace string) (*workspace.Workspace, error)
}

// Domains says whose a host name is, from memory: it is asked on every request to a
// host that isn't known otherwise. The error is workspace.ErrDomainNotFound where it is
// nobody's.
type Domains interface {
	Domain(ctx context.Context, name string) (workspace.Domain, error)
}

// Config is what a Server is made of. Fields without a comment on their zero value
// are required.
type Config struct {
	Workspaces Workspaces
	Engine     transform.Engine
	HTTP       *origin.HTTP
	Cache      cache.Cache
	Bodies     *origin.Bodies // that bodies of requests are read under, as originals are; nil holds any number
	API        http.Handler   // under /v1; nil is none

	// Bucket makes the source of a bucket (kind s3 or r2). An error, which is shown to
	// clients, is that of its every fetch. Where Bucket is nil, every fetch of such a
	// source fails.
	Bucket func(workspace.Source) (origin.Source, error)

	// Dirs are the operator's folders: sources by namespace and key. They take the
	// place of a stored source with the same key.
	Dirs map[string]map[string]*origin.Dir

	// Auth judges keys that requests for images carry; nil knows none. Journal notes where
	// they come from; nil notes nothing.
	Auth    *apikey.Authenticator
	Journal *usage.Journal

	MaxOriginalBytes int64            // of a body that is sent; 0 is 25 MiB
	MarkMemory       int64            // bytes of marks' images that are kept; 0 is 64 MiB
	BaseDomain       string           // of host-form URLs; empty is none
	Formats          transform.Accept // that format=auto may choose; zero is none but JPEG and PNG
	Limits           transform.Limits
	FetchTimeout     time.Duration  // how long a fetch may wait for its turn; 0 is 10 s
	Fetches          Fetches        // at a time
	TransformTimeout time.Duration  // of an engine that keeps none itself; 0 is none
	TrustedProxies   []netip.Prefix // whose X-Forwarded-For is believed
	ClientRequests   int            // a minute, from one client address; 0 is any number

	Domains  Domains            // whose a custom domain is; nil knows none
	Limiter  *limit.Limiter     // holds workspaces to their limits; nil is one of this server alone
	Usage    *usage.Recorder    // nil counts nothing
	AuditLog workspace.AuditLog // where warnings of limits are written; nil is nowhere

	// Ready says what this server still lacks to serve; it is asked by /readyz. A nil
	// function, and a nil error, are nothing.
	Ready func() error

	Metrics prometheus.Registerer // nil registers nothing
	Log     *slog.Logger
	Now     func() time.Time // nil is time.Now
}

// A Server is ready to serve once New returns. It is safe for concurrent use.
type Server struct {
	workspaces       Workspaces
	sites            *sites
	engine           transform.Engine
	http             *origin.HTTP
	bucket           func(workspace.Source) (origin.Source, error)
	loader           *cache.Loader
	originals        cache.Shared[originalKey, *original]
	marks            marks.Images[originalKey]
	api              http.Handler
	auth             *apikey.Authenticator
	journal          *usage.Journal
	testStamp        transform.MarkImage
	bodyGate         *fetchGate
	bodies           *origin.Bodies
	maxOriginal      int64
	dirs             map[string]map[string]*origin.Dir
	baseDomain       string
	formats          transform.Accept
	limits           transform.Limits
	transformTimeout time.Duration
	fetches          *fetchGate
	fetchTimeout     time.Duration
	trusted          []netip.Prefix
	domains          Domains
	limiter          *limit.Limiter // of workspaces
	clients          *limit.Limiter // of client addresses
	clientRequests   int
	usage            *usage.Recorder
	auditLog         workspace.AuditLog
	behind           sync.WaitGroup // what is written behind requests
	ready            func() error
	draining         atomic.Bool
	metrics          *metrics
	log              *slog.Logger
	now              func() time.Time
}

// New makes a server. Close it when its last request has been answered.
func New(c Config) *Server {
	s := &Server{
		workspaces: c.Workspaces, sites: newSites(16384), engine: c.Engine, http: c.HTTP, bucket: c.Bucket, api: c.API, dirs: c.Dirs,
		baseDomain: strings.ToLower(strings.Trim(c.BaseDomain, ".")), formats: c.Formats, limits: c.Limits,
		transformTimeout: c.TransformTimeout, fetchTimeout: c.FetchTimeout,
		trusted: c.TrustedProxies, metrics: newMetrics(c.Metrics), log: c.Log, now: c.Now,
		domains: c.Domains, limiter: c.Limiter, clientRequests: c.ClientRequests, usage: c.Usage, auditLog: c.AuditLog,
		clients: limit.New(limit.Config{Log: c.Log}),
	}
	if s.limiter == nil {
		s.limiter = limit.New(limit.Config{Warn: s.WarnOfLimit, Log: c.Log})
	}
	s.fetches = newFetchGate(c.Fetches, s.metrics.fetchRefused)
	s.metrics.watch(c.Metrics, s.fetches)
	if s.fetchTimeout == 0 {
		s.fetchTimeout = origin.DefaultLimits().Timeout
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.auth, s.journal, s.ready = c.Auth, c.Journal, c.Ready
	var err error
	if s.testStamp, err = testStamp(); err != nil {
		panic(err) // a picture of our own
	}
	s.bodyGate, s.bodies = newBodyGate(c.Fetches.Waiting), c.Bodies
	s.originals.Drop = func(o *original) { o.Release() }
	if s.maxOriginal = c.MaxOriginalBytes; s.maxOriginal == 0 {
		s.maxOriginal = origin.DefaultLimits().Bytes
	}
	s.marks.Now, s.marks.MostBytes = s.now, c.MarkMemory
	s.loader = &cache.Loader{Cache: c.Cache, Now: s.now, Log: c.Log}
	return s
}

// Close waits, until ctx ends, for work behind requests (stale variants being renewed,
// marks being looked at again, warnings being written down).
func (s *Server) Close(ctx context.Context) error {
	err := errors.Join(s.loader.Close(ctx), s.marks.Close(ctx))
	written := make(chan struct{})
	go func() {
		s.behind.Wait()
		close(written)
	}()
	select {
	case <-written:
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}

// Drain announces the end of this server while it still takes requests: /readyz is 503,
// so that load balancers choose another server, and every answer closes its connection.
func (s *Server) Drain() { s.draining.Store(true) }

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
	res := w.(*response)
	path, query, err := splitTarget(r.RequestURI)
	if err != nil {
		res.fail(err)
		return
	}
	r = s.withVisitor(r, &res.log)
	if path != "/healthz" && path != "/readyz" {
		if err := s.admitClient(r.Context(), Client(r.Context())); err != nil {
			res.fail(err)
			return
		}
	}
	if namespace, rest, ok := s.namespaceOf(r.Context(), r.Host, path); ok {
		res.log.workspace = namespace
		if err := s.deliver(res, r, namespace, rest, query); err != nil {
			res.fail(err)
			res.noteNamed(rest, query)
		}
		s.accountKey(res, r)
		ctx := r.Context()
		if res.log.who.Kind != "" {
			ctx = apikey.WithPrincipal(ctx, res.log.who)
		}
		s.countRequest(ctx, res)
		return
	}
	first, _, _ := strings.Cut(path[1:], "/")
	res.log.path = path
	switch {
	case path == "/":
		s.startPage(res, r)
	case first == "playground":
		s.servePlayground(res, r, strings.TrimPrefix(path, "/playground"), strings.TrimPrefix(query, "?"))
	case first == "static":
		assets.serve(res, r, path)
	case path == "/healthz", path == "/readyz":
		s.health(res, r, path)
	case first == "v1" && s.api != nil:
		s.api.ServeHTTP(w, r)
	case workspace.ValidNamespace(first):
		res.fail(fail("NOT_FOUND", "there is nothing under this path"))
	default:
		res.fail(fail("WORKSPACE_NOT_FOUND", "the first segment of the path names no workspace"))
	}
}

// Health answers /healthz and /readyz on another listener than that of images. Nothing
// is counted there.
func (s *Server) Health() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.health(&response{ResponseWriter: w, draining: &s.draining}, r, r.URL.Path)
	})
}

// health answers probes. A server that answers /healthz lives; one that answers /readyz
// with 200 should get requests.
func (s *Server) health(w *response, r *http.Request, path string) {
	w.log.probe = true
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

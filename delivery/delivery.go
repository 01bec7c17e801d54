// Package delivery is the life of a request for an image: whose it is, what it asks for,
// whether it may have that, where the original comes from, and what is answered.
//
// For most uses, call [New], find out with [Service.Target] whether a request is for an
// image, and have [Service.Deliver] answer it. deliver.go is the life of a request, to be
// read from top to bottom; endpoints.go lists what a workspace's URLs may ask for.
//
// The package decodes no image, stores no workspace and opens no connection itself: the
// engine, the workspaces, the caches and the fetcher are given to it. It listens nowhere:
// package server does.
package delivery

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
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
	// Confirmed reports whether a workspace that Get returned is known to be the store's of a
	// short time ago. Confirm returns one that is, and may ask the store.
	Confirmed(w *workspace.Workspace) bool
	Confirm(ctx context.Context, namespace string) (*workspace.Workspace, error)
}

// Domains says whose a host name is, from memory: it is asked on every request to a
// host that isn't known otherwise. The error is workspace.ErrDomainNotFound where it is
// nobody's.
type Domains interface {
	Domain(ctx context.Context, name string) (workspace.Domain, error)
}

// Config is what a Service is made of. Fields without a comment on their zero value
// are required.
type Config struct {
	Workspaces Workspaces
	Domains    Domains // whose a custom domain is; nil knows none
	BaseDomain string  // of host-form URLs; empty is none

	Engine           transform.Engine
	TransformTimeout time.Duration    // of an engine that keeps none itself; 0 is none
	Formats          transform.Accept // that format=auto may choose; zero is none but JPEG and PNG
	Limits           transform.Limits
	Best             bool // looks are worth more than time, see transform.Job

	HTTP         *origin.HTTP
	FetchTimeout time.Duration // how long a fetch may wait for its turn; 0 is 10 s
	Fetches      Fetches       // at a time
	// Bucket makes the source of a bucket (kind s3 or r2). An error, which is shown to
	// clients, is that of its every fetch. Where Bucket is nil, every fetch of such a
	// source fails.
	Bucket func(workspace.Source) (origin.Source, error)
	// Dirs are the operator's folders: sources by namespace and key. They take the
	// place of a stored source with the same key.
	Dirs             map[string]map[string]*origin.Dir
	Bodies           *origin.Bodies // that bodies of requests are read under, as originals are; nil holds any number
	MaxOriginalBytes int64          // of a body that is sent; 0 is 25 MiB

	Cache      cache.Cache
	MarkMemory int64 // bytes of marks' images that are kept; 0 is 64 MiB
	// Answers bound the bodies over 16 KiB that clients are taking. Nil bounds none.
	Answers *Answers

	// Auth judges keys that requests for images carry; nil knows none. Journal notes where
	// they come from; nil notes nothing.
	Auth    *apikey.Authenticator
	Journal *usage.Journal
	Usage   *usage.Recorder // nil counts nothing
	Errors  *usage.Errors   // counts requests that fail, by what they asked for; nil counts none
	// Watch is told of each request for an image once it is answered, for alerts; nil tells
	// nobody. It must not block.
	Watch   func(Watched)
	Limiter *limit.Limiter // holds workspaces to their limits; nil is one of this process alone
	// Plans returns the limits of a plan, from memory: it is asked on every request. It returns
	// the same pointer until the limits change, and nil for an unknown plan. A nil Plans knows none.
	Plans func(name string) *workspace.Limits

	// Units returns the price of an operation in units, which usage counts for what is made.
	// Country returns the country of a client's address, or nothing. Nil counts neither.
	Units   func(operation string) workspace.Units
	Country func(address string) string

	// Profiled reports whether a CPU profile is being taken, for which hits say whose they are.
	// Nil is never.
	Profiled func() bool

	Peers Peers // the other servers of the fleet, which may own a variant; nil is none

	PurgesFronts bool // a hook tells caches in front of purges, so that they may keep answers longer

	ClientRequests int // a minute, from one client address; 0 is any number

	Metrics prometheus.Registerer // nil registers nothing
	Log     *slog.Logger
	Now     func() time.Time // nil is time.Now
	Clock   func() time.Time // by which rights end that others have dated; nil is Now
}

// A Service is ready to deliver once New returns. It is safe for concurrent use.
type Service struct {
	workspaces       Workspaces
	domains          Domains
	baseDomain       string
	sites            *sites
	recent           recent
	known            known
	engine           transform.Engine
	transformTimeout time.Duration
	formats          transform.Accept
	purgesFronts     bool
	profiled         func() bool // may be nil
	limits           transform.Limits
	best             bool
	http             *origin.HTTP
	fetches          *gate
	fetchTimeout     time.Duration
	bucket           func(workspace.Source) (origin.Source, error)
	buckets          *lru.Cache[*workspace.Source, origin.Source] // what bucket has made
	dirs             map[string]map[string]*origin.Dir
	bodies           *origin.Bodies
	bodyGate         *gate
	maxOriginal      int64
	loader           *cache.Loader
	cache            cache.Cache
	peers            Peers // nil is none
	asks             asks
	pregenerator     pregenerator
	originals        cache.Shared[originalKey, *original]
	marks            marks.Images[originalKey]
	testMark         transform.MarkImage
	auth             *apikey.Authenticator
	journal          *usage.Journal
	usage            *usage.Recorder
	errors           *usage.Errors
	watch            func(Watched)
	limiter          *limit.Limiter // of workspaces
	clients          *limit.Limiter // of client addresses
	plans            func(name string) *workspace.Limits
	units            func(operation string) workspace.Units
	country          func(address string) string
	clientRequests   int
	answers          *Answers
	metrics          *metrics
	log              *slog.Logger
	now, clock       func() time.Time
}

// New makes a Service. Close it when its last request has been answered.
func New(c Config) *Service {
	s := &Service{
		workspaces: c.Workspaces, domains: c.Domains, baseDomain: strings.ToLower(strings.Trim(c.BaseDomain, ".")), sites: newSites(), known: newKnown(),
		engine: c.Engine, transformTimeout: c.TransformTimeout, formats: c.Formats, limits: c.Limits, best: c.Best, purgesFronts: c.PurgesFronts, profiled: c.Profiled,
		http: c.HTTP, fetchTimeout: c.FetchTimeout, bucket: c.Bucket, dirs: c.Dirs, bodies: c.Bodies, maxOriginal: c.MaxOriginalBytes,
		auth: c.Auth, journal: c.Journal, usage: c.Usage, errors: c.Errors, watch: c.Watch, limiter: c.Limiter, plans: c.Plans, units: c.Units, country: c.Country, clients: limit.New(limit.Config{Log: c.Log}), clientRequests: c.ClientRequests,
		answers: c.Answers, metrics: newMetrics(c.Metrics), log: c.Log, now: c.Now, clock: c.Clock,
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.clock == nil {
		s.clock = s.now
	}
	if s.answers == nil {
		s.answers = NewAnswers(0, nil)
	}
	if s.limiter == nil {
		s.limiter = limit.New(limit.Config{Log: c.Log})
	}
	if s.fetchTimeout == 0 {
		s.fetchTimeout = origin.DefaultLimits().Timeout
	}
	if s.maxOriginal == 0 {
		s.maxOriginal = origin.DefaultLimits().Bytes
	}
	var err error
	if s.buckets, err = lru.New[*workspace.Source, origin.Source](mostBuckets); err != nil {
		panic(err) // only a size that isn't positive
	}
	s.fetches = newGate(c.Fetches, s.metrics.fetchRefused)
	s.metrics.watch(c.Metrics, s.fetches)
	s.bodyGate = newBodyGate(c.Fetches.Waiting)
	if s.testMark, err = testMark(); err != nil {
		panic(err) // a picture of our own
	}
	s.originals.Drop = func(o *original) { o.Release() }
	s.marks.Now, s.marks.MostBytes = s.now, c.MarkMemory
	s.cache, s.peers = c.Cache, c.Peers
	s.loader = &cache.Loader{Cache: c.Cache, Now: s.now, Log: c.Log}
	return s
}

// Close waits, until ctx ends, for work behind requests: stale variants that are being
// renewed, and marks that are being looked at again.
func (s *Service) Close(ctx context.Context) error {
	s.pregenerator.close()
	return errors.Join(s.loader.Close(ctx), s.marks.Close(ctx))
}

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tintype/tintype/accesslog"
	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/billing/meter"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/billing/stripe"
	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/certs"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/doctor"
	"github.com/tintype/tintype/geoip"
	"github.com/tintype/tintype/lease"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/peer"
	"github.com/tintype/tintype/purgehook"
	"github.com/tintype/tintype/server"
	"github.com/tintype/tintype/server/api"
	"github.com/tintype/tintype/tracing"
	"github.com/tintype/tintype/transform/worker"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/sqlite"
)

// errNotAnswered is why a server isn't ready that was started while the store was down,
// and has no copies of it.
var errNotAnswered = errors.New("the store has not answered yet, and there are no copies of what it holds")

// heapFloor, in bytes, is added to what Go's collector takes to be in use. It is never
// touched, and so takes no memory; without it, a server with little in its cache
// would collect after every few originals. With more, it would keep more of them that
// nobody needs. heapGrowth is the percentage of what is in use, with heapFloor, after which
// the collector runs again (GOGC). Most of a heap is images, which take no time to mark.
const (
	heapFloor  = 32 << 20
	heapGrowth = 50
)

// A startup is a server while it is put together. Its methods are the stages, in the order in which
// serveCmd.Run calls them. Each uses what earlier ones have made.
type startup struct {
	*serveCmd
	std     stdio
	log     *slog.Logger
	lines   *accesslog.Writer // under log
	secrets *liveSecrets
	metrics *prometheus.Registry
	parts   parts

	rootKey  func() string // as the variable has it now
	rootKeys []string
	demoKey  string // a root key that was made for the demo in this start; empty is none

	tracer    *tracing.Tracer
	listening listeners
	certFiles *certs.Files // nil without

	store      store
	now        func() time.Time // by which what others have dated is judged
	cached     cached.Config
	workspaces *cached.Store
	strangers  *cached.Strangers // nil where reads of the store cost nothing
	auth       *apikey.Authenticator
	hosts      *hostList
	plans      *plan.Book
	countries  *geoip.Countries // nil without
	rereads    []reread

	counts  *usage.Recorder
	failed  *usage.Errors
	journal *usage.Journal

	memory   memoryPlan
	bodies   *origin.Bodies
	workers  *worker.Pool
	answers  *delivery.Answers
	tiers    cache.Cache
	dirs     map[string]map[string]*origin.Dir
	fetching origin.HTTPConfig
	buckets  func(workspace.Source) (origin.Source, error)

	watch        *alert.Watch
	certificates *certWatch
	auto         *certs.Auto // nil without
	alerts       *alert.Engine

	members *lease.Members // nil where there is no fleet
	fleet   *peer.Fleet    // nil too

	hooks    []*purgehook.Hook
	limiter  *limit.Limiter
	images   *delivery.Service
	profiles atomic.Int32 // of the processor that are being taken

	people  *account.People // nil where the server sends no mail
	seller  *stripe.Client  // nil without
	meter   *meter.Meter    // nil without
	manager *manage.Manager
	server  *server.Server
}

func (s *startup) readRootKeys(context.Context) (err error) {
	s.rootKey, err = s.secrets.read("TINTYPE_ROOT_KEY", func(value string) error {
		keys, err := parseRootKeys(value)
		if err == nil {
			s.auth.SetRootKeys(keys)
		}
		return err
	})
	if err != nil {
		return err
	}
	s.rootKeys, err = parseRootKeys(s.rootKey())
	return err
}

func (s *startup) prepareData(context.Context) error {
	if err := s.makeData(); err != nil {
		return err
	}
	if s.Demo {
		if err := s.setUpDemo(); err != nil {
			return err
		}
		if len(s.rootKeys) == 0 {
			key, isNew, err := demoRootKey(s.Data)
			if err != nil {
				return err
			}
			if s.rootKeys = []string{key}; isNew {
				s.demoKey = key
			}
		}
	}
	if full, free := cache.DiskFull(s.Data); full {
		s.log.Error("the disk of the data folder is full: images are served from what there is; make room, or nothing can be changed or kept",
			"folder", s.Data, "free_bytes", free)
	}
	return nil
}

// open listens, and reads the files of certificates. It comes before all that takes time, since
// an address that is taken is a common mistake.
func (s *startup) open(ctx context.Context) (err error) {
	if s.tracer, err = tracing.Open(ctx, s.std.getenv, tracing.Config{Version: version, Log: s.log}); err != nil {
		return err
	}
	s.parts.flush(s.tracer.Close)
	if s.listening, err = s.listen(&s.parts); err != nil {
		return err
	}
	s.certFiles, err = s.openCertFiles()
	return err
}

func (s *startup) openStore(ctx context.Context) (err error) {
	calls := newStoreCalls(s.Store.elsewhere())
	s.metrics.MustRegister(calls)
	if s.store, s.cached, err = s.serveCmd.openStore(ctx, s.std.getenv, calls.watch, s.log, &s.parts); err != nil {
		return err
	}
	s.now = time.Now
	clock, ok := s.store.(workspace.Clock)
	if ok {
		s.now = clock.Now
	}
	s.metrics.MustRegister(clockMetric(clock))
	// The codec has read it; this tells on SIGHUP that it was replaced.
	if _, err := s.secrets.read("TINTYPE_SECRET_KEY", func(string) error { return errors.New("another secret key counts from the next start") }); err != nil {
		return err
	}
	if s.plans, err = s.openPlans(ctx, s.store, s.log); err != nil {
		return err
	}
	s.rereads = append(s.rereads, reread{"--plans", s.plans.Reload})
	if s.certFiles != nil {
		s.rereads = append(s.rereads, reread{"--tls-cert", func() error { defer warnOfEnd(s.certFiles, s.log); return s.certFiles.Reload() }})
	}
	if s.countries, err = s.openCountries(); err != nil {
		return err
	}
	if s.countries != nil {
		s.rereads = append(s.rereads, reread{"--geoip", s.countries.Reload})
	}
	return nil
}

// openRecords makes what reads and writes the store: the copies of workspaces, keys and hosts, and
// the counters.
func (s *startup) openRecords(context.Context) error {
	if s.Store.elsewhere() { // reads of a store on this machine cost next to nothing
		s.strangers = cached.NewStrangers(server.Client, nil)
	}
	s.auth = apikey.NewAuthenticator(apikey.AuthenticatorConfig{RootKeys: s.rootKeys, Keys: s.store, Strangers: s.strangers, Now: s.now, Log: s.log})
	s.hosts = s.newHostList(s.store, s.log)
	s.cached.Strangers = s.strangers
	s.cached.Memory = s.planMemory(worker.MachineMemory()).workspaces
	s.cached.OnChange = func(changes []workspace.Change) {
		s.auth.Changed(changes)
		s.hosts.names.Changed(changes)
	}
	s.workspaces = cached.New(s.store, s.cached)
	copies, _ := s.cached.Copies.(*sqlite.Copies)
	s.metrics.MustRegister(workspaceMetrics{s.workspaces, copies})

	counting := usage.Config{Counters: s.store, Now: s.now, Log: s.log}
	if s.Store.elsewhere() { // its writes cost money
		counting.Patience, counting.Folder = 5*time.Minute, filepath.Join(s.Data, "usage")
	}
	s.counts = usage.New(counting)
	s.journal = usage.NewJournal(usage.JournalConfig{Entries: s.store, Now: s.now, Log: s.log})
	failing := usage.ErrorsConfig{Store: s.store, Now: s.now, Log: s.log}
	if s.Store.elsewhere() { // its writes cost money
		failing.Patience = 10 * time.Minute
	}
	s.failed = usage.NewErrors(failing)
	s.metrics.MustRegister(feedMetrics{s.workspaces}, unsentMetrics{s.counts, s.journal, s.failed})
	s.parts.flush(s.counts.Close)
	s.parts.flush(s.failed.Close)
	s.parts.flush(s.journal.Close)
	return nil
}

// beginEngine begins to start the workers, which takes longest. awaitEngine is the last stage, so
// that all between happens meanwhile.
func (s *startup) beginEngine(context.Context) (err error) {
	s.memory = s.planMemory(worker.MachineMemory())
	s.memory.apply(s.std.getenv, s.log)
	s.bodies = s.newBodies(s.memory, s.log)
	if s.workers, err = s.beginWorkers(s.memory.transforms, s.log); err != nil {
		return err
	}
	s.parts.flush(s.workers.Close)
	return nil
}

func (s *startup) awaitEngine(ctx context.Context) error { return s.workers.Wait(ctx) }

func (s *startup) openCache(context.Context) error {
	s.answers = delivery.NewAnswers(s.memory.answers, s.metrics)
	reserve := func(ctx context.Context, bytes int64) (release func(), ok bool) {
		return s.answers.Reserve(server.Client(ctx), bytes)
	}
	tiers, figures, err := s.openTiers(s.memory.cache, reserve, s.log, &s.parts)
	if err != nil {
		return err
	}
	s.tiers = tiers
	if bucket, ok := figures["bucket"].(prometheus.Collector); ok {
		s.metrics.MustRegister(bucket)
	}
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(), figures, poolMetrics{s.workers}, bodyMetrics{s.bodies}, unknownMetric(s.strangers))
	return nil
}

func (s *startup) openOrigins(ctx context.Context) error {
	dirs, closeDirs, err := s.openDirs(s.bodies)
	if err != nil {
		return err
	}
	s.dirs = dirs
	s.parts.close(closeDirs)
	limits := origin.DefaultLimits()
	limits.Bytes, limits.Timeout = int64(s.MaxOriginalBytes), s.FetchTimeout
	s.fetching = origin.HTTPConfig{Guard: origin.Guard{Allow: prefixes(s.AllowCIDR)}, Limits: limits, Bodies: s.bodies}
	s.buckets, err = s.serveCmd.buckets(ctx, s.fetching, s.log)
	return err
}

func (s *startup) openCertificates(context.Context) (err error) {
	s.watch = alert.NewWatch(nil, countryOf(s.countries))
	s.certificates = &certWatch{watch: s.watch, place: s.placeOf(s.workspaces)}
	if s.auto, err = s.newAuto(s.listening, s.store, s.cached.Codec, s.hosts, s.certFiles, s.certificates, s.metrics, s.log); err != nil {
		return err
	}
	if s.auto != nil {
		s.parts.close(func() error { s.auto.Close(); return nil })
	}
	return nil
}

func (s *startup) makeDelivery(context.Context) (err error) {
	s.hooks, err = s.purgeHooks(s.secrets, s.fetching, s.log)
	for _, hook := range s.hooks {
		s.parts.flush(hook.Close)
	}
	if err != nil {
		return err
	}
	warnings := delivery.NewLimitWarnings(s.store, s.metrics, s.log)
	s.parts.flush(warnings.Close)
	s.limiter = limit.New(limit.Config{Leases: s.store, Log: s.log, Warn: warnings.Warn})
	s.parts.flush(s.limiter.Close)
	s.metrics.MustRegister(limiterMetric(s.limiter))
	s.images = delivery.New(delivery.Config{
		Profiled:   func() bool { return s.profiles.Load() > 0 },
		Workspaces: s.workspaces, Domains: s.workspaces, BaseDomain: s.BaseDomain,
		Engine: s.workers, Formats: s.formats(), Limits: s.limits(), Best: s.Looks == "best",
		HTTP: origin.NewHTTP(s.fetching), FetchTimeout: s.FetchTimeout, Bucket: s.buckets, Dirs: s.dirs,
		Fetches: delivery.Fetches{All: s.Fetches, PerWorkspace: s.FetchesPerWorkspace, PerHost: s.FetchesPerHost, Waiting: s.memory.waiting},
		Bodies:  s.bodies, MaxOriginalBytes: int64(s.MaxOriginalBytes),
		Cache: s.tiers, MarkMemory: s.memory.marks, Answers: s.answers,
		Auth: s.auth, Journal: s.journal, Usage: s.counts, Errors: s.failed, Watch: watchImages(s.watch), Limiter: s.limiter,
		Plans: limitsOf(s.plans), Units: s.plans.Units, Country: countryOf(s.countries),
		ClientRequests: s.ClientRequests, Peers: s.peers(), PurgesFronts: len(s.hooks) > 0,
		Clock: s.now, Metrics: s.metrics, Log: s.log,
	})
	s.workspaces.OnDrop(s.images.Forget)
	return nil
}

// makeAccounts makes what serves people: accounts and their alerts, Stripe and the meter.
func (s *startup) makeAccounts(ctx context.Context) (err error) {
	if s.people, err = s.newPeople(s.secrets, s.store, s.listening.addresses(), s.now, s.std.stdout, s.log); err != nil {
		return err
	}
	if s.alerts, err = s.newAlerts(ctx, s.watch, s.store, s.cached.Codec, s.workspaces, s.images, s.people, s.fetching, s.metrics, s.log); err != nil {
		return err
	}
	s.parts.flush(s.alerts.Close)
	if s.seller, err = s.openStripe(s.secrets, s.store, s.workspaces, s.plans, s.fetching, s.log); err != nil {
		return err
	}
	s.meter, err = s.openMeter(s.secrets, s.store, s.seller, s.fetching, s.metrics, s.log)
	return err
}

func (s *startup) makeManager(ctx context.Context) error {
	moderator, err := s.moderator(s.secrets, s.fetching)
	if err != nil {
		return err
	}
	told := make([]manage.Front, len(s.hooks))
	for i, hook := range s.hooks {
		told[i] = hook
	}
	s.manager = manage.New(manage.Config{
		Store: s.workspaces, Uncached: s.store, Records: freshRecords{s.store, usage.Fresh{Store: s.store, Recorder: s.counts}}, Auth: s.auth, People: s.people, Plans: s.plans, Alerts: s.alerts,
		Process: s.process, Delivery: s.images, Images: s.images, Moderator: moderator, Unmoderated: s.ModerationFailure == "allow",
		Billing: billingOf(s.seller), PublicURL: s.PublicURL.text(), Certificates: certificatesOf(s.auto), Claims: s.store,
		Resolver: s.resolver(), CNAMEs: s.cnames(), Fronts: told, BaseDomain: s.BaseDomain, Now: s.now, Metrics: s.metrics, Log: s.log,
	})
	return s.prepare(ctx, s.manager, s.log)
}

func (s *startup) makeServer(context.Context) error {
	config := server.Config{
		Tracer: s.tracer, MetricsPerWorkspace: s.MetricsPerWorkspace, Delivery: s.images,
		API: api.New(api.Config{
			Manage: s.manager, Replays: s.store, Usage: s.counts, Journal: s.journal, Limiter: s.limiter, Quota: s.images.Quota,
			Watch: s.watch, Record: server.RecordOf, Log: s.log, Version: version,
		}),
		Dashboard:      s.newDashboard(s.manager, s.people, s.cached.Codec, s.watch, s.log),
		TrustedProxies: prefixes(s.TrustedProxies), Preload: s.preload(), Contact: s.securityContact(), Signup: s.Signup == "open", Live: s.Dev,
		Metrics: s.metrics, Log: s.log,
		Ready: func() error {
			if s.workspaces.Answered() {
				return nil
			}
			return errNotAnswered
		},
	}
	if s.LogFormat == "json" {
		config.AccessLog = s.lines
	}
	if config.AccessSample = s.LogSample; s.LogSample == 0 {
		config.AccessSample = -1
	}
	if s.Dev {
		config.API, config.Start, config.Answers = nil, devNamespace, devHosts(s.Listen, s.listening.public.Addr())
	}
	if s.Demo {
		config.Examples = examples(s.manager)
	}
	if s.listening.quic != nil {
		config.HTTP3Port = s.outsidePort(portOf(s.listening.quic.LocalAddr()))
	}
	s.server = server.New(config)
	return nil
}

// runBackground starts all that runs beside requests until the end.
func (s *startup) runBackground() {
	run := []func(context.Context){
		s.workspaces.Run, s.hosts.run, s.counts.Run, s.failed.Run, s.limiter.Run, s.journal.Run, s.manager.Run, s.manager.RunClaims, s.plans.Run,
		onHangup(s.log, append(s.rereads, s.secrets.rereads()...)...), reapOrphans,
		s.alerts.Run, s.serverAlerts(s.alerts, s.store, s.certificates, s.auto, s.certFiles, s.people, s.metrics, s.log).Run,
	}
	for _, hook := range s.hooks {
		run = append(run, hook.Run)
	}
	if folder, ok := s.store.(workspace.Folder); ok {
		run = append(run, s.fold(folder))
	}
	if s.meter != nil {
		run = append(run, s.meter.Run)
	}
	if s.people != nil {
		run = append(run, s.people.Run)
	}
	if s.auto != nil {
		run = append(run, s.auto.Begin)
	}
	if s.members != nil {
		run = append(run, s.members.Run)
	}
	if s.certFiles != nil {
		run = append(run, warnOfEnds(s.certFiles, s.log))
	}
	s.parts.run(run...)
}

// fronts returns the listeners and what answers on each.
func (s *startup) fronts() []front {
	handler, l := s.server.Handler(), s.listening
	bound := &server.Connections{Most: s.memory.connections, Proxies: prefixes(s.TrustedProxies), Metrics: s.metrics}
	public := front{flag: "--listen", listener: l.public, handler: handler, connections: bound}
	var fronts []front
	if s.TLS == "off" {
		fronts = append(fronts, public)
	} else {
		security, challenge := s.security()
		public.handler = s.server.Redirect(s.outsidePort(portOf(l.secure.Addr())), challenge)
		fronts = append(fronts, public, front{flag: "--tls-listen", listener: l.secure, handler: handler, tls: security, connections: bound})
		if l.quic != nil {
			fronts = append(fronts, front{flag: "--http3", socket: l.quic, http3: s.server.HTTP3(security, bound, s.metrics)})
		}
	}
	if s.fleet != nil {
		fronts = append(fronts, s.peerFront())
	}
	if l.ops != nil {
		ops := opsHandler(s.metrics, s.server, s.hosts.ask, s.aboutServer(s.describe), &s.profiles)
		fronts = append(fronts, front{flag: "--ops-listen", listener: l.ops, handler: ops, cutOff: true})
	}
	return fronts
}

// security returns how TLS is spoken, and what answers an authority's questions on the plain port.
func (s *startup) security() (config *tls.Config, challenge func(http.ResponseWriter, *http.Request) bool) {
	if s.auto != nil {
		config, challenge = server.TLS(s.auto.GetCertificate), s.auto.Challenge
		config.NextProtos = append(config.NextProtos, certs.Protocol)
	} else {
		config = server.TLS(s.certFiles.GetCertificate)
	}
	server.CountHandshakes(config, s.metrics)
	return config, challenge
}

// describe tells tintype doctor what only the running server knows.
func (s *startup) describe(d *doctor.Server) {
	d.Recovery = recovery(s.store)
	d.StoreAnswered, d.Plans, d.MissingLayers = s.workspaces.Answered(), len(s.plans.Names()), s.workers.MissingLayers()
	for _, key := range strings.Split(s.rootKey(), ",") {
		if key = strings.TrimSpace(key); key != "" {
			d.RootKeys++
			if n := utf8.RuneCountInString(key); d.ShortestRootKey == 0 || n < d.ShortestRootKey {
				d.ShortestRootKey = n
			}
		}
	}
	if err := s.memory.fits(); err != nil {
		d.Memory = err.Error()
	}
}

// announceAll says where the server is reached, in the log and on standard output.
func (s *startup) announceAll() {
	if ops := s.listening.ops; ops != nil {
		s.log.Info("serving metrics, profiles and health", "address", ops.Addr().String())
	}
	if peers := s.listening.peers; peers != nil {
		s.log.Info("serving the other servers of the fleet", "address", peers.Addr().String(), "told", s.members.Self().Address)
	}
	reached := s.listening.public.Addr()
	if s.TLS != "off" {
		reached = s.listening.secure.Addr()
	}
	s.log.Info("serving", "address", reached.String(), "tls", s.TLS, "version", version, "libvips", engineVersion(), "jpeg_encoder", jpegEncoder())
	s.sayAddress(s.listening.public.Addr(), &s.parts, s.log)
	if s.Dev {
		s.announceDev(s.std.stdout, reached)
	} else {
		s.announce(s.std.stdout, reached)
	}
	if s.Demo {
		s.announceDemo(s.std.stdout, s.demoKey)
	}
	if !s.auth.HasRoot() {
		s.log.Info("the API under /v1 refuses every call: set TINTYPE_ROOT_KEY to use it")
	}
	if err := tellSystemd("READY=1"); err != nil {
		s.log.Warn("systemd can't be told that the server is ready", "err", err)
	}
}

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/cache"
	bucketcache "github.com/tintype/tintype/cache/bucket"
	"github.com/tintype/tintype/certs"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/doctor"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/moderation"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/origin/bucket"
	"github.com/tintype/tintype/purgehook"
	"github.com/tintype/tintype/server"
	"github.com/tintype/tintype/server/api"
	"github.com/tintype/tintype/tracing"
	"github.com/tintype/tintype/transform/worker"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
)

// errNotAnswered is why a server isn't ready that was started while the store was down,
// and has no copies of it.
var errNotAnswered = errors.New("the store has not answered yet, and there are no copies of what it holds")

// heapFloor, in bytes, is added to what Go's collector takes to be in use. It is never
// touched, and so takes no memory; without it, a server with little in its cache
// would collect after every few dozen originals.
const heapFloor = 32 << 20

// Run serves until ctx ends, then finishes what runs.
func (c *serveCmd) Run(ctx context.Context, std stdio, app *kong.Context) (err error) {
	if err := checkVariables(os.Environ(), knownVariables(app.Model)); err != nil {
		return err
	}
	log := newLog(c.LogFormat, c.LogLevel, std.stderr)
	slog.SetDefault(log) // what net/http says on its own
	defer runtime.KeepAlive(make([]byte, heapFloor))
	secrets := &liveSecrets{getenv: std.getenv}
	var auth *apikey.Authenticator
	rootKey, err := secrets.read("TINTYPE_ROOT_KEY", func(value string) error {
		keys, err := parseRootKeys(value)
		if err == nil {
			auth.SetRootKeys(keys)
		}
		return err
	})
	if err != nil {
		return err
	}
	rootKeys, err := parseRootKeys(rootKey())
	if err != nil {
		return err
	}
	if err := c.makeData(); err != nil {
		return err
	}
	newKey := ""
	if c.Demo {
		if err := c.setUpDemo(); err != nil {
			return err
		}
		if len(rootKeys) == 0 {
			key, isNew, err := demoRootKey(c.Data)
			if err != nil {
				return err
			}
			if rootKeys = []string{key}; isNew {
				newKey = key
			}
		}
	}

	if full, free := cache.DiskFull(c.Data); full {
		log.Error("the disk of the data folder is full: images are served from what there is; make room, or nothing can be changed or kept",
			"folder", c.Data, "free_bytes", free)
	}
	var parts parts
	defer func() { err = errors.Join(err, parts.end(flushTime)) }()
	tracer, err := tracing.Open(ctx, std.getenv, tracing.Config{Version: version, Log: log})
	if err != nil {
		return err
	}
	parts.flush(tracer.Close)

	// Before all that takes time, since an address that is taken is a common mistake.
	listening, err := c.listen(&parts)
	if err != nil {
		return err
	}
	certFiles, err := c.openCertFiles()
	if err != nil {
		return err
	}

	store, config, err := c.openStore(ctx, std.getenv, log, &parts)
	if err != nil {
		return err
	}
	// The codec has read it; this tells on SIGHUP that it was replaced.
	if _, err := secrets.read("TINTYPE_SECRET_KEY", func(string) error { return errors.New("another secret key counts from the next start") }); err != nil {
		return err
	}
	plans, err := c.openPlans(ctx, store, log)
	if err != nil {
		return err
	}
	rereads := []reread{{"--plans", plans.Reload}}
	if certFiles != nil {
		rereads = append(rereads, reread{"--tls-cert", func() error { defer warnOfEnd(certFiles, log); return certFiles.Reload() }})
	}
	countries, err := c.openCountries()
	if err != nil {
		return err
	}
	if countries != nil {
		rereads = append(rereads, reread{"--geoip", countries.Reload})
	}
	var strangers *cached.Strangers
	if c.Store.elsewhere() { // reads of a store on this machine cost next to nothing
		strangers = cached.NewStrangers(server.Client, nil)
	}
	auth = apikey.NewAuthenticator(apikey.AuthenticatorConfig{RootKeys: rootKeys, Keys: store, Strangers: strangers, Log: log})
	hosts := c.newHostList(store, log)
	config.Strangers = strangers
	config.OnChange = func(changes []workspace.Change) {
		auth.Changed(changes)
		hosts.names.Changed(changes)
	}
	workspaces := cached.New(store, config)
	counts := usage.New(usage.Config{Counters: store, Log: log})
	journal := usage.NewJournal(usage.JournalConfig{Entries: store, Log: log})
	failing := usage.ErrorsConfig{Store: store, Log: log}
	if c.Store.elsewhere() { // its writes cost money
		failing.Patience = 10 * time.Minute
	}
	failed := usage.NewErrors(failing)
	parts.flush(counts.Close)
	parts.flush(failed.Close)
	parts.flush(journal.Close)
	plan := c.planMemory(worker.MachineMemory())
	plan.apply(std.getenv, log)
	bodies := c.newBodies(plan, log)
	dirs, closeDirs, err := c.openDirs(bodies)
	if err != nil {
		return err
	}
	parts.close(closeDirs)

	workers, err := c.startWorkers(ctx, plan.transforms, log)
	if err != nil {
		return err
	}
	parts.flush(workers.Close)
	metrics := prometheus.NewRegistry()
	answers := delivery.NewAnswers(plan.answers, metrics)
	reserve := func(ctx context.Context, bytes int64) (release func(), ok bool) {
		return answers.Reserve(server.Client(ctx), bytes)
	}
	tiers, figures, err := c.openTiers(plan.cache, reserve, log, &parts)
	if err != nil {
		return err
	}
	limits := origin.DefaultLimits()
	limits.Bytes, limits.Timeout = int64(c.MaxOriginalBytes), c.FetchTimeout
	fetching := origin.HTTPConfig{Guard: origin.Guard{Allow: prefixes(c.AllowCIDR)}, Limits: limits, Bodies: bodies}
	buckets, err := c.buckets(ctx, fetching)
	if err != nil {
		return err
	}
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(), figures, poolMetrics{workers}, bodyMetrics{bodies}, unknownMetric(strangers))

	watch := alert.NewWatch(nil, countryOf(countries))
	certificates := &certWatch{watch: watch, place: c.placeOf(workspaces)}
	auto, err := c.newAuto(listening, store, config.Codec, hosts, certFiles, certificates, metrics, log)
	if err != nil {
		return err
	}
	if auto != nil {
		parts.close(func() error { auto.Close(); return nil })
	}
	hooks, err := c.purgeHooks(secrets, fetching, log)
	for _, hook := range hooks {
		parts.flush(hook.Close)
	}
	if err != nil {
		return err
	}
	warnings := delivery.NewLimitWarnings(store, metrics, log)
	parts.flush(warnings.Close)
	limiter := limit.New(limit.Config{Leases: store, Log: log, Warn: warnings.Warn})
	parts.flush(limiter.Close)
	var profiles atomic.Int32 // of the processor that are being taken
	images := delivery.New(delivery.Config{
		Profiled:   func() bool { return profiles.Load() > 0 },
		Workspaces: workspaces, Domains: workspaces, BaseDomain: c.BaseDomain,
		Engine: workers, Formats: c.formats(), Limits: c.limits(),
		HTTP: origin.NewHTTP(fetching), FetchTimeout: c.FetchTimeout, Bucket: buckets, Dirs: dirs,
		Fetches: delivery.Fetches{All: c.Fetches, PerWorkspace: c.FetchesPerWorkspace, PerHost: c.FetchesPerHost, Waiting: plan.waiting},
		Bodies:  bodies, MaxOriginalBytes: int64(c.MaxOriginalBytes),
		Cache: tiers, MarkMemory: plan.marks, Answers: answers,
		Auth: auth, Journal: journal, Usage: counts, Errors: failed, Watch: watchImages(watch), Limiter: limiter, Plans: limitsOf(plans), Units: plans.Units, Country: countryOf(countries), ClientRequests: c.ClientRequests, PurgesFronts: len(hooks) > 0,
		Metrics: metrics, Log: log,
	})
	told := make([]manage.Front, len(hooks))
	for i, hook := range hooks {
		told[i] = hook
	}
	people, err := c.newPeople(secrets, store, listening.addresses(), std.stdout, log)
	if err != nil {
		return err
	}
	alerts, err := c.newAlerts(ctx, watch, store, config.Codec, workspaces, images, people, fetching, metrics, log)
	if err != nil {
		return err
	}
	parts.flush(alerts.Close)
	moderator, err := c.moderator(secrets, fetching)
	if err != nil {
		return err
	}
	seller, err := c.openStripe(std.getenv, store, workspaces, plans, fetching, log)
	if err != nil {
		return err
	}
	usageMeter, err := c.openMeter(std.getenv, store, seller, fetching, metrics, log)
	if err != nil {
		return err
	}
	manager := manage.New(manage.Config{
		Store: workspaces, Uncached: store, Records: store, Auth: auth, People: people, Plans: plans, Alerts: alerts, Process: c.process, Delivery: images,
		Images: images, Moderator: moderator, Unmoderated: c.ModerationFailure == "allow",
		Billing: billingOf(seller), PublicURL: c.PublicURL.text(), Certificates: certificatesOf(auto), Claims: store, Resolver: c.resolver(), CNAMEs: c.cnames(), Fronts: told, BaseDomain: c.BaseDomain, Metrics: metrics, Log: log,
	})
	if err := c.prepare(ctx, manager, log); err != nil {
		return err
	}
	management := api.New(api.Config{
		Manage: manager, Replays: store, Usage: counts, Journal: journal, Limiter: limiter, Quota: images.Quota, Watch: watch, Record: server.RecordOf, Log: log, Version: version,
	})
	var show func(context.Context) []server.Example
	if c.Demo {
		show = examples(manager)
	}
	http3Port := ""
	if listening.quic != nil {
		http3Port = portOf(listening.quic.LocalAddr())
	}
	srv := server.New(server.Config{
		HTTP3Port: http3Port, Tracer: tracer, MetricsPerWorkspace: c.MetricsPerWorkspace,
		Examples: show,
		Delivery: images, API: management, Dashboard: c.newDashboard(manager, people, config.Codec, watch, log), TrustedProxies: prefixes(c.TrustedProxies), Preload: c.preload(), Contact: c.securityContact(), Signup: c.Signup == "open", Metrics: metrics, Log: log,
		Ready: func() error {
			if workspaces.Answered() {
				return nil
			}
			return errNotAnswered
		},
	})
	run := []func(context.Context){workspaces.Run, hosts.run, counts.Run, failed.Run, limiter.Run, journal.Run, manager.Run, manager.RunClaims, plans.Run, onHangup(log, append(rereads, secrets.rereads()...)...), reapOrphans,
		alerts.Run, c.serverAlerts(alerts, store, certificates, certFiles, people, metrics, log).Run}
	for _, hook := range hooks {
		run = append(run, hook.Run)
	}
	if usageMeter != nil {
		run = append(run, usageMeter.Run)
	}
	if people != nil {
		run = append(run, people.Run)
	}
	if auto != nil {
		run = append(run, auto.Begin)
	}
	if certFiles != nil {
		run = append(run, warnOfEnds(certFiles, log))
	}
	parts.run(run...)

	bound := &server.Connections{Most: plan.connections, Proxies: prefixes(c.TrustedProxies), Metrics: metrics}
	fronts := []front{{flag: "--listen", listener: listening.public, handler: srv.Handler(), connections: bound}}
	reached := listening.public.Addr()
	if c.TLS != "off" {
		security, challenge := (*tls.Config)(nil), (func(http.ResponseWriter, *http.Request) bool)(nil)
		if auto != nil {
			security, challenge = server.TLS(auto.GetCertificate), auto.Challenge
			security.NextProtos = append(security.NextProtos, certs.Protocol)
		} else {
			security = server.TLS(certFiles.GetCertificate)
		}
		server.CountHandshakes(security, metrics)
		reached = listening.secure.Addr()
		fronts[0].handler = srv.Redirect(portOf(reached), challenge)
		fronts = append(fronts, front{flag: "--tls-listen", listener: listening.secure, handler: srv.Handler(), tls: security, connections: bound})
		if listening.quic != nil {
			fronts = append(fronts, front{flag: "--http3", socket: listening.quic, http3: srv.HTTP3(security, bound, metrics)})
		}
	}
	about := c.aboutServer(func(s *doctor.Server) {
		s.StoreAnswered, s.Plans, s.MissingLayers = workspaces.Answered(), len(plans.Names()), workers.MissingLayers()
		for _, key := range strings.Split(rootKey(), ",") {
			if key = strings.TrimSpace(key); key != "" {
				s.RootKeys++
				if n := utf8.RuneCountInString(key); s.ShortestRootKey == 0 || n < s.ShortestRootKey {
					s.ShortestRootKey = n
				}
			}
		}
		if err := plan.fits(); err != nil {
			s.Memory = err.Error()
		}
	})
	if ops := listening.ops; ops != nil {
		fronts = append(fronts, front{flag: "--ops-listen", listener: ops, handler: opsHandler(metrics, srv, hosts.ask, about, &profiles), cutOff: true})
		log.Info("serving metrics, profiles and health", "address", ops.Addr().String())
	}
	log.Info("serving", "address", reached.String(), "tls", c.TLS, "version", version, "libvips", engineVersion())
	c.sayAddress(listening.public.Addr(), &parts, log)
	c.announce(std.stdout, reached)
	if c.Demo {
		c.announceDemo(std.stdout, newKey)
	}
	if !auth.HasRoot() {
		log.Info("the API under /v1 refuses every call: set TINTYPE_ROOT_KEY to use it")
	}
	return serveUntil(ctx, fronts, srv, c.Drain, stopTime-flushTime, log)
}

// openTiers opens the cache: memory, and the disk and the bucket where flags ask for them. It
// serves without a disk that it can't use.
func (c *serveCmd) openTiers(memoryBytes int64, reserve cache.Reserve, log *slog.Logger, parts *parts) (cache.Cache, tierMetrics, error) {
	memory := cache.NewMemory(memoryBytes)
	tiers, figures := []cache.Cache{memory}, tierMetrics{"memory": memory}
	if c.CacheDisk > 0 {
		disk, err := cache.OpenDisk(cache.DiskConfig{Dir: filepath.Join(c.Data, "cache"), MaxBytes: int64(c.CacheDisk), Reserve: reserve, Log: log})
		switch {
		case err == nil:
			parts.flush(disk.Close)
			tiers, figures["disk"] = append(tiers, disk), disk
		case errors.Is(err, cache.ErrInUse):
			return nil, nil, err
		default:
			log.Error("serving without a disk cache", "err", err)
		}
	}
	if c.CacheBucket != "" {
		shared, err := bucketcache.Open(bucketcache.Config{URL: c.CacheBucket, Reserve: reserve, Log: log})
		if err != nil {
			return nil, nil, fmt.Errorf("--cache-bucket: %w", err)
		}
		parts.flush(shared.Close)
		tiers, figures["bucket"] = append(tiers, shared), shared
	}
	return cache.NewTiered(tiers...), figures, nil
}

// unknownMetric counts look-ups of names that don't exist.
func unknownMetric(strangers *cached.Strangers) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "tintype_unknown_refused_total", Help: "Look-ups of workspaces, hosts and API keys refused since the client's address had asked for too many that don't exist.",
	}, func() float64 { return float64(strangers.Refused()) })
}

// opsHandler is the private listener: for the operator, never for the world.
func opsHandler(metrics *prometheus.Registry, srv *server.Server, ask, about http.HandlerFunc, profiles *atomic.Int32) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tls/ask", ask)
	mux.HandleFunc("GET /doctor", about)
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.Handle("/healthz", srv.Health())
	mux.Handle("/readyz", srv.Health())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", func(w http.ResponseWriter, r *http.Request) {
		profiles.Add(1)
		defer profiles.Add(-1)
		pprof.Profile(w, r)
	})
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// openDirs opens the folders of --dir.
func (c *serveCmd) openDirs(bodies *origin.Bodies) (dirs map[string]map[string]*origin.Dir, closeAll func() error, err error) {
	dirs = map[string]map[string]*origin.Dir{}
	var opened []*origin.Dir
	closeAll = func() error {
		var err error
		for _, d := range opened {
			err = errors.Join(err, d.Close())
		}
		return err
	}
	for _, spec := range c.Dir {
		dir, err := origin.OpenDir(spec.path)
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("--dir %s/%s: %w", spec.namespace, spec.key, err), closeAll())
		}
		dir.MaxBytes, dir.Bodies = int64(c.MaxOriginalBytes), bodies
		dir.Uploads = slices.Contains(c.DirUploads, spec.namespace+"/"+spec.key)
		dir.Private = slices.Contains(c.DirPrivate, spec.namespace+"/"+spec.key)
		opened = append(opened, dir)
		if dirs[spec.namespace] == nil {
			dirs[spec.namespace] = map[string]*origin.Dir{}
		}
		dirs[spec.namespace][spec.key] = dir
	}
	return dirs, closeAll, nil
}

// prepare does what the flags want done to workspaces: it applies the file of --apply, and
// makes the workspaces of folders that lack.
func (c *serveCmd) prepare(ctx context.Context, manager *manage.Manager, log *slog.Logger) error {
	if c.Apply != "" {
		err := c.applyFile(ctx, manager, log)
		if c.serveAnyway(err) {
			log.Error("--apply: not applied, since the store can't be written: start again when it can", "err", err)
		} else if err != nil {
			return err
		}
	}
	for _, spec := range c.Dir {
		err := manager.EnsureWorkspace(ctx, manage.Operator, spec.namespace)
		if err != nil && !c.serveAnyway(err) { // it may be there, and the next start makes it
			return fmt.Errorf("--dir %s/%s: %w", spec.namespace, spec.key, err)
		}
	}
	if c.Demo {
		if err := prepareGallery(ctx, manager); err != nil && !c.serveAnyway(err) {
			return fmt.Errorf("--demo: %w", err)
		}
	}
	return nil
}

// serveAnyway reports whether a server can do its work although something could not be
// written to the store.
func (c *serveCmd) serveAnyway(err error) bool {
	return errors.Is(err, workspace.ErrFull) || errors.Is(err, workspace.ErrReadOnly) ||
		c.Store.elsewhere() && errors.Is(err, workspace.ErrUnavailable)
}

// process is what this process adds to a workspace.
func (c *serveCmd) process(namespace string) workspace.Process {
	p := workspace.Process{Dirs: c.dirKeys(namespace), LendsCredentials: c.AllowAmbientCredentials}
	for _, key := range p.Dirs {
		if slices.Contains(c.DirPrivate, namespace+"/"+key) {
			p.PrivateDirs = append(p.PrivateDirs, key)
		}
	}
	return p
}

// buckets returns what makes a source of a bucket. All share one pool of connections,
// which go past the guard.
func (c *serveCmd) buckets(ctx context.Context, fetching origin.HTTPConfig) (func(workspace.Source) (origin.Source, error), error) {
	var ambient *bucket.Ambient
	if c.AllowAmbientCredentials {
		var err error
		if ambient, err = bucket.LoadAmbient(ctx); err != nil {
			return nil, fmt.Errorf("--allow-ambient-credentials: %w", err)
		}
	}
	transport := origin.NewTransport(fetching)
	return func(s workspace.Source) (origin.Source, error) {
		return bucket.New(bucket.Config{
			Bucket: s.Bucket, Region: s.Region, Endpoint: s.Endpoint, AccountID: s.AccountID, Prefix: s.Prefix,
			AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey,
			Ambient: ambient, Transport: transport, Limits: fetching.Limits, Bodies: fetching.Bodies,
		})
	}, nil
}

// purgeHooks are what tells caches in front of purges, each with a journal in the data
// folder. The webhook's connections go past the guard too. Those that are returned
// with an error are to be closed as well.
func (c *serveCmd) purgeHooks(secrets *liveSecrets, fetching origin.HTTPConfig, log *slog.Logger) (hooks []*purgehook.Hook, err error) {
	token, err := secrets.read("TINTYPE_PURGE_WEBHOOK_TOKEN", nil)
	if err != nil {
		return nil, err
	}
	add := func(name string, to purgehook.Sender) {
		if err != nil {
			return
		}
		var h *purgehook.Hook
		h, err = purgehook.Open(purgehook.Config{
			To: to, Name: "--" + name, Journal: filepath.Join(c.Data, name+".journal"), Again: cached.ChangeReach, Log: log,
		})
		if err == nil {
			hooks = append(hooks, h)
		}
	}
	if c.PurgeWebhook != "" {
		add("purge-webhook", &purgehook.Webhook{URL: c.PurgeWebhook, Token: token, Transport: origin.NewTransport(fetching)})
	}
	if c.PurgeCommand != "" {
		path, found := exec.LookPath(c.PurgeCommand)
		if found != nil {
			return hooks, fmt.Errorf("--purge-command: %w: name a program that may be run", found)
		}
		add("purge-command", &purgehook.Command{Path: path, Env: withoutOurs(os.Environ())})
	}
	return hooks, err
}

// moderator is asked about uploads; nil is nobody. Its connections go past the guard.
func (c *serveCmd) moderator(secrets *liveSecrets, fetching origin.HTTPConfig) (manage.Moderator, error) {
	if c.ModerationWebhook == "" {
		return nil, nil
	}
	token, err := secrets.read("TINTYPE_MODERATION_WEBHOOK_TOKEN", nil)
	if err != nil {
		return nil, err
	}
	return &moderation.Webhook{URL: c.ModerationWebhook, Token: token, Transport: origin.NewTransport(fetching)}, nil
}

// withoutOurs is an environment without what is set for Tintype, such as its root key.
func withoutOurs(environ []string) []string {
	return slices.DeleteFunc(environ, func(v string) bool { return strings.HasPrefix(v, "TINTYPE_") })
}

// dirKeys are the sources of a workspace that this process serves from folders.
func (c *serveCmd) dirKeys(namespace string) (keys []string) {
	for _, d := range c.Dir {
		if d.namespace == namespace {
			keys = append(keys, d.key)
		}
	}
	return keys
}

// announce prints where to look.
func (c *serveCmd) announce(out io.Writer, addr net.Addr) {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() || ip.IsLoopback() {
		host = "localhost"
	}
	base := "http://" + net.JoinHostPort(host, port)
	if c.TLS != "off" {
		base = "https://" + net.JoinHostPort(host, port)
	}
	fmt.Fprintf(out, "Tintype serves on %s\n", base)
	for _, d := range c.Dir {
		fmt.Fprintf(out, "  %s/%s/%s/…?w=400 from %s\n", base, d.namespace, d.key, d.path)
	}
}

func newLog(format, level string, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{}
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err == nil { // kong has checked it
		options.Level = least
	}
	if format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

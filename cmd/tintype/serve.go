package main

import (
	"context"
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
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tintype/tintype/accesslog"
	"github.com/tintype/tintype/cache"
	bucketcache "github.com/tintype/tintype/cache/bucket"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/moderation"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/origin/bucket"
	"github.com/tintype/tintype/purgehook"
	"github.com/tintype/tintype/server"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
)

// Run serves until ctx ends, then finishes what runs. The stages of a start are in startup.go.
func (c *serveCmd) Run(ctx context.Context, std stdio, app *kong.Context) (err error) {
	if err := checkVariables(os.Environ(), knownVariables(app.Model)); err != nil {
		return err
	}
	lines := accesslog.New(std.stderr)
	defer func() { _ = lines.Close() }()
	log := newLog(c.LogFormat, c.LogLevel, lines)
	slog.SetDefault(log) // what net/http says on its own
	defer runtime.KeepAlive(make([]byte, heapFloor))
	if std.getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	s := &startup{serveCmd: c, std: std, log: log, lines: lines, secrets: &liveSecrets{getenv: std.getenv}, metrics: prometheus.NewRegistry()}
	defer func() { err = errors.Join(err, s.parts.end(flushTime)) }()
	for _, stage := range []func(context.Context) error{
		s.readRootKeys, s.prepareData, s.open, s.beginEngine, s.openStore, s.openRecords, s.openCache, s.openOrigins,
		s.openCertificates, s.openPeers, s.makeDelivery, s.makeAccounts, s.makeManager, s.makeServer, s.awaitEngine,
	} {
		if err := stage(ctx); err != nil {
			return tooFewFiles(err)
		}
	}
	s.runBackground()
	fronts := s.fronts()
	s.announceAll()
	go giveBack()
	return serveUntil(ctx, fronts, s.server, c.Drain, stopTime-flushTime-closeTime, log)
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
			return nil, nil, fmt.Errorf("%w: stop the other server, or give this one a data folder of its own with --data", err)
		default:
			log.Error("serving without a disk cache", "err", err)
		}
	}
	if c.CacheBucket != "" {
		shared, err := bucketcache.Open(bucketcache.Config{
			URL: c.CacheBucket, SecondUse: c.CacheBucketWrites == "second-use", FilterBytes: int64(c.CacheBucketFilter), MaxAge: c.CacheBucketMaxAge,
			Reserve: reserve, Log: log,
		})
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

// clockMetric says how wrong this machine's clock is. clock is nil where the store is on this machine.
func clockMetric(clock workspace.Clock) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tintype_clock_offset_seconds", Help: "By how much the store's clock is ahead of this machine's, within a second or two. Above 2, the store's is used for what ends or is dated. 0 with a store on this machine.",
	}, func() float64 {
		if clock == nil {
			return 0
		}
		return clock.ClockOffset().Seconds()
	})
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
	if err := c.checkPrivateDirs(); err != nil {
		return nil, nil, err
	}
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
		dir.Uploads = slices.Contains(c.DirUploads, spec.name())
		dir.Private = c.isPrivate(spec)
		opened = append(opened, dir)
		if dirs[spec.namespace] == nil {
			dirs[spec.namespace] = map[string]*origin.Dir{}
		}
		dirs[spec.namespace][spec.key] = dir
	}
	return dirs, closeAll, nil
}

// checkPrivateDirs refuses a private folder that lies within one that isn't: everybody could
// read it there.
func (c *serveCmd) checkPrivateDirs() error {
	for _, private := range c.Dir {
		if !c.isPrivate(private) {
			continue
		}
		for _, public := range c.Dir {
			if !c.isPrivate(public) && holds(public.path, private.path) {
				return fmt.Errorf("--dir-private %s: everybody could read its folder through %s, which holds it: keep the two apart, or add --dir-private %s",
					private.name(), public.name(), public.name())
			}
		}
	}
	return nil
}

func (c *serveCmd) isPrivate(d dirSpec) bool { return slices.Contains(c.DirPrivate, d.name()) }

// holds reports whether a folder is another one, or has it inside.
func holds(outer, inner string) bool {
	real := func(path string) string {
		if p, err := filepath.EvalSymlinks(path); err == nil { // else opening it says what is wrong
			path = p
		}
		if p, err := filepath.Abs(path); err == nil {
			path = p
		}
		return path
	}
	rel, err := filepath.Rel(real(outer), real(inner))
	return err == nil && filepath.IsLocal(rel)
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
	if c.Dev {
		if err := makeDevWorkspace(ctx, manager); err != nil {
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
func (c *serveCmd) buckets(ctx context.Context, fetching origin.HTTPConfig, log *slog.Logger) (func(workspace.Source) (origin.Source, error), error) {
	var ambient *bucket.Ambient
	if c.AllowAmbientCredentials {
		var err error
		if ambient, err = bucket.LoadAmbient(ctx, log); err != nil {
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

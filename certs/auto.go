package certs

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// AutoConfig configures an Auto. Fields without a comment on their zero value are required.
type AutoConfig struct {
	Storage   certmagic.Storage
	Directory string // URL of the certificate authority's directory
	Email     string // which the authority may write to; empty is none

	// Allowed reports whether a host may have a certificate. Every handshake asks it, so it
	// must not read the store.
	Allowed func(host string) bool
	// Files are used for the hosts that they are for, which then need no order. Nil is none.
	Files *Files

	// Base is a domain whose certificate, and one for all hosts right below it, is proved by
	// DNS records that Hook sets. Empty has certificates by host only.
	Base string
	Hook *DNSHook

	// Where this server listens: it answers the authority there.
	ListenHost          string
	HTTPPort, HTTPSPort int

	// Failed is told of orders that fail: whether it is a renewal, whether the authority can't be
	// reached, and why in words. Issued is told of those that don't. Nil tells nobody.
	Failed func(host string, renewal, unreachable bool, why string)
	Issued func(host string)

	Roots   *x509.CertPool        // which the authority's own certificate leads to; nil is the system's
	Metrics prometheus.Registerer // nil registers nothing
	Log     *slog.Logger
	Now     func() time.Time // of budgets and pauses; nil is time.Now
}

const (
	mostRunning  = 256             // hosts whose certificates are read or ordered at a time
	mostCerts    = 10000           // in memory
	mostHosts    = 10000           // of which it is known what is under way, and what failed
	orderTimeout = 3 * time.Minute // of reading or ordering one
	patience     = 8 * time.Second // of a handshake that waits for one
	// An authority that takes longer keeps nobody from the certificate that is there. By then, a
	// store that is away has been given up: see storePatience.
	impatience = 3 * time.Second
	noteWithin = 10 * time.Second // of what is written about an order, also where its time is over
)

// pauses are the times until the next order of a host after one that failed: authorities
// allow five an hour.
var pauses = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour}

// Auto gets certificates by ACME when they are first needed, for hosts that may have one, and
// renews them in the background. Servers that share a storage share certificates, orders and
// budgets. It is safe for concurrent use.
type Auto struct {
	cfg    AutoConfig
	cache  *certmagic.Cache
	magic  *certmagic.Config
	byDNS  *certmagic.Config // of Base and what is below it; nil without a hook
	stored *certmagic.Config // takes certificates from the storage, and asks nobody
	issuer *certmagic.ACMEIssuer

	mu      sync.Mutex
	hosts   map[string]*host // of which something is under way, or failed
	running int              // of them
	dropped time.Time        // when the account was last given up

	counts struct{ unknown, ordered, failed prometheus.Counter }
}

// A host is what is under way for a host, and what failed. Auto.mu guards it.
type host struct {
	running  chan struct{} // closed when what is under way has ended; nil where nothing is
	served   chan struct{} // closed when an older certificate is served meanwhile
	failures int
	err      error     // the last failure
	retry    time.Time // nothing is tried before
	asked    []time.Time
}

// NewAuto returns an Auto. Call Close at the end.
func NewAuto(cfg AutoConfig) *Auto {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	a := &Auto{cfg: cfg, hosts: map[string]*host{}}
	a.register()
	logger := zapLogger(cfg.Log)
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(c certmagic.Certificate) (*certmagic.Config, error) { return a.config(c.Names...), nil },
		Capacity:         mostCerts, Logger: logger,
	})
	a.magic, a.issuer = a.newConfig(logger, nil)
	a.stored = certmagic.New(a.cache, certmagic.Config{
		Storage: cfg.Storage, Logger: logger, Issuers: a.magic.Issuers, OCSP: certmagic.OCSPConfig{DisableStapling: true},
	})
	if cfg.Hook != nil {
		a.byDNS, _ = a.newConfig(logger, cfg.Hook)
	}
	return a
}

// newConfig returns how certificates are ordered: proved by a hook, or without one by what this
// server answers.
func (a *Auto) newConfig(logger *zap.Logger, hook *DNSHook) (*certmagic.Config, *certmagic.ACMEIssuer) {
	c := certmagic.New(a.cache, certmagic.Config{
		Storage: a.cfg.Storage, Logger: logger, OnEvent: a.event,
		DisableStorageCheck: true, // an order writes to it first
		// With a proxy, even none, certmagic's client has a timeout.
		OCSP: certmagic.OCSPConfig{HTTPProxy: noProxy},
	})
	template := certmagic.ACMEIssuer{
		CA: a.cfg.Directory, Email: a.cfg.Email, Agreed: true, TrustedRoots: a.cfg.Roots, Logger: logger,
		ListenHost: a.cfg.ListenHost, AltHTTPPort: a.cfg.HTTPPort, AltTLSALPNPort: a.cfg.HTTPSPort,
		HTTPProxy: noProxy,
	}
	if hook != nil {
		template.DNS01Solver = hook
	}
	issuer := certmagic.NewACMEIssuer(c, template)
	c.Issuers = []certmagic.Issuer{issuer}
	if a.cfg.Email == "" {
		c.Issuers = []certmagic.Issuer{unasking{issuer}}
	}
	return c, issuer
}

// noProxy uses none, as for originals.
func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

// config returns how the certificate of a host is ordered.
func (a *Auto) config(names ...string) *certmagic.Config {
	if len(names) > 0 && a.byHook(names[0]) {
		return a.byDNS
	}
	return a.magic
}

// byHook reports whether a certificate is proved by DNS records that the hook sets.
func (a *Auto) byHook(name string) bool {
	return a.byDNS != nil && (name == a.cfg.Base || name == a.wildcard())
}

func (a *Auto) wildcard() string { return "*." + a.cfg.Base }

// covering returns the name of the certificate for a host: its own, or that of all hosts right
// below the base domain.
func (a *Auto) covering(name string) string {
	if a.byDNS == nil {
		return name
	}
	if below, ok := strings.CutSuffix(name, "."+a.cfg.Base); ok && below != "" && !strings.Contains(below, ".") {
		return a.wildcard()
	}
	return name
}

// allowed reports whether a certificate may be had. Those by the hook are the operator's own.
func (a *Auto) allowed(name string) bool {
	return a.byHook(name) || a.covering(name) != name || a.cfg.Allowed(name)
}

// Begin gets the certificates of the base domain, if there is a hook, before anybody asks for
// them: a record takes longer to show than a handshake waits.
func (a *Auto) Begin(ctx context.Context) {
	if a.byDNS == nil {
		return
	}
	for _, name := range []string{a.wildcard(), a.cfg.Base} {
		if a.cfg.Files == nil || !a.cfg.Files.Covers(strings.Replace(name, "*", "any", 1)) {
			_ = a.get(ctx, name) // is logged
		}
	}
}

// unasking is an issuer that doesn't ask for an e-mail address on the terminal.
type unasking struct{ *certmagic.ACMEIssuer }

func (u unasking) PreCheck(ctx context.Context, names []string, _ bool) error {
	return u.ACMEIssuer.PreCheck(ctx, names, false)
}

func (a *Auto) register() {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	a.counts.unknown = counter("tintype_tls_unknown_hosts_total", "TLS handshakes for hosts that may have no certificate.")
	a.counts.ordered = counter("tintype_certificates_ordered_total", "Certificates that this server has ordered and got, renewals included.")
	a.counts.failed = counter("tintype_certificates_failed_total", "Orders of certificates by this server that failed, renewals included.")
	if a.cfg.Metrics != nil {
		a.cfg.Metrics.MustRegister(a.counts.unknown, a.counts.ordered, a.counts.failed)
	}
}

// Close stops renewals.
func (a *Auto) Close() { a.cache.Stop() }

// Protocol is what certificate authorities speak on the listener of TLS. It must be among its
// protocols.
const Protocol = "acme-tls/1"

// GetCertificate is for [tls.Config]. For a host that may have a certificate and has none yet,
// it waits for one. Other clients learn that the host is unknown.
func (a *Auto) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if a.cfg.Files != nil {
		if c := a.cfg.Files.For(hello); c != nil {
			return c, nil
		}
	}
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if name == "" || !a.allowed(name) {
		a.counts.unknown.Inc()
		return nil, nil // crypto/tls sends the alert unrecognized_name
	}
	if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == Protocol {
		if !a.mayProve(name) {
			return nil, nil
		}
		return a.magic.GetCertificate(hello)
	}
	if c, ok := a.cached(hello, name); ok {
		return c, nil
	}
	ctx, cancel := context.WithTimeout(hello.Context(), patience)
	defer cancel()
	err := a.get(ctx, name)
	if c, ok := a.cached(hello, name); ok { // also where its renewal failed
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("there is no certificate for %s that has not ended", name)
}

// cached returns a certificate in memory.
func (a *Auto) cached(hello *tls.ClientHelloInfo, name string) (*tls.Certificate, bool) {
	choices := slices.DeleteFunc(a.cache.AllMatchingCertificates(name), func(c certmagic.Certificate) bool {
		return c.Leaf == nil || !a.cfg.Now().Before(c.Leaf.NotAfter)
	})
	if len(choices) == 0 {
		return nil, false
	}
	c, err := certmagic.DefaultCertificateSelector(hello, choices)
	return &c.Certificate, err == nil
}

// Live reports whether a host is served with a certificate, as far as this server's memory
// knows.
func (a *Auto) Live(name string) bool {
	if a.cfg.Files != nil && a.cfg.Files.Covers(name) {
		return true
	}
	return slices.ContainsFunc(a.cache.AllMatchingCertificates(name), func(c certmagic.Certificate) bool {
		return c.Leaf != nil && a.cfg.Now().Before(c.Leaf.NotAfter)
	})
}

// Settled reports whether there is nothing to do for a host: it has a certificate that needs no
// renewal yet, as another server may have got it, or may have none any more.
func (a *Auto) Settled(name string) bool {
	if !a.allowed(name) {
		return true
	}
	return slices.ContainsFunc(a.cache.AllMatchingCertificates(name), func(c certmagic.Certificate) bool {
		return c.Leaf != nil && !c.NeedsRenewal(a.config(name))
	})
}

// Get takes the certificate of a host from the storage into memory, or orders it. The error
// says in words why there is none.
func (a *Auto) Get(ctx context.Context, name string) error {
	if !a.allowed(name) {
		return errors.New("this server doesn't know the host yet")
	}
	if a.Live(name) {
		return nil
	}
	return a.get(ctx, name)
}

var errBusy = errors.New("too many certificates are being ordered: try again in a minute")

// get waits until the certificate for a host is in memory.
func (a *Auto) get(ctx context.Context, name string) error {
	name = a.covering(name)
	a.mu.Lock()
	h := a.hosts[name]
	if h == nil {
		if h = a.add(name); h == nil {
			a.mu.Unlock()
			return errBusy
		}
	}
	if h.running == nil {
		if a.cfg.Now().Before(h.retry) {
			defer a.mu.Unlock()
			return h.err
		}
		if a.running >= mostRunning {
			a.mu.Unlock()
			return errBusy
		}
		h.running, h.served = make(chan struct{}), make(chan struct{})
		a.running++
		go a.run(name, h)
	}
	running, served := h.running, h.served
	a.mu.Unlock()
	select {
	case <-running:
	case <-served:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return h.err
}

// add makes a host. Where there are too many, it forgets those of which nothing is under way
// any more. It returns nil where there is still no room. The caller holds mu.
func (a *Auto) add(name string) *host {
	if len(a.hosts) >= mostHosts {
		now := a.cfg.Now()
		maps.DeleteFunc(a.hosts, func(_ string, h *host) bool { return h.running == nil && !now.Before(h.retry) })
		if len(a.hosts) >= mostHosts {
			return nil
		}
	}
	h := &host{}
	a.hosts[name] = h
	return h
}

// run reads or orders a certificate.
func (a *Auto) run(name string, h *host) {
	timeout := orderTimeout
	if a.byHook(name) {
		timeout = dnsTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	served := h.served
	early := time.AfterFunc(impatience, func() {
		if a.serveStored(ctx, name) {
			close(served)
		}
	})
	err := a.config(name).ManageSync(ctx, []string{name})
	early.Stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	close(h.running)
	a.running--
	h.running, h.err = nil, nil
	if err == nil {
		delete(a.hosts, name)
		return
	}
	if wait, ok := errors.AsType[*waitError](err); ok {
		h.err, h.retry = wait.why, wait.until
	} else {
		h.err = errors.New(describe(err))
		h.retry = a.cfg.Now().Add(pauses[min(h.failures, len(pauses)-1)])
		h.failures++
	}
	a.cfg.Log.Warn("a host has no certificate", "host", name, "err", h.err, "again", h.retry.UTC())
}

// serveStored reports whether a certificate for a host can be served while its renewal, or what
// an authority says of it, takes long. It comes from memory or from the storage.
func (a *Auto) serveStored(ctx context.Context, name string) bool {
	if !a.Live(name) {
		if _, err := a.stored.CacheManagedCertificate(ctx, name); err != nil {
			return false // there is none
		}
	}
	return a.Live(name)
}

// A waitError is why nothing is ordered before a time.
type waitError struct {
	why   error
	until time.Time
}

func (w *waitError) Error() string { return w.why.Error() }

// event is called by certmagic, before and after orders. It has the lock of the host then.
func (a *Auto) event(ctx context.Context, event string, data map[string]any) error {
	name, _ := data["identifier"].(string)
	renewal, _ := data["renewal"].(bool)
	switch event {
	case "cert_obtaining":
		if !a.allowed(name) {
			a.forget(name)
			return certmagic.ErrNoRetry{Err: &waitError{fmt.Errorf("%s is no longer one of ours", name), a.cfg.Now().Add(time.Minute)}}
		}
		if renewal {
			return nil // what is served comes before what is new, so it takes no budget
		}
		if wait := a.mayOrder(ctx, name); wait != nil {
			return certmagic.ErrNoRetry{Err: wait}
		}
	case "cert_obtained":
		a.counts.ordered.Inc()
		a.cfg.Log.Info("a certificate was issued", "host", name, "renewal", renewal)
		a.note(ctx, name, func(o *Order) { *o = Order{IssuedAt: a.cfg.Now().UTC()} })
		if a.cfg.Issued != nil {
			a.cfg.Issued(name)
		}
	case "cert_failed":
		a.counts.failed.Inc()
		err, _ := data["error"].(error)
		retry := a.pauseAfter(ctx, name, err)
		level := slog.LevelWarn
		if renewal {
			level = slog.LevelError // somebody must look before it ends
		}
		a.cfg.Log.Log(ctx, level, "an order of a certificate failed", "host", name, "renewal", renewal, "err", describe(err))
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteWithin) // the time of the order may be over
		defer cancel()
		a.note(ctx, name, func(o *Order) {
			o.Failures++
			o.Error, o.FailedAt = describe(err), a.cfg.Now().UTC()
			o.RetryAt = o.FailedAt.Add(max(retry, pauses[min(o.Failures, len(pauses))-1]))
		})
		if a.cfg.Failed != nil {
			a.cfg.Failed(name, renewal, describe(err) == unreachable, describe(err))
		}
	}
	return nil
}

// forget takes the certificate of a host from memory, so that it isn't renewed.
func (a *Auto) forget(name string) {
	a.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: name}})
}

// pauseAfter returns the time that an authority's answer asks to wait. Where the account is
// no longer good, the next order makes a new one.
func (a *Auto) pauseAfter(ctx context.Context, name string, err error) time.Duration {
	var problem acme.Problem
	if !errors.As(err, &problem) {
		return 0
	}
	switch problem.Type {
	case acme.ProblemTypeRateLimited:
		return time.Hour
	case acme.ProblemTypeUnauthorized:
		// The same type is for a host that didn't prove itself; the texts of authorities differ.
		if !strings.HasPrefix(problem.Detail, "Account ") {
			break
		}
		a.mu.Lock()
		first := a.cfg.Now().Sub(a.dropped) > time.Hour
		if first {
			a.dropped = a.cfg.Now()
		}
		a.mu.Unlock()
		if first {
			folder := path.Join("acme", certmagic.StorageKeys.Safe(a.issuer.IssuerKey()), "users")
			e := a.cfg.Storage.Delete(ctx, folder)
			a.cfg.Log.Warn("the certificate authority has ended this server's account; the next order makes another", "host", name, "err", cmp.Or(e, err))
		}
	}
	return 0
}

const unreachable = "the certificate authority can't be reached; the next try is made by itself"

// describe says in words why an order failed. It is shown to the owners of hosts.
func describe(err error) string {
	if err == nil {
		return "unknown"
	}
	var problem acme.Problem
	if errors.As(err, &problem) {
		text := cmp.Or(problem.Detail, problem.Type)
		for _, sub := range problem.Subproblems {
			text += "; " + sub.Detail
		}
		if problem.Type == acme.ProblemTypeRateLimited {
			return "the certificate authority takes no more orders for now: " + text
		}
		return "the certificate authority says: " + text
	}
	if hook, ok := errors.AsType[*hookError](err); ok {
		return hook.Error()
	}
	var wire net.Error
	var at *url.Error
	if errors.As(err, &wire) || errors.As(err, &at) {
		return unreachable
	}
	return "the order could not be made; the log of the server says why"
}

// Challenge answers a request for /.well-known/acme-challenge/ on the plain listener, by which
// an authority makes sure that a host is ours. It returns false for other requests.
func (a *Auto) Challenge(w http.ResponseWriter, r *http.Request) bool {
	name := r.Host
	if h, _, err := net.SplitHostPort(name); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return a.cfg.Allowed(name) && a.mayProve(name) && a.issuer.HandleHTTPChallenge(w, r)
}

// mayProve reports whether the storage may be asked what another server wants to prove for a
// host. Anybody can pretend to be an authority, so that is once a second, or five times at
// once. What this server wants to prove is in memory.
func (a *Auto) mayProve(name string) bool {
	if _, ours := certmagic.GetACMEChallenge(name); ours {
		return true
	}
	const most = 5
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.hosts[name]
	if h == nil {
		if h = a.add(name); h == nil {
			return false
		}
	}
	now := a.cfg.Now()
	h.asked = slices.DeleteFunc(h.asked, func(at time.Time) bool { return now.Sub(at) > most*time.Second })
	if len(h.asked) >= most {
		return false
	}
	h.asked = append(h.asked, now)
	return true
}

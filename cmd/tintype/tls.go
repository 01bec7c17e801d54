package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/certs"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
)

// checkTLS returns an error about flags of TLS that don't go together.
func (c *serveCmd) checkTLS() error {
	if c.TLS == "off" {
		switch {
		case c.ACMEDNSHook != "":
			return errors.New("--acme-dns-hook: set --tls auto too, or no certificate is ordered")
		case len(c.TLSCert) > 0 || len(c.TLSKey) > 0:
			return errors.New("--tls-cert: set --tls too, or nothing is served by https")
		case c.HSTSPreload:
			return errors.New("--hsts-preload: set --tls too, or nothing is served by https")
		case c.HTTP3:
			return errors.New("--http3: set --tls too, since HTTP/3 is always encrypted")
		}
		return nil
	}
	if err := checkAddress("--tls-listen", c.TLSListen); err != nil {
		return err
	}
	if len(c.TLSCert) != len(c.TLSKey) {
		return errors.New("--tls-key: every certificate of --tls-cert needs its key, in the same order")
	}
	if c.TLS == "files" && len(c.TLSCert) == 0 {
		return errors.New("--tls-cert: --tls files needs a certificate and its key")
	}
	if c.TLS == "auto" {
		if u, err := url.Parse(c.ACMEDirectory); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			return errors.New("--acme-directory: must be the https:// URL of a certificate authority's directory, such as https://acme-v02.api.letsencrypt.org/directory")
		}
	}
	if c.ACMEDNSHook != "" {
		switch {
		case c.TLS != "auto":
			return errors.New("--acme-dns-hook: set --tls auto too, or no certificate is ordered")
		case c.BaseDomain == "":
			return errors.New("--acme-dns-hook: set --base-domain, below which all hosts get the certificate")
		}
	}
	if c.HSTSPreload && c.PublicURL.url == nil && c.BaseDomain == "" {
		return errors.New("--hsts-preload: set --public-url or --base-domain, which say for which hosts")
	}
	return nil
}

// tlsSoon is how long before the end of a certificate of a file the log warns of it.
const tlsSoon = 14 * 24 * time.Hour

// openCertFiles reads the files of --tls-cert. The result is nil where there are none.
func (c *serveCmd) openCertFiles() (*certs.Files, error) {
	if len(c.TLSCert) == 0 {
		return nil, nil
	}
	pairs := make([]certs.Pair, len(c.TLSCert))
	for i := range pairs {
		pairs[i] = certs.Pair{Cert: c.TLSCert[i], Key: c.TLSKey[i]}
	}
	files, err := certs.OpenFiles(readSecretFile, pairs...)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert: %w", err)
	}
	return files, nil
}

// warnOfEnds logs at the start and once a day if a certificate of a file is about to end, until
// the context ends.
func warnOfEnds(files *certs.Files, log *slog.Logger) func(context.Context) {
	return func(ctx context.Context) {
		daily := time.NewTicker(24 * time.Hour)
		defer daily.Stop()
		for {
			warnOfEnd(files, log)
			select {
			case <-ctx.Done():
				return
			case <-daily.C:
			}
		}
	}
}

func warnOfEnd(files *certs.Files, log *slog.Logger) {
	if ends := files.EndsFirst(); time.Until(ends.NotAfter) < tlsSoon {
		log.Warn("a certificate is about to end: replace its files, and send SIGHUP", "names", ends.DNSNames, "ends", ends.NotAfter)
	}
}

// newAuto returns what orders certificates for hosts that may have one, or nil without --tls
// auto.
func (c *serveCmd) newAuto(l listeners, store store, codec *workspace.Codec, hosts *hostList, files *certs.Files, watch *certWatch, metrics *prometheus.Registry, log *slog.Logger) (*certs.Auto, error) {
	if c.TLS != "auto" {
		return nil, nil
	}
	host, port, err := net.SplitHostPort(l.secure.Addr().String())
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = ""
	}
	https, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	plain, err := strconv.Atoi(portOf(l.public.Addr()))
	if err != nil {
		return nil, err
	}
	storage, allowed := certs.Disk(c.Data, codec), hosts.has
	if c.Store.elsewhere() {
		copies := certs.Copied(certs.Shared(store, codec), c.Data, codec, log)
		storage, allowed = copies, func(host string) bool {
			return hosts.has(host) || !hosts.names.Complete() && copies.Has(host) // which the store could not tell yet
		}
	} else if _, err := certs.Reseal(context.Background(), storage); err != nil {
		log.Error("certificates in the data folder can't be encrypted with the new secret key", "err", err)
	}
	hook, err := c.dnsHook(log)
	if err != nil {
		return nil, err
	}
	return certs.NewAuto(certs.AutoConfig{
		Base: strings.ToLower(c.BaseDomain), Hook: hook,
		Storage: storage, Directory: c.ACMEDirectory, Email: c.ACMEEmail, Allowed: allowed, Files: files,
		ListenHost: host, HTTPPort: plain, HTTPSPort: https, Failed: watch.failed, Issued: watch.fails.Works, Metrics: metrics, Log: log,
	}), nil
}

// dnsHook returns that of --acme-dns-hook, or nil.
func (c *serveCmd) dnsHook(log *slog.Logger) (*certs.DNSHook, error) {
	if c.ACMEDNSHook == "" {
		return nil, nil
	}
	path, err := exec.LookPath(c.ACMEDNSHook)
	if err != nil {
		return nil, fmt.Errorf("--acme-dns-hook: %w: name a program that may be run", err)
	}
	return &certs.DNSHook{Path: path, Env: withoutOurs(os.Environ()), LookupTXT: c.resolver().LookupTXT, Log: log}, nil
}

// resolver looks up the records that prove domains.
func (c *serveCmd) resolver() *net.Resolver {
	if c.DNSResolver == "" {
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, c.DNSResolver)
	}}
}

// cnames follows the CNAME records that prove domains.
func (c *serveCmd) cnames() manage.CNAMEs {
	if c.DNSResolver == "" {
		return manage.CNAMEs{}
	}
	return manage.CNAMEs{Servers: []string{c.DNSResolver}}
}

// certificates says how far hosts are with the certificates that this server orders.
type certificates struct{ auto *certs.Auto }

func certificatesOf(auto *certs.Auto) manage.Certificates {
	if auto == nil {
		return nil
	}
	return certificates{auto}
}

// Certificate implements [manage.Certificates].
func (c certificates) Certificate(ctx context.Context, host string) (manage.Certificate, error) {
	o, err := c.auto.Order(ctx, host)
	out := manage.Certificate{State: manage.CertificateNone}
	if o.Failures > 0 {
		out.State, out.Error, out.RetryAt = manage.CertificateFailed, o.Error, &o.RetryAt
	}
	if c.auto.Live(host) || !o.IssuedAt.IsZero() {
		out.State, err = manage.CertificateIssued, nil
	}
	return out, err
}

// Order implements [manage.Certificates].
func (c certificates) Order(ctx context.Context, host string) error { return c.auto.Get(ctx, host) }

// A hostList says which hosts are ours, from memory.
type hostList struct {
	base, public string // in lower case; empty is none
	names        *cached.Names
	wanted       chan struct{} // closed when the names are needed
	want         func()
}

func (c *serveCmd) newHostList(store workspace.Store, log *slog.Logger) *hostList {
	h := &hostList{base: strings.ToLower(c.BaseDomain), names: cached.NewNames(store, log), wanted: make(chan struct{})}
	if c.PublicURL.url != nil {
		h.public = strings.ToLower(c.PublicURL.url.Hostname())
	}
	h.want = sync.OnceFunc(func() { close(h.wanted) })
	if c.TLS == "auto" {
		h.want()
	}
	return h
}

// run keeps the names, from when they are first needed: reading all workspaces of a store
// costs something.
func (h *hostList) run(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-h.wanted:
		h.names.Run(ctx)
	}
}

// has reports whether a host is ours: that of --public-url, the base domain, one right below
// it whose workspace exists, or a domain that a workspace has verified.
func (h *hostList) has(host string) bool {
	if host == "" {
		return false
	}
	if host == h.base || host == h.public {
		return true
	}
	if below, found := strings.CutSuffix(host, "."+h.base); found && h.base != "" {
		return workspace.UsableNamespace(below) && h.names.Has(below)
	}
	return h.names.Owner(host) != ""
}

// ask answers a proxy in front, such as Caddy, that asks whether to order a certificate for
// ?domain=: 200 if the host is ours, else 403. It is 503 until all names have been read.
func (h *hostList) ask(w http.ResponseWriter, r *http.Request) {
	host := strings.ToLower(strings.TrimSuffix(r.URL.Query().Get("domain"), "."))
	h.want()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case h.has(host):
		_, _ = io.WriteString(w, "ok\n")
	case !h.names.Complete():
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "the names of this server are being read: try again in a second\n")
	default:
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "this host is not one of ours\n")
	}
}

// preload returns for which hosts answers ask to be preloaded, or nil for none. A custom
// domain is its owner's to preload.
func (c *serveCmd) preload() func(host string) bool {
	if !c.HSTSPreload {
		return nil
	}
	base := strings.ToLower(c.BaseDomain)
	public := ""
	if c.PublicURL.url != nil {
		public = strings.ToLower(c.PublicURL.url.Hostname())
	}
	return func(host string) bool {
		return public != "" && host == public || base != "" && (host == base || strings.HasSuffix(host, "."+base))
	}
}

// outsidePort is the port under which clients reach what listens with TLS on a port: that of
// --public-url, since a container's ports, or a router's, may lead to others.
func (c *serveCmd) outsidePort(inside string) string {
	if u := c.PublicURL.url; u != nil && u.Scheme == "https" {
		return cmp.Or(u.Port(), "443")
	}
	return inside
}

// portOf returns the port of a listener.
func portOf(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

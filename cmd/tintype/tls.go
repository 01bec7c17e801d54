package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/tintype/tintype/certs"
	"github.com/tintype/tintype/server"
)

// checkTLS returns an error about flags of TLS that don't go together.
func (c *serveCmd) checkTLS() error {
	if c.TLS == "off" {
		switch {
		case len(c.TLSCert) > 0 || len(c.TLSKey) > 0:
			return errors.New("--tls-cert: set --tls files too, or nothing is served by https")
		case c.HSTSPreload:
			return errors.New("--hsts-preload: set --tls too, or nothing is served by https")
		}
		return nil
	}
	if err := checkAddress("--tls-listen", c.TLSListen); err != nil {
		return err
	}
	if len(c.TLSCert) != len(c.TLSKey) {
		return errors.New("--tls-key: every certificate of --tls-cert needs its key, in the same order")
	}
	if len(c.TLSCert) == 0 {
		return errors.New("--tls-cert: --tls files needs a certificate and its key")
	}
	if c.HSTSPreload && c.PublicURL.url == nil && c.BaseDomain == "" {
		return errors.New("--hsts-preload: set --public-url or --base-domain, which say for which hosts")
	}
	return nil
}

// tlsSoon is how long before the end of a certificate of a file the log warns of it.
const tlsSoon = 14 * 24 * time.Hour

// openTLS returns how the listener of --tls-listen speaks TLS, and what reads the files of
// certificates again on SIGHUP until its context ends. Both are nil without --tls.
func (c *serveCmd) openTLS(log *slog.Logger) (*tls.Config, func(context.Context), error) {
	if c.TLS == "off" {
		return nil, nil, nil
	}
	pairs := make([]certs.Pair, len(c.TLSCert))
	for i := range pairs {
		pairs[i] = certs.Pair{Cert: c.TLSCert[i], Key: c.TLSKey[i]}
	}
	files, err := certs.OpenFiles(pairs...)
	if err != nil {
		return nil, nil, fmt.Errorf("--tls-cert: %w", err)
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	run := func(ctx context.Context) {
		defer signal.Stop(hangup)
		daily := time.NewTicker(24 * time.Hour)
		defer daily.Stop()
		for {
			if ends := files.EndsFirst(); time.Until(ends.NotAfter) < tlsSoon {
				log.Warn("a certificate is about to end: replace its files, and send SIGHUP", "names", ends.DNSNames, "ends", ends.NotAfter)
			}
			select {
			case <-ctx.Done():
				return
			case <-daily.C:
				continue
			case <-hangup:
			}
			if err := files.Reload(); err != nil {
				log.Error("SIGHUP: the certificates are those from before, since the files can't be read", "err", err)
			} else {
				log.Info("SIGHUP: the files of certificates were read again")
			}
		}
	}
	return server.TLS(files.GetCertificate), run, nil
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

// portOf returns the port of a listener.
func portOf(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

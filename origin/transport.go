package origin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"
)

// An HTTPConfig says how connections to origins are made.
type HTTPConfig struct {
	Guard     Guard          // which addresses may be reached
	Limits    Limits         // bounds of one fetch; zero fields are those of DefaultLimits
	Resolver  *net.Resolver  // nil is the system's
	RootCAs   *x509.CertPool // nil is the system's
	UserAgent string         // empty is "Tintype"
	Bodies    *Bodies        // bounds the originals; nil is no bound
}

// limits returns Limits with the defaults filled in.
func (cfg HTTPConfig) limits() Limits {
	l, d := cfg.Limits, DefaultLimits()
	if l.Bytes <= 0 {
		l.Bytes = d.Bytes
	}
	if l.Timeout <= 0 {
		l.Timeout = d.Timeout
	}
	if l.Connect <= 0 {
		l.Connect = d.Connect
	}
	return l
}

// NewTransport returns a transport for requests to origins. The Guard checks every
// connection. A proxy is never used, since it would connect without the Guard. Bodies arrive
// as the origin sent them. Headers and idle connections are bounded. The transport follows
// no redirects, and the caller must bound the bodies.
func NewTransport(cfg HTTPConfig) *http.Transport {
	d := dialer{
		net: net.Dialer{
			Control:   cfg.Guard.Control,
			Resolver:  cfg.Resolver,
			KeepAlive: 15 * time.Second,
		},
		tls:     &tls.Config{RootCAs: cfg.RootCAs, NextProtos: []string{"h2", "http/1.1"}},
		connect: cfg.limits().Connect,
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Transport{
		DialContext:            d.dial,
		DialTLSContext:         d.dialTLS,
		Protocols:              protocols,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        60 * time.Second,
		// Pings find a connection whose peer is gone. Otherwise every request on it would fail
		// until the kernel gives up. The buffer of a stream is small, since it doesn't count in
		// Bodies.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second, MaxReceiveBufferPerStream: 512 << 10},
	}
}

// A dialer makes connections. One timeout bounds the whole, with TLS.
type dialer struct {
	net     net.Dialer
	tls     *tls.Config
	connect time.Duration
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.connect)
	defer cancel()
	return d.net.DialContext(ctx, network, address)
}

func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.connect)
	defer cancel()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	plain, err := d.net.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config := d.tls.Clone()
	config.ServerName = host
	conn := tls.Client(plain, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		plain.Close()
		return nil, err
	}
	return conn, nil
}

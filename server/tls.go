package server

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/quic-go/quic-go/http3"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
)

// TLS returns how listeners speak TLS: version 1.2 or 1.3, with forward secrecy and
// authenticated encryption only. get returns the certificate for a client.
func TLS(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		GetCertificate: get,
		MinVersion:     tls.VersionTLS12,
		CipherSuites: []uint16{ // of version 1.2; those of 1.3 are all good
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos: []string{"h2", "http/1.1"},
	}
}

// CountHandshakes counts the handshakes that config completes, by TCP and by QUIC.
func CountHandshakes(config *tls.Config, r prometheus.Registerer) {
	done := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tintype_tls_handshakes_total", Help: "TLS handshakes completed, by version of TLS, by protocol (http/1.1, h2, h3, other: none, or that of certificate authorities), and by whether an earlier session was resumed.",
	}, []string{"version", "protocol", "resumed"})
	versions := map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"}
	protocol := func(name string) string {
		switch name {
		case "http/1.1", "h2", http3.NextProtoH3:
			return name
		}
		return "other"
	}
	for _, version := range versions {
		for _, name := range append([]string{http3.NextProtoH3, ""}, config.NextProtos...) {
			for _, resumed := range []bool{false, true} {
				done.WithLabelValues(version, protocol(name), strconv.FormatBool(resumed))
			}
		}
	}
	config.VerifyConnection = func(state tls.ConnectionState) error {
		done.WithLabelValues(versions[state.Version], protocol(state.NegotiatedProtocol), strconv.FormatBool(state.DidResume)).Inc()
		return nil
	}
	r.MustRegister(done)
}

// maxStreams is how many requests of one connection of HTTP/2 or HTTP/3 may be under way: as many as
// browsers send.
const maxStreams = 100

// HTTP2 bounds what a connection of HTTP/2 may ask for.
func HTTP2() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          maxStreams,
		MaxReceiveBufferPerConnection: 1 << 20,
		MaxReceiveBufferPerStream:     512 << 10,
	}
}

// Values of Strict-Transport-Security: for a year, browsers connect by https only.
var (
	hstsHost    = []string{"max-age=31536000"}
	hstsPreload = []string{"max-age=31536000; includeSubDomains; preload"}
)

func (s *Server) hsts(host string) []string {
	if s.preload != nil && s.preload(delivery.Hostname(host)) {
		return hstsPreload
	}
	return hstsHost
}

// Redirect returns the handler of the plain listener beside one of TLS on a port. It
// redirects to https, and answers probes of health. challenge answers requests by which a
// certificate authority proves that a host is ours; nil is none.
func (s *Server) Redirect(port string, challenge func(http.ResponseWriter, *http.Request) bool) http.Handler {
	return chain(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res := w.(*delivery.Response)
		path, query, err := delivery.SplitTarget(r.RequestURI)
		if err != nil {
			res.Fail(err)
			return
		}
		if path == "/healthz" || path == "/readyz" {
			s.health(res, r, path)
			return
		}
		if err := s.delivery.AdmitClient(r.Context(), res.Log.Client); err != nil {
			res.Fail(err)
			return
		}
		if challenge != nil && strings.HasPrefix(path, "/.well-known/acme-challenge/") {
			res.Log.Path = path
			if challenge(res, r) {
				return
			}
		}
		toHTTPS(res, r, path, query, port)
	}), s.observe, s.bound)
}

// toHTTPS redirects to the same target by https. Other methods than GET and HEAD are
// refused: what they sent has already been readable on the way, and a client that is
// redirected would go on sending it so.
func toHTTPS(w *delivery.Response, r *http.Request, path, query, port string) {
	host, ok := locationHost(delivery.Hostname(r.Host))
	if !ok {
		w.Fail(fault.New(fault.InvalidPath, "the Host header names no host"))
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Fail(fault.New(fault.Forbidden, "send this request by https: this is the plain listener, which only redirects"))
		return
	}
	if port != "443" {
		host += ":" + port
	}
	target := path
	if query != "" {
		target += "?" + query
	}
	w.Header().Set("Location", "https://"+host+target)
	w.Header().Set("Cache-Control", "no-store") // the port may change
	w.WriteHeader(http.StatusMovedPermanently)
}

// locationHost returns a host as it stands in a URL. ok is false for what is neither a name
// nor an address.
func locationHost(host string) (text string, ok bool) {
	if addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")); err == nil && addr.Is6() && addr.Zone() == "" {
		return "[" + addr.String() + "]", true
	}
	for i := range len(host) {
		c := host[i]
		if c != '-' && c != '.' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return "", false
		}
	}
	return host, host != "" && len(host) <= 255
}

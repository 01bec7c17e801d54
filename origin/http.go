package origin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"strings"
	"syscall"
)

const (
	maxRedirects  = 3
	maxDrain      = 2 << 10 // bytes of an unwanted body that are read to keep the connection
	maxValidator  = 512     // bytes; longer validators are ignored
	cdnLoopMember = "tintype"
)

// HTTP fetches originals from web servers, with one pool of connections. It is safe for
// concurrent use.
type HTTP struct {
	transport *http.Transport
	guard     Guard
	limits    Limits
	bodies    *Bodies
	userAgent string
}

// NewHTTP returns an HTTP with the settings of cfg.
func NewHTTP(cfg HTTPConfig) *HTTP {
	h := &HTTP{
		transport: NewTransport(cfg),
		guard:     cfg.Guard,
		limits:    cfg.limits(),
		bodies:    cfg.Bodies,
		userAgent: cfg.UserAgent,
	}
	if h.userAgent == "" {
		h.userAgent = "Tintype"
	}
	return h
}

// CloseIdleConnections closes the connections that no fetch uses.
func (h *HTTP) CloseIdleConnections() { h.transport.CloseIdleConnections() }

// A Request asks for one original. Only URL is required.
type Request struct {
	URL URL
	// Header has the fields of the source's owner. They may be secret, so they go to the
	// scheme, host and port of URL only. After a redirect to another server they are never
	// sent again. Fields that would change how the response is read (Range, If-*,
	// Accept-Encoding, those of the connection) are left out.
	Header http.Header
	// Have makes the request conditional where it is not zero.
	Have Validators
	// Redirect is called before each redirect, also for one from https to http. Its error
	// ends the fetch and is wrapped. Where it is nil, redirects must stay on the same host
	// (URL.SameHost), and must not leave https.
	Redirect func(URL) error
}

// Get fetches the original. The caller must release it. The error is that of ctx, one of
// this package, or one of r.Redirect.
//
//	200                     the original
//	301 302 303 307 308     followed, three times at most
//	304                     ErrNotModified, where Have is not zero
//	404 410                 ErrNotFound
//	any other               ErrUnavailable
//
// Where the URL or a redirect leads to an address that the Guard refuses, the error is
// ErrAddress. A redirect to a URL that ParseURL refuses is ErrInvalidURL.
func (h *HTTP) Get(ctx context.Context, r Request) (*Object, error) {
	limited, cancel := context.WithTimeout(ctx, h.limits.Timeout)
	defer cancel()
	object, err := h.follow(limited, cancel, r)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return object, err
}

// follow makes the request, and follows redirects. stop ends ctx.
func (h *HTTP) follow(ctx context.Context, stop func(), r Request) (*Object, error) {
	target, header := r.URL, r.Header
	var redirects []URL
	for {
		resp, err := h.send(ctx, target, header, r.Have)
		if err != nil {
			return nil, err
		}
		if !isRedirect(resp.StatusCode) {
			object, err := h.receive(ctx, stop, resp, r.Have)
			switch {
			case err == nil:
				object.Redirects = redirects
			case err == ErrNotModified && redirects != nil:
				err = &notModified{redirects}
			}
			return object, err
		}
		location := resp.Header.Get("Location")
		discard(resp)
		if len(redirects) == maxRedirects {
			return nil, unavailable("it redirected more than 3 times")
		}
		next, err := resolve(target, location)
		if err != nil {
			return nil, fmt.Errorf("origin redirected: %w", err)
		}
		if err := allowRedirect(r.Redirect, target, next); err != nil {
			return nil, fmt.Errorf("origin redirected: %w", err)
		}
		if next.Scheme != target.Scheme || next.Host != target.Host || next.Port != target.Port {
			header = nil
		}
		target = next
		redirects = append(redirects, next)
	}
}

// send makes one request.
func (h *HTTP) send(ctx context.Context, target URL, header http.Header, have Validators) (*http.Response, error) {
	if target.Host == "" {
		return nil, invalidURL("the host is missing")
	}
	if err := h.CheckHost(target.Host); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, invalidURL("it can't be requested")
	}
	h.setHeader(req.Header, header, have)
	resp, err := h.transport.RoundTrip(req)
	if err != nil {
		return nil, Failure(ctx, err)
	}
	return resp, nil
}

// CheckHost returns ErrAddress, wrapped, where the host of a URL is an address that the
// Guard refuses. It returns nil for a name, whose addresses are checked at every connection.
func (h *HTTP) CheckHost(host string) error {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return nil
	}
	return h.guard.Check(addr)
}

func (h *HTTP) setHeader(dst, source http.Header, have Validators) {
	dst.Set("Accept", "image/*, */*;q=0.5")
	dst.Set("User-Agent", h.userAgent)
	for name, values := range source {
		if name = textproto.CanonicalMIMEHeaderKey(name); !isOurs(name) {
			dst[name] = values
		}
	}
	dst.Set("Accept-Encoding", "identity")
	dst.Set("CDN-Loop", cdnLoopMember) // RFC 8586
	if have.ETag != "" {
		dst.Set("If-None-Match", have.ETag)
	}
	if have.LastModified != "" {
		dst.Set("If-Modified-Since", have.LastModified)
	}
}

// isOurs reports whether a source can't set the header field. Those fields belong to the
// connection (RFC 9110 §7.6.1), or would make the response partial, conditional or encoded.
func isOurs(name string) bool {
	switch name {
	case "Accept-Encoding", "Cdn-Loop", "Connection", "Content-Length", "Expect", "Host", "Keep-Alive",
		"Proxy-Connection", "Range", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return strings.HasPrefix(name, "If-")
}

// receive returns the object of the last response, and closes the response.
func (h *HTTP) receive(ctx context.Context, stop func(), resp *http.Response, have Validators) (*Object, error) {
	if err := h.checkResponse(resp, have); err != nil {
		discard(resp)
		return nil, err
	}
	defer resp.Body.Close()
	object, err := h.bodies.Read(ctx, resp.Body, resp.ContentLength, h.limits.Bytes, stop)
	if err != nil {
		return nil, Failure(ctx, err)
	}
	object.Validators = Validators{
		ETag:         validator(resp.Header.Get("ETag")),
		LastModified: validator(resp.Header.Get("Last-Modified")),
	}
	return object, nil
}

func (h *HTTP) checkResponse(resp *http.Response, have Validators) error {
	switch code := resp.StatusCode; {
	case code == http.StatusNotModified && have != Validators{}:
		return ErrNotModified
	case code == http.StatusNotFound || code == http.StatusGone:
		return ErrNotFound
	case code != http.StatusOK:
		return unavailable(fmt.Sprintf("it answered with status %d", code))
	}
	for _, coding := range resp.Header.Values("Content-Encoding") {
		if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
			return unavailable("it sent a Content-Encoding, though none was accepted")
		}
	}
	if resp.ContentLength > h.limits.Bytes {
		return tooLarge(h.limits.Bytes)
	}
	return nil
}

func validator(s string) string {
	if len(s) > maxValidator {
		return ""
	}
	return s
}

// discard closes a response whose body isn't wanted. It reads a short body to its end, so
// that the connection can be used again.
func discard(resp *http.Response) {
	if 0 < resp.ContentLength && resp.ContentLength <= maxDrain {
		io.CopyN(io.Discard, resp.Body, resp.ContentLength)
	}
	resp.Body.Close()
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// resolve returns the URL of a Location header (RFC 9110 §10.2.2), without its fragment.
func resolve(base URL, location string) (URL, error) {
	if location == "" {
		return URL{}, unavailable("the Location is missing")
	}
	location, _, _ = strings.Cut(location, "#")
	if err := checkText(location); err != nil {
		return URL{}, err
	}
	if lower := lowerASCII(location); strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://") {
		return parseRedirect(base, location)
	}
	ref, err := url.Parse(location)
	if err != nil {
		return URL{}, invalidURL("it can't be read")
	}
	from, err := url.Parse(base.String())
	if err != nil {
		return URL{}, invalidURL("it can't be read")
	}
	return parseRedirect(base, from.ResolveReference(ref).String())
}

// parseRedirect is ParseURL for redirects. A source on a host that ParseURL refuses, such
// as localhost, may redirect to its own host.
func parseRedirect(base URL, raw string) (URL, error) {
	next, err := ParsePlace(raw)
	if err != nil {
		return URL{}, err
	}
	if !next.SameHost(base) {
		if err := checkPublic(next.Host); err != nil {
			return URL{}, err
		}
	}
	return next, nil
}

// allowRedirect calls the request's hook. Without a hook, it applies the rule of
// Request.Redirect.
func allowRedirect(hook func(URL) error, from, to URL) error {
	if hook != nil {
		return hook(to)
	}
	if !to.SameHost(from) || from.Scheme == "https" && to.Scheme == "http" {
		return fmt.Errorf("%w: it leaves the host, or https", ErrNotAllowed)
	}
	return nil
}

// Failure returns the error of this package for err, which a request or a body failed with.
// Clients may see it: it leaves out the detail of err, which holds addresses and URLs. ctx
// is the context that bounded the fetch.
func Failure(ctx context.Context, err error) error {
	var timeout net.Error
	var lookup *net.DNSError
	var certificate *tls.CertificateVerificationError
	var hostname x509.HostnameError
	switch {
	case errors.Is(err, ErrTooLarge), errors.Is(err, ErrBusy), errors.Is(err, ErrTimeout), errors.Is(err, ErrUnavailable):
		return err // from Bodies
	case errors.Is(err, ErrAddress):
		return errAddress
	case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		return ErrTimeout
	case errors.As(err, &lookup):
		return unavailable("its host name could not be resolved")
	case errors.As(err, &certificate), errors.As(err, &hostname):
		return unavailable("its TLS certificate is not valid")
	case errors.Is(err, syscall.ECONNREFUSED):
		return unavailable("it refused the connection")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return unavailable("it closed the connection before the response was whole")
	}
	return unavailable("the connection to it failed")
}

func unavailable(reason string) error {
	return fmt.Errorf("%w: %s", ErrUnavailable, reason)
}

func tooLarge(limit int64) error {
	return fmt.Errorf("%w: the limit is %d bytes", ErrTooLarge, limit)
}

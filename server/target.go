package server

import (
	"context"
	"net"
	"strings"

	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// splitTarget takes a request target apart as it stands on the wire, before
// anything cleans it (RFC 9112 §3.2: origin form or absolute form). The path
// keeps its leading slash, and the query its question mark.
func splitTarget(requestURI string) (path, query string, err error) {
	raw := requestURI
	if !strings.HasPrefix(raw, "/") {
		_, rest, ok := strings.Cut(raw, "://")
		if !ok {
			return "", "", fail("INVALID_PATH", "the request target must be a path")
		}
		if i := strings.IndexAny(rest, "/?"); i < 0 {
			raw = "/"
		} else if raw = rest[i:]; raw[0] == '?' {
			raw = "/" + raw
		}
	}
	if strings.IndexByte(raw, '#') >= 0 {
		return "", "", fail("INVALID_PATH", "a request target has no fragment: write # as %23")
	}
	if i := strings.IndexByte(raw, '?'); i >= 0 {
		return raw[:i], raw[i:], nil
	}
	return raw, "", nil
}

// namespaceOf decides whose request this is: that of the workspace whose host it
// names, else that of the workspace in the first path segment, else nobody's
// (the API, the playground, health). rest is the path after the namespace, empty
// or with a leading slash.
func (s *Server) namespaceOf(ctx context.Context, host, path string) (namespace, rest string, ok bool) {
	if namespace, ok := s.namespaceOfHost(ctx, hostname(host)); ok {
		return namespace, path, true
	}
	first := path[1:]
	if i := strings.IndexByte(first, '/'); i >= 0 {
		first, rest = first[:i], first[i:]
	}
	if first == "" || !workspace.ValidNamespace(first) || workspace.Reserved(first) {
		return "", "", false
	}
	return first, rest, true
}

// namespaceOfHost is whose host it is: a name right below the base domain, or a custom
// domain that has been verified. Any other host is nobody's. So is one that can't be
// looked up while the store is away: what is nobody's serves path form, and doesn't
// stop doing so for that.
func (s *Server) namespaceOfHost(ctx context.Context, host string) (string, bool) {
	if s.baseDomain != "" {
		if host == s.baseDomain {
			return "", false
		}
		if sub, found := strings.CutSuffix(host, "."+s.baseDomain); found {
			return sub, workspace.ValidNamespace(sub) && !workspace.Reserved(sub)
		}
	}
	if s.domains == nil {
		return "", false
	}
	d, err := s.domains.Domain(ctx, host)
	if err != nil || d.VerifiedAt.IsZero() {
		return "", false
	}
	return d.Namespace, true
}

// servesImagesOn reports whether the host is known to be one that this server serves
// images on. It may serve them on others too.
func (s *Server) servesImagesOn(ctx context.Context, host string) bool {
	host = hostname(host)
	_, ok := s.namespaceOfHost(ctx, host)
	return ok || s.baseDomain != "" && host == s.baseDomain
}

// hostname is a Host header in lower case without its port and trailing dot.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// A target is what the path after the namespace asks for.
type target struct {
	bySrc  bool   // the original is named by ?src=
	source string // a source key, where it isn't
	path   string // the object path, percent-decoded
}

// parseTarget reads the path after the namespace.
func parseTarget(rest string) (target, error) {
	if rest == "" || rest == "/" || rest == "/transform" {
		return target{bySrc: true}, nil
	}
	first, tail, _ := strings.Cut(rest[1:], "/")
	switch first {
	case "transform":
		first, tail, _ = strings.Cut(tail, "/")
	case "info", "placeholder", "grid":
		return target{}, fail("NOT_FOUND", "this server has no /"+first)
	}
	return parseObject(first, tail)
}

// parseObject reads a source key and an escaped object path.
func parseObject(source, escaped string) (target, error) {
	if err := checkObject(source, escaped); err != nil {
		return target{}, err
	}
	path, err := origin.ParsePath(escaped)
	if err != nil {
		return target{}, err
	}
	return target{source: source, path: path}, nil
}

// checkObject refuses what can't be a source key and a path behind it.
func checkObject(source, path string) error {
	if first, _, more := strings.Cut(path, "/"); source == "" && more && workspace.ValidSourceKey(first) {
		return fail("INVALID_SOURCE", "an image is named SOURCE/PATH: leave out the first slash")
	}
	if !workspace.ValidSourceKey(source) {
		return fail("INVALID_SOURCE", "an image is named SOURCE/PATH, where SOURCE is lower-case letters, digits, - and _")
	}
	if path == "" {
		return fail("INVALID_PATH", "the path of an image is missing after the source "+source)
	}
	return nil
}

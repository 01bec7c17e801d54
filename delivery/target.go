package delivery

import (
	"context"
	"net"
	"strings"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// SplitTarget takes a request target apart as it stands on the wire, before
// anything cleans it (RFC 9112 §3.2: origin form or absolute form). The path
// keeps its leading slash.
func SplitTarget(requestURI string) (path, rawQuery string, err error) {
	raw := requestURI
	if !strings.HasPrefix(raw, "/") {
		_, rest, ok := strings.Cut(raw, "://")
		if !ok {
			return "", "", fault.New(fault.InvalidPath, "the request target must be a path")
		}
		if i := strings.IndexAny(rest, "/?"); i < 0 {
			raw = "/"
		} else if raw = rest[i:]; raw[0] == '?' {
			raw = "/" + raw
		}
	}
	if strings.IndexByte(raw, '#') >= 0 {
		return "", "", fault.New(fault.InvalidPath, "a request target has no fragment: write # as %23")
	}
	if i := strings.IndexByte(raw, '?'); i >= 0 {
		return raw[:i], raw[i+1:], nil
	}
	return raw, "", nil
}

// A Target is a request for what is in a workspace, as it stands on the wire: nothing of
// it is decoded.
type Target struct {
	Namespace string
	Rest      string // the path after the namespace: empty, or with its leading slash
	RawQuery  string // without its question mark
}

// Signed is what a signature is made of: the target in path form, whatever form it was
// sent in.
func (t Target) Signed() string {
	if t.RawQuery == "" {
		return "/" + t.Namespace + t.Rest
	}
	return "/" + t.Namespace + t.Rest + "?" + t.RawQuery
}

// Target decides whose a request is: that of the workspace whose host it names, else that
// of the workspace in the first segment of the path, else nobody's, such as one for the
// API. path and rawQuery are those of [SplitTarget].
func (s *Service) Target(ctx context.Context, host, path, rawQuery string) (t Target, ok bool) {
	if namespace, ok := s.namespaceOfHost(ctx, hostname(host)); ok {
		return Target{namespace, path, rawQuery}, true
	}
	first, rest := path[1:], ""
	if i := strings.IndexByte(first, '/'); i >= 0 {
		first, rest = first[:i], first[i:]
	}
	if first == "" || !workspace.ValidNamespace(first) || workspace.Reserved(first) {
		return Target{}, false
	}
	return Target{first, rest, rawQuery}, true
}

// namespaceOfHost is whose host it is: a name right below the base domain, or a custom
// domain that has been verified. Any other host is nobody's, and serves path form. A host
// that can't be looked up while the store is away counts as one of these, so that path
// form goes on working.
func (s *Service) namespaceOfHost(ctx context.Context, host string) (string, bool) {
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
func (s *Service) servesImagesOn(ctx context.Context, host string) bool {
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

// A name is how a path names an image.
type name struct {
	bySrc  bool   // ?src= names it
	source string // a source key, where it isn't
	path   string // the object path, percent-decoded
}

// parseRest reads the path after the namespace: what is asked for, and of which image.
func parseRest(rest string) (*endpoint, name, error) {
	if rest == "" || rest == "/" {
		return transformEndpoint, name{bySrc: true}, nil
	}
	first, tail, more := strings.Cut(rest[1:], "/")
	e := endpoints[first]
	switch {
	case e == nil:
		n, err := parseObject(first, tail)
		return transformEndpoint, n, err
	case e.make == nil:
		return e, name{}, fault.New(fault.NotFound, "this server has no /"+first)
	case !more:
		return e, name{bySrc: true}, nil
	}
	first, tail, _ = strings.Cut(tail, "/")
	n, err := parseObject(first, tail)
	return e, n, err
}

// parseObject reads a source key and an escaped object path.
func parseObject(source, escaped string) (name, error) {
	if err := checkObject(source, escaped); err != nil {
		return name{}, err
	}
	path, err := origin.ParsePath(escaped)
	if err != nil {
		return name{}, err
	}
	return name{source: source, path: path}, nil
}

// checkObject refuses what can't be a source key and a path behind it.
func checkObject(source, path string) error {
	if first, _, more := strings.Cut(path, "/"); source == "" && more && workspace.ValidSourceKey(first) {
		return fault.New(fault.InvalidSource, "an image is named SOURCE/PATH: leave out the first slash")
	}
	if !workspace.ValidSourceKey(source) {
		return fault.New(fault.InvalidSource, "an image is named SOURCE/PATH, where SOURCE is lower-case letters, digits, - and _")
	}
	if path == "" {
		return fault.New(fault.InvalidPath, "the path of an image is missing after the source "+source)
	}
	return nil
}

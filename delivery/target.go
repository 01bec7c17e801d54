package delivery

import (
	"context"
	"net"
	"slices"
	"strings"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// SplitTarget splits a request target as it stands on the wire, in origin form or absolute
// form (RFC 9112 §3.2). Nothing is decoded or cleaned. The path keeps its leading slash.
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

// A Target is what a request asks a workspace for, as it stands on the wire. Nothing of it
// is decoded.
type Target struct {
	Namespace string
	Rest      string // the path after the namespace: empty, or with its leading slash
	RawQuery  string // without its question mark
}

// Signed is the text that a signature covers: the target in path form, also where it was
// sent in host form.
func (t Target) Signed() string {
	if t.RawQuery == "" {
		return "/" + t.Namespace + t.Rest
	}
	return "/" + t.Namespace + t.Rest + "?" + t.RawQuery
}

// Target finds the workspace of a request: by its host, else by the first segment of the
// path. ok is false for a request that is for no workspace, such as one for the API. path
// and rawQuery are those of [SplitTarget].
func (s *Service) Target(ctx context.Context, host, path, rawQuery string) (t Target, ok bool) {
	if namespace, ok := s.namespaceOfHost(ctx, Hostname(host)); ok {
		return Target{namespace, path, rawQuery}, true
	}
	first, rest := path[1:], ""
	if i := strings.IndexByte(first, '/'); i >= 0 {
		first, rest = first[:i], first[i:]
	}
	if first == "" || !workspace.UsableNamespace(first) {
		return Target{}, false
	}
	return Target{first, rest, rawQuery}, true
}

// namespaceOfHost finds the workspace that a host belongs to: a name right below the base
// domain, or a verified custom domain. On any other host, URLs are in path form. A host
// that can't be looked up while the store is away counts as one of these, so that path
// form goes on working.
func (s *Service) namespaceOfHost(ctx context.Context, host string) (string, bool) {
	if s.baseDomain != "" {
		if host == s.baseDomain {
			return "", false
		}
		if sub, found := strings.CutSuffix(host, "."+s.baseDomain); found {
			return sub, workspace.UsableNamespace(sub)
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

// servesImagesOn reports whether this server is known to serve images on the host. It may
// serve them on other hosts too.
func (s *Service) servesImagesOn(ctx context.Context, host string) bool {
	host = Hostname(host)
	_, ok := s.namespaceOfHost(ctx, host)
	return ok || s.baseDomain != "" && host == s.baseDomain
}

// Hostname is a Host header in lower case without its port and trailing dot.
func Hostname(host string) string {
	if strings.IndexByte(host, ':') >= 0 { // an error of SplitHostPort would cost an allocation
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// A name is the image that a path names.
type name struct {
	part   string // of the endpoint's parts, the one that the path names
	bySrc  bool   // the path names none: ?src= does
	source string // source key; empty with bySrc
	path   string // the object path, percent-decoded
}

// parseRest reads the path after the namespace: the endpoint and the image.
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
	case e.parts != nil:
		n, err := e.parsePart(tail)
		return e, n, err
	case !more:
		return e, name{bySrc: true}, nil
	}
	first, tail, _ = strings.Cut(tail, "/")
	n, err := parseObject(first, tail)
	return e, n, err
}

// parsePart reads what follows the name of an endpoint with parts: PART, PART/SOURCE/PATH
// or, unless it needs a part, SOURCE/PATH. A part wins over a source of the same name.
func (e *endpoint) parsePart(tail string) (n name, err error) {
	part := ""
	if first, rest, more := strings.Cut(tail, "/"); slices.Contains(e.parts, first) {
		if part, tail = first, rest; !more {
			return name{part: part, bySrc: true}, nil
		}
	} else if e.needsPart {
		return name{}, fault.New(fault.NotFound, "there is /"+e.name+"/"+strings.Join(e.parts, ", /"+e.name+"/")+", and nothing else under /"+e.name)
	} else if tail == "" {
		return name{bySrc: true}, nil
	}
	source, path, _ := strings.Cut(tail, "/")
	n, err = parseObject(source, path)
	n.part = part
	return n, err
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

// checkObject checks a source key and that a path follows it.
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

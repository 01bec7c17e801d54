package server

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/tintype/tintype/delivery"
)

// trace begins the span of a request. Probes have none. Only a trusted proxy decides which trace
// the request is of, and whether it is recorded.
func (s *Server) trace(res *delivery.Response, r *http.Request) *http.Request {
	if path, _, _ := strings.Cut(r.RequestURI, "?"); path == "/healthz" || path == "/readyz" {
		return r
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	ctx, span := s.tracer.Request(r, err == nil && s.trusts(peer.Addr().Unmap().WithZone("")))
	if span == nil {
		return r
	}
	res.Span = span
	return r.WithContext(ctx)
}

// traced ends the span of a request with what the answer was. It names the original only where
// its path in a source does: a URL could hold a secret of another server, and so could options.
func traced(res *delivery.Response) {
	span := res.Span
	if span == nil {
		return
	}
	l := &res.Log
	if route := routeOf(l); route != "" {
		span.Route(route)
	}
	span.String("url.path", pathOf(l))
	span.Int("http.response.status_code", int64(res.Status))
	span.Int("http.response.body.size", res.Bytes)
	span.String("tintype.request_id", l.RequestID)
	span.String("tintype.endpoint", l.Operation())
	span.String("tintype.workspace", l.Workspace)
	span.String("tintype.source", l.Source)
	span.String("tintype.cache", l.Cache)
	span.String("tintype.format", res.Format())
	span.String("tintype.code", string(l.Code))
	if res.Status >= http.StatusInternalServerError {
		span.Fail(string(l.Code))
	}
	span.End()
}

// routeOf returns the pattern of a request's path, of which there are few.
func routeOf(l *delivery.Record) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(l.Path, "/"), "/")
	switch {
	case l.Operation() == "transform":
		return "/{workspace}/{source}/{path}"
	case l.Operation() != "":
		return "/{workspace}/" + l.Operation()
	case l.Workspace != "" && l.Path == "":
		return "/{workspace}/{path}"
	case l.Path == "/":
		return "/"
	case first == "v1", first == "app", first == "playground", first == "static", first == ".well-known":
		return "/" + first + "/{path}"
	}
	return ""
}

// pathOf returns the path of an image in its source.
func pathOf(l *delivery.Record) string {
	if l.Workspace == "" || l.Source == "" || !strings.HasPrefix(l.Original, l.Source+"/") {
		return ""
	}
	return "/" + l.Workspace + "/" + l.Original
}

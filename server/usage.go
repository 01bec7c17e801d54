package server

import (
	"context"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/workspace"
)

// opTransform is the operation under which images are counted.
const opTransform = "transform"

// sourceName is the key of the ref's source as usage is counted by it.
func (r ref) sourceName() string {
	if r.source == nil {
		return ""
	}
	return r.source.Key
}

// count adds to the workspace's usage, unless a test key is the reason.
func (s *Server) count(ctx context.Context, c *site, source string, u workspace.Usage) {
	if s.usage == nil {
		return
	}
	if p, ok := apikey.PrincipalOf(ctx); ok && p.Test {
		return
	}
	s.usage.Count(c.ID, opTransform, source, u)
}

// countRequest counts a request for an image once it is answered.
func (s *Server) countRequest(ctx context.Context, w *response) {
	c := w.log.site
	if c == nil {
		return
	}
	u := workspace.Usage{Requests: 1, BytesOut: w.bytes}
	if w.log.cache != "" && w.log.cache != "miss" {
		u.Hits = 1
	}
	if w.status >= 400 {
		u.Errors = 1
	}
	s.count(ctx, c, w.log.source, u)
}

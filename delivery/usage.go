package delivery

import (
	"cmp"
	"context"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/workspace"
)

// opTransform is the operation of transforms in usage. Requests whose endpoint isn't known,
// and the bytes of marks, count under it too.
const opTransform = "transform"

// sourceName is the key of the ref's source in usage and logs. It is empty for a full URL.
func (r ref) sourceName() string {
	if r.source == nil {
		return ""
	}
	return r.source.Key
}

// count adds to the workspace's usage, unless a test key is the reason.
func (s *Service) count(ctx context.Context, c *site, operation, source string, u workspace.Usage) {
	if s.usage == nil {
		return
	}
	if p, ok := apikey.PrincipalOf(ctx); ok && p.Test {
		return
	}
	s.usage.Count(c.ID, operation, source, u)
}

// countRequest counts a request for an image once it is answered.
func (s *Service) countRequest(ctx context.Context, w *Response) {
	c := w.Log.site
	if c == nil {
		return
	}
	u := workspace.Usage{Requests: 1, BytesOut: w.Bytes}
	if w.Log.Cache != "" && w.Log.Cache != "miss" {
		u.Hits = 1
	}
	if w.Status >= 400 {
		u.Errors = 1
	}
	s.count(ctx, c, cmp.Or(w.Log.operation, opTransform), w.Log.Source, u)
}

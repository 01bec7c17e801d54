package delivery

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/usage"
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
	s.countOf(ctx, c, operation, source, limit.ClientIn(ctx), u)
}

// countMade counts what was made, in units too.
func (s *Service) countMade(ctx context.Context, c *site, operation, source string, u workspace.Usage) {
	u.Transforms = 1
	if s.units != nil {
		u.Units = s.units(operation)
	}
	s.count(ctx, c, operation, source, u)
}

// countOf is count for a client's address. Empty is nobody, as for what is made in the
// background.
func (s *Service) countOf(ctx context.Context, c *site, operation, source, client string, u workspace.Usage) {
	if s.usage == nil {
		return
	}
	var by usage.By
	if p, ok := apikey.PrincipalOf(ctx); ok {
		if p.Test {
			return
		}
		if p.Kind == apikey.Key {
			by.Key = p.KeyID
		}
	}
	if s.country != nil && client != "" {
		by.Country = s.country(client)
	}
	s.usage.Count(c.ID, operation, source, by, u)
}

// countRequest counts a request for an image once it is answered.
func (s *Service) countRequest(ctx context.Context, w *Response, r *http.Request) {
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
	} else if isPreview(r, c.Namespace) {
		u.Previews = 1
	}
	s.countOf(ctx, c, cmp.Or(w.Log.operation, opTransform), w.Log.Source, w.Log.Client, u)
}

// isPreview reports whether a page of the dashboard for this workspace asks. It believes the
// headers, since nothing but the first steps of a new workspace depends on it.
func isPreview(r *http.Request, namespace string) bool {
	referer := r.Header.Get("Referer")
	if !strings.Contains(referer, "/app/") { // most requests end here
		return false
	}
	if from := r.Header.Get("Sec-Fetch-Site"); from != "" && from != "same-origin" {
		return false
	}
	page, err := url.Parse(referer)
	if err != nil {
		return false
	}
	rest, ok := strings.CutPrefix(page.Path, "/app/"+namespace)
	return ok && (rest == "" || rest[0] == '/')
}

package server

import "github.com/tintype/tintype/workspace"

// opTransform is the operation under which images are counted.
const opTransform = "transform"

// sourceName is the key of the ref's source as usage is counted by it.
func (r ref) sourceName() string {
	if r.source == nil {
		return ""
	}
	return r.source.Key
}

// countWork counts what was done for a variant, unless a test key is the reason.
func (s *Server) countWork(a *ask, u workspace.Usage) {
	if s.usage != nil && a.access.test == "" {
		s.usage.Count(a.site.ID, opTransform, a.ref.sourceName(), u)
	}
}

// countRequest counts a request for an image once it is answered.
func (s *Server) countRequest(w *response) {
	c := w.log.site
	if c == nil || s.usage == nil || w.log.who.Test {
		return
	}
	u := workspace.Usage{Requests: 1, BytesOut: w.bytes}
	if w.log.cache != "" && w.log.cache != "miss" {
		u.Hits = 1
	}
	if w.status >= 400 {
		u.Errors = 1
	}
	s.usage.Count(c.ID, opTransform, w.log.source, u)
}

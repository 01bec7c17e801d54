package server

import (
	"bytes"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/cache"
)

const (
	cacheControlDefault   = "public, max-age=3600, s-maxage=86400, stale-while-revalidate=604800"
	cacheControlVersioned = "public, max-age=31536000, immutable"
)

// Header values that are the same on every image, shared so that a hit makes none.
var (
	headerNosniff      = []string{"nosniff"}
	headerCSP          = []string{"default-src 'none'; sandbox"}
	headerCORP         = []string{"cross-origin"}
	headerAcceptRanges = []string{"bytes"}
)

// respond serves a variant: the whole of it, a range, or 304.
func (s *Server) respond(w *response, r *http.Request, a ask, e *cache.Entry) {
	a.describe(w.Header(), e)
	h := w.Header()
	h["Etag"] = []string{e.ETag}
	h["Cache-Control"] = []string{a.cacheControl()}
	h["Accept-Ranges"] = headerAcceptRanges
	if conditional(r.Header) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(e.Body))
		return
	}
	send(w, r, http.StatusOK, e)
}

// describe sets the headers that every answer with an image has.
func (a *ask) describe(h http.Header, e *cache.Entry) {
	h["Content-Type"] = []string{e.ContentType}
	h["Cache-Tag"] = []string{a.cacheTag()}
	h["Content-Security-Policy"] = headerCSP
	h["Cross-Origin-Resource-Policy"] = headerCORP
	if name := a.options.Download; name != "" {
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	}
}

func send(w *response, r *http.Request, status int, e *cache.Entry) {
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(e.Body))}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(e.Body)
	}
}

// standIn answers err with the image that default= names, under the status of err.
// Without one, or where err is not about the original, or where that image can't
// be had either, it returns err.
func (s *Server) standIn(w *response, r *http.Request, a ask, err error) error {
	e := asError(err)
	if a.fallback == nil || !e.Code.aboutOriginal() {
		return err
	}
	told := w.Header()["Cache-Status"]
	shown := a
	shown.ref, shown.fallback = *a.fallback, nil
	entry, fallbackErr := s.load(r.Context(), w, shown)
	w.Header()["Cache-Status"] = told // of what was asked for
	if fallbackErr != nil {
		return err
	}
	w.log.code, w.log.cause = e.Code, e.Cause
	shown.describe(w.Header(), entry)
	w.Header().Set("Cache-Control", e.cacheControl())
	send(w, r, e.Status(), entry)
	return nil
}

// conditional reports whether the request asks for anything but the whole body
// (RFC 9110 §13, §14).
func conditional(h http.Header) bool {
	for _, name := range [...]string{"If-None-Match", "Range", "If-Match", "If-Range"} {
		if _, ok := h[name]; ok {
			return true
		}
	}
	return false
}

// tagEscaper keeps what separates tags out of them.
var tagEscaper = strings.NewReplacer("%", "%25", ",", "%2C", " ", "%20")

// cacheTag names the workspace, the source and the original, so that a cache in
// front can be purged by any of them.
func (a *ask) cacheTag() string {
	ns := a.site.Namespace
	if a.ref.source == nil {
		return ns
	}
	source := ns + "/" + a.ref.source.Key
	path := tagEscaper.Replace(a.ref.key.Path)
	for i := range len(path) {
		if path[i] < 0x21 || path[i] > 0x7e {
			return ns + "," + source // a header holds no other bytes
		}
	}
	return ns + "," + source + "," + source + "/" + path
}

// cacheStatus says how the cache dealt with the request (RFC 9211 §2).
func cacheStatus(o cache.Outcome, e *cache.Entry, now time.Time) string {
	var b strings.Builder
	b.WriteString("tintype; ")
	switch {
	case o.Tier != "" && o.Stale:
		b.WriteString("hit; ttl=" + strconv.Itoa(int(e.RevalidateAt.Sub(now).Seconds())) + "; detail=" + o.Tier)
	case o.Tier != "":
		b.WriteString("hit; detail=" + o.Tier)
	case o.Shared:
		b.WriteString("fwd=miss; collapsed")
	default:
		b.WriteString("fwd=miss; stored")
	}
	return b.String()
}

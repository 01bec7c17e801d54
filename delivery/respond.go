package delivery

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/fault"
)

const (
	cacheControlDefault   = "public, max-age=3600, s-maxage=86400, stale-while-revalidate=604800"
	cacheControlVersioned = "public, max-age=31536000, immutable"
)

// Header values that are the same on every image. Sharing them saves allocations on hits.
var (
	headerClose        = []string{"close"}
	headerCSP          = []string{"default-src 'none'; sandbox"}
	headerCORP         = []string{"cross-origin"}
	headerAcceptRanges = []string{"bytes"}
	headerVary         = []string{"Accept"}
)

// varyAccept says that the answer depends on Accept.
func varyAccept(h http.Header) {
	if h["Vary"] != nil {
		h.Add("Vary", "Accept")
		return
	}
	h["Vary"] = headerVary
}

// respond serves a variant: the whole of it, a range, or 304.
func (s *Service) respond(w *Response, r *http.Request, a *ask, e *cache.Entry) error {
	a.describe(w, e)
	h := w.Header()
	s.tellQuota(h, a.site)
	a.describeNext(w, e)
	w.Set("Etag", e.ETag)
	s.tellCaches(w, a, a.cacheControlOf(e, s.now()))
	h["Accept-Ranges"] = headerAcceptRanges
	if matches(r.Header["If-None-Match"], e.ETag) {
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	size := e.Size()
	status, first, n := http.StatusOK, int64(0), size
	if from, last, ok := byteRange(r.Header, e.ETag, size); ok {
		if from > last {
			h["Content-Range"] = []string{"bytes */" + strconv.FormatInt(size, 10)}
			return fault.New(fault.RangeNotSatisfiable, "the image is "+strconv.FormatInt(size, 10)+" bytes long")
		}
		h["Content-Range"] = []string{fmt.Sprintf("bytes %d-%d/%d", from, last, size)}
		status, first, n = http.StatusPartialContent, from, last+1-from
	}
	switch {
	case e.File != nil:
		w.sendFile(r, status, e.File, first, n)
		return nil
	case e.Part == nil:
		return s.send(w, r, status, e, e.Body[first:first+n])
	case status == http.StatusPartialContent: // the part that was asked for
		return s.send(w, r, status, e, e.Body)
	}
	w.send(r, status, n, nil) // HEAD, which gets none of it
	return nil
}

// describe sets the headers that every answer with an image has.
func (a *ask) describe(w *Response, e *cache.Entry) {
	h := w.Header()
	w.Set("Content-Type", e.ContentType)
	h["Content-Security-Policy"] = headerCSP
	h["Cross-Origin-Resource-Policy"] = headerCORP
	if e.Quality > 0 {
		h["Tintype-Quality"] = []string{strconv.Itoa(e.Quality)}
	}
	if name := a.options.Download; name != "" {
		h.Set("Content-Disposition", contentDisposition(name))
	}
}

func contentDisposition(name string) string {
	if isToken(name) {
		return "attachment; filename=" + name // as below, with fewer allocations
	}
	return mime.FormatMediaType("attachment", map[string]string{"filename": name})
}

// send answers with a body that is e's, or a part of it. Where there is no room for the
// answer, it sends nothing and returns the error.
func (s *Service) send(w *Response, r *http.Request, status int, e *cache.Entry, body []byte) error {
	h := w.Header()
	if r.Method != http.MethodHead {
		answer, err := s.answers.begin(w, e.Body)
		if err != nil {
			h.Del("Accept-Ranges")
			h.Del("Content-Range")
			return err
		}
		defer func() {
			if s.answers.end(answer) {
				w.Log.Cause = errCutOff
			}
		}()
	}
	w.send(r, status, int64(len(body)), func() { _, _ = w.Write(body) })
	return nil
}

// standIn answers an error about the original with the image that default= names, under
// the status of the error. It returns err where there is no such image, where err is not
// about the original, or where that image fails too.
func (s *Service) standIn(w *Response, r *http.Request, a *ask, err error) error {
	e := fault.Of(err)
	if a.fallback == nil || !e.Code.Kind().Original {
		return err
	}
	told := w.Header()["Cache-Status"]
	shown := *a
	shown.refs, shown.fallback, shown.asked, shown.part, shown.lent = []ref{*a.fallback}, nil, nil, nil, nil
	var fallbackErr error
	if shown.marks, fallbackErr = a.site.decideMarks(a.options.Mark, *a.fallback, a.refs...); fallbackErr != nil {
		return err
	}
	if shown.checkBlocked() != nil {
		return err
	}
	entry, fallbackErr := s.load(r.Context(), w, &shown)
	w.Header()["Cache-Status"] = told // that of the image that was asked for
	if fallbackErr != nil {
		return err
	}
	w.NoteError(e)
	shown.describe(w, entry)
	w.Header().Add("Cache-Tag", shown.cacheTags())
	w.Header().Set("Cache-Control", e.CacheControl())
	if s.send(w, r, e.Status(), entry, entry.Body) != nil {
		return err
	}
	return nil
}

// matches reports whether an If-None-Match names the ETag, by the weak comparison
// (RFC 9110 §13.1.2). If-Match is ignored, since it guards changes and images are read.
func matches(ifNoneMatch []string, etag string) bool {
	for _, list := range ifNoneMatch {
		for tag := range strings.SplitSeq(list, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == etag || tag == "*" {
				return true
			}
		}
	}
	return false
}

// askedPart returns which part of an image a request needs, or nil where that is the whole. HEAD and
// what is answered with 304 need nothing of it, and neither does a Range behind the end.
func askedPart(r *http.Request) cache.PartOf {
	known := r.Header["If-None-Match"]
	if r.Method != http.MethodHead && len(r.Header["Range"]) != 1 && len(known) == 0 {
		return nil
	}
	return func(e *cache.Entry, size int64) (first, last int64, ok bool) {
		if r.Method == http.MethodHead || matches(known, e.ETag) {
			return 1, 0, true
		}
		return byteRange(r.Header, e.ETag, size)
	}
}

// byteRange is the part of the body that the request asks for (RFC 9110 §14). ok is false
// where it gets the whole body: there is no Range, the Range is malformed, has another unit
// or several parts, or If-Range names another version. first > last means that the range
// lies behind the end.
func byteRange(h http.Header, etag string, size int64) (first, last int64, ok bool) {
	given := h["Range"]
	if len(given) != 1 || size == 0 {
		return 0, 0, false
	}
	if version := h["If-Range"]; len(version) > 0 && (len(version) > 1 || version[0] != etag) {
		return 0, 0, false
	}
	spec, found := strings.CutPrefix(given[0], "bytes=")
	from, to, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !found || !dash {
		return 0, 0, false
	}
	end := size - 1
	if from == "" { // the last so many
		n, valid := position(to)
		if !valid {
			return 0, 0, false
		}
		if n == 0 {
			return 1, 0, true
		}
		return max(size-n, 0), end, true
	}
	first, valid := position(from)
	if !valid {
		return 0, 0, false
	}
	last = end
	if to != "" {
		if last, valid = position(to); !valid || last < first {
			return 0, 0, false
		}
	}
	if first > end {
		return 1, 0, true
	}
	return first, min(last, end), true
}

// position reads a byte position. It caps positions that no body can have.
func position(s string) (n int64, ok bool) {
	if s == "" {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = min(n*10+int64(s[i]-'0'), 1<<40)
	}
	return n, true
}

// hitStatus is cacheStatus of a fresh entry, by its tier.
var hitStatus = map[string][]string{}

func init() {
	for _, tier := range []string{"memory", "disk", "bucket", tierPeer} {
		hitStatus[tier] = []string{cacheStatus(cache.Outcome{Tier: tier}, nil, time.Time{})}
	}
}

// cacheStatus says how the cache dealt with the request (RFC 9211 §2).
func cacheStatus(o cache.Outcome, e *cache.Entry, now time.Time) string {
	switch {
	case o.Tier != "" && o.Stale:
		return "tintype; hit; ttl=" + strconv.Itoa(int(e.RevalidateAt.Sub(now).Seconds())) + "; detail=" + o.Tier
	case o.Tier != "":
		return "tintype; hit; detail=" + o.Tier
	case o.Shared:
		return "tintype; fwd=miss; collapsed"
	}
	return "tintype; fwd=miss; stored"
}

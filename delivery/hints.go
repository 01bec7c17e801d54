package delivery

import (
	"errors"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/signing"
)

// slowHints are the hints of a client on a slow connection.
var slowHints = http.Header{"Save-Data": {"on"}}

// slow reports whether client hints mean a slow connection: Save-Data is on, RTT is above
// 150 ms, ECT is 3g or less, or Downlink is below 5 Mbit/s.
func slow(h http.Header) bool {
	if strings.EqualFold(strings.TrimSpace(h.Get("Save-Data")), "on") {
		return true
	}
	if n, ok := numberIn(h, "Rtt"); ok && n > 150 {
		return true
	}
	if n, ok := numberIn(h, "Downlink"); ok && n >= 0 && n < 5 {
		return true
	}
	return slices.Contains([]string{"slow-2g", "2g", "3g"}, h.Get("Ect"))
}

// numberIn returns the number in a header. Most requests don't have the header, and an error of
// strconv costs an allocation.
func numberIn(h http.Header, name string) (n float64, ok bool) {
	value := h.Get(name)
	if value == "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(value, 64)
	return n, err == nil
}

// hinted reports whether the answer depends on client hints.
func (f *foreign) hinted() bool { return f != nil && f.asked.Hinted }

// vary names the client hints that the answer depends on.
func (f *foreign) vary(h http.Header) {
	if f.hinted() {
		h.Add("Vary", "Save-Data, RTT, ECT, Downlink")
	}
}

// checkRedirectOnError decides whether onerror may redirect the client to the original. If not,
// it adds onerror to the ignored parameters. A redirect needs a full URL in the request, and
// a pattern of allowed_sources that names its host. The original must be in no source. The
// request must have no marks and no signature.
func (c *site) checkRedirectOnError(a *ask) error {
	if a.foreign == nil || !a.foreign.asked.RedirectOnError {
		return nil
	}
	r := a.original()
	signed := a.foreign.asked.Claim.Signature != "" || signing.Signed(a.foreign.query)
	if r.source == nil && len(a.marks.list) == 0 && !signed && c.namesHost(r.url) {
		a.foreign.redirects = true
		return nil
	}
	a.ignored = append(slices.Clip(a.ignored), "onerror")
	return a.checkIgnored()
}

// namesHost reports whether a pattern of allowed_sources allows u. Patterns for every host don't
// count.
func (c *site) namesHost(u origin.URL) bool {
	return slices.ContainsFunc(c.AllowedSources, func(pattern string) bool {
		p, err := origin.ParsePattern(pattern)
		return err == nil && !slices.Contains([]string{"*", "https://*", "http://*"}, p.String()) && p.Match(u)
	})
}

// redirectOn returns the URL of the original for a redirect after err, or "" for no redirect.
func (a *ask) redirectOn(err error) string {
	if a.foreign == nil || !a.foreign.redirects || a.access != (access{}) {
		return ""
	}
	if e := fault.Of(err); e.Status() < 500 && !e.Code.Kind().Original {
		return ""
	}
	return a.original().url.String()
}

// redirect answers with a redirect. No cache may keep it.
func (w *Response) redirect(to string, err error) {
	e := fault.Of(err)
	w.NoteError(e)
	if e.Cause == nil {
		w.Log.Cause = errors.New(e.Message)
	}
	h := w.Header()
	h.Set("Location", to)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusFound)
}

// describeNext sets the headers that next/image sets.
func (a *ask) describeNext(w *Response, e *cache.Entry) {
	if a.foreign == nil || a.foreign.dialect.Name != "next" {
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "script-src 'none'; frame-src 'none'; sandbox;")
	r := a.original().at()
	name := r.key.Path
	if r.source == nil {
		name = r.url.Path
	}
	name = strings.TrimSuffix(path.Base(name), path.Ext(name)) + "." + strings.TrimPrefix(e.ContentType, "image/")
	h.Set("Content-Disposition", contentDisposition(name))
	status := "HIT"
	switch w.Log.Cache {
	case "miss":
		status = "MISS"
	case "stale":
		status = "STALE"
	}
	h.Set("X-Nextjs-Cache", status)
}

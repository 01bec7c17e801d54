package delivery

import (
	"net/http"
	"slices"
	"strings"
)

const staleIfError = ", stale-if-error=604800"

// frontControl is what caches in front are told (RFC 9213), by the Cache-Control of the same
// answer. They may also serve it where this server fails (RFC 5861 §4). A source's own
// cache_control is missing here, since it is the owner's word.
var frontControl = map[string][]string{
	cacheControlDefault:       {"public, max-age=86400, stale-while-revalidate=604800" + staleIfError},
	cacheControlVersioned:     {cacheControlVersioned + staleIfError},
	infoEndpoint.cacheControl: {"public, max-age=86400" + staleIfError},
	gridEndpoint.cacheControl: {gridEndpoint.cacheControl + staleIfError},
}

// public reports whether the answer is the same for everybody who may ask.
func (a *ask) public() bool { return a.access == (access{}) && a.site.origins.Any() }

// tellCaches sets Cache-Control to cc, and CDN-Cache-Control of a public answer. Of other answers
// caches in front are told what all are told.
func (s *Service) tellCaches(w *Response, a *ask, cc string) {
	h := w.Header()
	w.Set("Cache-Control", cc)
	if !a.public() {
		return
	}
	if front := frontControl[cc]; front != nil {
		h["Cdn-Cache-Control"] = front
	}
	if longer := a.site.CDNCacheControl; longer != "" && s.purgesFronts && cc != cacheControlVersioned && cc == a.cacheControl() {
		h["Cdn-Cache-Control"] = []string{longer}
	}
}

// tag names what the answer is made of to caches in front.
func (a *ask) tag(h http.Header) {
	if a.told == nil {
		a.setTags(h, a.cacheTags())
		return
	}
	h["Cache-Tag"] = a.told.tags
	if a.told.surrogate != nil {
		h["Surrogate-Key"] = a.told.surrogate
	}
}

// tagMore adds tags that only the entry says.
func (a *ask) tagMore(h http.Header, more []string) {
	if more == nil {
		return
	}
	tags := strings.Split(strings.Join(h["Cache-Tag"], ","), ",")
	for _, tag := range more {
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	a.setTags(h, strings.Join(tags, ","))
}

func (a *ask) setTags(h http.Header, tags string) {
	h["Cache-Tag"] = []string{tags}
	if keys := a.surrogate(tags); keys != nil {
		h["Surrogate-Key"] = keys
	}
}

// surrogate is the value of the header Surrogate-Key, or nil where the workspace wants none.
func (a *ask) surrogate(tags string) []string {
	if !a.site.SurrogateKey {
		return nil
	}
	return []string{strings.ReplaceAll(tags, ",", " ")}
}

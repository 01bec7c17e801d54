package workspace

import (
	"strings"

	"github.com/tintype/tintype/origin"
)

// normalize brings a workspace into its canonical form: lists are empty rather than nil,
// headers and public_urls nil rather than empty, URLs and domains canonical, and prefixes
// end in "/". It drops warnings, which only answers have. It leaves wrong values for
// Validate.
func (w *Workspace) normalize() {
	w.Warnings = nil
	w.AllowedOrigins = orEmpty(w.AllowedOrigins)
	w.AllowedSources = orEmpty(w.AllowedSources)
	w.Domains = orEmpty(w.Domains)
	w.Sources = orEmpty(w.Sources)
	w.Marks = orEmpty(w.Marks)
	w.Presets = orEmpty(w.Presets)
	for i, domain := range w.Domains {
		w.Domains[i] = DomainName(domain)
	}
	for i := range w.Sources {
		w.Sources[i].normalize()
	}
	for i := range w.Marks {
		w.Marks[i].normalize()
	}
}

func (s *Source) normalize() {
	s.URL = prefixURL(s.URL)
	s.Endpoint = endpointURL(s.Endpoint)
	if s.Prefix != "" && !strings.HasSuffix(s.Prefix, "/") {
		s.Prefix += "/"
	}
	if len(s.Headers) == 0 {
		s.Headers = nil
	}
	if len(s.PublicURLs) == 0 {
		s.PublicURLs = nil
	}
	for i, raw := range s.PublicURLs {
		s.PublicURLs[i] = prefixURL(raw)
	}
}

func (m *Mark) normalize() { m.AutoApplySources = orEmpty(m.AutoApplySources) }

func orEmpty[E any](s []E) []E {
	if s == nil {
		return []E{}
	}
	return s
}

// prefixURL returns a source's URL in canonical form. It ends with a slash, so that object
// keys follow whole segments. A wrong URL is returned unchanged.
func prefixURL(raw string) string {
	u, err := origin.ParsePlace(raw)
	if err != nil || u.Query != "" || !u.PathIsCanonical() {
		return raw
	}
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	return u.String()
}

// endpointURL returns an endpoint in canonical form, without a slash at the end. A wrong
// one is returned unchanged.
func endpointURL(raw string) string {
	u, err := origin.ParsePlace(raw)
	if err != nil || u.Query != "" || u.Path != "/" {
		return raw
	}
	return strings.TrimSuffix(u.String(), "/")
}

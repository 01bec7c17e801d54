package workspace

import (
	"slices"
	"strings"

	"github.com/tintype/tintype/origin"
)

// lookAlikes compares full URLs in no source that some server may take for images of a source
// that is private or marked: these are refused (INVALID_SOURCE).
func (c *closing) lookAlikes() {
	for _, u := range c.new.likes() {
		was, strict := c.old.mistaken(u), c.new.mistaken(u)
		pattern := c.new.allowsOutside(u)
		if was == nil && strict != nil && pattern != "" && c.old.allowsOutside(u) != "" {
			c.say("source "+strict.source.Key+" "+c.new.rule(strict.source, "is"), "full URLs that some servers take for those of its images, and which allowed_sources allow ("+pattern+"),", "are refused from now on (INVALID_SOURCE)")
		}
	}
}

// lookAlikes warns of full URLs that were refused since some server may take them for images of
// a source that was private or marked.
func (o *opening) lookAlikes() {
	if o.new.w.RequireSignature {
		return
	}
	for _, u := range o.old.likes() {
		strict, pattern := o.old.mistaken(u), o.new.allowsOutside(u)
		if strict == nil || pattern == "" || o.new.mistaken(u) != nil {
			continue
		}
		o.say("%s: full URLs that some servers take for those of its images, and which allowed_sources allow (%s), were refused and are shown from now on", o.notStrict(strict), pattern)
	}
}

// notStrict describes why a place has not the rules of a private or marked source any more.
func (o *opening) notStrict(p *placed) string {
	strict, as := p.source, "had the marks of"
	if strict.Private {
		as = "was as private as"
	}
	if now := o.new.sources[strict.Key]; now != nil && slices.Equal(o.new.spots[now], o.old.spots[strict]) {
		switch {
		case strict.Private && !now.Private:
			return "source " + strict.Key + " is not private any more"
		case !strict.Private && !slices.Equal(o.old.marks[strict.Key], o.new.marks[now.Key]):
			return "source " + strict.Key + " has lost marks"
		}
	}
	how, _ := o.left(strict, spotOf(p.url), o.old.rule(strict, "was"), as)
	return how
}

// rule says that a source is, or was, private or marked.
func (r *ruling) rule(src *Source, verb string) string {
	return alike{rules: rules{closes: src.Private, marks: r.w.marksBySource()[src.Key]}}.rule(verb)
}

// allowsOutside returns the pattern that allows a URL if it is in no source, or "".
func (r *ruling) allowsOutside(u origin.URL) string {
	if len(r.of(spotOf(u)).named) > 0 {
		return ""
	}
	return r.allowsExactly(u)
}

// strictPlaces returns the places of sources that are private or marked, by server.
func (r *ruling) strictPlaces() map[string][]placed {
	if r.strict != nil {
		return r.strict
	}
	r.strict = map[string][]placed{}
	keys := r.w.strict()
	shared, _ := r.w.SharedPlaces()
	for i := range r.w.Sources {
		src := &r.w.Sources[i]
		if !keys[src.Key] {
			continue
		}
		for _, u := range slices.Concat(r.urls[src], shared[src.Key]) {
			r.strict[u.Server()] = append(r.strict[u.Server()], placed{src, u, u.Reading()})
		}
	}
	return r.strict
}

// mistaken returns the place of a private or marked source whose images some server may take a
// URL for that is in no source, or nil.
func (r *ruling) mistaken(u origin.URL) *placed {
	if len(r.of(spotOf(u)).named) > 0 {
		return nil
	}
	reading := u.Reading()
	for _, p := range r.strictPlaces()[u.Server()] {
		if reading.Within(p.reading) {
			return &p
		}
	}
	return nil
}

// likes returns URLs that allowed_sources allow by patterns with a path, and which some server
// may take for images of a private or marked source. Patterns without a path allow the URLs of
// the source too, and warnings name them.
func (r *ruling) likes() (urls []origin.URL) {
	for _, p := range r.allowed {
		for _, u := range p.some() {
			base := strings.TrimSuffix(u.Path, "no-path-of-tintype")
			if base == "/" {
				continue
			}
			for _, strict := range r.strictPlaces()[u.Server()] {
				names := strings.Split(strings.Trim(strict.url.Path, "/"), "/")
				u.Path = base
				if n := strings.Count(strings.Trim(base, "/"), "/") + 1; n < len(names) {
					u.Path += strings.Join(names[n:], "/") + "/"
				}
				u.Path += "no-path-of-tintype"
				if _, literal := u.Within(strict.url); !literal && p.Match(u) && u.Reading().Within(strict.reading) {
					urls = append(urls, u)
				}
			}
		}
	}
	return urls
}

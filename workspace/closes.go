package workspace

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
)

// Closes returns warnings about URLs that fail after a change from old to w, or need a
// signature or an API key from then on. It leaves out what [Workspace.Warn] says about w: the
// images of one source that the rules of another close.
//
// It asks both workspaces the same questions: what becomes of the URLs that name a source, of
// the full URLs at each place and under each pattern, of the URLs that name a preset, a mark or
// a domain, and of the URLs that each setting lets through. TestCloses of package delivery
// holds the answers to those that requests get, and to all fields of a workspace.
//
// Both workspaces are valid; Closes skips what isn't. If old is nil, nothing was open before.
func (w *Workspace) Closes(old *Workspace) []string {
	if old == nil {
		return nil
	}
	c := closing{old: newRuling(old), new: newRuling(w)}
	c.settings()
	c.lists()
	c.names()
	c.urls()
	c.lookAlikes()
	c.folders()
	return append(c.sentences(), c.withoutKey()...)
}

// NoSigningKey is the warning of [Workspace.Closes] that nobody can sign yet what needs a
// signature from then on.
const NoSigningKey = "no signing key: the workspace has none yet, so no URL of these images works until one is made. An API key loads them"

func (c *closing) withoutKey() []string {
	needed := slices.ContainsFunc(c.found, func(f *closed) bool { return f.how == needKey })
	if !needed && !c.closedByOthers() || len(c.new.w.SigningKeys)+len(c.new.w.DialectKeys) > 0 {
		return nil
	}
	return []string{NoSigningKey}
}

// closedByOthers reports whether a source makes images of another one private that were public:
// [Workspace.Warn] names these.
func (c *closing) closedByOthers() bool {
	if !c.unsigned() {
		return false
	}
	for _, place := range c.new.places {
		was, is := c.old.of(spotOf(place)), c.new.of(spotOf(place))
		if len(was.named) > 0 && len(was.private) == 0 && len(is.private) > 0 {
			return true
		}
	}
	return slices.ContainsFunc(c.old.w.Sources, func(from Source) bool { // those that move to such a place
		now := c.new.sources[from.Key]
		return now != nil && !from.Private && !now.Private && !c.wasPrivate(c.old.sources[from.Key]) &&
			slices.ContainsFunc(c.new.spots[now], func(s spot) bool { return len(c.new.of(s).private) > 0 })
	})
}

// A closing compares what is open before and after a change.
type closing struct {
	old, new *ruling
	found    []*closed
	lost     []string // patterns of allowed_sources that don't allow what they did
}

// A closed is what one cause closes.
type closed struct {
	why, how string
	what     []string
}

// What happens to URLs.
const (
	fail    = "are refused from now on"
	needKey = "need a signature or an API key from now on"
)

// say adds what is closed by a cause.
func (c *closing) say(why, what, how string) {
	i := slices.IndexFunc(c.found, func(f *closed) bool { return f.why == why && f.how == how })
	if i < 0 {
		i = len(c.found)
		c.found = append(c.found, &closed{why: why, how: how})
	}
	if f := c.found[i]; !slices.Contains(f.what, what) {
		f.what = append(f.what, what)
	}
}

func (c *closing) sentences() (warnings []string) {
	for _, f := range c.found {
		what := few(f.what)
		if len(f.what) == 2 {
			what = f.what[0] + " and " + f.what[1]
		}
		warnings = append(warnings, fmt.Sprintf("%s: %s %s", f.why, what, f.how))
	}
	return warnings
}

// settings compares the settings of the whole workspace.
func (c *closing) settings() {
	old, w := c.old.w, c.new.w
	for _, s := range []struct {
		closes         func(*Workspace) bool
		why, what, how string
	}{
		{func(w *Workspace) bool { return w.RequireSignature }, "require_signature is on", "images of all sources, and those of full URLs,", needKey},
		{func(w *Workspace) bool { return w.PresetsOnly }, "presets_only is on", "URLs with other options than preset, v and dl, and those of info and placeholders,", fail},
		{func(w *Workspace) bool { return w.StrictOptions }, "strict_options is on", "URLs with options that are ignored until now", fail},
		{func(w *Workspace) bool { return !w.AllowSVG }, "allow_svg is off", "SVG images", fail},
		{func(w *Workspace) bool { return !w.AllowTIFF }, "allow_tiff is off", "TIFF images", fail},
	} {
		if s.closes(w) && !s.closes(old) {
			c.say(s.why, s.what, s.how)
		}
	}
	if was, is := cmp.Or(old.Dialect, "native"), cmp.Or(w.Dialect, "native"); was != is {
		c.say("dialect", fmt.Sprintf("URLs are read as %s, and no longer as %s: URLs in use", is, was), "may fail from now on")
	}
	c.defaultSource()
}

// defaultSource compares what URLs of other products get that name no source.
func (c *closing) defaultSource() {
	const what = "URLs of other products that name no source"
	was, is := c.old.w.DefaultSource, c.new.w.DefaultSource
	if was == "" {
		if is != "" && slices.ContainsFunc(c.old.w.Sources, func(s Source) bool { return !s.Private }) {
			c.say("default_source is "+is, "the first part of a path in URLs of other products is a folder of "+is+", and no longer the key of a source: these URLs", "may fail from now on")
		}
		return
	}
	if from, to := c.old.sources[was], c.new.sources[is]; c.unsigned() && to != nil && to.Private && (from == nil || !from.Private) {
		c.say("default_source: source "+is+" is private", what, needKey)
		return
	}
	switch {
	case is == "":
		c.say("default_source is empty", what, fail)
	case is != was:
		c.say("default_source is "+is, what+" have their images in it, and no longer in "+was+": these URLs", "may fail from now on")
	}
}

// unsigned reports whether URLs without a signature may be open before and after the change.
// Otherwise settings says all.
func (c *closing) unsigned() bool { return !c.old.w.RequireSignature && !c.new.w.RequireSignature }

// lists compares what URLs name besides sources, and who reads them.
func (c *closing) lists() {
	named := func(kind, what string, old, now []string) {
		for _, name := range old {
			if !slices.Contains(now, name) {
				c.say(kind+" "+name+" is gone", what, fail)
			}
		}
	}
	old, w := c.old.w, c.new.w
	named("domain", "its URLs", old.Domains, w.Domains)
	named("preset", "URLs that name it", namesOf(old.Presets, func(p Preset) string { return p.Name }), namesOf(w.Presets, func(p Preset) string { return p.Name }))
	named("mark", "URLs that name it", namesOf(old.Marks, func(m Mark) string { return m.Name }), namesOf(w.Marks, func(m Mark) string { return m.Name }))

	c.asMarks()
	c.byPresets()
	c.presetSizes()

	now, err := ParseOrigins(w.AllowedOrigins)
	if err != nil {
		return
	}
	var lost []string
	for _, pattern := range old.AllowedOrigins {
		if slices.ContainsFunc(originsOf(pattern), func(o string) bool { return !now.Allow(o) }) {
			lost = append(lost, pattern)
		}
	}
	if lost != nil {
		c.say("allowed_origins", "requests by scripts of pages that only "+few(lost)+" allowed", fail)
	}
}

// asMarks compares whose images URLs may name as marks: those of a source with a bound mark are
// refused.
func (c *closing) asMarks() {
	was, is := boundMarks(c.old.w), boundMarks(c.new.w)
	for i := range c.new.w.Sources {
		if key := c.new.w.Sources[i].Key; is[key] != "" && was[key] == "" && c.old.sources[key] != nil {
			c.say("mark "+is[key]+" is bound to source "+key, "URLs that name an image of "+key+" as their mark", fail)
		}
	}
}

// boundMarks returns the first mark that is bound to each source, by the source's key.
func boundMarks(w *Workspace) map[string]string {
	first := map[string]string{}
	for _, m := range w.Marks {
		for _, key := range m.AutoApplySources {
			if first[key] == "" {
				first[key] = m.Name
			}
		}
	}
	return first
}

// byPresets compares which presets name an image of a private source, by mark or default.
func (c *closing) byPresets() {
	if !c.unsigned() {
		return
	}
	for _, p := range c.new.w.Presets {
		i := slices.IndexFunc(c.old.w.Presets, func(old Preset) bool { return old.Name == p.Name })
		if i < 0 {
			continue
		}
		if key := c.new.privateOf(p); key != "" && c.old.privateOf(c.old.w.Presets[i]) == "" {
			c.say("preset "+p.Name+" names an image of source "+key+", which is private", "URLs with the preset", needKey)
		}
	}
}

// presetSizes compares by how much a dpr in the URL may multiply the lengths of presets: what
// gets too large is refused.
func (c *closing) presetSizes() {
	accepts := func(p Preset, dpr string) bool {
		q, err := transform.ParseQuery(p.Options)
		if err != nil {
			return false
		}
		_, err = transform.Parse(transform.Defaults(), q, transform.Query{{Name: "dpr", Value: dpr}})
		return err == nil
	}
	for _, p := range c.new.w.Presets {
		i := slices.IndexFunc(c.old.w.Presets, func(old Preset) bool { return old.Name == p.Name })
		if i < 0 || c.old.w.Presets[i].Options == p.Options {
			continue
		}
		for _, dpr := range []string{"1", "1.5", "2", "3", "4", "5"} {
			if accepts(c.old.w.Presets[i], dpr) && !accepts(p, dpr) {
				c.say("preset "+p.Name+" has larger lengths", "URLs with the preset and a dpr of "+dpr+" or more", fail)
				break
			}
		}
	}
}

// privateOf returns the private source of which a preset names an image, or "".
func (r *ruling) privateOf(p Preset) string {
	q, err := transform.ParseQuery(p.Options)
	if err != nil {
		return ""
	}
	for _, option := range []string{"mark", "default"} {
		name, _, err := q.Value(option)
		key, _, ok := strings.Cut(name, "/")
		if src := r.sources[key]; err == nil && ok && src != nil && src.Private {
			return key
		}
	}
	return ""
}

func namesOf[T any](list []T, name func(T) string) (names []string) {
	for _, e := range list {
		names = append(names, name(e))
	}
	return names
}

// someHost is a name of no host: no pattern allows it but those that allow every host.
const someHost = "no-host-of-tintype.org"

// originsOf returns origins that a pattern of allowed_origins allows, one for each scheme.
func originsOf(pattern string) []string {
	switch {
	case pattern == "*":
		pattern = someHost
	case pattern == "null", strings.Contains(pattern, "://"):
		return []string{pattern}
	}
	pattern = strings.Replace(pattern, "*", "no-host-of-tintype", 1)
	return []string{"https://" + pattern, "http://" + pattern}
}

// names compares what becomes of URLs that name a source. Images that are closed by another
// source are [Workspace.Warn]'s.
func (c *closing) names() {
	for i := range c.old.w.Sources {
		from := &c.old.w.Sources[i]
		switch now := c.new.sources[from.Key]; {
		case now == nil:
			c.say("source "+from.Key+" is gone", "URLs that name it", fail)
		case now.Private && !from.Private && c.unsigned() && !c.wasPrivate(from):
			c.say("source "+from.Key+" is private", "its images", needKey)
		}
	}
}

// wasPrivate reports whether another source made all images of the source private.
func (c *closing) wasPrivate(from *Source) bool {
	return slices.ContainsFunc(c.old.spots[from], func(s spot) bool { return len(c.old.of(s).private) > 0 })
}

// urls compares what becomes of full URLs.
func (c *closing) urls() {
	for _, r := range []*ruling{c.old, c.new} {
		for _, place := range r.places {
			for _, scheme := range []string{"https", "http"} {
				u := place
				if u.Scheme = scheme; u.SameHost(place) {
					c.url(u, c.old.allowsExactly(u))
				}
			}
		}
	}
	f := newFolding(c.old, c.new)
	for i := range c.old.w.Sources { // in folders where a place lies, which other rules may be about
		src := &c.old.w.Sources[i]
		for _, folder := range f.foldersOf(src.Key) {
			for _, place := range c.old.urls[src] {
				if u, err := place.Below(origin.Key{Path: folder}); err == nil {
					c.url(u, c.old.allowsExactly(u))
				}
			}
		}
	}
	for _, p := range c.old.allowed { // each by its own name, though others may allow the same
		for _, u := range p.some() {
			if c.old.allowsExactly(u) != "" {
				c.url(u, p.text)
			}
		}
	}
	if c.lost != nil {
		c.say("allowed_sources", "full URLs that only "+few(c.lost)+" allowed", fail)
	}
}

// some returns URLs that the pattern allows, one for each scheme. Other patterns allow them
// only if they allow all that this one does.
func (p namedPattern) some() (urls []origin.URL) {
	text := p.String()
	schemes := []string{"https", "http"}
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		schemes, text = []string{scheme}, rest
	}
	if text == "*" {
		text = someHost
	}
	text = strings.TrimSuffix(strings.Replace(text, "*", "no-host-of-tintype", 1), "/") + "/no-path-of-tintype"
	for _, scheme := range schemes {
		if u, err := origin.ParseURL(scheme + "://" + text); err == nil && p.Match(u) {
			urls = append(urls, u)
		}
	}
	return urls
}

// url compares what becomes of a full URL, which a pattern allowed, or none.
func (c *closing) url(u origin.URL, pattern string) {
	s := spotOf(u)
	was, is := c.old.of(s), c.new.of(s)
	switch {
	case len(was.named) == 0 && pattern == "": // it was refused
	case len(is.named) == 0 && c.new.allowsExactly(u) == "":
		c.refused(u, was, pattern)
	case len(was.private) == 0 && len(is.private) > 0 && c.unsigned():
		c.needsKey(u, was, is.private[0], pattern)
	}
}

// refused says that a full URL is not allowed any more.
func (c *closing) refused(u origin.URL, was *ruled, pattern string) {
	over := ""
	if other := otherScheme(u); other.SameHost(u) && c.new.allowsExactly(other) != "" {
		over = " over " + u.Scheme
	}
	if len(was.named) > 0 {
		from := was.named[0].Key
		if c.new.sources[from] == nil {
			c.say("source "+from+" is gone", "full URLs of its images"+over, fail)
		} else {
			c.say("source "+from+" has another place now", "full URLs of images at its former place"+over, fail)
		}
		return
	}
	if c.new.w.HTTPSOnly && u.Scheme == "http" && slices.ContainsFunc(c.new.allowed, func(p namedPattern) bool { return p.Match(u) }) {
		c.say("https_only is on", "full URLs over http", fail)
		return
	}
	if over != "" && !strings.Contains(pattern, "://") {
		pattern += " (" + over[1:] + ")"
	}
	if !slices.Contains(c.lost, pattern) {
		c.lost = append(c.lost, pattern)
	}
}

// otherScheme returns the URL with https instead of http, or the other way round.
func otherScheme(u origin.URL) origin.URL {
	if u.Scheme == "https" {
		u.Scheme = "http"
	} else {
		u.Scheme = "https"
	}
	return u
}

// needsKey says that a full URL lies in a private source now.
func (c *closing) needsKey(u origin.URL, was *ruled, private *Source, pattern string) {
	if named := c.new.of(spotOf(u)).named; len(was.named) == 0 && !c.new.covers(private, spotOf(u)) && len(named) > 0 {
		c.say("source "+named[0].Key+" is as private as source "+private.Key, "full URLs of its place, which allowed_sources allow ("+pattern+"),", needKey)
		return
	}
	if len(was.named) == 0 {
		what := "full URLs of its place"
		if inner := c.publicIn(private); inner != nil {
			what += " outside of source " + few(inner)
		}
		c.say("source "+private.Key+" is private", what+", which allowed_sources allow ("+pattern+"),", needKey)
		return
	}
	from := was.named[0]
	for _, src := range was.named {
		if now := c.new.sources[src.Key]; now != nil && c.new.covers(now, spotOf(u)) {
			return // names says so, or Warn
		}
	}
	why, which := "source "+from.Key+", which was public, has another place now", "images at its former place"
	if c.new.sources[from.Key] == nil {
		why, which = "source "+from.Key+", which was public, is gone", "its images"
	}
	c.say(why, "full URLs of "+which+" lie in source "+private.Key+", which is private, and", needKey)
}

// publicIn returns the keys of public sources that lie in a source, and did before: these stay
// open.
func (c *closing) publicIn(outer *Source) (keys []string) {
	for i := range c.new.w.Sources {
		src := &c.new.w.Sources[i]
		if was := c.old.sources[src.Key]; src != outer && !src.Private && was != nil && !was.Private &&
			slices.ContainsFunc(c.new.spots[src], func(s spot) bool { return c.new.covers(outer, s) }) {
			keys = append(keys, src.Key)
		}
	}
	return keys
}

// allowsExactly returns the pattern that allows a URL outside all sources, or "".
func (r *ruling) allowsExactly(u origin.URL) string {
	if u.Scheme == "http" && r.w.HTTPSOnly {
		return ""
	}
	for _, p := range r.allowed {
		if p.Match(u) {
			return p.text
		}
	}
	return ""
}

package workspace

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tintype/tintype/origin"
)

// Opens returns warnings about images that a change from old to w makes public, or shows
// without a mark. It also warns of these:
//
//   - A source leaves a place inside a marked source, whose marks the full URLs there then carry.
//   - A source leaves a private or marked source that is inside it, whose rules then don't apply
//     to the names of the source any more.
//   - A blocked path names another image.
//
// [Workspace.Closes] has the URLs that fail. Each warning names the rule that does so, in the style of [Workspace.Warn]. Opens compares
// places, so a source with another key and the same rules changes nothing. It compares names
// only of a source that moves. Both workspaces are valid; Opens skips what isn't. If old is nil,
// nothing was closed before.
func (w *Workspace) Opens(old *Workspace) (warnings []string) {
	if old == nil {
		return nil
	}
	warnings = w.opensAll(old)
	o := opening{old: newRuling(old), new: newRuling(w)}
	for _, r := range []*ruling{o.old, o.new} {
		for _, p := range r.places {
			o.compare(p)
		}
	}
	for _, p := range o.new.allowed { // a part of a former place
		for _, u := range p.some() {
			o.compare(u)
		}
	}
	o.ofOperator()
	o.moved()
	o.lookAlikes()
	o.folders()
	warnings = append(warnings, o.warnings...)
	warnings = append(warnings, w.opensLookAlikes(old)...)
	return append(warnings, w.unblocks(old)...)
}

// opensAll returns warnings about the whole workspace.
func (w *Workspace) opensAll(old *Workspace) (warnings []string) {
	if old.RequireSignature && !w.RequireSignature {
		what := "images of all sources that aren't private"
		if len(w.AllowedSources) > 0 {
			what += ", and all that allowed_sources allow (" + few(w.AllowedSources) + "),"
		}
		warnings = append(warnings, fmt.Sprintf("require_signature is off: %s are public from now on", what))
	}
	if w.RequireSignature {
		return warnings
	}
	var schemes, patterns []string
	for _, scheme := range []string{"https", "http"} {
		if pattern := w.allowsAll(scheme); pattern != "" && old.allowsAll(scheme) == "" {
			schemes = append(schemes, scheme)
			if !slices.Contains(patterns, pattern) {
				patterns = append(patterns, pattern)
			}
		}
	}
	if schemes != nil {
		warnings = append(warnings, fmt.Sprintf("allowed_sources: %s allows the images of every host over %s: they are public from now on by their full URLs",
			few(patterns), strings.Join(schemes, " and ")))
	}
	if over := w.allowedOverHTTP(); old.HTTPSOnly && !w.HTTPSOnly && over != nil {
		warnings = append(warnings, fmt.Sprintf("https_only is off: full URLs over http, which allowed_sources allow (%s), are public from now on", few(over)))
	}
	return warnings
}

// allowedOverHTTP returns the patterns that allow full URLs over http outside of all sources.
// If one allows every host, it returns none.
func (w *Workspace) allowedOverHTTP() (patterns []string) {
	if w.allowsAll("http") != "" {
		return nil
	}
	r := newRuling(w)
	for _, p := range r.allowed {
		if slices.ContainsFunc(p.some(), func(u origin.URL) bool { return u.Scheme == "http" && len(r.of(spotOf(u)).named) == 0 }) {
			patterns = append(patterns, p.text)
		}
	}
	return patterns
}

// AllowsTheWeb reports whether allowed_sources let URLs name originals of every host.
func (w *Workspace) AllowsTheWeb() bool {
	return w.allowsAll("http") != "" || w.allowsAll("https") != ""
}

// OwnSourcesOnly takes out of allowed_sources what makes [Workspace.AllowsTheWeb] true. Patterns
// of hosts stay.
func (w *Workspace) OwnSourcesOnly() {
	named := []string{}
	for _, pattern := range w.AllowedSources {
		one := Workspace{AllowedSources: []string{pattern}}
		if !one.AllowsTheWeb() {
			named = append(named, pattern)
		}
	}
	w.AllowedSources = named
}

// allowsAll returns the pattern that allows URLs of every host with a scheme, or "".
func (w *Workspace) allowsAll(scheme string) string {
	if scheme == "http" && w.HTTPSOnly {
		return ""
	}
	for _, pattern := range w.AllowedSources {
		if p, err := origin.ParsePattern(pattern); err == nil && (p.String() == "*" || p.String() == scheme+"://*") {
			return pattern
		}
	}
	return ""
}

// few joins the first names for a sentence.
func few(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + ", …"
}

// A ruling answers which rules apply to an image, by its place.
type ruling struct {
	w        *Workspace
	places   []origin.URL       // of all sources, in order
	at       map[spot][]*Source // the sources at each place
	spots    map[*Source][]spot // the places of each source
	byServer map[string][]spot  // of all of them
	urls     map[*Source][]origin.URL
	marks    map[string][]string // names of the bound marks that show, by key of the source
	allowed  []namedPattern      // allowed_sources
	known    map[spot]*ruled     // cache of the method of
	sources  map[string]*Source  // by key
	images   map[string]string   // of marks, by name
	strict   map[string][]placed // places of private and marked sources, by server, once they are asked for
}

type namedPattern struct {
	text string
	origin.Pattern
}

// A spot is a place as a map key. It has no scheme, since both schemes lead to the same
// server. The path is decoded and has no slashes at its ends.
type spot struct{ server, path string }

func spotOf(u origin.URL) spot {
	root := u
	root.Path = "/"
	key, _ := u.Within(root)
	return spot{u.Server(), strings.Trim(key.Path, "/")}
}

func (s spot) below(rest string) spot {
	s.path = strings.Trim(s.path+"/"+rest, "/")
	return s
}

func newRuling(w *Workspace) *ruling {
	r := &ruling{w: w, at: map[spot][]*Source{}, spots: map[*Source][]spot{}, byServer: map[string][]spot{}, urls: map[*Source][]origin.URL{}, marks: map[string][]string{},
		known: map[spot]*ruled{}, sources: map[string]*Source{}, images: map[string]string{}}
	for i := range w.Sources {
		src := &w.Sources[i]
		r.sources[src.Key] = src
		places, err := src.Places()
		if err != nil {
			continue
		}
		for _, place := range places {
			s := spotOf(place)
			if slices.Contains(r.spots[src], s) {
				continue
			}
			r.places = append(r.places, place)
			if r.at[s] == nil {
				r.byServer[s.server] = append(r.byServer[s.server], s)
			}
			r.at[s] = append(r.at[s], src)
			r.spots[src] = append(r.spots[src], s)
			r.urls[src] = append(r.urls[src], place)
		}
	}
	for _, pattern := range w.AllowedSources {
		if p, err := origin.ParsePattern(pattern); err == nil {
			r.allowed = append(r.allowed, namedPattern{pattern, p})
		}
	}
	for _, m := range w.Marks {
		r.images[m.Name] = m.Image
		if m.hidden() {
			continue
		}
		for _, key := range m.AutoApplySources {
			r.marks[key] = append(r.marks[key], m.Name)
		}
	}
	return r
}

// hidden reports whether the mark can hardly be seen.
func (m *Mark) hidden() bool { return m.why() != "" }

// why returns what hides the mark, or "".
func (m *Mark) why() string {
	switch {
	case m.Opacity != nil && *m.Opacity == 0:
		return "opacity 0"
	case m.Opacity != nil && *m.Opacity < 0.01:
		return "an opacity below 0.01"
	case m.Width == "1":
		return "a width of 1 pixel"
	case m.Height == "1":
		return "a height of 1 pixel"
	}
	return ""
}

// hides reports whether a mark is bound to a source, and hidden.
func (w *Workspace) hides(name, source string) bool {
	return slices.ContainsFunc(w.Marks, func(m Mark) bool {
		return m.Name == name && m.hidden() && slices.Contains(m.AutoApplySources, source)
	})
}

// innermost returns the sources with the longest place that contains the spot, and the rest
// of its path.
func (r *ruling) innermost(s spot) (list []*Source, rest string) {
	for at := s; ; {
		if list := r.at[at]; list != nil {
			return list, strings.Trim(strings.TrimPrefix(s.path, at.path), "/")
		}
		if at.path == "" {
			return nil, ""
		}
		at.path = at.path[:max(0, strings.LastIndexByte(at.path, '/'))]
	}
}

// ruled are the rules for the images at a spot. If an image has several names, they are
// those of the name with the fewest rules.
type ruled struct {
	named   []*Source // sources of the spot; if there is none, the URL must be allowed
	rest    string    // of the spot's path in them
	private []*Source
	marks   map[string]*Source // the source of each mark
}

// of returns the rules at a spot. If an image belongs to several sources, their rules add
// up.
func (r *ruling) of(s spot) *ruled {
	if found := r.known[s]; found != nil {
		return found
	}
	found := &ruled{marks: map[string]*Source{}}
	r.known[s] = found
	found.named, found.rest = r.innermost(s)
	var names []nameIn
	for _, src := range found.named {
		names = append(names, nameIn{src, found.rest})
	}
	r.collect(found, names)
	return found
}

// MostNames bounds the names that an original may have in the sources of a workspace: one in each,
// and more where places of a source lie in each other.
const MostNames = 200

// A nameIn is a name of an image in a source.
type nameIn struct {
	source *Source
	rest   string
}

// ofName returns the rules for the images of a source whose paths begin with rest.
func (r *ruling) ofName(src *Source, rest string) *ruled {
	found := &ruled{named: []*Source{src}, rest: rest, marks: map[string]*Source{}}
	r.collect(found, []nameIn{{src, rest}})
	return found
}

// collect adds up the rules of all names that an image has, which are these and those that
// follow from them: a place of a source may lie in another source, or in the source itself.
func (r *ruling) collect(found *ruled, names []nameIn) {
	seen := map[nameIn]bool{}
	for _, name := range names {
		seen[name] = true
	}
	for i := 0; i < len(names); i++ {
		src := names[i].source
		if src.Private && !slices.Contains(found.private, src) {
			found.private = append(found.private, src)
		}
		for _, name := range r.marks[src.Key] {
			if found.marks[name] == nil {
				found.marks[name] = src
			}
		}
		for _, place := range r.spots[src] {
			list, rest := r.innermost(place.below(names[i].rest))
			for _, src := range list {
				if name := (nameIn{src, rest}); !seen[name] && len(names) < MostNames {
					seen[name] = true
					names = append(names, name)
				}
			}
		}
	}
}

// allows returns the pattern that allows a URL outside all sources, or "".
func (r *ruling) allows(u origin.URL) string {
	for _, scheme := range []string{u.Scheme, "https", "http"} {
		if scheme == "http" && r.w.HTTPSOnly {
			continue
		}
		v := u
		if v.Scheme = scheme; !v.SameHost(u) {
			continue
		}
		for _, p := range r.allowed {
			if p.Match(v) {
				return p.text
			}
		}
	}
	return ""
}

// An opening compares the rules before and after a change.
type opening struct {
	old, new *ruling
	warnings []string
}

func (o *opening) say(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(o.warnings, text) {
		o.warnings = append(o.warnings, text)
	}
}

// compare compares the images at a place.
func (o *opening) compare(place origin.URL) {
	s := spotOf(place)
	was := o.old.of(s)
	if o.old.at[s] != nil && o.new.at[s] == nil {
		o.marked(s, was)
	}
	if len(was.private) == 0 && len(was.marks) == 0 {
		return
	}
	is := o.new.of(s)
	pattern := ""
	if len(is.named) == 0 {
		if pattern = o.new.allows(place); pattern == "" {
			return // no URL gets them
		}
	}
	if len(was.private) > 0 && len(is.private) == 0 && !o.new.w.RequireSignature {
		o.opened(s, was.private[0], is, pattern)
	}
	o.unmarked(s, was, is, pattern)
}

// moved warns of sources that leave a private or marked source at their place, or inside it.
// The names of its images may have shown the same ones ever since: a folder that moves to
// another server often takes all that is in it along.
func (o *opening) moved() {
	for i := range o.new.w.Sources {
		src := &o.new.w.Sources[i]
		was := o.old.sources[src.Key]
		if was == nil || len(o.old.spots[was]) == 0 || len(o.new.spots[src]) == 0 {
			continue
		}
		from, to := o.old.spots[was][0], o.new.spots[src][0]
		if from == to {
			continue
		}
		for _, p := range o.old.places {
			if rest, ok := spotOf(p).within(from); ok {
				o.renamed(src, rest, o.old.of(spotOf(p)), o.new.of(to.below(rest)))
			}
		}
	}
}

// renamed warns of names that begin with rest in a source that has moved.
func (o *opening) renamed(src *Source, rest string, was, is *ruled) {
	which := "its images"
	if rest != "" {
		which = "its images whose paths begin with " + rest + "/"
	}
	if len(was.private) > 0 && len(is.private) == 0 && !o.new.w.RequireSignature {
		o.say("source %s has another place now: %s were as private as source %s, and are public from now on", src.Key, which, was.private[0].Key)
	}
	kept := map[string]bool{}
	for name := range is.marks {
		kept[o.new.images[name]] = true
	}
	var lost []string
	for name := range was.marks {
		if is.marks[name] == nil && !kept[o.old.images[name]] {
			lost = append(lost, name)
		}
	}
	if lost != nil {
		slices.Sort(lost)
		o.say("source %s has another place now: %s don't carry marks of its former place from now on (%s)", src.Key, which, strings.Join(lost, ", "))
	}
}

// within returns the rest of the path where s is a spot or below it.
func (s spot) within(above spot) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(s.path, above.path)
	if !ok || s.server != above.server || above.path != "" && rest != "" && rest[0] != '/' {
		return "", false
	}
	return strings.Trim(rest, "/"), true
}

// marked warns of full URLs that lose the source that they were in, and now carry marks of
// another one.
func (o *opening) marked(s spot, was *ruled) {
	is := o.new.of(s)
	had := map[string]bool{}
	for name := range was.marks {
		had[o.old.images[name]] = true
	}
	var names []string
	var in string // the source of the first mark
	for _, m := range o.new.w.Marks {
		if src := is.marks[m.Name]; src != nil && was.marks[m.Name] == nil && !had[m.Image] {
			names = append(names, m.Name)
			in = cmp.Or(in, src.Key)
		}
	}
	if names != nil {
		how, which := o.left(o.old.at[s][0], s, "had no such marks", "")
		o.say("%s: full URLs of %s lie in source %s, and carry its marks from now on (%s)", how, which, in, strings.Join(names, ", "))
	}
}

// opened warns of images of a source that was private.
func (o *opening) opened(s spot, from *Source, is *ruled, pattern string) {
	now := o.new.sources[from.Key]
	how, which := o.left(from, s, "was private", "was as private as")
	switch {
	case now != nil && !now.Private && slices.Contains(is.named, now):
		o.say("source %s is not private any more: its images are public from now on", from.Key)
	case now != nil && !now.Private && pattern == "" && slices.Equal(o.old.spots[from], o.new.spots[now]):
		o.say("source %s is not private any more: %s are public from now on", from.Key, imagesOf(is))
	case pattern != "":
		o.say("%s: %s are public from now on by their full URLs, which allowed_sources allow (%s), where their server gives them to anybody", how, which, pattern)
	case now != nil && now.Private && o.new.covers(now, s):
		o.say("source %s is public and lies in source %s, which is private: %s are public from now on", is.named[0].Key, from.Key, imagesOf(is))
	default:
		o.say("%s: %s are public from now on", how, imagesOf(is))
	}
}

// unmarked warns of images that lose marks. A mark with another name and the same image
// counts as the same mark.
func (o *opening) unmarked(s spot, was, is *ruled, pattern string) {
	kept := map[string]bool{}
	for name := range is.marks {
		kept[o.new.images[name]] = true
	}
	by := map[*Source][]string{}
	for name, src := range was.marks {
		switch {
		case is.marks[name] != nil || kept[o.old.images[name]]:
		case o.new.w.hides(name, src.Key):
			o.hidden(name, src.Key)
		default:
			by[src] = append(by[src], name)
		}
	}
	for i := range o.old.w.Sources {
		from := &o.old.w.Sources[i]
		names := by[from]
		if names == nil {
			continue
		}
		slices.Sort(names)
		now := o.new.sources[from.Key]
		how, which := o.left(from, s, "had marks", "had the marks of")
		list := strings.Join(names, ", ")
		switch {
		case now != nil && slices.Contains(is.named, now):
			o.say("source %s has lost marks: its images don't carry them from now on (%s)", from.Key, list)
		case now != nil && pattern == "" && slices.Equal(o.old.spots[from], o.new.spots[now]) && !slices.ContainsFunc(names, func(name string) bool { return slices.Contains(o.new.marks[now.Key], name) }):
			o.say("source %s has lost marks: %s don't carry them from now on (%s)", from.Key, imagesOf(is), list)
		case pattern != "":
			o.say("%s: %s don't carry them from now on (%s) by their full URLs, which allowed_sources allow (%s)", how, which, list, pattern)
		case now != nil && o.new.covers(now, s):
			o.say("source %s has no such marks and lies in source %s: %s don't carry them from now on (%s)", is.named[0].Key, from.Key, imagesOf(is), list)
		default:
			o.say("%s: %s don't carry them from now on (%s)", how, imagesOf(is), list)
		}
	}
}

func (o *opening) hidden(name, source string) {
	for _, m := range o.new.w.Marks {
		if m.Name == name {
			o.say("mark %s has %s: images of source %s don't show it from now on", name, m.why(), source)
		}
	}
}

// left describes why the images at a spot don't have the rules of a source any more, and which
// images. They may have been in another one that shared these rules: as says how.
func (o *opening) left(from *Source, s spot, had, as string) (how, which string) {
	now := o.new.sources[from.Key]
	if now == nil {
		return fmt.Sprintf("source %s, which %s, is gone", from.Key, had), "its images"
	}
	way := o.old.way(s, from)
	if len(way) > 0 && o.new.covers(now, way[len(way)-1].spot) { // it is where it was
		for i, step := range way[:len(way)-1] {
			if how, which := o.parted(s, from, as, step, way[i+1]); how != "" {
				return how, which
			}
		}
		first := way[0].source
		if is, still := o.new.of(s), o.new.sources[first.Key]; len(way) > 1 && len(is.named) > 0 && !slices.Contains(is.named, still) {
			return fmt.Sprintf("source %s lies in source %s, which %s source %s", is.named[0].Key, first.Key, as, from.Key), ""
		}
	}
	return fmt.Sprintf("source %s, which %s, has another place now", from.Key, had), "images at its former place"
}

// parted describes how a source on the way from a spot to one with rules leaves the next one.
// It returns "" if the two still share a place.
func (o *opening) parted(s spot, from *Source, as string, step, next step) (how, which string) {
	now := o.new.sources[step.source.Key]
	switch {
	case now == nil:
		return fmt.Sprintf("source %s, which %s source %s, is gone", step.source.Key, as, from.Key), "its images"
	case step.spot == s && !o.new.covers(now, s):
		return fmt.Sprintf("source %s, which %s source %s, has another place now", step.source.Key, as, from.Key), "images at its former place"
	case !slices.Contains(o.new.spots[now], next.through):
		i := slices.Index(o.old.spots[step.source], next.through)
		return fmt.Sprintf("source %s has lost the place %s, by which it %s source %s", step.source.Key, o.old.urls[step.source][i], as, from.Key), ""
	}
	return "", ""
}

// A step is a source that an image is in.
type step struct {
	source  *Source
	spot    spot // of the image in it
	through spot // the place of the source before by which the image is in it too
}

// way returns how the images at a spot are in a source with rules: the first step is one of
// their own sources, and each one shares a place with the next.
func (r *ruling) way(s spot, to *Source) (way []step) {
	type found struct {
		step
		rest string
		from int
	}
	var all []found
	seen := map[*Source]bool{}
	add := func(s, through spot, from int) {
		list, rest := r.innermost(s)
		for _, src := range list {
			if !seen[src] {
				seen[src] = true
				all = append(all, found{step{src, s, through}, rest, from})
			}
		}
	}
	add(s, spot{}, -1)
	for i := 0; i < len(all); i++ {
		if all[i].source == to {
			for ; i >= 0; i = all[i].from {
				way = append(way, all[i].step)
			}
			slices.Reverse(way)
			return way
		}
		for _, place := range r.spots[all[i].source] {
			add(place.below(all[i].rest), place, i)
		}
	}
	return nil
}

// covers reports whether a place of the source contains the spot.
func (r *ruling) covers(src *Source, s spot) bool {
	return slices.ContainsFunc(r.spots[src], func(p spot) bool {
		_, ok := s.within(p)
		return ok
	})
}

// imagesOf names the images of a source that the rules apply to.
func imagesOf(is *ruled) string {
	if is.rest == "" {
		return "all images of source " + is.named[0].Key
	}
	return fmt.Sprintf("images of source %s whose paths begin with %s/", is.named[0].Key, is.rest)
}

// ofOperator warns of marks that are no longer bound to the operator's folders. The
// workspace knows these sources only by their keys.
func (o *opening) ofOperator() {
	for _, m := range o.old.w.Marks {
		for _, key := range m.AutoApplySources {
			if o.old.sources[key] != nil || o.new.sources[key] != nil || m.hidden() || slices.Contains(o.new.marks[key], m.Name) ||
				slices.ContainsFunc(o.new.marks[key], func(name string) bool { return o.new.images[name] == m.Image }) {
				continue
			}
			if o.new.w.hides(m.Name, key) {
				o.hidden(m.Name, key)
			} else {
				o.say("source %s has lost marks: its images don't carry them from now on (%s)", key, m.Name)
			}
		}
	}
}

package delivery

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// A ref is an original that a request reads: a key within a configured source, or
// a full URL outside all of them.
type ref struct {
	source  *source // the one that the request names; nil for a full URL
	key     origin.Key
	url     origin.URL // the full URL, where source is nil
	also    []ref      // the same original in further sources that it belongs to
	through int        // 0: it is fetched by source. n: by also[n-1]
}

// at is the original in the source that fetches it. Variants are cached under this one,
// whichever of its sources the request names.
func (r ref) at() ref {
	if r.through > 0 {
		return r.also[r.through-1]
	}
	return r
}

// sources are all configured sources that the original belongs to.
func (r ref) sources() (list []*source) {
	if r.source == nil {
		return nil
	}
	list = append(list, r.source)
	for _, other := range r.also {
		list = append(list, other.source)
	}
	return list
}

// private reports whether the original belongs to a private source.
func (r ref) private() bool { return r.first(func(s *source) bool { return s.Private }) != nil }

// marked reports whether the original belongs to a source that marks are bound to.
func (r ref) marked() bool { return r.first(func(s *source) bool { return s.marked }) != nil }

// first returns its first source for which the function is true, or nil.
func (r ref) first(such func(*source) bool) *source {
	for _, src := range r.sources() {
		if such(src) {
			return src
		}
	}
	return nil
}

// host is the host that the original is fetched from. It is empty for a folder.
func (r ref) host() string {
	switch r = r.at(); {
	case r.source == nil:
		return r.url.Host
	case r.source.Bucket != "" && r.source.Endpoint == "": // S3's and R2's, which share hosts
		return r.source.base.Host + "/" + r.source.Bucket
	}
	return r.source.base.Host
}

// String is the ref as an owner would write it, for logs and messages.
func (r ref) String() string {
	if r.source == nil {
		return r.url.Host + r.url.Path
	}
	return r.source.Key + "/" + r.key.Path
}

// resolve finds the original that the path or ?src= names, and refuses what the
// workspace doesn't allow. It needs no network.
func (c *site) resolve(n name, src string, hasSrc bool) (ref, error) {
	switch {
	case n.bySrc && !hasSrc:
		return ref{}, fault.New(fault.InvalidSource, "name the image, as /SOURCE/PATH or ?src=SOURCE/PATH or ?src=https://…")
	case !n.bySrc && hasSrc:
		return ref{}, fault.New(fault.InvalidSource, "src: the path names an image already; leave one of them out")
	case !n.bySrc:
		return c.lookup(n.source, origin.Key{Path: n.path})
	}
	if hasScheme(src) {
		return c.resolveURL(src)
	}
	return c.resolveName(src)
}

// named is the key of the source that a request names, for counting requests that were
// refused. It reads as much of the target as it can, and returns no error. It is empty
// where the workspace has no such source.
func (c *site) named(t Target) string {
	if d, u := c.dialectOf(t); d != nil {
		return c.namedForeign(d, u)
	}
	first, tail, _ := strings.Cut(strings.TrimPrefix(t.Rest, "/"), "/")
	if e := endpoints[first]; e != nil && e.make != nil {
		if first, tail, _ = strings.Cut(tail, "/"); slices.Contains(e.parts, first) {
			first, _, _ = strings.Cut(tail, "/")
		}
	}
	if first == "" {
		query, _ := url.ParseQuery(t.RawQuery) // even of a broken query, what can be read
		src := query.Get("src")
		return c.namedBySrc(src)
	}
	if c.sources[first] == nil {
		return ""
	}
	return first
}

// namedBySrc is named of what ?src= says.
func (c *site) namedBySrc(src string) string {
	if hasScheme(src) {
		if u, err := origin.ParseURL(src); err == nil {
			if in, _, err := c.within(u); err == nil && len(in) > 0 {
				return in[0].source.Key
			}
		}
		return ""
	}
	key, _, _ := strings.Cut(src, "/")
	if c.sources[key] == nil {
		return ""
	}
	return key
}

// resolveName finds the original that `source/path` names. The name has been decoded:
// percent signs that are left belong to the object key.
func (c *site) resolveName(name string) (ref, error) {
	source, path, _ := strings.Cut(name, "/")
	if err := checkObject(source, path); err != nil {
		return ref{}, err
	}
	if err := origin.CheckPath(path); err != nil {
		return ref{}, err
	}
	return c.lookup(source, origin.Key{Path: path})
}

func hasScheme(src string) bool {
	return len(src) > 7 && strings.EqualFold(src[:7], "http://") || len(src) > 8 && strings.EqualFold(src[:8], "https://")
}

func (c *site) lookup(key string, k origin.Key) (ref, error) {
	src := c.sources[key]
	if src == nil {
		return ref{}, fault.New(fault.SourceNotFound, fmt.Sprintf("workspace %s has no source %s", c.Namespace, key))
	}
	return c.settle(ref{source: src, key: k})
}

// settle finds the other sources that an original belongs to. One source may lie inside
// another, or be another name of it, and a request through the one must not avoid the
// rules of the other: the rules of all apply. The original is fetched through a private
// source or a marked one, where there is one. Where places of a source lie inside each other, an
// original has several names in it, and the rules of each apply: these names only get shorter, so
// there are few. settle refuses a key that some server may
// read as an original of a source that is stricter than all of these.
func (c *site) settle(r ref) (ref, error) {
	if !r.source.shadowed && !r.source.mistaken {
		return r, nil
	}
	found, named := []ref{r}, []ref{r} // found has each source once, named each name of the original
	var doubts []*source
	for i := 0; i < len(named); i++ {
		for _, place := range c.index().places[named[i].source] {
			u, err := place.Below(named[i].key)
			if err != nil {
				continue // the fetch returns the error
			}
			others, depth, err := c.within(u)
			if err != nil {
				return ref{}, err
			}
			for _, other := range others {
				if !slices.ContainsFunc(named, func(n ref) bool { return n.source == other.source && n.key.Path == other.key.Path }) {
					if named = append(named, other); len(named) > workspace.MostNames {
						return ref{}, fault.New(fault.InvalidSource, "the path has too many names in sources whose places lie in each other: name the image by its innermost place")
					}
				}
				if !slices.ContainsFunc(found, func(f ref) bool { return f.source == other.source }) {
					found = append(found, other)
				}
			}
			if named[i].source.mistaken {
				doubts = append(doubts, c.mistakable(u, depth)...)
			}
		}
	}
	r.also = found[1:]
	if len(doubts) > 0 {
		rules := rulesOf(r.sources()...)
		if i := slices.IndexFunc(doubts, rules.lack); i >= 0 {
			return ref{}, mistaken(doubts[i])
		}
	}
	through := 0
	for i, f := range found {
		if f.source.protected() && (!found[through].source.protected() || compareRules(f.source, found[through].source) < 0) {
			through = i
		}
	}
	r.through = through
	return r, nil
}

// mistakable are the private and marked sources in which some server may read u to be.
// depth is the number of segments of the place that u lies in: sources further out are
// no danger.
func (c *site) mistakable(u origin.URL, depth int) (list []*source) {
	reading := u.Reading()
	for _, p := range c.index().hosts[u.Server()] {
		if p.protected() && (reading.Leaves() || p.reading.Depth() >= depth && reading.Within(p.reading)) {
			list = append(list, p.source)
		}
	}
	for _, p := range c.index().shared[u.Server()] {
		if !reading.Leaves() && (p.reading.Depth() < depth || !reading.Within(p.reading)) {
			continue
		}
		// What literally lies in a shared place has the rules that settle finds.
		if _, in := u.Within(p.place); !in || reading.Leaves() {
			list = append(list, p.source)
		}
	}
	return list
}

func mistaken(src *source) error {
	return fault.New(fault.InvalidSource, "some servers read this path as one of the source "+src.Key+", which has rules of its own: "+
		"write the path as that source does, without encoded dots and slashes")
}

// resolveURL finds the original of a full URL. A URL inside one of the workspace's own
// sources is an original of that source, with its marks and its privacy. Any other URL
// must be on the allowlist.
func (c *site) resolveURL(raw string) (ref, error) {
	u, err := origin.ParseURL(raw)
	if err != nil {
		return ref{}, err
	}
	in, err := c.resolveWithin(u)
	if err != nil || in.source != nil {
		return in, err
	}
	if err := c.checkURL(u); err != nil {
		return ref{}, err
	}
	return ref{url: u, key: origin.Key{Path: u.String()}}, nil
}

// resolveWithin finds the original that a full URL is in the workspace's own sources. Where
// it is in none, the ref's source is nil.
func (c *site) resolveWithin(u origin.URL) (ref, error) {
	in, _, err := c.within(u)
	switch {
	case err != nil:
		return ref{}, err
	case len(in) == 0:
		if doubts := c.mistakable(u, 0); len(doubts) > 0 {
			return ref{}, mistaken(doubts[0])
		}
		return ref{}, nil
	}
	return c.settle(in[0])
}

// within finds the sources that a URL lies in: those with the longest matching prefix, and
// of these the private and marked ones first. depth is the number of segments of that
// prefix.
func (c *site) within(u origin.URL) (in []ref, depth int, err error) {
	on := c.index().hosts[u.Server()]
	if len(on) > 0 && !u.PathIsCanonical() {
		return nil, 0, fault.New(fault.InvalidSource, "src: on the host of a configured source the path must be canonical: no //, no . or .. segments, no encoded slash or dot")
	}
	longest := 0
	for _, p := range on {
		key, ok := u.Within(p.place)
		if !ok || len(p.place.Path) < longest {
			continue
		}
		if len(p.place.Path) > longest {
			in, longest, depth = nil, len(p.place.Path), p.reading.Depth()
		}
		if !slices.ContainsFunc(in, func(r ref) bool { return r.source == p.source }) {
			in = append(in, ref{source: p.source, key: key})
		}
	}
	slices.SortFunc(in, func(a, b ref) int { return compareRules(a.source, b.source) })
	if len(in) > 0 {
		if err := origin.CheckPath(in[0].key.Path); err != nil {
			return nil, 0, err
		}
	}
	return in, depth, nil
}

// compareRules orders sources: private ones first, then those with marks.
func compareRules(a, b *source) int {
	return cmp.Or(compareBool(b.Private, a.Private), compareBool(b.marked, a.marked), cmp.Compare(a.Key, b.Key))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// checkURL says whether the workspace allows originals from u.
func (c *site) checkURL(u origin.URL) error {
	if u.HoldsReserved() {
		return fault.New(fault.SourceNotAllowed, "src: names that begin with .tintype- are Tintype's own, and no originals")
	}
	if c.HTTPSOnly && u.Scheme != "https" {
		return fault.New(fault.SourceNotAllowed, "src: this workspace takes originals over https only")
	}
	if !c.allow.Allow(u) {
		return fault.New(fault.SourceNotAllowed, "src: "+u.Host+" is not in the workspace's allowed_sources")
	}
	return nil
}

// checkRedirect says whether the origin may redirect a fetch to u. from is the source
// that is fetched from, or nil for a full URL. The rules are those of full URLs. In
// addition, a redirect must not lead to a blocked image, nor into a private or marked source
// other than from. It returns the original that u names.
func (c *site) checkRedirect(from *source, u origin.URL) (ref, error) {
	r, err := c.resolveWithin(u)
	if err != nil {
		return ref{}, err
	}
	if r.source == nil {
		r = ref{url: u, key: origin.Key{Path: u.String()}}
	}
	if err := c.checkName(r); err != nil {
		return ref{}, err
	}
	if r.source == nil {
		return r, c.checkURL(u)
	}
	for _, src := range r.sources() {
		if src != from && src.protected() {
			return ref{}, fault.New(fault.SourceNotAllowed, "the origin redirects into the source "+src.Key+", which has rules of its own: name that source instead")
		}
	}
	return r, nil
}

// allowRedirect is checkRedirect for a fetch.
func (c *site) allowRedirect(from *source) func(origin.URL) error {
	return func(u origin.URL) error {
		_, err := c.checkRedirect(from, u)
		return err
	}
}

// fetch gets the original.
func (s *Service) fetch(ctx context.Context, c *site, r ref, have origin.Validators) (*origin.Object, error) {
	if r.source == nil {
		return s.http.Get(ctx, origin.Request{URL: r.url, Have: have, Redirect: c.allowRedirect(nil)})
	}
	at := r.at()
	return s.originOf(c, at.source).Fetch(ctx, at.key, have)
}

func headers(m map[string]string) http.Header {
	h := make(http.Header, len(m))
	for name, value := range m {
		h.Set(name, value)
	}
	return h
}

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
)

// A ref is an original that a request reads: a key within a configured source, or
// a full URL outside all of them.
type ref struct {
	source  *source // that the request names; nil for a full URL
	key     origin.Key
	url     origin.URL // where source is nil
	also    []ref      // in further sources that it belongs to
	through int        // which of also it is fetched by, counted from 1; 0 is none of them
}

// at is the original in the source that it is fetched by, and cached under, whichever
// of its sources the request names.
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

// first is the first of its sources that is such a one; nil is none.
func (r ref) first(such func(*source) bool) *source {
	for _, src := range r.sources() {
		if such(src) {
			return src
		}
	}
	return nil
}

// host is where the original is fetched from over the network; empty for a folder.
func (r ref) host() string {
	switch r = r.at(); {
	case r.source == nil:
		return r.url.Host
	case len(r.source.places) == 0: // a folder
		return ""
	case r.source.Bucket != "" && r.source.Endpoint == "": // S3's and R2's, which share hosts
		return r.source.places[0].Host + "/" + r.source.Bucket
	}
	return r.source.places[0].Host
}

// String is the ref as an owner would write it, for logs and messages.
func (r ref) String() string {
	if r.source == nil {
		return r.url.Host + r.url.Path
	}
	return r.source.Key + "/" + r.key.Path
}

// resolve finds the original that the path or ?src= names, and refuses what the
// workspace doesn't allow. It asks no network.
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

// named is the key of the source that a request names, as far as the request can be read;
// empty where the workspace has none of that name. It finds fault with nothing.
func (c *site) named(t Target) string {
	first, tail, _ := strings.Cut(strings.TrimPrefix(t.Rest, "/"), "/")
	if e := endpoints[first]; e != nil && e.make != nil {
		first, _, _ = strings.Cut(tail, "/")
	}
	if first == "" {
		query, _ := url.ParseQuery(t.RawQuery) // what can be read of it
		src := query.Get("src")
		if hasScheme(src) {
			if u, err := origin.ParseURL(src); err == nil {
				if in, _, err := c.within(u); err == nil && len(in) > 0 {
					return in[0].source.Key
				}
			}
			return ""
		}
		first, _, _ = strings.Cut(src, "/")
	}
	if c.sources[first] == nil {
		return ""
	}
	return first
}

// resolveName finds the original that `source/path` names, once it is decoded: what
// percent signs are left belong to the object's name.
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

// settle finds the other sources that an original belongs to: one source may be
// configured inside another, or under another name, and the way through the one is
// not to avoid the rules of the other. They add up. The original is fetched through
// a private source or a marked one, where there is one. What some server may take for
// the original of such a source, and isn't, is refused.
func (c *site) settle(r ref) (ref, error) {
	if !r.source.shadowed && !r.source.mistaken {
		return r, nil
	}
	found := []ref{r}
	var doubts []*source
	for i := 0; i < len(found); i++ {
		for _, place := range found[i].source.places {
			u, err := place.Below(found[i].key)
			if err != nil {
				continue // the fetch will say so
			}
			others, depth, err := c.within(u)
			if err != nil {
				return ref{}, err
			}
			for _, other := range others {
				if !slices.ContainsFunc(found, func(f ref) bool { return f.source == other.source }) {
					found = append(found, other)
				}
			}
			if found[i].source.mistaken {
				doubts = append(doubts, c.mistakable(u, depth)...)
			}
		}
	}
	for _, src := range doubts {
		if !slices.ContainsFunc(found, func(f ref) bool { return f.source == src }) {
			return ref{}, mistaken(src)
		}
	}
	through := 0
	for i, f := range found {
		if f.source.protected() && (!found[through].source.protected() || compareRules(f.source, found[through].source) < 0) {
			through = i
		}
	}
	r.also, r.through = found[1:], through
	return r, nil
}

// mistakable are the private and marked sources for whose originals some server may take
// u. depth is that of the place in which u lies: it is not taken for one further out.
func (c *site) mistakable(u origin.URL, depth int) (list []*source) {
	reading := u.Reading()
	for _, p := range c.hosts[u.Server()] {
		if p.protected() && (reading.Leaves() || p.reading.Depth() >= depth && reading.Within(p.reading)) {
			list = append(list, p.source)
		}
	}
	return list
}

func mistaken(src *source) error {
	return fault.New(fault.InvalidSource, "some servers read this path as one of the source "+src.Key+", which has rules of its own: "+
		"write the path as that source does, without encoded dots and slashes")
}

// resolveURL finds out whose original a full URL is: a URL that lies inside one
// of the workspace's own sources is that source, with its marks and its privacy;
// any other must be on the allowlist.
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

// resolveWithin finds the original of the workspace's own sources that a full URL is; the
// ref's source is nil where it is none.
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

// within finds the configured sources that a URL lies in: those of the longest
// prefix, and among these private and marked ones first. depth is that prefix's.
func (c *site) within(u origin.URL) (in []ref, depth int, err error) {
	on := c.hosts[u.Server()]
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
	if c.HTTPSOnly && u.Scheme != "https" {
		return fault.New(fault.SourceNotAllowed, "src: this workspace takes originals over https only")
	}
	if !c.allow.Allow(u) {
		return fault.New(fault.SourceNotAllowed, "src: "+u.Host+" is not in the workspace's allowed_sources")
	}
	return nil
}

// checkRedirect says whether the origin of from, nil for a full URL, may redirect to
// u: the same question as for a full URL, but that no private or marked source other
// than from is reached in this way.
func (c *site) checkRedirect(from *source, u origin.URL) error {
	r, err := c.resolveWithin(u)
	if err != nil {
		return err
	}
	if r.source == nil {
		return c.checkURL(u)
	}
	for _, src := range r.sources() {
		if src != from && src.protected() {
			return fault.New(fault.SourceNotAllowed, "the origin redirects into the source "+src.Key+", which has rules of its own: name that source instead")
		}
	}
	return nil
}

// fetch gets the original.
func (s *Service) fetch(ctx context.Context, c *site, r ref, have origin.Validators) (*origin.Object, error) {
	if r.source == nil {
		return s.http.Get(ctx, origin.Request{URL: r.url, Have: have, Redirect: func(u origin.URL) error { return c.checkRedirect(nil, u) }})
	}
	at := r.at()
	return at.source.fetch.Fetch(ctx, at.key, have)
}

func headers(m map[string]string) http.Header {
	h := make(http.Header, len(m))
	for name, value := range m {
		h.Set(name, value)
	}
	return h
}

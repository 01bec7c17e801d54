package server

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tintype/tintype/origin"
)

// A ref is an original that a request reads: a key within a configured source, or
// a full URL outside all of them.
type ref struct {
	source *source // nil for a full URL
	key    origin.Key
	url    origin.URL // where source is nil
	also   []ref      // in further sources that it belongs to
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
func (r ref) private() bool { return r.belongs(func(s *source) bool { return s.Private }) }

// marked reports whether the original belongs to a source that marks are bound to.
func (r ref) marked() bool { return r.belongs(func(s *source) bool { return s.marked }) }

// belongs reports whether one of its sources is such a one.
func (r ref) belongs(such func(*source) bool) bool {
	return r.source != nil && (such(r.source) || slices.ContainsFunc(r.also, func(o ref) bool { return such(o.source) }))
}

// host is where the original is fetched from over the network; empty for a folder.
func (r ref) host() string {
	switch {
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
func (c *site) resolve(t target, src string, hasSrc bool) (ref, error) {
	switch {
	case t.bySrc && !hasSrc:
		return ref{}, fail("INVALID_SOURCE", "name the image, as /SOURCE/PATH or ?src=SOURCE/PATH or ?src=https://…")
	case !t.bySrc && hasSrc:
		return ref{}, fail("INVALID_SOURCE", "src: the path names an image already; leave one of them out")
	case !t.bySrc:
		return c.lookup(t.source, origin.Key{Path: t.path})
	}
	if hasScheme(src) {
		return c.resolveURL(src)
	}
	return c.resolveName(src)
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
		return ref{}, fail("SOURCE_NOT_FOUND", fmt.Sprintf("workspace %s has no source %s", c.Namespace, key))
	}
	return c.settle(ref{source: src, key: k})
}

// settle finds the other sources that an original belongs to: one source may be
// configured inside another, or under another name, and the way through the one is
// not to avoid the rules of the other. They add up. The original is fetched through
// a private source or a marked one, where there is one.
func (c *site) settle(r ref) (ref, error) {
	if !r.source.shadowed {
		return r, nil
	}
	found := []ref{r}
	for i := 0; i < len(found); i++ {
		for _, place := range found[i].source.places {
			u, err := place.Below(found[i].key)
			if err != nil {
				continue // the fetch will say so
			}
			others, err := c.within(u)
			if err != nil {
				return ref{}, err
			}
			for _, other := range others {
				if !slices.ContainsFunc(found, func(f ref) bool { return f.source == other.source }) {
					found = append(found, other)
				}
			}
		}
	}
	through := 0
	if i := slices.IndexFunc(found[1:], func(f ref) bool { return f.source.Private || f.source.marked }); i >= 0 {
		through = i + 1
	}
	settled := found[through]
	for i, f := range found {
		if i != through {
			settled.also = append(settled.also, f)
		}
	}
	return settled, nil
}

// resolveURL finds out whose original a full URL is: a URL that lies inside one
// of the workspace's own sources is that source, with its marks and its privacy;
// any other must be on the allowlist.
func (c *site) resolveURL(raw string) (ref, error) {
	u, err := origin.ParseURL(raw)
	if err != nil {
		return ref{}, err
	}
	switch in, err := c.within(u); {
	case err != nil:
		return ref{}, err
	case len(in) > 0:
		return c.settle(in[0])
	}
	if err := c.checkURL(u); err != nil {
		return ref{}, err
	}
	return ref{url: u, key: origin.Key{Path: u.String()}}, nil
}

// within finds the configured sources that a URL lies in: those of the longest
// prefix, and among these private and marked ones first.
func (c *site) within(u origin.URL) ([]ref, error) {
	type match struct {
		ref
		length int
	}
	var matches []match
	longest := 0
	for _, src := range c.sources {
		for _, place := range src.places {
			if u.SameHost(place) && !u.PathIsCanonical() {
				return nil, fail("INVALID_SOURCE", "src: on the host of a configured source the path must be canonical: no //, no . or .. segments, no encoded slash or dot")
			}
			if key, in := u.Within(place); in {
				matches = append(matches, match{ref{source: src, key: key}, len(place.Path)})
				longest = max(longest, len(place.Path))
			} else if src.Kind == "http" && (src.Private || src.marked) && u.LooksWithin(place) {
				return nil, fail("INVALID_SOURCE", "src: this path is read by some servers as one of the source "+src.Key+", which has rules of its own: write it as the source does")
			}
		}
	}
	var best []ref
	for _, m := range matches {
		if m.length == longest && !slices.ContainsFunc(best, func(r ref) bool { return r.source == m.source }) {
			best = append(best, m.ref)
		}
	}
	slices.SortFunc(best, func(a, b ref) int {
		return cmp.Or(
			compareBool(b.source.Private, a.source.Private),
			compareBool(b.source.marked, a.source.marked),
			cmp.Compare(a.source.Key, b.source.Key))
	})
	if len(best) > 0 {
		if err := origin.CheckPath(best[0].key.Path); err != nil {
			return nil, err
		}
	}
	return best, nil
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
		return fail("SOURCE_NOT_ALLOWED", "src: this workspace takes originals over https only")
	}
	if !c.allow.Allow(u) {
		return fail("SOURCE_NOT_ALLOWED", "src: "+u.Host+" is not in the workspace's allowed_sources")
	}
	return nil
}

// checkRedirect says whether the origin of from, nil for a full URL, may redirect to
// u: the same question as for a full URL, but that no private or marked source other
// than from is reached in this way.
func (c *site) checkRedirect(from *source, u origin.URL) error {
	in, err := c.within(u)
	if err != nil {
		return err
	}
	if len(in) == 0 {
		return c.checkURL(u)
	}
	r, err := c.settle(in[0])
	if err != nil {
		return err
	}
	for _, src := range r.sources() {
		if src != from && (src.Private || src.marked) {
			return fail("SOURCE_NOT_ALLOWED", "the origin redirects into the source "+src.Key+", which has rules of its own: name that source instead")
		}
	}
	return nil
}

// fetch gets the original.
func (s *Server) fetch(ctx context.Context, c *site, r ref, have origin.Validators) (*origin.Object, error) {
	if r.source == nil {
		return s.http.Get(ctx, origin.Request{URL: r.url, Have: have, Redirect: func(u origin.URL) error { return c.checkRedirect(nil, u) }})
	}
	return r.source.fetch.Fetch(ctx, r.key, have)
}

func headers(m map[string]string) http.Header {
	h := make(http.Header, len(m))
	for name, value := range m {
		h.Set(name, value)
	}
	return h
}

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
}

// host is where the original is fetched from over the network; empty for a folder.
func (r ref) host() string {
	switch {
	case r.source == nil:
		return r.url.Host
	case len(r.source.places) == 0: // a folder
		return ""
	case r.source.Bucket != "": // which share hosts
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
	return c.strictest(ref{source: src, key: k}), nil
}

// strictest is the ref, or that of the private or marked source which the original
// belongs to as well: one source may be configured inside another, or under another
// name, and the way through the one is not to avoid the rules of the other.
func (c *site) strictest(r ref) ref {
	if !r.source.shadowed {
		return r
	}
	for _, place := range r.source.places {
		u, err := place.Below(r.key)
		if err != nil {
			continue // the fetch will say so
		}
		other, ok, err := c.within(u)
		if err == nil && ok && other.source != r.source && (other.source.Private || other.source.marked) {
			return other
		}
	}
	return r
}

// resolveURL finds out whose original a full URL is: a URL that lies inside one
// of the workspace's own sources is that source, with its marks and its privacy;
// any other must be on the allowlist.
func (c *site) resolveURL(raw string) (ref, error) {
	u, err := origin.ParseURL(raw)
	if err != nil {
		return ref{}, err
	}
	switch r, ok, err := c.within(u); {
	case err != nil:
		return ref{}, err
	case ok:
		return c.strictest(r), nil
	}
	if err := c.checkURL(u); err != nil {
		return ref{}, err
	}
	return ref{url: u, key: origin.Key{Path: u.String()}}, nil
}

// within finds the configured source that a URL lies in. The longest prefix wins;
// where several tie, a private or marked one does.
func (c *site) within(u origin.URL) (r ref, ok bool, err error) {
	type match struct {
		ref
		length int
	}
	var matches []match
	for _, src := range c.sources {
		for _, place := range src.places {
			if u.SameHost(place) && !u.PathIsCanonical() {
				return ref{}, false, fail("INVALID_SOURCE", "src: on the host of a configured source the path must be canonical: no //, no . or .. segments, no encoded slash or dot")
			}
			if key, in := u.Within(place); in {
				matches = append(matches, match{ref{source: src, key: key}, len(place.Path)})
			}
		}
	}
	if len(matches) == 0 {
		return ref{}, false, nil
	}
	best := slices.MinFunc(matches, func(a, b match) int {
		return cmp.Or(
			cmp.Compare(b.length, a.length),
			compareBool(b.source.Private, a.source.Private),
			compareBool(b.source.marked, a.source.marked),
			cmp.Compare(a.source.Key, b.source.Key))
	})
	if err := origin.CheckPath(best.key.Path); err != nil {
		return ref{}, false, err
	}
	return best.ref, true, nil
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

// checkRedirect says whether an origin may redirect to u: the same question as for
// a full URL, but that a private or marked source is never reached in this way.
func (c *site) checkRedirect(u origin.URL) error {
	r, ok, err := c.within(u)
	if err != nil {
		return err
	}
	if ok {
		if r = c.strictest(r); !r.source.Private && !r.source.marked {
			return nil
		}
		return fail("SOURCE_NOT_ALLOWED", "the origin redirects into the source "+r.source.Key+", which has rules of its own: name that source instead")
	}
	return c.checkURL(u)
}

// fetch gets the original.
func (s *Server) fetch(ctx context.Context, c *site, r ref, have origin.Validators) (*origin.Object, error) {
	if r.source == nil {
		return s.http.Get(ctx, origin.Request{URL: r.url, Have: have, Redirect: c.checkRedirect})
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

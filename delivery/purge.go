package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// A purge deletes nothing. The number of the last purge that concerns a variant is part of
// its key. After a purge, requests ask for another key: no tier finds what was made before,
// and a variant that is being made from an earlier fetch ends up under a key that nobody
// asks for. Without a purge, the key has no such part.

// An object is one name of an original. Its source is empty for a full URL.
type object struct{ source, path string }

// purgedOriginal is the number of the last purge of an original, under any of its names.
func (c *site) purgedOriginal(r ref) int64 {
	last := c.purges.Everything()
	if last == c.purges.Last() {
		return last // there is no later purge, and mostly none at all
	}
	for o := range c.allNames(r) {
		last = max(last, c.purges.Original(o.source, o.path))
	}
	return last
}

// purgedMark is the number of the last purge of a mark's variants or of its image.
func (c *site) purgedMark(m variantMark) int64 {
	last := c.purgedOriginal(m.ref)
	if m.Configured != nil {
		last = max(last, c.purges.Mark(m.Configured.Name))
	}
	return last
}

// purged is the number of the last purge that concerns a variant.
func (a *ask) purged() int64 {
	p := a.site.purges
	if p.Everything() == p.Last() {
		return p.Last()
	}
	last := p.Everything() // also for what reads no original
	for _, r := range a.refs {
		last = max(last, a.site.purgedOriginal(r))
	}
	for _, m := range a.marks.list {
		if m.Configured != nil {
			last = max(last, p.Mark(m.Configured.Name))
		}
	}
	for _, id := range a.variantIDs() {
		last = max(last, p.URL(id))
	}
	return last
}

// variantID identifies what a URL asks for. It is the same for every format and every mark
// of the answer.
func (a *ask) variantID() string {
	sum := sha256.Sum256(a.appendWhat(make([]byte, 0, 256)))
	return hex.EncodeToString(sum[:16])
}

// variantIDs are the variant under each name of its original: a URL that names another
// source of the same original is another variant, unless that source has rules.
func (a *ask) variantIDs() []string {
	if len(a.refs) != 1 || len(a.refs[0].also) == 0 || a.refs[0].first((*source).protected) != nil {
		return []string{a.variantID()}
	}
	var ids []string
	named := *a
	for through := range len(a.refs[0].also) + 1 {
		r := a.refs[0]
		r.through = through
		named.refs = []ref{r}
		if id := named.variantID(); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// names calls yield with every name of the original.
func (r ref) names(yield func(object) bool) {
	if r.source == nil {
		yield(object{"", r.key.Path})
		return
	}
	if !yield(object{r.source.Key, r.key.Path}) {
		return
	}
	for _, other := range r.also {
		if !yield(object{other.source.Key, other.key.Path}) {
			return
		}
	}
}

// allNames calls yield with every name by which the original may be purged. A ref has its
// names in its own source and in sources within that. allNames adds those in sources
// around it.
func (c *site) allNames(r ref) func(yield func(object) bool) {
	return func(yield func(object) bool) {
		for o := range r.names {
			if !yield(o) {
				return
			}
		}
		if r.source == nil || len(r.source.near) == 0 && len(r.also) == 0 {
			return
		}
		found := append([]ref{r}, r.also...)
		for i := 0; i < len(found); i++ {
			for _, place := range c.index().places[found[i].source] {
				u, err := place.Below(found[i].key)
				if err != nil {
					continue
				}
				for _, near := range found[i].source.near {
					for _, other := range c.index().places[near] {
						key, in := u.Within(other)
						name := object{near.Key, key.Path}
						if !in || slices.ContainsFunc(found, func(f ref) bool { return object{f.source.Key, f.key.Path} == name }) {
							continue
						}
						found = append(found, ref{source: near, key: key})
						if !yield(name) {
							return
						}
					}
				}
			}
		}
	}
}

// appendTags appends the Cache-Tags of an original, and of its sources.
func (c *site) appendTags(tags []string, r ref) []string {
	for o := range r.names {
		if o.source != "" {
			tags = append(tags, workspace.SourceTag(c.Namespace, o.source))
		}
		tags = append(tags, workspace.PathTag(c.Namespace, o.source, o.path))
	}
	return tags
}

// cacheTags is the header Cache-Tag: it lets a cache in front be purged by workspace,
// source, mark and original.
func (a *ask) cacheTags() string {
	ns := a.site.Namespace
	var b strings.Builder
	b.WriteString(workspace.CacheTag(ns))
	for _, r := range a.refs {
		for o := range r.names {
			if o.source != "" {
				b.WriteString("," + workspace.SourceTag(ns, o.source))
			}
			b.WriteString("," + workspace.PathTag(ns, o.source, o.path))
		}
	}
	for _, m := range a.marks.list {
		if m.Configured != nil {
			b.WriteString("," + workspace.MarkTag(ns, m.Configured.Name))
		}
	}
	return b.String()
}

// FindPurge finds what has to be purged for a URL, and the tags under which a cache in front
// has it. The URL of an image, which is a path that begins with the namespace or a URL on a
// host of the workspace, is one variant. The URL of an original is that original. A URL
// that can be read as both is both. Errors can be shown to clients, or wrap those of
// package workspace.
func (s *Service) FindPurge(ctx context.Context, namespace, rawURL string) (found []workspace.Purge, tags []string, err error) {
	c, err := s.site(ctx, namespace)
	if err != nil {
		return nil, nil, err
	}
	add := func(p workspace.Purge, tag string) { found, tags = append(found, p), append(tags, tag) }

	host, target := hostOf(rawURL)
	var asOriginal error
	if hasScheme(rawURL) && !s.servesImagesOn(ctx, host) {
		r, err := c.resolveURL(rawURL)
		if asOriginal = err; err == nil {
			p := workspace.Purge{Kind: workspace.PurgePath, Value: r.key.Path}
			if r.source != nil {
				p.Source = r.source.Key
			}
			add(p, p.Tag(namespace))
			if r.source != nil {
				return found, tags, nil
			}
			if r.url.Query != "" { // redirects to it are noted without the query
				r.url.Query = ""
				p.Value = r.url.String()
				add(p, p.Tag(namespace))
			}
		}
	}
	if t, ok := s.deliveryTarget(ctx, namespace, host, target); ok {
		a, err := c.read(t, false, nil)
		switch {
		case err == nil && len(a.refs) == 0:
			return nil, nil, errors.New("this URL reads no original: what it shows never changes, and there is nothing to purge")
		case err == nil:
			r := a.original()
			p := workspace.Purge{Kind: workspace.PurgeURL, Source: r.sourceName()}
			ids := a.variantIDs()
			if slower, err := c.read(t, false, slowHints); err == nil && a.foreign.hinted() {
				ids = append(ids, slower.variantIDs()...)
			}
			for _, p.Value = range ids {
				add(p, workspace.PathTag(namespace, p.Source, r.key.Path))
			}
			others := a.marks.asked() // which are kept by themselves
			if a.fallback != nil {
				others = append(others, *a.fallback)
			}
			for _, r := range others {
				p := workspace.Purge{Kind: workspace.PurgePath, Source: r.sourceName(), Value: r.key.Path}
				add(p, p.Tag(namespace))
			}
		case len(found) == 0:
			return nil, nil, errors.New(fault.Of(err).Message)
		}
	}
	switch {
	case len(found) > 0:
		return found, tags, nil
	case asOriginal != nil:
		return nil, nil, errors.New(fault.Of(asOriginal).Message)
	}
	return nil, nil, fmt.Errorf("must be an image's URL: a path that begins with /%s, a URL on a host of the workspace, or that of an original", namespace)
}

// hostOf splits a URL into its host and the request target that a client would send there.
// The host of a path is empty.
func hostOf(rawURL string) (host, target string) {
	target, _, _ = strings.Cut(rawURL, "#")
	if !hasScheme(target) {
		return "", target
	}
	_, target, _ = strings.Cut(target, "://")
	end := strings.IndexAny(target, "/?")
	if end < 0 {
		end = len(target)
	}
	host, target = target[:end], target[end:]
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	return host, target
}

// deliveryTarget is the target of a request for a variant of the workspace. A host that
// isn't known may be one of this server's.
func (s *Service) deliveryTarget(ctx context.Context, namespace, host, target string) (Target, bool) {
	if !strings.HasPrefix(target, "/") {
		return Target{}, false
	}
	path, query, err := SplitTarget(target)
	if err != nil {
		return Target{}, false
	}
	t, ok := s.Target(ctx, host, path, query)
	return t, ok && t.Namespace == namespace
}

// appendPurged appends the part of a variant key that purges change.
func (a *ask) appendPurged(b []byte) []byte {
	if n := a.purged(); n > 0 {
		return fmt.Appendf(b, "purged %d", n)
	}
	return b
}

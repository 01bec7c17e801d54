package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/tintype/tintype/workspace"
)

// purges is what a workspace has purged, by what it was aimed at, each with the
// sequence of the last such purge; 0 is none.
//
// What is cached is never looked through: the last purge that concerns a variant is
// a part of its key, so that what was made before it is found no more, in no tier,
// and what is still being made from an earlier fetch ends under a key that nobody
// asks for. The key says nothing where there was no purge.
type purges struct {
	last     int64 // of all purges
	all      int64
	sources  map[string]int64
	marks    map[string]int64
	paths    map[object]int64
	urls     map[string]int64 // by what variantID answers
	prefixes []prefixPurge
}

// An object is an original by one of its names. The source of a full URL is empty.
type object struct{ source, path string }

type prefixPurge struct {
	object
	sequence int64
}

// compilePurges makes the workspace's purges ready. Its sources are known by now.
func (c *site) compilePurges(log workspace.PurgeLog) purges {
	p := purges{last: log.Sequence}
	if len(log.Purges) == 0 {
		return p
	}
	p.sources, p.marks = map[string]int64{}, map[string]int64{}
	p.paths, p.urls = map[object]int64{}, map[string]int64{}
	for _, r := range log.Purges { // the last of each is the latest
		switch r.Kind {
		case workspace.PurgeSource:
			p.sources[r.Source] = r.Sequence
		case workspace.PurgePrefix:
			p.prefixes = append(p.prefixes, prefixPurge{object{r.Source, r.Value}, r.Sequence})
		case workspace.PurgePath:
			p.paths[object{r.Source, r.Value}] = r.Sequence
			// One original may have several names.
			if named, err := c.resolveName(r.Source + "/" + r.Value); r.Source != "" && err == nil {
				for o := range named.names {
					p.paths[o] = r.Sequence
				}
			}
		case workspace.PurgeURL:
			p.urls[r.Value] = r.Sequence
		case workspace.PurgeMark:
			p.marks[r.Value] = r.Sequence
		default: // all of it, and what a later version may have thought of
			p.all = r.Sequence
		}
	}
	return p
}

// original is the sequence of the last purge of an original.
func (p *purges) original(r ref) int64 {
	last := p.all
	if last == p.last {
		return last // there is no later one; none at all, as a rule
	}
	for o := range r.names {
		last = max(last, p.sources[o.source], p.paths[o])
		for _, prefix := range p.prefixes {
			if prefix.source == o.source && strings.HasPrefix(o.path, prefix.path) {
				last = max(last, prefix.sequence)
			}
		}
	}
	return last
}

// mark is the sequence of the last purge of a mark's variants or of its image.
func (p *purges) mark(m stamp) int64 {
	last := p.original(m.ref)
	if m.Preset != nil {
		last = max(last, p.marks[m.Preset.Name])
	}
	return last
}

// variant is the sequence of the last purge of a variant.
func (p *purges) variant(a *ask) int64 {
	last := p.original(a.ref)
	for _, m := range a.stamps.list {
		if m.Preset != nil {
			last = max(last, p.marks[m.Preset.Name])
		}
	}
	if len(p.urls) > 0 {
		last = max(last, p.urls[a.variantID()])
	}
	return last
}

// variantID stands for what a URL asks for, in whatever format and with whatever
// marks it is answered.
func (a *ask) variantID() string {
	sum := sha256.Sum256(a.appendWhat(make([]byte, 0, 256)))
	return hex.EncodeToString(sum[:16])
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

// cacheTags are the tags of what the request asks for, so that a cache in front can
// be purged by workspace, source, mark and original.
func (a *ask) cacheTags() string {
	ns := a.site.Namespace
	var b strings.Builder
	b.WriteString(workspace.CacheTag(ns))
	for o := range a.ref.names {
		if o.source != "" {
			b.WriteString("," + workspace.SourceTag(ns, o.source))
		}
		b.WriteString("," + workspace.PathTag(ns, o.source, o.path))
	}
	for _, m := range a.stamps.list {
		if m.Preset != nil {
			b.WriteString("," + workspace.MarkTag(ns, m.Preset.Name))
		}
	}
	return b.String()
}

// FindPurge says what a URL given to be purged stands for, and under which tags a
// cache in front has it. A delivery URL, which is a path that begins with the
// namespace or is on a host of the workspace, is one variant; the URL of an original
// is that original. Where a URL can be read as both, it is both. Errors are made to
// be shown, or wrap those of package workspace.
func (s *Server) FindPurge(ctx context.Context, namespace, rawURL string) (found []workspace.Purge, tags []string, err error) {
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
		}
	}
	if rest, query, ok := s.deliveryTarget(ctx, namespace, host, target); ok {
		a, err := c.read(rest, query)
		switch {
		case err == nil:
			p, o := workspace.Purge{Kind: workspace.PurgeURL, Value: a.variantID()}, object{"", a.ref.key.Path}
			if a.ref.source != nil {
				p.Source, o.source = a.ref.source.Key, a.ref.source.Key
			}
			add(p, workspace.PathTag(namespace, o.source, o.path))
		case len(found) == 0:
			return nil, nil, errors.New(asError(err).Message)
		}
	}
	switch {
	case len(found) > 0:
		return found, tags, nil
	case asOriginal != nil:
		return nil, nil, errors.New(asError(asOriginal).Message)
	}
	return nil, nil, fmt.Errorf("must be an image's URL: a path that begins with /%s, a URL on a host of the workspace, or that of an original", namespace)
}

// hostOf takes a URL apart: its host, empty where it is a path, and the request
// target that a client would send there.
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

// deliveryTarget is the path after the namespace and the query of a request for a
// variant of the workspace. A host that is nobody's may be this server's.
func (s *Server) deliveryTarget(ctx context.Context, namespace, host, target string) (rest, query string, ok bool) {
	if !strings.HasPrefix(target, "/") {
		return "", "", false
	}
	path, query, err := splitTarget(target)
	if err != nil {
		return "", "", false
	}
	ns, rest, ok := s.namespaceOf(ctx, host, path)
	return rest, strings.TrimPrefix(query, "?"), ok && ns == namespace
}

// appendPurged appends the purges' part of a variant's key.
func (a *ask) appendPurged(b []byte) []byte {
	if n := a.site.purges.variant(a); n > 0 {
		return fmt.Appendf(b, "purged %d", n)
	}
	return b
}

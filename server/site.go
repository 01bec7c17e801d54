package server

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/golang-lru/v2"
	"github.com/rs/cors"

	"github.com/tintype/tintype/marks"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// A site is a workspace made ready to answer requests: every pattern, preset and
// source parsed once. It never changes; a new revision is a new site.
type site struct {
	*workspace.Workspace
	origins workspace.Origins
	cors    *cors.Cors
	allow   origin.Allowlist
	sources map[string]*source
	hosts   map[string][]placed // by URL.Server
	presets map[string]transform.Query
	keyring *signing.Keyring
	marks   marks.Set
	logos   map[*marks.Preset]logo
	purges  *workspace.PurgeIndex
	limits  siteLimits
}

// A source is a configured source made ready to fetch from.
type source struct {
	workspace.Source
	id     string // of the originals' place: another place is another id
	fetch  origin.Source
	places []origin.URL // every URL prefix under which its originals are known
	marked bool         // marks are bound to it
	// shadowed: a place of another source is one of its own or inside, so that an
	// original may belong to both.
	shadowed bool
	near     []*source // sources that have a place in one of its own, or around one
	// mistaken: another source, private or marked, is on the same host, and the server
	// there may take a key of this one for one of that.
	mistaken bool
}

// protected reports whether not everybody may see its originals as they are.
func (s *source) protected() bool { return s.Private || s.marked }

// A placed is one place of a source.
type placed struct {
	*source
	place   origin.URL
	reading origin.Reading
}

// A site is dropped when the workspace that it was made from has changed.
type sites struct {
	mu    sync.Mutex // serialises compiling, so that it is done once
	cache *lru.Cache[string, *site]
}

func newSites(size int) *sites {
	c, err := lru.New[string, *site](size)
	if err != nil {
		panic(err) // size is a positive constant
	}
	return &sites{cache: c}
}

// site returns the workspace under the namespace, ready to answer.
func (s *Server) site(ctx context.Context, namespace string) (*site, error) {
	w, err := s.workspaces.Get(ctx, namespace)
	if err != nil {
		return nil, err
	}
	if c, ok := s.sites.cache.Get(namespace); ok && c.Workspace == w {
		return c, nil
	}
	s.sites.mu.Lock()
	defer s.sites.mu.Unlock()
	if c, ok := s.sites.cache.Get(namespace); ok && c.Workspace == w {
		return c, nil
	}
	c, err := s.compile(w)
	if err != nil {
		return nil, fmt.Errorf("workspace %s: %w", namespace, err)
	}
	s.sites.cache.Add(namespace, c)
	return c, nil
}

func (s *Server) compile(w *workspace.Workspace) (*site, error) {
	c := &site{Workspace: w, sources: map[string]*source{}, presets: map[string]transform.Query{}}
	var err error
	if c.origins, err = workspace.ParseOrigins(w.AllowedOrigins); err != nil {
		return nil, err
	}
	c.cors = newCORS(c.origins)
	c.keyring = signing.NewKeyring(w.SigningKeys)
	if c.allow, err = origin.ParseAllowlist(w.AllowedSources); err != nil {
		return nil, err
	}
	for _, p := range w.Presets {
		if c.presets[p.Name], err = transform.ParseQuery(p.Options); err != nil {
			return nil, err
		}
	}
	for _, ws := range w.Sources {
		src := &source{Source: ws, id: placeID(ws)}
		if src.places, err = ws.Places(); err != nil {
			return nil, err
		}
		switch ws.Kind {
		case "http":
			src.fetch = &origin.HTTPSource{HTTP: s.http, Base: src.places[0], Header: headers(ws.Headers),
				Redirect: func(u origin.URL) error { return c.checkRedirect(src, u) }}
		case "s3", "r2":
			if s.bucket == nil {
				src.fetch = unusable{errors.New("this server reads no buckets")}
				break
			}
			if src.fetch, err = s.bucket(ws); err != nil {
				src.fetch = unusable{err} // and no reason to refuse the workspace's others
			}
		}
		c.sources[ws.Key] = src
	}
	for key, dir := range s.dirs[w.Namespace] {
		c.sources[key] = &source{
			Source: workspace.Source{Key: key, Kind: "dir", Revalidate: dirRevalidate}, id: "dir:" + key, fetch: dir,
		}
	}
	if c.marks, err = marks.New(w.Marks); err != nil {
		return nil, err
	}
	for key, src := range c.sources {
		src.marked = c.marks.Bound(key)
	}
	c.findNeighbours()
	c.findLogos()
	c.purges = workspace.NewPurgeIndex(w.Purges)
	c.limits = compileLimits(w)
	return c, nil
}

// findNeighbours sets shadowed, near and mistaken of every source. Only
// places on one host are compared: buckets have many.
func (c *site) findNeighbours() {
	c.hosts = map[string][]placed{}
	for _, key := range slices.Sorted(maps.Keys(c.sources)) {
		src := c.sources[key]
		for _, place := range src.places {
			c.hosts[place.Server()] = append(c.hosts[place.Server()], placed{src, place, place.Reading()})
		}
	}
	for _, on := range c.hosts {
		for _, one := range on {
			for _, other := range on {
				if one.source == other.source {
					continue
				}
				one.mistaken = one.mistaken || other.protected() && one.TakesReadings()
				if _, inside := other.place.Within(one.place); inside {
					one.shadowed = true
					for _, pair := range [][2]*source{{one.source, other.source}, {other.source, one.source}} {
						if !slices.Contains(pair[0].near, pair[1]) {
							pair[0].near = append(pair[0].near, pair[1])
						}
					}
				}
			}
		}
	}
}

// An unusable source answers every fetch with what is wrong with its settings.
type unusable struct{ err error }

func (u unusable) Fetch(context.Context, origin.Key, origin.Validators) (*origin.Object, error) {
	return nil, fmt.Errorf("%w: %w", origin.ErrUnavailable, u.err)
}

// dirRevalidate is how many seconds pass before a folder is asked whether a file has
// changed: asking costs next to nothing.
const dirRevalidate = 2

// placeID is a hash of what decides which originals a source leads to.
func placeID(s workspace.Source) string {
	s.Private, s.PublicURLs, s.TTL, s.Revalidate, s.CacheControl = false, nil, 0, 0, ""
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // plain strings always marshal
	}
	sum := sha256.Sum256(b)
	return string(sum[:16])
}

package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/rs/cors"

	"github.com/tintype/tintype/dialect"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/marks"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// A site is a compiled workspace: its patterns, presets and sources are parsed once, and
// requests only read it. A new revision of the workspace is a new site.
type site struct {
	*workspace.Workspace
	best       bool // see Config.Best
	origins    workspace.Origins
	cors       *cors.Cors
	allow      origin.Allowlist
	sources    map[string]*source
	hosts      map[string][]placed // by URL.Server
	shared     map[string][]placed // the same, of places that private and marked sources have through others
	presets    map[string]transform.Query
	keyring    *signing.Keyring
	guards     bool // an image may take a right
	marks      marks.Set
	markAssets map[*marks.Configured]markAsset
	purges     *workspace.PurgeIndex
	limits     atomic.Pointer[siteLimits] // see Service.limitsOf
	blocked    *blocklist
	dialect    *dialect.Dialect // of all URLs but those of endpoints and prefixes; nil is ours
}

// A source is a compiled source, ready to fetch from.
type source struct {
	workspace.Source
	id     string // identifies the place of its originals, see placeID
	fetch  origin.Source
	places []origin.URL // every URL prefix under which its originals are known
	marks  []string     // names of the marks that are bound to it
	marked bool         // it has marks
	// shadowed: another source covers a part of this one, or all of it. An original may
	// belong to both.
	shadowed bool
	near     []*source // sources whose places lie within its own, or around them
	// mistaken: a stricter source is on the same host, by a place of its own or a shared one. The server there may read a key of
	// this source as a path of that one.
	mistaken bool
}

// protected reports whether its originals must not be shown as they are to everybody.
func (s *source) protected() bool { return s.Private || s.marked }

// A placed is one place of a source.
type placed struct {
	*source
	place   origin.URL
	reading origin.Reading
}

// sites keep compiled workspaces, the most recently used ones.
type sites struct {
	mu    sync.Mutex // serialises additions. Compiling happens outside of it
	cache *lru.Cache[string, *compiled]
}

// A compiled is one revision of a workspace. The first call of site compiles it. Other
// calls for the same revision wait for that one. Other workspaces don't wait.
type compiled struct {
	workspace *workspace.Workspace
	site      func() (*site, error)
}

func newSites(size int) *sites {
	c, err := lru.New[string, *compiled](size)
	if err != nil {
		panic(err) // size is a positive constant
	}
	return &sites{cache: c}
}

// kept returns the workspace as it is kept, if it is.
func (s *sites) kept(w *workspace.Workspace) (*compiled, bool) {
	c, ok := s.cache.Get(w.Namespace)
	return c, ok && c.workspace == w
}

// of returns the workspace as it is kept, or keeps it with compile as its compiler.
func (s *sites) of(w *workspace.Workspace, compile func(*workspace.Workspace) (*site, error)) *compiled {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.kept(w); ok {
		return c
	}
	c := &compiled{w, sync.OnceValues(func() (*site, error) { return compile(w) })}
	s.cache.Add(w.Namespace, c)
	return c
}

// site returns the workspace under the namespace, ready to answer.
func (s *Service) site(ctx context.Context, namespace string) (*site, error) {
	w, err := s.workspaces.Get(ctx, namespace)
	if err != nil {
		return nil, err
	}
	return s.siteOf(w)
}

func (s *Service) siteOf(w *workspace.Workspace) (*site, error) {
	if c, ok := s.sites.kept(w); ok {
		return c.site()
	}
	return s.sites.of(w, s.compileOrLog).site()
}

// confirmed returns the workspace by which a request is answered: the one in memory, or, where the
// image takes a right and the store has not been heard of for long, the one that the store has now.
// Somebody may have taken the right back. Public images go by what is in memory.
func (s *Service) confirmed(ctx context.Context, c *site, t Target) (*site, error) {
	if !c.guards || s.workspaces.Confirmed(c.Workspace) {
		return c, nil
	}
	if a, err := c.read(t, false, nil); err != nil || !a.guarded() {
		return c, nil // it is refused, or public
	}
	w, err := s.workspaces.Confirm(ctx, t.Namespace)
	if err != nil {
		return nil, err
	}
	return s.siteOf(w)
}

// compileOrLog compiles a workspace for an image request. The log gets the reason of a
// failure, once a revision. The client gets none, since it can't change the settings.
func (s *Service) compileOrLog(w *workspace.Workspace) (*site, error) {
	c, err := s.compile(w)
	if err != nil {
		s.log.Error("the settings of a workspace can't be used", "workspace", w.Namespace, "revision", w.Revision, "err", err)
		return nil, fault.New(fault.Internal, "the settings of the workspace "+w.Namespace+" can't be used; ask its owner to save them again, which says what is wrong with them")
	}
	return c, nil
}

// Check returns why the workspace can't be served, or nil. Call it before a workspace is
// written, so that its owner learns of a mistake at once.
func (s *Service) Check(w *workspace.Workspace) error {
	_, err := s.compile(w)
	return err
}

func (s *Service) compile(w *workspace.Workspace) (*site, error) {
	c := &site{Workspace: w, best: s.best, sources: map[string]*source{}, presets: map[string]transform.Query{}}
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
			return nil, fmt.Errorf("preset %s: %w", p.Name, err)
		}
	}
	for _, ws := range w.Sources {
		src := &source{Source: ws, id: placeID(ws)}
		if src.places, err = ws.Places(); err != nil {
			return nil, fmt.Errorf("source %s: %w", ws.Key, err)
		}
		switch ws.Kind {
		case "http":
			src.fetch = &origin.HTTPSource{HTTP: s.http, Base: src.places[0], Header: headers(ws.Headers),
				Redirect: c.allowRedirect(src)}
		case "s3", "r2":
			if s.bucket == nil {
				src.fetch = unusable{errors.New("this server reads no buckets")}
				break
			}
			if src.fetch, err = s.bucket(ws); err != nil {
				src.fetch = unusable{err} // the other sources go on working
			}
		}
		c.sources[ws.Key] = src
	}
	for key, dir := range s.dirs[w.Namespace] {
		c.sources[key] = &source{
			Source: workspace.Source{Key: key, Kind: "dir", Private: dir.Private, Revalidate: dirRevalidate}, id: "dir:" + key, fetch: dir,
		}
	}
	c.guards = w.RequireSignature || len(w.SigningKeys)+len(w.DialectKeys) > 0
	for _, src := range c.sources {
		c.guards = c.guards || src.Private
	}
	if c.marks, err = marks.New(w.Marks); err != nil {
		return nil, err
	}
	for key, src := range c.sources {
		src.marks = c.marks.BoundTo(key)
		src.marked = len(src.marks) > 0
	}
	if err := c.findNeighbours(); err != nil {
		return nil, err
	}
	c.findMarkAssets()
	c.purges = workspace.NewPurgeIndex(w.Purges)
	c.blocked = c.blocks(w.Blocks)
	c.dialect = dialect.Named(w.Dialect)
	return c, nil
}

// findNeighbours sets shadowed, near and mistaken of every source. It compares only
// places on the same host.
func (c *site) findNeighbours() error {
	c.hosts, c.shared = map[string][]placed{}, map[string][]placed{}
	shared, excess := c.SharedPlaces()
	if excess != "" {
		return fmt.Errorf("source %s: other sources give it too many places: remove some of their public_urls", excess)
	}
	for _, key := range slices.Sorted(maps.Keys(c.sources)) {
		src := c.sources[key]
		for _, place := range src.places {
			c.hosts[place.Server()] = append(c.hosts[place.Server()], placed{src, place, place.Reading()})
		}
		for _, place := range shared[key] {
			c.shared[place.Server()] = append(c.shared[place.Server()], placed{src, place, place.Reading()})
		}
	}
	// Sources are compared once, since there may be many more places.
	stricter := map[*source]map[*source]bool{}
	for _, src := range c.sources {
		if !src.TakesReadings() {
			continue
		}
		rules := rulesOf(src)
		stricter[src] = map[*source]bool{}
		for _, other := range c.sources {
			if rules.lack(other) {
				stricter[src][other] = true
			}
		}
	}
	for server, on := range c.hosts {
		for _, one := range on {
			for _, other := range c.shared[server] {
				one.mistaken = one.mistaken || stricter[one.source][other.source]
			}
			for _, other := range on {
				if one.source == other.source {
					continue
				}
				one.mistaken = one.mistaken || stricter[one.source][other.source]
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
	return nil
}

// A rules is what the sources of an original ask of it together.
type rules struct {
	private bool
	marks   map[string]bool // names
}

func rulesOf(sources ...*source) rules {
	r := rules{marks: map[string]bool{}}
	for _, src := range sources {
		r.private = r.private || src.Private
		for _, name := range src.marks {
			r.marks[name] = true
		}
	}
	return r
}

// lack reports whether a source is stricter: it is private and these rules aren't, or it
// has a mark that they don't have.
func (r rules) lack(src *source) bool {
	return src.Private && !r.private || slices.ContainsFunc(src.marks, func(name string) bool { return !r.marks[name] })
}

// An unusable source fails every fetch, and says what is wrong with its settings.
type unusable struct{ err error }

func (u unusable) Fetch(context.Context, origin.Key, origin.Validators) (*origin.Object, error) {
	return nil, fmt.Errorf("%w: %w", origin.ErrUnavailable, u.err)
}

// dirRevalidate is after how many seconds a variant of a file in a folder is checked
// against the file. The check is cheap.
const dirRevalidate = 2

// placeID is a hash of where a source's originals are. It leaves credentials out, so that
// rotating them keeps the cache. It leaves headers out too, since they hold credentials:
// where a new header selects other originals, the owner has to purge the source.
//
// Don't change what is hashed, or its form: every cache would lose all variants.
func placeID(s workspace.Source) string {
	b, err := json.Marshal(struct {
		Key       string `json:"key"`
		Kind      string `json:"kind"`
		Private   bool   `json:"private"` // always false
		URL       string `json:"url,omitempty"`
		Bucket    string `json:"bucket,omitempty"`
		Region    string `json:"region,omitempty"`
		Prefix    string `json:"prefix,omitempty"`
		Endpoint  string `json:"endpoint,omitempty"`
		AccountID string `json:"account_id,omitempty"`
	}{s.Key, s.Kind, false, s.URL, s.Bucket, s.Region, s.Prefix, s.Endpoint, s.AccountID})
	if err != nil {
		panic(err) // plain strings always marshal
	}
	sum := sha256.Sum256(b)
	return string(sum[:16])
}

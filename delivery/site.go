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
	best    bool // see Config.Best
	origins workspace.Origins
	allow   origin.Allowlist
	sources map[string]*source
	indexed atomic.Pointer[index] // see site.index
	grown   func(*site)           // is called when it takes more memory; may be nil
	keyring *signing.Keyring
	guards  bool // an image may take a right
	marks   marks.Set
	purges  *workspace.PurgeIndex
	limits  atomic.Pointer[siteLimits] // see Service.limitsOf
	blocked *blocklist
	dialect *dialect.Dialect // of all URLs but those of endpoints and prefixes; nil is ours
}

// A source is a compiled source. [Service.originOf] fetches from it.
type source struct {
	*workspace.Source
	id     string      // identifies the place of its originals, see placeID
	base   origin.URL  // the first of its places: where its originals are fetched from
	dir    *origin.Dir // nil for others than folders
	marks  []string    // names of the marks that are bound to it
	marked bool        // it has marks
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

// An index has the places of a site's sources: every URL prefix under which originals are known. A
// bucket has some twenty. Requests that name an image by source and path don't need it, unless
// sources lie in each other.
type index struct {
	places map[*source][]origin.URL
	hosts  map[string][]placed // by URL.Server
	shared map[string][]placed // the same, of places that private and marked sources have through others
}

// sites keep compiled workspaces, for as long as the workspaces are in memory.
type sites struct {
	mu   sync.RWMutex
	list map[string]*compiled // by namespace; guarded by mu
}

// A compiled is one revision of a workspace. The first request compiles it. Others
// for the same revision wait for that one. Other workspaces don't wait.
type compiled struct {
	workspace *workspace.Workspace
	once      sync.Once
	made      *site // with err, set by once
	err       error
}

func newSites() *sites { return &sites{list: map[string]*compiled{}} }

// kept returns the workspace as it is kept, if it is.
func (s *sites) kept(w *workspace.Workspace) (*compiled, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.list[w.Namespace]
	return c, c != nil && c.workspace == w
}

// of returns the workspace as it is kept, or keeps it.
func (s *sites) of(w *workspace.Workspace) *compiled {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.list[w.Namespace]; c != nil && c.workspace == w {
		return c
	}
	c := &compiled{workspace: w}
	s.list[w.Namespace] = c
	return c
}

// forget lets go of a workspace.
func (s *sites) forget(w *workspace.Workspace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.list[w.Namespace]; c != nil && c.workspace == w {
		delete(s.list, w.Namespace)
	}
}

// A Holder is a [Workspaces] that bounds its memory. Holds says how many bytes are kept for a
// workspace, until it calls [Service.Forget], and reports whether it has the workspace.
type Holder interface {
	Holds(w *workspace.Workspace, bytes int64) bool
}

// Forget lets go of what is kept for a workspace that has left memory.
func (s *Service) Forget(w *workspace.Workspace) { s.sites.forget(w) }

// hold says how many bytes a site takes, and lets go of it where its workspace isn't in memory.
func (s *Service) hold(c *site) {
	if h, ok := s.workspaces.(Holder); ok && !h.Holds(c.Workspace, c.footprint()) {
		s.sites.forget(c.Workspace)
	}
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
	c, ok := s.sites.kept(w)
	if !ok {
		c = s.sites.of(w)
	}
	c.once.Do(func() { c.made, c.err = s.compileAndHold(w) })
	return c.made, c.err
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

func (s *Service) compileAndHold(w *workspace.Workspace) (*site, error) {
	c, err := s.compileOrLog(w)
	if err == nil {
		c.grown = s.hold
		s.hold(c)
	}
	return c, err
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
	c := &site{Workspace: w, best: s.best, sources: make(map[string]*source, len(w.Sources)+len(s.dirs[w.Namespace]))}
	var err error
	if c.origins, err = workspace.ParseOrigins(w.AllowedOrigins); err != nil {
		return nil, err
	}
	c.keyring = signing.NewKeyring(w.SigningKeys)
	if c.allow, err = origin.ParseAllowlist(w.AllowedSources); err != nil {
		return nil, err
	}
	for _, p := range w.Presets {
		if _, err := transform.ParseQuery(p.Options); err != nil {
			return nil, fmt.Errorf("preset %s: %w", p.Name, err)
		}
	}
	sources := make([]source, len(w.Sources))
	for i := range w.Sources {
		sources[i] = source{Source: &w.Sources[i], id: placeID(w.Sources[i])}
		c.sources[w.Sources[i].Key] = &sources[i]
	}
	for key, dir := range s.dirs[w.Namespace] {
		c.sources[key] = &source{
			Source: &workspace.Source{Key: key, Kind: "dir", Private: dir.Private, Revalidate: dirRevalidate}, id: "dir:" + key, dir: dir,
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
	x, err := c.newIndex()
	if err != nil {
		return nil, err
	}
	c.indexed.Store(x)
	for src, places := range x.places {
		if len(places) > 0 {
			src.base = places[0]
		}
	}
	c.findNeighbours(x)
	if w.Purges.Sequence > 0 {
		c.purges = workspace.NewPurgeIndex(w.Purges)
	}
	c.blocked = c.blocks(w.Blocks)
	c.dialect = dialect.Named(w.Dialect)
	if !c.alwaysIndexed() {
		c.indexed.Store(nil)
	}
	return c, nil
}

// alwaysIndexed reports whether requests that name an image by source and path need the index.
func (c *site) alwaysIndexed() bool {
	for _, src := range c.sources {
		if src.shadowed || src.mistaken {
			return true
		}
	}
	return c.blocked.byPath()
}

// index returns the places of the sources. It finds them again where they aren't kept.
func (c *site) index() *index {
	if x := c.indexed.Load(); x != nil {
		return x
	}
	x, err := c.newIndex()
	if err != nil {
		panic(err) // compile has made the same one
	}
	c.indexed.Store(x)
	if c.grown != nil {
		c.grown(c)
	}
	return x
}

func (c *site) newIndex() (*index, error) {
	x := &index{places: make(map[*source][]origin.URL, len(c.sources)), hosts: map[string][]placed{}, shared: map[string][]placed{}}
	shared, excess := c.SharedPlaces()
	if excess != "" {
		return nil, fmt.Errorf("source %s: other sources give it too many places: remove some of their public_urls", excess)
	}
	for _, key := range slices.Sorted(maps.Keys(c.sources)) {
		src := c.sources[key]
		places, err := src.Places()
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", key, err)
		}
		x.places[src] = places
		for _, place := range places {
			x.hosts[place.Server()] = append(x.hosts[place.Server()], placed{src, place, place.Reading()})
		}
		for _, place := range shared[key] {
			x.shared[place.Server()] = append(x.shared[place.Server()], placed{src, place, place.Reading()})
		}
	}
	return x, nil
}

// findNeighbours sets shadowed, near and mistaken of every source. It compares only
// places on the same host.
func (c *site) findNeighbours(x *index) {
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
	for server, on := range x.hosts {
		for _, one := range on {
			for _, other := range x.shared[server] {
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
}

// preset returns the options of a preset.
func (c *site) preset(name string) (transform.Query, bool) {
	for i := range c.Presets {
		if c.Presets[i].Name == name {
			q, err := transform.ParseQuery(c.Presets[i].Options)
			return q, err == nil // compile has parsed it
		}
	}
	return nil, false
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

// mostBuckets is how many clients of buckets are kept, some 10 kB each. Making one takes less than
// a thousandth of a fetch.
const mostBuckets = 512

// originOf returns where the originals of a source are fetched from.
func (s *Service) originOf(c *site, src *source) origin.Source {
	switch {
	case src.dir != nil:
		return src.dir
	case src.Kind == "http":
		return &origin.HTTPSource{HTTP: s.http, Base: src.base, Header: headers(src.Headers), Redirect: c.allowRedirect(src)}
	case s.bucket == nil:
		return unusable{errors.New("this server reads no buckets")}
	}
	if have, ok := s.buckets.Get(src.Source); ok {
		return have
	}
	made, err := s.bucket(*src.Source)
	if err != nil {
		return unusable{err} // the other sources go on working
	}
	s.buckets.Add(src.Source, made)
	return made
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

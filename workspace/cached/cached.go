package cached

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tintype/tintype/workspace"
)

// Config is how a [Store] is set up. Zero fields have defaults.
type Config struct {
	Size int              // workspaces kept in memory; 0 is 16384
	Poll time.Duration    // between looks at the store's changes; 0 is 5 s
	Log  *slog.Logger     // nil is slog.Default
	Now  func() time.Time // nil is time.Now

	// Copies keep what was read for when the store can't be, with secrets encrypted by
	// Codec, which they need. Nil keeps none, as suits a store on the same machine.
	Copies Copies
	Codec  *workspace.Codec

	// Answered says that the store has answered before; see [Store.Answered].
	Answered bool

	// Strangers bounds look-ups of names that aren't in memory. Nil bounds none.
	Strangers *Strangers

	// OnChange is told by Run what the store's feed says, for who keeps copies of what
	// is stored beside workspaces. Of no changes it isn't told; nil says that anything
	// may have changed. It must not wait. Nil is nobody.
	OnChange func(changes []workspace.Change)
}

// ChangeReach is how long it takes at most, while the store answers, until every server
// has what was written, such as a workspace or a purge: the time between two looks
// at the store's changes, twice, so that one look may fail.
const ChangeReach = 10 * time.Second

const (
	unknownFor  = 5 * time.Second        // how long an unknown namespace is remembered at most
	unknownSize = 16384                  // how many of them
	loadTimeout = 5 * time.Second        // of one read for Get
	patience    = 300 * time.Millisecond // that a Get waits for the store where there is a copy
	reportEvery = time.Minute            // between log lines about a store that fails
)

// Store is a [workspace.Store] that answers Get from memory, so that requests don't wait
// for a store. It keeps the workspaces in use and, for some seconds, which
// namespaces are unknown. What another node changes is seen within Config.Poll
// while [Store.Run] runs; what is written through this Store is seen by every
// Get that begins after the write returned. When the store is down, what is in
// memory goes on being served, and what is in Config.Copies, also where the
// process was started meanwhile. It is safe for concurrent use.
//
// The order of things rests on two rules. Copies of one workspace (one ID) are
// told apart by their revision, and an older one never replaces a newer one. Where
// revisions can't tell, since the workspace is new, deleted or made anew, epochs
// do: each write, and each change that the feed tells of, moves on the epoch of its
// namespace, and what was asked of the store in an earlier epoch is not kept.
type Store struct {
	store   workspace.Store
	purges  workspace.Purges // of the store; nil where it keeps none
	domains domainCache
	poll    time.Duration
	log     *slog.Logger
	now     func() time.Time
	tell    func([]workspace.Change)
	spool   *spool
	gate    *Strangers

	heard time.Time   // when the feed last answered, or all was read anew in its place; Run's
	down  atomic.Bool // the store failed, and hasn't answered since

	answered atomic.Bool

	known *lru.Cache[string, *workspace.Workspace] // changed only under mu

	mu       sync.Mutex                    // guards all below, and writes to known
	unknown  *lru.Cache[string, time.Time] // namespaces the store didn't have, until then
	epochs   [256]uint64                   // by hash of the namespace
	reads    [256]uint64                   // of namespaces that the store had, likewise
	loads    map[string]*load              // reads of this epoch, which later ones may share
	stale    map[string]struct{}           // in known, changed by others, not yet read again
	recopy   bool                          // copies were wiped, and what is stale has none
	seed     maphash.Seed                  // of epochOf
	reported time.Time                     // when a failing store was last logged
}

var _ workspace.Store = (*Store)(nil)

// New returns a Store over the store. Until [Store.Run] runs, changes by
// others are not seen.
func New(store workspace.Store, cfg Config) *Store {
	if cfg.Size <= 0 {
		cfg.Size = 16384
	}
	if cfg.Poll <= 0 {
		cfg.Poll = 5 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.OnChange == nil {
		cfg.OnChange = func([]workspace.Change) {}
	}
	known, err := lru.New[string, *workspace.Workspace](cfg.Size)
	if err != nil {
		panic(err) // only a size that isn't positive
	}
	unknown, err := lru.New[string, time.Time](unknownSize)
	if err != nil {
		panic(err)
	}
	purges, _ := store.(workspace.Purges)
	var keep *spool
	if cfg.Copies != nil {
		keep = &spool{copies: cfg.Copies, codec: cfg.Codec, log: cfg.Log}
	}
	c := &Store{
		store: store, purges: purges, domains: newDomainCache(store), poll: cfg.Poll, log: cfg.Log, now: cfg.Now, tell: cfg.OnChange, spool: keep, gate: cfg.Strangers,
		known: known, unknown: unknown,
		loads: map[string]*load{}, stale: map[string]struct{}{}, seed: maphash.MakeSeed(),
	}
	c.answered.Store(cfg.Answered)
	return c
}

// Answered reports whether the store has answered once, or the last known copies have
// held something: until then there is nothing to serve from.
func (c *Store) Answered() bool { return c.answered.Load() }

// up notes that the store answers.
func (c *Store) up() {
	c.down.Store(false)
	c.answered.Store(true)
}

// Get returns the workspace under the namespace, shared with others: clone it
// before changing it. Errors are ErrNotFound, ErrUnavailable where it isn't in
// memory and the store fails, ErrTooManyUnknown, and the context's. One that is in memory
// costs no allocation.
func (c *Store) Get(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	if w, ok := c.known.Get(namespace); ok {
		return w, nil
	}
	if !workspace.ValidNamespace(namespace) {
		return nil, workspace.ErrNotFound
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	if w, ok := c.known.Get(namespace); ok {
		c.mu.Unlock()
		return w, nil
	}
	if until, ok := c.unknown.Get(namespace); ok && c.now().Before(until) {
		c.mu.Unlock()
		return nil, workspace.ErrNotFound
	}
	l := c.loads[namespace]
	if l == nil {
		var err error
		if l, err = c.lookUp(ctx, namespace); err != nil {
			epoch := c.epochs[c.epochOf(namespace)]
			c.mu.Unlock()
			// A workspace that was served here before is no made-up name.
			if release, ok := c.gate.copySlot(); ok {
				defer release()
				if w := c.lastKnown(ctx, namespace, epoch); w != nil {
					return w, nil
				}
			}
			return nil, err
		}
	}
	c.mu.Unlock()
	return l.wait(ctx)
}

// lookUp begins to read a namespace that isn't in memory, on account of the client. c.mu
// is held.
func (c *Store) lookUp(ctx context.Context, namespace string) (*load, error) {
	if len(c.loads) >= strangerWaiting {
		return nil, fmt.Errorf("%w: too many look-ups are waiting for it", workspace.ErrUnavailable)
	}
	done, err := c.gate.Begin(ctx)
	if err != nil {
		return nil, err
	}
	l := c.load(ctx, namespace, true)
	go func() {
		<-l.done
		done(!errors.Is(l.err, workspace.ErrNotFound))
	}()
	return l, nil
}

// A load is one read of the store that many may wait for.
type load struct {
	done chan struct{}
	w    *workspace.Workspace // with err, set before done is closed
	err  error
}

func (l *load) wait(ctx context.Context) (*workspace.Workspace, error) {
	select {
	case <-l.done:
		return l.w, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// load begins to read a namespace, or joins who does. It outlives the caller's
// context, since others may be waiting for it. Where a copy will do, and the store
// doesn't answer soon, it is the copy. c.mu is held.
func (c *Store) load(ctx context.Context, namespace string, copyWillDo bool) *load {
	if l := c.loads[namespace]; l != nil {
		return l
	}
	l := &load{done: make(chan struct{})}
	c.loads[namespace] = l
	epoch := c.epochs[c.epochOf(namespace)]
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	read := make(chan struct{})
	var w *workspace.Workspace
	var err error
	go func() {
		defer cancel()
		defer close(read)
		w, err = c.read(ctx, namespace, epoch, copyWillDo)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.loads[namespace] == l {
			delete(c.loads, namespace)
		}
	}()
	go func() {
		defer close(l.done)
		if copyWillDo && c.spool != nil {
			if !c.down.Load() {
				soon := time.NewTimer(patience)
				defer soon.Stop()
				select {
				case <-read:
				case <-soon.C:
				}
			}
			select {
			case <-read:
				if !errors.Is(err, workspace.ErrUnavailable) {
					l.w, l.err = w, err
					return
				}
			default:
			}
			if l.w = c.lastKnown(ctx, namespace, epoch); l.w != nil {
				return
			}
		}
		<-read
		l.w, l.err = w, err
	}()
	return l
}

// read reads a namespace from the store, and keeps what it says unless it has been
// overtaken. That a stranger's name can't be read says little of the store: its requests
// may be what the store has too many of.
func (c *Store) read(ctx context.Context, namespace string, epoch uint64, stranger bool) (*workspace.Workspace, error) {
	if stranger {
		release, err := c.gate.Slot(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: too many look-ups are waiting for it", workspace.ErrUnavailable)
		}
		defer release()
	}
	w, err := c.ask(ctx, namespace)
	c.mu.Lock()
	defer c.mu.Unlock()
	current := c.epochs[c.epochOf(namespace)] == epoch
	switch {
	case err == nil:
		c.up()
		c.reads[c.epochOf(namespace)]++
		if current {
			delete(c.stale, namespace)
			w = c.keep(w)
		}
		return w, nil
	case errors.Is(err, workspace.ErrNotFound):
		c.up()
		if current {
			c.drop(namespace)
			c.unknown.Add(namespace, c.now().Add(unknownFor))
		}
		return nil, err
	case !errors.Is(err, workspace.ErrUnavailable):
		err = fmt.Errorf("%w: %w", workspace.ErrUnavailable, err)
	}
	if !stranger {
		c.down.Store(true)
	}
	c.complain("reading a workspace", err)
	return nil, err
}

// lastKnown takes the copy of a namespace into memory, to be read anew when the store
// is back. Nil is none.
func (c *Store) lastKnown(ctx context.Context, namespace string, epoch uint64) (w *workspace.Workspace) {
	if w = c.spool.workspace(context.WithoutCancel(ctx), namespace); w == nil {
		return nil
	}
	c.answered.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	if have, ok := c.known.Peek(namespace); ok { // the store was faster after all
		return have
	}
	if c.epochs[c.epochOf(namespace)] != epoch {
		return nil // written or deleted meanwhile
	}
	c.known.Add(namespace, w)
	c.stale[namespace] = struct{}{}
	return w
}

// ask asks the store for a workspace, and for what it has purged.
func (c *Store) ask(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	w, err := c.store.Get(ctx, namespace)
	if err != nil || c.purges == nil {
		return w, err
	}
	log, err := c.purges.PurgeLog(ctx, w.ID, c.knownPurges(namespace, w.ID))
	if err != nil {
		return nil, err
	}
	w = w.Clone() // what a store answers may be shared
	w.Purges = log
	return w, nil
}

// knownPurges is the log in memory of what a workspace has purged. Where the feed can't tell what has
// happened, it isn't relied on: the store may have been put back to what it was before.
func (c *Store) knownPurges(namespace, id string) workspace.PurgeLog {
	c.mu.Lock()
	defer c.mu.Unlock()
	if have, ok := c.known.Peek(namespace); ok && have.ID == id && !c.recopy {
		return have.Purges
	}
	return workspace.PurgeLog{}
}

// keep puts a copy of the store's into memory, unless what is there is as new, and
// returns what is in memory then. Settings and purges are told apart each by their
// own count. c.mu is held.
func (c *Store) keep(w *workspace.Workspace) *workspace.Workspace {
	if have, ok := c.known.Peek(w.Namespace); ok && have.ID == w.ID {
		settings, log := have, have.Purges
		if w.Revision > have.Revision {
			settings = w
		}
		if w.Purges.Sequence > log.Sequence {
			log = w.Purges
		}
		if settings == have && log.Sequence == have.Purges.Sequence {
			if c.recopy {
				c.spool.put(have)
			}
			return have
		}
		if settings.Purges.Sequence != log.Sequence {
			merged := *settings
			merged.Purges = log
			settings = &merged
		}
		w = settings
	}
	c.spool.put(w)
	c.known.Add(w.Namespace, w)
	c.unknown.Remove(w.Namespace)
	return w
}

// drop takes a workspace out of memory. c.mu is held.
func (c *Store) drop(namespace string) {
	c.known.Remove(namespace)
	delete(c.stale, namespace)
	c.spool.remove(namespace)
}

// advance begins a new epoch of the namespace: reads that are under way are no
// longer shared, kept or remembered as unknown. c.mu is held.
func (c *Store) advance(namespace string) {
	c.epochs[c.epochOf(namespace)]++
	delete(c.loads, namespace)
	c.unknown.Remove(namespace)
}

func (c *Store) epochOf(namespace string) uint8 {
	return uint8(maphash.String(c.seed, namespace))
}

// epoch is the current epoch of a namespace.
func (c *Store) epoch(namespace string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epochs[c.epochOf(namespace)]
}

// List asks the store.
func (c *Store) List(ctx context.Context, after string, limit int) ([]*workspace.Workspace, error) {
	return c.store.List(ctx, after, limit)
}

// Create creates the workspace in the store, and in memory before it returns.
func (c *Store) Create(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	return c.write(ctx, w, audit, c.store.Create)
}

// Update updates the workspace in the store, and in memory before it returns.
// After ErrConflict or ErrNotFound, Get answers what the store has.
func (c *Store) Update(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	return c.write(ctx, w, audit, c.store.Update)
}

func (c *Store) write(ctx context.Context, w *workspace.Workspace, audit []workspace.AuditEntry, do func(context.Context, *workspace.Workspace, ...workspace.AuditEntry) error) error {
	bucket := c.epochOf(w.Namespace)
	c.mu.Lock()
	epoch, reads := c.epochs[bucket], c.reads[bucket]
	c.mu.Unlock()
	if err := do(ctx, w, audit...); err != nil {
		c.refresh(ctx, w.Namespace, err)
		return err
	}
	n := w.Clone()
	c.mu.Lock()
	defer c.mu.Unlock()
	// What was read meanwhile may have been newer, and be out of memory again.
	current := c.epochs[bucket] == epoch && c.reads[bucket] == reads
	c.advance(n.Namespace)
	if have, ok := c.known.Peek(n.Namespace); ok {
		for _, name := range have.Domains {
			if d, ok := c.domains.known.Peek(name); ok && d.Namespace != n.Namespace {
				continue // it was lost to that one
			}
			if !slices.Contains(n.Domains, name) {
				c.forgetDomain(name)
				c.spool.removeDomain(name)
			}
		}
	}
	for _, name := range n.Domains {
		c.forgetDomain(name)
	}
	n.Purges = workspace.PurgeLog{} // keep takes those of the copy that is known
	if have, ok := c.known.Peek(n.Namespace); ok && have.ID == n.ID || current && n.Revision == 1 {
		c.keep(n)
	} else {
		// Its purges are not known, or another write went between: the store knows.
		c.drop(n.Namespace)
	}
	return nil
}

// Delete deletes the workspace in the store, and in memory before it returns.
func (c *Store) Delete(ctx context.Context, namespace string, revision int64, audit ...workspace.AuditEntry) error {
	epoch := c.epoch(namespace)
	if err := c.store.Delete(ctx, namespace, revision, audit...); err != nil {
		c.refresh(ctx, namespace, err)
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	current := c.epochs[c.epochOf(namespace)] == epoch
	c.advance(namespace)
	c.drop(namespace)
	if current {
		c.unknown.Add(namespace, c.now().Add(unknownFor))
	}
	return nil
}

// refresh reads a namespace again after a write that the store refused: what is in
// memory is older than what the store judged by, and who tries again reads it.
func (c *Store) refresh(ctx context.Context, namespace string, err error) {
	if !errors.Is(err, workspace.ErrConflict) && !errors.Is(err, workspace.ErrNotFound) && !errors.Is(err, workspace.ErrExists) {
		return
	}
	c.mu.Lock()
	c.advance(namespace)
	l := c.load(ctx, namespace, false)
	c.mu.Unlock()
	_, _ = l.wait(ctx)
}

// Changes asks the store.
func (c *Store) Changes(ctx context.Context, cursor string) (changes []workspace.Change, next string, err error) {
	return c.store.Changes(ctx, cursor)
}

// Close closes the store. Run must have returned.
func (c *Store) Close() error { return c.store.Close() }

// complain logs that the store fails, once in reportEvery. c.mu is held.
func (c *Store) complain(doing string, err error) {
	if now := c.now(); c.reported.IsZero() || now.Sub(c.reported) >= reportEvery {
		c.reported = now
		c.log.Error("workspace store fails; serving the last known copies", "doing", doing, "err", err)
	}
}

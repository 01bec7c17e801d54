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
	Memory int64            // bytes of workspaces in memory, by estimate; 0 is 96 MiB
	Poll   time.Duration    // between looks at the store's changes; 0 is 5 s
	Log    *slog.Logger     // nil is slog.Default
	Now    func() time.Time // nil is time.Now

	// Copies keep what was read, for what has left memory, and for times when the store can't be
	// reached. Codec encrypts their secrets, and is required with them. Nil keeps none, which
	// suits a store on the same machine.
	Copies Copies
	Codec  *workspace.Codec

	// Answered is true if the store has answered before; see [Store.Answered].
	Answered bool

	// Unconfirmed is how old a workspace in memory may be for Confirm; 0 is RevocationReach.
	// Below 0, any is new enough.
	Unconfirmed time.Duration

	// Strangers bounds look-ups of names that aren't in memory. Nil bounds none.
	Strangers *Strangers

	// OnChange gets the changes that Run reads from the store's feed, for packages that keep
	// other records of the store in memory. Nil changes mean that anything may have changed.
	// OnChange must not wait. It may be nil.
	OnChange func(changes []workspace.Change)
}

// ChangeReach is how long a write, such as that of a workspace or a purge, takes at most to
// reach every server, while the store answers. It is twice the time between two looks at the
// store's feed, so that one look may fail.
const ChangeReach = 10 * time.Second

const (
	unknownFor  = 5 * time.Second        // how long an unknown namespace is remembered at most
	unknownSize = 16384                  // how many of them
	loadTimeout = 5 * time.Second        // of one read for Get
	patience    = 300 * time.Millisecond // that a Get waits for the store where it has a copy
	reportEvery = time.Minute            // between log lines about a store that fails
)

// Store is a [workspace.Store] that answers Get from memory, so that requests don't wait for
// a store. It keeps the workspaces in use and, for some seconds, names of unknown
// namespaces. While [Store.Run] runs, it sees another server's change within Config.Poll. A
// write through this Store is seen by every Get that begins after the write has returned.
// While the store is down, it serves what is in memory and in Config.Copies, also after a
// restart. It is safe for concurrent use.
//
// Two rules keep old data from replacing new data:
//   - Copies of one workspace (one ID) are compared by their revision. An older one never
//     replaces a newer one.
//   - Where a workspace is new, deleted or made again, revisions can't be compared. Epochs
//     are: each write, and each change in the feed, begins a new epoch of its namespace. An
//     answer to a question from an earlier epoch isn't kept.
type Store struct {
	store   workspace.Store
	purges  workspace.Purges   // of the store; nil where it keeps none
	many    workspace.Rereader // the store; nil where it reads one at a time
	domains domainCache
	poll    time.Duration
	log     *slog.Logger
	now     func() time.Time
	tell    func([]workspace.Change)
	spool   *spool
	gate    *Strangers

	unconfirmed time.Duration

	deaf    time.Time      // when the feed last answered, or all was read anew in its place; Run's
	heard   atomic.Int64   // when the last look began that read all of the feed, see clock
	down    atomic.Bool    // the store failed, and hasn't answered since
	reading sync.WaitGroup // what kick has begun

	start  time.Time
	slept  atomic.Int64              // nanoseconds that the machine slept while start's clock stood
	beat   atomic.Pointer[time.Time] // the last pulse; nil while nobody follows the feed
	waking atomic.Pointer[waking]    // nil but after a standstill
	wake   chan struct{}             // tells Run of one

	answered atomic.Bool

	known          memory       // changed only under mu
	loaded, copied atomic.Int64 // see Stats

	mu       sync.Mutex                    // guards all below, and writes to known
	unknown  *lru.Cache[string, time.Time] // namespaces the store didn't have, until then
	epochs   [256]uint64                   // by hash of the namespace
	reads    [256]uint64                   // of namespaces that the store had, likewise
	loads    map[string]*load              // reads of this epoch, which later ones may share
	look     uint64                        // number of the last look at the feed
	stale    map[string]uint64             // in known, changed by others, not yet read again; by the look that told
	queue    []string                      // what is stale, in the order in which it was marked
	readers  int                           // at work
	failures int                           // of them, in a row
	cursors  []cursorMark                  // not yet written
	recopy   bool                          // copies were wiped, and what is stale has none
	dropped  func(*workspace.Workspace)    // see OnDrop
	seed     maphash.Seed                  // of epochOf
	reported time.Time                     // when a failing store was last logged
}

var _ workspace.Store = (*Store)(nil)

// New returns a Store over the store. Call [Store.Run] to see changes of other servers.
func New(store workspace.Store, cfg Config) *Store {
	if cfg.Memory <= 0 {
		cfg.Memory = 96 << 20
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
	if cfg.Unconfirmed == 0 {
		cfg.Unconfirmed = RevocationReach
	}
	unknown, err := lru.New[string, time.Time](unknownSize)
	if err != nil {
		panic(err)
	}
	purges, _ := store.(workspace.Purges)
	many, _ := store.(workspace.Rereader)
	var keep *spool
	if cfg.Copies != nil {
		keep = &spool{copies: cfg.Copies, codec: cfg.Codec, log: cfg.Log}
	}
	c := &Store{
		store: store, purges: purges, many: many, unconfirmed: cfg.Unconfirmed, domains: newDomainCache(store), poll: cfg.Poll, log: cfg.Log, now: cfg.Now, tell: cfg.OnChange, spool: keep, gate: cfg.Strangers,
		known: newMemory(cfg.Memory), unknown: unknown, dropped: func(*workspace.Workspace) {},
		start: cfg.Now(), wake: make(chan struct{}, 1),
		loads: map[string]*load{}, stale: map[string]uint64{}, seed: maphash.MakeSeed(),
	}
	if keep != nil {
		keep.evicted = c.copyAgain
	}
	c.answered.Store(cfg.Answered)
	return c
}

// Answered reports whether the store has answered once, or there were last known copies.
// Until then there is nothing to serve.
func (c *Store) Answered() bool { return c.answered.Load() }

// up records that the store answers.
func (c *Store) up() {
	c.down.Store(false)
	c.answered.Store(true)
}

// Get returns the workspace under the namespace. Others share it: clone it before you change
// it. The error is ErrNotFound, ErrTooManyUnknown, the context's, or, where the workspace
// isn't in memory and the store fails, ErrUnavailable. A workspace in memory costs no
// allocation. After the process has stood still, Get waits up to five seconds for what has
// changed meanwhile.
func (c *Store) Get(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	if !c.awake() {
		if err := c.await(ctx, namespace); err != nil {
			return nil, err
		}
	}
	w, err := c.get(ctx, namespace)
	if err != nil && c.again(ctx, err) {
		return c.get(ctx, namespace)
	}
	return w, err
}

// get is Get by what is known now.
func (c *Store) get(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	if have, ok := c.known.Get(namespace); ok {
		return have.Workspace, nil
	}
	if !workspace.ValidNamespace(namespace) {
		return nil, workspace.ErrNotFound
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	if have, ok := c.known.Get(namespace); ok {
		c.mu.Unlock()
		return have.Workspace, nil
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
			// The name isn't made up: this server has served it before.
			if release, ok := c.gate.copySlot(); ok {
				defer release()
				if w := c.takeCopy(ctx, namespace, epoch, false); w != nil {
					return w, nil
				}
			}
			return nil, err
		}
	}
	c.mu.Unlock()
	return l.wait(ctx)
}

// lookUp begins to read a namespace that isn't in memory. It counts in the client's budget
// for unknown names. The caller holds c.mu.
func (c *Store) lookUp(ctx context.Context, namespace string) (*load, error) {
	if len(c.loads) >= strangerWaiting {
		return nil, fmt.Errorf("%w: too many look-ups are waiting for it", workspace.ErrUnavailable)
	}
	done, err := c.gate.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return c.begin(ctx, namespace, true, done), nil
}

// A load is one read of the store. Many may wait for it.
type load struct {
	once sync.Once
	done chan struct{}
	w    *workspace.Workspace // with err, set before done is closed
	err  error
	copy *time.Timer // takes the copy where the store doesn't answer soon; may be nil
	then func(exists bool)
}

// end gives its result to all who wait. Only the first call counts.
func (l *load) end(w *workspace.Workspace, err error) {
	l.once.Do(func() {
		l.w, l.err = w, err
		close(l.done)
		l.then(!errors.Is(err, workspace.ErrNotFound))
	})
}

func (l *load) wait(ctx context.Context) (*workspace.Workspace, error) {
	select {
	case <-l.done:
		return l.w, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// load begins to read a namespace, or joins the read that runs. The read goes on when the
// caller's context ends, since others may wait for it. Where there is a copy, and the store
// doesn't answer soon, the load returns the copy. The caller holds c.mu.
func (c *Store) load(ctx context.Context, namespace string, copyWillDo bool) *load {
	if l := c.loads[namespace]; l != nil {
		return l
	}
	return c.begin(ctx, namespace, copyWillDo, func(bool) {})
}

// begin is load for a namespace that nobody reads, and calls then at its end. A load takes one
// goroutine. The caller holds c.mu.
func (c *Store) begin(ctx context.Context, namespace string, copyWillDo bool, then func(exists bool)) *load {
	l := &load{done: make(chan struct{}), then: then}
	c.loads[namespace] = l
	epoch := c.epochs[c.epochOf(namespace)]
	stranger := copyWillDo
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	copied := func() bool {
		w := c.takeCopy(ctx, namespace, epoch, false)
		if w != nil {
			l.end(w, nil)
		}
		return w != nil
	}
	if copyWillDo = copyWillDo && c.spool != nil; copyWillDo {
		l.copy = time.AfterFunc(c.patience(), func() { copied() })
	}
	go func() {
		defer cancel()
		var w *workspace.Workspace
		var err error
		if copyWillDo {
			w = c.takeCopy(ctx, namespace, epoch, true)
		}
		if w == nil {
			w, err = c.read(ctx, namespace, epoch, stranger)
		}
		c.mu.Lock()
		if c.loads[namespace] == l {
			delete(c.loads, namespace)
		}
		c.mu.Unlock()
		if l.copy != nil {
			l.copy.Stop()
		}
		if copyWillDo && errors.Is(err, workspace.ErrUnavailable) && copied() {
			return
		}
		l.end(w, err)
	}()
	return l
}

// read reads a namespace from the store, and keeps the answer unless a newer epoch has
// begun. A failure for an unknown name doesn't count as an outage: such requests may be the
// ones that overload the store.
func (c *Store) read(ctx context.Context, namespace string, epoch uint64, stranger bool) (*workspace.Workspace, error) {
	if stranger {
		release, err := c.gate.Slot(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: too many look-ups are waiting for it", workspace.ErrUnavailable)
		}
		defer release()
	}
	asked := c.clock()
	w, err := c.ask(ctx, namespace)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.up()
		if stranger {
			c.loaded.Add(1)
		}
		return c.took(namespace, epoch, w, asked), nil
	case errors.Is(err, workspace.ErrNotFound):
		c.up()
		c.took(namespace, epoch, nil, asked)
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

// takeCopy takes the copy of a namespace into memory. While the feed is followed, the copy is what
// the store has, as far as a workspace in memory is. Otherwise it may be of any age: it is read
// again when the store is back, and isn't taken where only a current one will do. The result is nil
// where there is no copy.
func (c *Store) takeCopy(ctx context.Context, namespace string, epoch uint64, onlyCurrent bool) *workspace.Workspace {
	if onlyCurrent && !c.follows() {
		return nil
	}
	w, old := c.spool.workspace(context.WithoutCancel(ctx), namespace)
	if w == nil {
		return nil
	}
	taken := newEntry(w)
	c.answered.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	if have, ok := c.known.Peek(namespace); ok { // the store was faster after all
		return have.Workspace
	}
	current := c.follows()
	if c.epochs[c.epochOf(namespace)] != epoch || onlyCurrent && !current {
		return nil // written or deleted meanwhile
	}
	c.copied.Add(1)
	if !current {
		taken.marked.Store(true)
		c.mark(taken)
	} else if old {
		c.spool.put(w) // it is in use, so others make room
	}
	c.put(taken)
	return w
}

// follows reports whether all of the feed has been heard a moment ago, and the process hasn't stood
// still since. What the feed has told of has left the copies then. They are taken for as long as what
// is in memory isn't read again on suspicion.
func (c *Store) follows() bool {
	return c.waking.Load() == nil && c.clock()-c.heard.Load() <= int64(deafAfter)
}

// ask reads a workspace and its purges from the store.
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

// knownPurges is the log of purges in memory. It isn't used where the feed can't say what has
// happened, since the store may have been restored from a backup.
func (c *Store) knownPurges(namespace, id string) workspace.PurgeLog {
	c.mu.Lock()
	defer c.mu.Unlock()
	if have, ok := c.known.Peek(namespace); ok && have.ID == id && !c.recopy {
		return have.Purges
	}
	return workspace.PurgeLog{}
}

// keep puts a workspace of the store into memory, unless memory has one as new, and returns
// the one in memory. It compares settings and purges separately, each by its own count. The
// caller holds c.mu.
func (c *Store) keep(w *workspace.Workspace) *entry {
	if have, ok := c.known.Peek(w.Namespace); ok && have.ID == w.ID {
		settings, log := have.Workspace, have.Purges
		if w.Revision > have.Revision {
			settings = w
		}
		if w.Purges.Sequence > log.Sequence {
			log = w.Purges
		}
		if settings == have.Workspace && log.Sequence == have.Purges.Sequence {
			if c.recopy {
				c.spool.put(have.Workspace)
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
	kept := newEntry(w)
	if have, ok := c.known.Peek(w.Namespace); ok && have.ID == w.ID { // what it is as of goes on, until somebody reads it
		kept.asOf.Store(have.asOf.Load())
		kept.marked.Store(have.marked.Load())
		kept.told = have.told
	}
	c.put(kept)
	c.unknown.Remove(w.Namespace)
	return kept
}

// drop removes a workspace from memory. The caller holds c.mu.
func (c *Store) drop(namespace string) {
	if e := c.known.take(namespace); e != nil {
		c.dropped(e.Workspace)
	}
	delete(c.stale, namespace)
	c.spool.remove(namespace)
}

// advance begins a new epoch of the namespace. Results of reads that are under way are no
// longer shared or kept. The caller holds c.mu.
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
	// A newer one may have been read and dropped meanwhile.
	current := c.epochs[bucket] == epoch && c.reads[bucket] == reads
	c.advance(n.Namespace)
	if have, ok := c.known.Peek(n.Namespace); ok {
		for _, name := range have.Domains {
			if d, ok := c.domains.known.Peek(name); ok && d.Namespace != n.Namespace {
				continue // a newer write won
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
	n.Purges = workspace.PurgeLog{} // keep uses those of the copy in memory
	if have, ok := c.known.Peek(n.Namespace); ok && have.ID == n.ID || current && n.Revision == 1 {
		c.keep(n)
	} else {
		// Its purges aren't known, or another write came between: read the store.
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

// refresh reads a namespace again after the store refused a write: the store has a newer
// workspace than memory, and the caller needs that one to try again.
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

// complain logs that the store fails, once in reportEvery. The caller holds c.mu.
func (c *Store) complain(doing string, err error) {
	if now := c.now(); c.reported.IsZero() || now.Sub(c.reported) >= reportEvery {
		c.reported = now
		c.log.Error("workspace store fails; serving the last known copies", "doing", doing, "err", err)
	}
}

package cached

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/tintype/tintype/workspace"
)

const (
	// readers is how many reads of what has changed run at a time, and rereadAtOnce how many
	// workspaces one of them reads where the store can do that.
	readers      = 16
	rereadAtOnce = 50

	// readerFailures is how many reads in a row may fail before the others wait for the next
	// look at the feed.
	readerFailures = 16
	readerPause    = 200 * time.Millisecond // of a reader whose read has failed

	// queueSlack is how many places of the queue may be left over from what was read meanwhile.
	queueSlack = 1024
)

// An entry is a workspace in memory.
type entry struct {
	*workspace.Workspace

	// asOf is a time at which the store had nothing newer, see Store.clock. Until the workspace is
	// marked, that also holds for the time of the last look at the feed.
	asOf   atomic.Int64
	marked atomic.Bool
	failed atomic.Int64 // when Confirm last failed, likewise

	// Guarded by Store.mu:
	told        bool  // the feed has told of a change since it was read
	bytes, held int64 // that it takes, and how many of them others keep for it
}

func newEntry(w *workspace.Workspace) *entry { return &entry{Workspace: w, bytes: Footprint(w)} }

// seen records that the store had nothing newer at a time.
func (e *entry) seen(at int64) {
	for {
		was := e.asOf.Load()
		if was >= at || e.asOf.CompareAndSwap(was, at) {
			return
		}
	}
}

// mark marks a workspace, to be read again. What is marked last is read first. The caller holds
// c.mu.
func (c *Store) mark(e *entry) {
	if !e.marked.Load() {
		e.seen(c.heard.Load())
		e.marked.Store(true)
	}
	if _, ok := c.stale[e.Namespace]; !ok {
		c.stale[e.Namespace] = c.look
	}
	c.queue = append(c.queue, e.Namespace)
}

// kick has what is marked read, by as many readers as there is work for.
func (c *Store) kick(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 && c.readers == 0 || len(c.queue) > 2*len(c.stale)+queueSlack {
		c.requeue()
	}
	c.failures = 0
	for range min(readers-c.readers, (len(c.queue)+c.atOnce()-1)/c.atOnce()) {
		c.readers++
		c.reading.Go(func() { c.readMarked(ctx) })
	}
}

// requeue queues what could not be read once more. What was used last is read first. The
// caller holds c.mu.
func (c *Store) requeue() {
	c.queue = c.queue[:0]
	if len(c.stale) == 0 {
		return
	}
	for _, namespace := range c.known.Keys() {
		if _, ok := c.stale[namespace]; ok {
			c.queue = append(c.queue, namespace)
		}
	}
}

// atOnce is how many workspaces one read has.
func (c *Store) atOnce() int {
	if c.many == nil {
		return 1
	}
	return rereadAtOnce
}

// readMarked reads what is marked until nothing is left or the store fails.
func (c *Store) readMarked(ctx context.Context) {
	for {
		c.mu.Lock()
		list := c.nextMarked()
		if len(list) == 0 || ctx.Err() != nil || c.failures >= readerFailures {
			c.readers--
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		err := c.readMany(ctx, list)
		if ctx.Err() != nil {
			continue
		}
		c.mu.Lock()
		if err == nil || errors.Is(err, workspace.ErrUndecodable) {
			// What can't be decoded isn't tried again before the next look: the others are waiting.
			c.failures = 0
			if err != nil {
				c.complain("reading workspaces again", err)
			}
			c.mu.Unlock()
			continue
		}
		c.failures++
		c.complain("reading workspaces again", err)
		for _, m := range list {
			c.queue = append(c.queue, m.Namespace)
		}
		c.mu.Unlock()
		sleep(ctx, readerPause)
	}
}

// sleep waits for a time, or for the context's end.
func sleep(ctx context.Context, most time.Duration) {
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// A marked is a workspace that is read again, and the epoch at which that began.
type marked struct {
	*workspace.Workspace
	epoch uint64
}

// nextMarked takes some marked workspaces from the queue, each once: a store may refuse to read
// one twice at a time. The caller holds c.mu.
func (c *Store) nextMarked() (list []marked) {
	taken := map[string]bool{}
	for len(c.queue) > 0 && len(list) < c.atOnce() {
		namespace := c.queue[len(c.queue)-1]
		c.queue = c.queue[:len(c.queue)-1]
		if _, ok := c.stale[namespace]; !ok || taken[namespace] {
			continue // read meanwhile, or queued again by another change
		}
		taken[namespace] = true
		have, ok := c.known.Peek(namespace)
		if !ok { // see shrink
			delete(c.stale, namespace)
			continue
		}
		known := have.Workspace
		if c.recopy && known.Purges.Sequence > 0 { // see knownPurges
			bare := *known
			bare.Purges = workspace.PurgeLog{}
			known = &bare
		}
		list = append(list, marked{known, c.epochs[c.epochOf(namespace)]})
	}
	return list
}

// readMany reads workspaces again. Those that can't be read stay in use, and stay marked.
func (c *Store) readMany(ctx context.Context, list []marked) error {
	if c.many == nil {
		c.mu.Lock()
		l := c.load(ctx, list[0].Namespace, false)
		c.mu.Unlock()
		if _, err := l.wait(ctx); err != nil && !errors.Is(err, workspace.ErrNotFound) {
			return err
		}
		return nil
	}
	known := make([]*workspace.Workspace, len(list))
	for i, m := range list {
		known[i] = m.Workspace
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	began := c.clock()
	return c.many.Reread(ctx, known, func(i int, w *workspace.Workspace) {
		c.up()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.took(list[i].Namespace, list[i].epoch, w, began)
	})
}

// took takes what the store has under a namespace into memory, unless a newer epoch has begun
// since it was asked; nil is nothing. It returns what is in memory then, or w. The caller holds
// c.mu.
func (c *Store) took(namespace string, epoch uint64, w *workspace.Workspace, asked int64) *workspace.Workspace {
	current := c.epochs[c.epochOf(namespace)] == epoch
	if w != nil {
		c.reads[c.epochOf(namespace)]++
	}
	switch {
	case !current:
	case w == nil:
		c.drop(namespace)
		c.unknown.Add(namespace, c.now().Add(unknownFor))
	default:
		delete(c.stale, namespace)
		have := c.keep(w)
		have.seen(asked)
		have.marked.Store(false)
		have.told = false
		return have.Workspace
	}
	return w
}

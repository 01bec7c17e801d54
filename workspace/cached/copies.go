package cached

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/tintype/tintype/workspace"
)

// Copies keeps, on this machine, the last known copies of what was read from a store
// that is elsewhere, for when that store can't be reached. It is safe for concurrent
// use.
type Copies interface {
	// Copy returns what was kept under a key; nil is nothing.
	Copy(ctx context.Context, key string) ([]byte, error)
	// Keep makes changes in their order, all or none.
	Keep(ctx context.Context, changes []CopyChange) error
}

// A CopyChange puts a copy in its place, or removes it.
type CopyChange struct {
	Key  string // empty is all
	Data []byte // nil removes
}

// cursorKey is the key of the feed's cursor, behind which no copy is. Namespaces have
// three letters or more.
const cursorKey = ">"

// domainKey is the key of a claim to a domain.
func domainKey(name string) string { return "@" + name }

const (
	flushEvery   = time.Second
	flushTimeout = 5 * time.Second // of the flush at the end, all attempts
	flushChanges = 256             // in one transaction
	flushPending = 65536           // changes that wait at most; more are replaced by a wipe
	copyTimeout  = 2 * time.Second // of reading one
)

// A spool writes copies behind what needs them: a request never waits for the disk to
// take one. The cursor is written when all that came before it has been, and what can't
// be written waits until it can: a copy on the disk is no older than the cursor there
// tells. It is safe for concurrent use; nil is a spool that keeps nothing.
type spool struct {
	copies Copies
	codec  *workspace.Codec
	log    *slog.Logger

	mu      sync.Mutex // guards all below
	wipes   uint64     // how often everything on the disk was to go
	wiped   uint64     // how many of these are done; changes are made after a wipe
	changes map[string]*pendingCopy
	cursor  []byte // nil is none to be written
	dropped bool   // changes were replaced by a wipe
	failing bool   // the last flush failed
}

// A pendingCopy is a change whose data is written only when it is flushed.
type pendingCopy struct {
	CopyChange
	w *workspace.Workspace // to be encoded; nil is Data
}

// A copied is a workspace as it is kept.
type copied struct {
	Workspace json.RawMessage    `json:"workspace"` // as the store has it
	Purges    workspace.PurgeLog `json:"purges"`
}

func (s *spool) add(p pendingCopy) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == nil {
		s.changes = map[string]*pendingCopy{}
	}
	s.changes[p.Key] = &p
	if len(s.changes) > flushPending {
		// No copy is as good as an old one is bad.
		s.wipes++
		s.dropped, s.cursor = true, nil
		clear(s.changes)
	}
}

// put keeps a copy of a workspace, which nobody changes any more.
func (s *spool) put(w *workspace.Workspace) { s.add(pendingCopy{CopyChange{Key: w.Namespace}, w}) }

func (s *spool) remove(namespace string) { s.add(pendingCopy{CopyChange{Key: namespace}, nil}) }

// putDomain keeps a copy of a claim, which is verified.
func (s *spool) putDomain(d workspace.Domain) {
	if s == nil {
		return
	}
	data, err := json.Marshal(d)
	if err != nil {
		s.log.Error("a domain's last known copy can't be written", "domain", d.Name, "err", err)
		data = nil // no older one is kept for it
	}
	s.add(pendingCopy{CopyChange{Key: domainKey(d.Name), Data: data}, nil})
}

func (s *spool) removeDomain(name string) { s.add(pendingCopy{CopyChange{Key: domainKey(name)}, nil}) }

// wipe removes everything.
func (s *spool) wipe() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipes++
	s.cursor = nil
	clear(s.changes)
}

// setCursor has the cursor written behind all changes that there are now.
func (s *spool) setCursor(cursor string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursor = []byte(cursor)
}

// lost reports once whether copies were removed since there were too many to write.
func (s *spool) lost() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	lost := s.dropped
	s.dropped = false
	return lost
}

// run flushes until the context ends, and then once more, for a few seconds if need be.
func (s *spool) run(ctx context.Context) {
	if s == nil {
		return
	}
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-tick.C:
			// What has been begun is finished: it was begun with the copies of now.
			s.flush(context.WithoutCancel(ctx))
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	for !s.flush(last) {
		select {
		case <-tick.C:
		case <-last.Done():
			s.log.Error("the last known copies of workspaces could not be written before the end: a start while the store is down would find older ones")
			return
		}
	}
}

// flush writes what is pending, and reports whether nothing of it is left. Changes that
// come meanwhile wait for the next flush, and the cursor with them.
func (s *spool) flush(ctx context.Context) (done bool) {
	for {
		batch, last := s.batch()
		if len(batch.changes) == 0 {
			return true
		}
		if err := s.copies.Keep(ctx, batch.changes); err != nil {
			s.mu.Lock()
			report := !s.failing
			s.failing = true
			s.mu.Unlock()
			if report {
				s.log.Error("the last known copies of workspaces can't be written, and are tried again: a start while the store is down would not find them", "err", err)
			}
			return false
		}
		s.written(batch)
		if last {
			return true
		}
	}
}

// A flushBatch is what is written in one transaction.
type flushBatch struct {
	changes []CopyChange
	pending map[string]*pendingCopy // what the changes are of
	wipe    bool
	wipes   uint64 // of the spool
	cursor  []byte
}

// batch takes some of what is pending, and leaves it pending. The cursor is in the last.
func (s *spool) batch() (b flushBatch, last bool) {
	s.mu.Lock()
	b = flushBatch{pending: make(map[string]*pendingCopy, min(len(s.changes), flushChanges)), wipe: s.wipes > s.wiped, wipes: s.wipes}
	for key, p := range s.changes {
		if len(b.pending) == flushChanges {
			break
		}
		b.pending[key] = p
	}
	if last = len(b.pending) == len(s.changes); last {
		b.cursor = s.cursor
	}
	s.mu.Unlock()

	if b.wipe {
		b.changes = append(b.changes, CopyChange{})
	}
	for _, p := range b.pending {
		b.changes = append(b.changes, s.change(p))
	}
	if b.cursor != nil {
		b.changes = append(b.changes, CopyChange{Key: cursorKey, Data: b.cursor})
	}
	return b, last
}

// written takes out what a batch has written, unless it has been replaced meanwhile.
func (s *spool) written(b flushBatch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = false
	s.wiped = b.wipes
	for key, p := range b.pending {
		if s.changes[key] == p {
			delete(s.changes, key)
		}
	}
	if b.cursor != nil && string(s.cursor) == string(b.cursor) {
		s.cursor = nil
	}
}

// change is a pending copy as it is written. One that can't be is removed: the older one
// would be taken for it.
func (s *spool) change(p *pendingCopy) CopyChange {
	if p.w == nil {
		return p.CopyChange
	}
	data, err := s.encode(p.w)
	if err != nil {
		s.log.Error("a workspace's last known copy can't be written", "workspace", p.Key, "err", err)
		return CopyChange{Key: p.Key}
	}
	return CopyChange{Key: p.Key, Data: data}
}

func (s *spool) encode(w *workspace.Workspace) ([]byte, error) {
	data, err := s.codec.Marshal(w)
	if err != nil {
		return nil, err
	}
	return json.Marshal(copied{data, w.Purges})
}

// read returns the bytes under a key; nil is none.
func (s *spool) read(ctx context.Context, key string) []byte {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	p, wiped := s.changes[key], s.wipes > s.wiped
	s.mu.Unlock()
	switch {
	case p != nil: // what is on the disk is older
		return s.change(p).Data
	case wiped:
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	data, err := s.copies.Copy(ctx, key)
	if err != nil {
		s.log.Error("the last known copies of workspaces can't be read", "err", err)
		return nil
	}
	return data
}

// workspace returns the copy of a workspace; nil is none.
func (s *spool) workspace(ctx context.Context, namespace string) *workspace.Workspace {
	data := s.read(ctx, namespace)
	if data == nil {
		return nil
	}
	var c copied
	err := json.Unmarshal(data, &c)
	if err == nil {
		var w *workspace.Workspace
		if w, err = s.codec.Unmarshal(c.Workspace); err == nil {
			w.Purges = c.Purges
			return w
		}
	}
	s.log.Error("a workspace's last known copy can't be used", "workspace", namespace, "err", err)
	return nil
}

// domain returns the copy of a claim.
func (s *spool) domain(ctx context.Context, name string) (d workspace.Domain, ok bool) {
	data := s.read(ctx, domainKey(name))
	if data == nil {
		return d, false
	}
	if err := json.Unmarshal(data, &d); err != nil {
		s.log.Error("a domain's last known copy can't be used", "domain", name, "err", err)
		return d, false
	}
	return d, true
}

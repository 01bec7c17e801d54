package cached

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"sync"
	"time"
	"weak"

	"github.com/tintype/tintype/workspace"
)

// Copies keeps on this machine what was last read from a store on another machine: for what has
// left memory, and for times when that store can't be reached. It is bounded: what was not written
// for longest makes room. It is safe for concurrent use.
type Copies interface {
	// Copy returns the copy under a key, or nil. old says that it will soon make room for others,
	// unless it is written again.
	Copy(ctx context.Context, key string) (data []byte, old bool, err error)
	// Keep makes the changes in their order: all of them, or none. Then it makes room, some of it at
	// a time, and returns the keys of what has gone. A workspace goes together with its base. more
	// says that there is too much still: Keep without changes goes on.
	Keep(ctx context.Context, changes []CopyChange) (gone []string, more bool, err error)
}

// A CopyChange writes or removes a copy.
type CopyChange struct {
	Key  string // empty means all copies
	Data []byte // nil removes
}

// cursorKey is the key of the feed's cursor. No copy is older than the cursor. The key can't
// be a namespace, which has three letters or more.
const cursorKey = ">"

// domainKey is the key of a claim to a domain.
func domainKey(name string) string { return "@" + name }

// baseKey is the key of what a workspace's log of purges sums up. That may be some megabytes,
// and changes once in a thousand purges, so it isn't written with each of them.
func baseKey(namespace string) string { return "%" + namespace }

const (
	flushEvery   = time.Second
	flushTimeout = 5 * time.Second // of the flush at the end, all attempts
	flushChanges = 256             // copies in one transaction
	flushPending = 65536           // changes that wait at most; more are replaced by a wipe
	flushRoom    = 16              // transactions in a row that only make room
	copyTimeout  = 2 * time.Second // of reading one
)

// A spool writes copies in the background, so that a request never waits for the disk. It
// writes the cursor after all changes that came before it, and tries again what couldn't be
// written: a copy on the disk is never older than the cursor on the disk. A spool is safe for
// concurrent use. A nil spool keeps nothing.
type spool struct {
	copies  Copies
	codec   *workspace.Codec
	log     *slog.Logger
	evicted func(keys []string) // is told what has made room on the disk

	full bool // there is too much on the disk; flush's

	mu      sync.Mutex // guards all below
	wipes   uint64     // how often everything on the disk was to go
	wiped   uint64     // how many of these are done; changes are made after a wipe
	changes map[string]*pendingCopy
	bases   map[string]weak.Pointer[workspace.PurgeBase] // on the disk, by namespace
	cursor  []byte                                       // to be written; nil if none
	dropped bool                                         // changes were replaced by a wipe
	failing bool                                         // the last flush failed
}

// A pendingCopy is a change that waits to be written. Its data is encoded then.
type pendingCopy struct {
	CopyChange
	w *workspace.Workspace // to be encoded; where it is nil, Data is written
}

// A copied is the stored form of a workspace.
type copied struct {
	Workspace json.RawMessage    `json:"workspace"` // as the store has it
	Purges    workspace.PurgeLog `json:"purges"`    // without its base
	Base      int64              `json:"base"`      // up to which purge the base goes; 0 is none
}

// A copiedBase is the stored form of what a log of purges sums up. It is written in one
// transaction with the first copy that needs it.
type copiedBase struct {
	Sequence int64                `json:"sequence"` // of the last purge in it
	Base     *workspace.PurgeBase `json:"base"`
}

// baseOf is up to which purge the base of a log goes; 0 is that there is none.
func baseOf(l workspace.PurgeLog) int64 {
	if l.Base == nil {
		return 0
	}
	return l.Sequence - int64(len(l.Purges))
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
		// An outdated copy is worse than none.
		s.wipes++
		s.dropped, s.cursor = true, nil
		clear(s.changes)
	}
}

// put keeps a copy of a workspace. The caller must not change it afterwards.
func (s *spool) put(w *workspace.Workspace) { s.add(pendingCopy{CopyChange{Key: w.Namespace}, w}) }

func (s *spool) remove(namespace string) { s.add(pendingCopy{CopyChange{Key: namespace}, nil}) }

// putDomain keeps a copy of a verified claim.
func (s *spool) putDomain(d workspace.Domain) {
	if s == nil {
		return
	}
	data, err := json.Marshal(d)
	if err != nil {
		s.log.Error("a domain's last known copy can't be written", "domain", d.Name, "err", err)
		data = nil // removes the older copy
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

// setCursor has the cursor written after all changes that are pending now.
func (s *spool) setCursor(cursor string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursor = []byte(cursor)
}

// lost reports whether copies were removed because too many were pending. It reports each loss
// once.
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

// run flushes until the context ends, and then once more, for up to flushTimeout.
func (s *spool) run(ctx context.Context) {
	if s == nil {
		return
	}
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-tick.C:
			// A flush that has begun is finished first.
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

// flush writes what is pending, and reports whether it wrote all of it. Changes that come
// meanwhile, and the cursor after them, wait for the next flush.
func (s *spool) flush(ctx context.Context) (done bool) {
	for room := 0; ; {
		batch, last := s.batch()
		if len(batch.changes) == 0 && (!s.full || room == flushRoom) {
			return true
		}
		if len(batch.changes) == 0 {
			room++
		}
		gone, more, err := s.copies.Keep(ctx, batch.changes)
		if err != nil {
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
		s.forget(gone)
		s.full = more
		if last && !more {
			return true
		}
	}
}

// forget records which copies have made room for others.
func (s *spool) forget(gone []string) {
	if len(gone) == 0 {
		return
	}
	s.mu.Lock()
	for _, key := range gone {
		delete(s.bases, key)
	}
	s.mu.Unlock()
	s.evicted(gone)
}

// A flushBatch is written in one transaction.
type flushBatch struct {
	changes []CopyChange
	pending map[string]*pendingCopy                      // where the changes come from
	bases   map[string]weak.Pointer[workspace.PurgeBase] // of the spool, once it is written
	wipe    bool
	wipes   uint64 // of the spool
	cursor  []byte
}

// batch returns some of the pending changes, which stay pending until they are written. The
// last batch has the cursor.
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
	b.bases = map[string]weak.Pointer[workspace.PurgeBase]{}
	if !b.wipe {
		maps.Copy(b.bases, s.bases)
	}
	s.mu.Unlock()

	if b.wipe {
		b.changes = append(b.changes, CopyChange{})
	}
	for key, p := range b.pending {
		change := s.change(p)
		b.changes = append(b.changes, change)
		if change.Data == nil {
			b.changes = append(b.changes, CopyChange{Key: baseKey(key)})
			delete(b.bases, key)
		} else if p.w != nil && weak.Make(p.w.Purges.Base) != b.bases[key] {
			b.changes = append(b.changes, s.baseChange(key, p.w.Purges))
			b.bases[key] = weak.Make(p.w.Purges.Base)
		}
	}
	if b.cursor != nil {
		b.changes = append(b.changes, CopyChange{Key: cursorKey, Data: b.cursor})
	}
	return b, last
}

// written removes the changes of a batch from those pending, unless newer ones have replaced
// them.
func (s *spool) written(b flushBatch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = false
	s.wiped, s.bases = b.wipes, b.bases
	for key, p := range b.pending {
		if s.changes[key] == p {
			delete(s.changes, key)
		}
	}
	if b.cursor != nil && string(s.cursor) == string(b.cursor) {
		s.cursor = nil
	}
}

// change encodes a pending copy. A copy that can't be encoded becomes a removal, since the
// older copy would be used otherwise.
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

// baseChange writes or removes what a log of purges sums up.
func (s *spool) baseChange(namespace string, l workspace.PurgeLog) CopyChange {
	if l.Base == nil {
		return CopyChange{Key: baseKey(namespace)}
	}
	data, err := json.Marshal(copiedBase{baseOf(l), l.Base})
	if err != nil {
		s.log.Error("a workspace's last known copy can't be written", "workspace", namespace, "err", err)
	}
	return CopyChange{Key: baseKey(namespace), Data: data}
}

func (s *spool) encode(w *workspace.Workspace) ([]byte, error) {
	data, err := s.codec.Marshal(w)
	if err != nil {
		return nil, err
	}
	recent := w.Purges
	recent.Base = nil
	if data, err = json.Marshal(copied{data, recent, baseOf(w.Purges)}); err != nil {
		return nil, err
	}
	return pack(data)
}

// The compressors are kept, since each takes more memory than a hundred workspaces.
var (
	packers   = sync.Pool{New: func() any { w, _ := flate.NewWriter(nil, flate.BestSpeed); return w }} // only a wrong level fails
	unpackers = sync.Pool{New: func() any { return flate.NewReader(nil) }}
)

// pack compresses: the texts of a workspace take less than half of the room then.
func pack(data []byte) ([]byte, error) {
	w := packers.Get().(*flate.Writer)
	defer packers.Put(w)
	var b bytes.Buffer
	w.Reset(&b)
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err := w.Close()
	return b.Bytes(), err
}

func unpack(data []byte) ([]byte, error) {
	r := unpackers.Get().(io.Reader)
	defer unpackers.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(data), nil); err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// read returns the bytes under a key, or nil. old is as for [Copies].
func (s *spool) read(ctx context.Context, key string) (data []byte, old bool) {
	if s == nil {
		return nil, false
	}
	s.mu.Lock()
	p, wiped := s.changes[key], s.wipes > s.wiped
	s.mu.Unlock()
	switch {
	case p != nil: // what is on the disk is older
		return s.change(p).Data, false
	case wiped:
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	data, old, err := s.copies.Copy(ctx, key)
	if err != nil {
		s.log.Error("the last known copies of workspaces can't be read", "err", err)
		return nil, false
	}
	return data, old
}

// workspace returns the copy of a workspace, or nil. old is as for [Copies].
func (s *spool) workspace(ctx context.Context, namespace string) (w *workspace.Workspace, old bool) {
	if s == nil {
		return nil, false
	}
	s.mu.Lock()
	p := s.changes[namespace]
	s.mu.Unlock()
	if p != nil && p.w != nil {
		return p.w, false // what is on the disk is older
	}
	w, old, err := s.stored(ctx, namespace)
	if errors.Is(err, errBase) { // both may have been written between the two reads
		w, old, err = s.stored(ctx, namespace)
	}
	if err != nil {
		s.log.Error("a workspace's last known copy can't be used", "workspace", namespace, "err", err)
	}
	return w, old
}

var errBase = errors.New("what its log of purges sums up is missing")

// stored returns the copy of a workspace that is on the disk, or nil. old is as for [Copies].
func (s *spool) stored(ctx context.Context, namespace string) (w *workspace.Workspace, old bool, err error) {
	data, old := s.read(ctx, namespace)
	if data == nil {
		return nil, false, nil
	}
	if data, err = unpack(data); err != nil {
		return nil, false, err
	}
	var c copied
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, false, err
	}
	if w, err = s.codec.Unmarshal(c.Workspace); err != nil {
		return nil, false, err
	}
	w.Purges = c.Purges
	if c.Base == 0 {
		return w, old, nil
	}
	var base copiedBase
	data, oldBase := s.read(ctx, baseKey(namespace))
	if data == nil {
		return nil, false, errBase
	}
	if err := json.Unmarshal(data, &base); err != nil {
		return nil, false, err
	}
	if base.Base == nil || base.Sequence != c.Base {
		return nil, false, errBase
	}
	w.Purges.Base = base.Base
	if !oldBase { // it need not be written again with the next copy
		s.mu.Lock()
		if s.bases == nil {
			s.bases = map[string]weak.Pointer[workspace.PurgeBase]{}
		}
		s.bases[namespace] = weak.Make(base.Base)
		s.mu.Unlock()
	}
	return w, old || oldBase, nil
}

// domain returns the copy of a claim.
func (s *spool) domain(ctx context.Context, name string) (d workspace.Domain, ok bool) {
	data, _ := s.read(ctx, domainKey(name))
	if data == nil {
		return d, false
	}
	if err := json.Unmarshal(data, &d); err != nil {
		s.log.Error("a domain's last known copy can't be used", "domain", name, "err", err)
		return d, false
	}
	return d, true
}

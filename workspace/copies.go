package workspace

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Copies keeps, on this machine, the last known copies of what was read from a store
// that is elsewhere, for when that store can't be reached. It is safe for concurrent
// use.
type Copies interface {
	// Copy returns what was kept of a kind under a key; nil is nothing.
	Copy(ctx context.Context, kind, key string) ([]byte, error)
	// Keep makes changes in their order, all or none.
	Keep(ctx context.Context, changes []CopyChange) error
}

// A CopyChange puts a copy in its place, or removes copies.
type CopyChange struct {
	Kind, Key string
	Namespace string // that the copy is of
	Data      []byte // nil removes the copy; where Key is empty, all of Kind and Namespace; where Kind is empty, all
}

// The kinds of copies.
const (
	copyWorkspace = "workspace" // by namespace
	copyKey       = "key"       // by hash
	copyPurges    = "purges"    // by workspace ID
	copyDomain    = "domain"    // by name
	copyCursor    = "cursor"    // one, of the feed
)

const (
	flushEvery  = time.Second
	copyTimeout = 2 * time.Second // of reading one
)

// A Spool writes copies behind what needs them: a request never waits for the disk to
// take one. All that follows one feed shares one, so that what was changed is gone from
// the disk no later than the cursor behind it is there. It is safe for concurrent use;
// nil is a Spool that keeps nothing.
type Spool struct {
	copies Copies
	codec  *Codec
	log    *slog.Logger

	mu      sync.Mutex // guards pending
	pending []pendingCopy
}

// NewSpool returns a Spool into copies, in which codec encrypts secrets. A nil log is
// slog.Default.
func NewSpool(copies Copies, codec *Codec, log *slog.Logger) *Spool {
	if log == nil {
		log = slog.Default()
	}
	return &Spool{copies: copies, codec: codec, log: log}
}

// A pendingCopy is a change whose data is written only when it is flushed.
type pendingCopy struct {
	CopyChange
	value any // to be encoded; nil removes
}

func (s *Spool) add(p pendingCopy) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, p)
}

// put keeps a copy of a value, which nobody changes any more.
func (s *Spool) put(kind, key, namespace string, value any) {
	s.add(pendingCopy{CopyChange{Kind: kind, Key: key, Namespace: namespace}, value})
}

func (s *Spool) remove(kind, key string) {
	s.add(pendingCopy{CopyChange{Kind: kind, Key: key}, nil})
}

// removeAll removes the copies of a kind that are of a namespace.
func (s *Spool) removeAll(kind, namespace string) {
	s.add(pendingCopy{CopyChange{Kind: kind, Namespace: namespace}, nil})
}

// wipe removes everything.
func (s *Spool) wipe() { s.add(pendingCopy{}) }

// run flushes until the context ends, and then once more.
func (s *Spool) run(ctx context.Context) {
	if s == nil {
		return
	}
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.flush(ctx)
		case <-ctx.Done():
			s.flush(context.WithoutCancel(ctx))
			return
		}
	}
}

// flush writes what is pending.
func (s *Spool) flush(ctx context.Context) {
	s.mu.Lock()
	pending := s.pending
	s.pending = nil
	s.mu.Unlock()
	if len(pending) == 0 {
		return
	}
	changes := make([]CopyChange, 0, len(pending))
	for _, p := range pending {
		if p.value != nil {
			data, err := s.encode(p.value)
			if err != nil {
				s.log.Error("a workspace's last known copy can't be written", "namespace", p.Namespace, "err", err)
				continue
			}
			p.Data = data
		}
		changes = append(changes, p.CopyChange)
	}
	if err := s.copies.Keep(ctx, changes); err != nil {
		s.log.Error("the last known copies of workspaces can't be written: a start while the store is down would not find them", "err", err)
	}
}

func (s *Spool) encode(value any) ([]byte, error) {
	if w, ok := value.(*Workspace); ok {
		return s.codec.Marshal(w)
	}
	return json.Marshal(value)
}

// read reads the copy of a kind under a key into a value, and reports whether there is
// one.
func (s *Spool) read(ctx context.Context, kind, key string, into any) bool {
	if s == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	data, err := s.copies.Copy(ctx, kind, key)
	if err == nil && data == nil {
		return false
	}
	if err == nil {
		if w, ok := into.(**Workspace); ok {
			*w, err = s.codec.Unmarshal(data)
		} else {
			err = json.Unmarshal(data, into)
		}
	}
	if err != nil {
		s.log.Error("a last known copy can't be read", "kind", kind, "err", fmt.Errorf("%s: %w", kind, err))
	}
	return err == nil
}

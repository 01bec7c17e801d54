package workspace

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"
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
	flushEvery  = time.Second
	copyTimeout = 2 * time.Second // of reading one
)

// A spool writes copies behind what needs them: a request never waits for the disk to
// take one. They are written in the order in which they came, so that what was changed
// is gone from the disk no later than the cursor that knows of the change is there. It
// is safe for concurrent use; nil is a spool that keeps nothing.
type spool struct {
	copies Copies
	codec  *Codec
	log    *slog.Logger

	mu      sync.Mutex // guards pending
	pending []pendingCopy
}

// A pendingCopy is a change whose data is written only when it is flushed.
type pendingCopy struct {
	CopyChange
	w *Workspace // to be encoded; nil is Data
}

// A copied is a workspace as it is kept.
type copied struct {
	Workspace json.RawMessage `json:"workspace"` // as the store has it
	Purges    PurgeLog        `json:"purges"`
}

func (s *spool) add(p pendingCopy) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, p)
}

// put keeps a copy of a workspace, which nobody changes any more.
func (s *spool) put(w *Workspace) { s.add(pendingCopy{CopyChange{Key: w.Namespace}, w}) }

func (s *spool) remove(namespace string) { s.add(pendingCopy{CopyChange{Key: namespace}, nil}) }

// putDomain keeps a copy of a claim, which is verified.
func (s *spool) putDomain(d Domain) {
	if s == nil {
		return
	}
	data, err := json.Marshal(d)
	if err != nil {
		s.log.Error("a domain's last known copy can't be written", "domain", d.Name, "err", err)
		return
	}
	s.add(pendingCopy{CopyChange{Key: domainKey(d.Name), Data: data}, nil})
}

func (s *spool) removeDomain(name string) { s.add(pendingCopy{CopyChange{Key: domainKey(name)}, nil}) }

// wipe removes everything.
func (s *spool) wipe() { s.add(pendingCopy{}) }

func (s *spool) setCursor(cursor string) {
	s.add(pendingCopy{CopyChange{Key: cursorKey, Data: []byte(cursor)}, nil})
}

// run flushes until the context ends, and then once more.
func (s *spool) run(ctx context.Context) {
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
func (s *spool) flush(ctx context.Context) {
	s.mu.Lock()
	pending := s.pending
	s.pending = nil
	s.mu.Unlock()
	if len(pending) == 0 {
		return
	}
	changes := make([]CopyChange, 0, len(pending))
	for _, p := range pending {
		if p.w != nil {
			var err error
			if p.Data, err = s.encode(p.w); err != nil {
				s.log.Error("a workspace's last known copy can't be written", "workspace", p.Key, "err", err)
				continue
			}
		}
		changes = append(changes, p.CopyChange)
	}
	if err := s.copies.Keep(ctx, changes); err != nil {
		s.log.Error("the last known copies of workspaces can't be written: a start while the store is down would not find them", "err", err)
	}
}

func (s *spool) encode(w *Workspace) ([]byte, error) {
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
func (s *spool) workspace(ctx context.Context, namespace string) *Workspace {
	data := s.read(ctx, namespace)
	if data == nil {
		return nil
	}
	var c copied
	err := json.Unmarshal(data, &c)
	if err == nil {
		var w *Workspace
		if w, err = s.codec.Unmarshal(c.Workspace); err == nil {
			w.Purges = c.Purges
			return w
		}
	}
	s.log.Error("a workspace's last known copy can't be used", "workspace", namespace, "err", err)
	return nil
}

// domain returns the copy of a claim.
func (s *spool) domain(ctx context.Context, name string) (d Domain, ok bool) {
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

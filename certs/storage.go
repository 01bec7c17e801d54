package certs

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

// A Sealer encrypts what is stored. [workspace.Codec] is one.
type Sealer interface {
	Seal(id, place, secret string) string
	Open(id, place, text string) (string, error)
	Newest(text string) bool // whether it is encrypted with the key that encrypts now
}

// Disk returns storage in the folder certs of the data folder, which only this user can read.
// Servers on one machine may share it.
func Disk(data string, by Sealer) certmagic.Storage {
	return sealed{&certmagic.FileStorage{Path: filepath.Join(data, "certs")}, by}
}

// Shared returns storage in a store that servers share. Locks are leases: where a server that
// has one ends, another gets it half a minute later.
func Shared(records account.Records, by Sealer) certmagic.Storage {
	return sealed{&shared{records: records, owner: rand.Text(), held: map[string]*lease{}}, by}
}

// Reseal encrypts with the newest key what isn't, and returns how much it wrote. The storage
// must be one of Disk or Shared.
func Reseal(ctx context.Context, storage certmagic.Storage) (written int, err error) {
	s, ok := storage.(sealed)
	if !ok {
		return 0, errors.New("the storage of certificates isn't encrypted")
	}
	keys, err := s.List(ctx, "", true)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	for _, key := range keys {
		if err != nil {
			break
		}
		info, e := s.Stat(ctx, key)
		if e != nil || !info.IsTerminal || strings.HasPrefix(key, "locks/") {
			continue
		}
		text, e := s.Storage.Load(ctx, key)
		if errors.Is(e, fs.ErrNotExist) || e == nil && s.by.Newest(string(text)) { // deleted in the meantime, or done
			continue
		}
		value, e := s.Load(ctx, key)
		if e == nil {
			e = s.Store(ctx, key, value)
			written++
		}
		err = e
	}
	return written, err
}

// A sealed storage encrypts values: private keys of certificates and accounts are among them.
// The place of a value is its key, so that a value can't be put under another.
type sealed struct {
	certmagic.Storage
	by Sealer
}

const sealID = "certs"

func (s sealed) Store(ctx context.Context, key string, value []byte) error {
	return s.Storage.Store(ctx, key, []byte(s.by.Seal(sealID, key, string(value))))
}

func (s sealed) Load(ctx context.Context, key string) ([]byte, error) {
	text, err := s.Storage.Load(ctx, key)
	if err != nil {
		return nil, err
	}
	value, err := s.by.Open(sealID, key, string(text))
	return []byte(value), err
}

// Groups of records.
const (
	storageGroup = "certs"
	lockGroup    = "certs-locks"
)

// leaseFor is how long a lock holds if its owner is gone. It is renewed at a third of it.
const leaseFor = 30 * time.Second

// lockPoll is the time between two tries to get a lock.
const lockPoll = 500 * time.Millisecond

// tries is how often a write is tried that another server comes before.
const tries = 10

// shared keeps values as records of a store.
type shared struct {
	records account.Records
	owner   string

	mu   sync.Mutex
	held map[string]*lease
}

// A stored is the Data of a record.
type stored struct {
	Value    string    `json:"value"`
	Modified time.Time `json:"modified"`
}

// A lease is a lock that this server has.
type lease struct {
	stop   context.CancelFunc
	ended  chan struct{}
	record account.Record // the last one written, once ended is closed
}

func (s *shared) String() string { return "the store" }

// Store implements [certmagic.Storage].
func (s *shared) Store(ctx context.Context, key string, value []byte) error {
	data, err := json.Marshal(stored{string(value), time.Now().UTC()})
	if err != nil {
		return err
	}
	return s.retry(ctx, key, func(r account.Record) []account.Write {
		r.Data = data
		return []account.Write{{Record: r}}
	})
}

// retry writes what change makes of the record of a key, which has version 0 where there is
// none, until nobody comes between.
func (s *shared) retry(ctx context.Context, key string, change func(account.Record) []account.Write) (err error) {
	for range tries {
		r, e := s.records.Record(ctx, storageGroup, key)
		if e != nil && !errors.Is(e, workspace.ErrNotFound) {
			return e
		}
		writes := change(account.Record{Group: storageGroup, Name: key, Version: r.Version})
		if len(writes) == 0 {
			return nil
		}
		if err = s.records.WriteRecords(ctx, writes); !errors.Is(err, workspace.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("writing %s: %w", key, err)
}

// Load implements [certmagic.Storage].
func (s *shared) Load(ctx context.Context, key string) ([]byte, error) {
	v, err := s.load(ctx, key)
	return []byte(v.Value), err
}

func (s *shared) load(ctx context.Context, key string) (v stored, err error) {
	r, err := s.records.Record(ctx, storageGroup, key)
	if errors.Is(err, workspace.ErrNotFound) {
		return v, fs.ErrNotExist
	}
	if err == nil {
		err = json.Unmarshal(r.Data, &v)
	}
	return v, err
}

// Delete implements [certmagic.Storage].
func (s *shared) Delete(ctx context.Context, key string) error {
	keys, err := s.below(ctx, key)
	for _, k := range append(keys, key) {
		if err != nil {
			return err
		}
		err = s.retry(ctx, k, func(r account.Record) []account.Write {
			if r.Version == 0 {
				return nil
			}
			return []account.Write{{Record: r, Delete: true}}
		})
	}
	return err
}

// below returns the keys that values have under a folder.
func (s *shared) below(ctx context.Context, folder string) (keys []string, err error) {
	const page = 200
	prefix := folder + "/"
	if folder == "" {
		prefix = ""
	}
	for after := prefix; ; {
		list, err := s.records.Records(ctx, storageGroup, after, page)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			if !strings.HasPrefix(r.Name, prefix) {
				return keys, nil
			}
			keys = append(keys, r.Name)
			after = r.Name
		}
		if len(list) < page {
			return keys, nil
		}
	}
}

// Exists implements [certmagic.Storage].
func (s *shared) Exists(ctx context.Context, key string) bool {
	_, err := s.Stat(ctx, key)
	return err == nil
}

// List implements [certmagic.Storage].
func (s *shared) List(ctx context.Context, folder string, recursive bool) (list []string, err error) {
	folder = strings.Trim(folder, "/")
	keys, err := s.below(ctx, folder)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fs.ErrNotExist
	}
	seen := map[string]bool{}
	for _, key := range keys {
		rest := strings.TrimPrefix(strings.TrimPrefix(key, folder), "/")
		at := folder
		for part := range strings.SplitSeq(rest, "/") {
			if at = path.Join(at, part); !seen[at] {
				seen[at] = true
				list = append(list, at)
			}
			if !recursive {
				break
			}
		}
	}
	return list, nil
}

// Stat implements [certmagic.Storage].
func (s *shared) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	v, err := s.load(ctx, key)
	if err == nil {
		return certmagic.KeyInfo{Key: key, Modified: v.Modified, Size: int64(len(v.Value)), IsTerminal: true}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return certmagic.KeyInfo{}, err
	}
	list, err := s.records.Records(ctx, storageGroup, key+"/", 1)
	if err == nil && (len(list) == 0 || !strings.HasPrefix(list[0].Name, key+"/")) {
		err = fs.ErrNotExist
	}
	return certmagic.KeyInfo{Key: key}, err
}

// Lock implements [certmagic.Locker].
func (s *shared) Lock(ctx context.Context, name string) error {
	data, err := json.Marshal(stored{Value: s.owner, Modified: time.Now().UTC()})
	if err != nil {
		return err
	}
	r := account.Record{Group: lockGroup, Name: name, Data: data}
	for {
		r.Expires = time.Now().Add(leaseFor)
		err := s.records.WriteRecords(ctx, []account.Write{{Record: r}})
		if err == nil {
			break
		}
		if !errors.Is(err, workspace.ErrConflict) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPoll):
		}
	}
	r.Version++
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &lease{stop: stop, ended: make(chan struct{}), record: r}
	go s.keep(renewing, l)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[name] = l
	return nil
}

// keep renews a lease until ctx ends, or it is lost.
func (s *shared) keep(ctx context.Context, l *lease) {
	defer close(l.ended)
	tick := time.NewTicker(leaseFor / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r := l.record
		r.Expires = time.Now().Add(leaseFor)
		switch err := s.records.WriteRecords(ctx, []account.Write{{Record: r}}); {
		case err == nil:
			r.Version++
			l.record = r
		case errors.Is(err, workspace.ErrConflict):
			return
		}
	}
}

// Unlock implements [certmagic.Locker].
func (s *shared) Unlock(ctx context.Context, name string) error {
	s.mu.Lock()
	l := s.held[name]
	delete(s.held, name)
	s.mu.Unlock()
	if l == nil {
		return fmt.Errorf("the lock %s isn't held", name)
	}
	l.stop()
	<-l.ended
	err := s.records.WriteRecords(ctx, []account.Write{{Record: l.record, Delete: true}})
	if errors.Is(err, workspace.ErrConflict) {
		return nil // the lease was lost, or a renewal was cut off: it ends by itself
	}
	return err
}

// Package lease says which of several servers does what one of them must do: it holds a record
// of the store, and renews it.
//
// For most uses, make a [Lease] and call [Lease.Take] before each piece of work.
//
// No clock of another server counts. A server takes a lease over when it has seen no renewal for
// as long as a lease lasts, so a wrong clock takes it from nobody. Two servers may still believe
// for a moment that they have it, as where one was stopped and goes on: each piece of work must
// hold once, by the versions of what it writes.
package lease

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

// group is that of all leases.
const group = "leases"

// A Lease is a server's view of one. Make it by [New]. It is safe for concurrent use.
type Lease struct {
	store account.Records
	name  string
	lasts time.Duration
	now   func() time.Time
	owner json.RawMessage

	mu   sync.Mutex
	seen account.Record // as it was when this server last looked
	at   time.Time      // when it was first seen so; zero before the first look
	mine bool
}

// New returns a lease by its name. It lasts so long without a renewal: let Take be called
// three times as often.
func New(store account.Records, name string, lasts time.Duration, now func() time.Time) *Lease {
	owner, err := json.Marshal(rand.Text())
	if err != nil {
		panic(err) // a string always marshals
	}
	return &Lease{store: store, name: name, lasts: lasts, now: now, owner: owner}
}

// Take takes or renews the lease, and reports whether this server has it. It reads the store
// each time, and writes it when half of the time is over. The error is the store's.
func (l *Lease) Take(ctx context.Context) (mine bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, err := l.store.Record(ctx, group, l.name)
	if errors.Is(err, workspace.ErrNotFound) {
		r, err = account.Record{Group: group, Name: l.name}, nil
	}
	if err != nil {
		return false, err
	}
	now := l.now()
	if l.at.IsZero() || r.Version != l.seen.Version || now.Before(l.at) {
		l.seen, l.at, l.mine = r, now, false
	}
	ours := string(r.Data) == string(l.owner)
	switch age := now.Sub(l.at); {
	case ours && l.mine && age < l.lasts/2:
		return true, nil
	case r.Version > 0 && !ours && age < l.lasts:
		return false, nil
	}
	r.Data, r.Expires = l.owner, time.Time{}
	if err := l.store.WriteRecords(ctx, []account.Write{{Record: r}}); errors.Is(err, workspace.ErrConflict) {
		l.mine = false
		return false, nil
	} else if err != nil {
		return false, err
	}
	r.Version++
	l.seen, l.at, l.mine = r, now, true
	return true, nil
}

// Release gives the lease to who asks next, if this server has it. Call it when the server
// ends, also where ctx has ended. It takes two seconds at most.
func (l *Lease) Release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.mine {
		return nil
	}
	l.mine = false
	err := l.store.WriteRecords(ctx, []account.Write{{Record: account.Record{Group: group, Name: l.name, Version: l.seen.Version}, Delete: true}})
	if errors.Is(err, workspace.ErrConflict) {
		return nil // another one has it
	}
	return err
}

package lease

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

// How members are kept.
const (
	memberLasts  = 30 * time.Second // without a renewal
	memberLooks  = 5 * time.Second  // between looks
	memberGone   = 24 * time.Hour   // after which the store drops a record that nobody renews; longer than a clock is wrong
	memberPage   = 100              // records of one read
	mostMembers  = 1000             // others are left out
	memberWithin = 10 * time.Second // of one look
)

// A Member is a server of a group.
type Member struct {
	Name    string `json:"-"`       // new with every start
	Address string `json:"address"` // HOST:PORT, where the others reach it
}

// Members are the servers of a group. Each keeps a record in the store, and renews it. Make them by
// [NewMembers]. They are safe for concurrent use.
//
// As with a [Lease], no clock of another server counts: a server has left when its record is gone,
// or when this one has seen no renewal for 30 s. While the store fails, the members stay as they
// were: it can't say who has gone.
type Members struct {
	store account.Records
	group string
	self  Member
	data  json.RawMessage // of self
	now   func() time.Time
	log   *slog.Logger

	list atomic.Pointer[[]Member]

	mu      sync.Mutex // guards all fields below, and is held while the store is asked
	version int64      // of our record; 0 is none
	renewed time.Time
	looked  time.Time
	seen    map[string]sighting
	left    bool
	failing bool
}

// A sighting is a record as it was seen first.
type sighting struct {
	version int64
	at      time.Time
}

// NewMembers returns the members of a group, with this server as self. Nobody sees it before the
// first Look.
func NewMembers(store account.Records, group string, self Member, now func() time.Time, log *slog.Logger) *Members {
	data, err := json.Marshal(self)
	if err != nil {
		panic(err) // strings always marshal
	}
	m := &Members{store: store, group: "members." + group, self: self, data: data, now: now, log: log, seen: map[string]sighting{}}
	m.list.Store(&[]Member{self})
	return m
}

// Self is this server.
func (m *Members) Self() Member { return m.self }

// List returns the members, sorted by name. It reads memory only. Nobody may change the slice.
func (m *Members) List() []Member { return *m.list.Load() }

// Run looks every five seconds until the context ends.
func (m *Members) Run(ctx context.Context) {
	again := time.NewTicker(memberLooks)
	defer again.Stop()
	for {
		err := m.Look(ctx)
		m.mu.Lock()
		began := err != nil && !m.failing
		m.failing = err != nil
		m.mu.Unlock()
		if began && ctx.Err() == nil {
			m.log.Warn("the other servers can't be looked up; going by those that are known", "err", err)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

// Look renews this server's record every ten seconds, and finds out who the others are. The error
// is the store's.
func (m *Members) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, memberWithin)
	defer cancel()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left {
		return nil
	}
	if err := m.renew(ctx); err != nil {
		return err
	}
	var all []account.Record
	for after := ""; len(all) < mostMembers; {
		page, err := m.store.Records(ctx, m.group, after, memberPage)
		if err != nil {
			return err
		}
		all = append(all, page...)
		if len(page) < memberPage {
			break
		}
		after = page[len(page)-1].Name
	}
	m.judge(all)
	return nil
}

// renew writes this server's record when a third of its time is over. The caller holds mu.
func (m *Members) renew(ctx context.Context) error {
	now := m.now()
	if age := now.Sub(m.renewed); m.version > 0 && age >= 0 && age < memberLasts/3 {
		return nil
	}
	r := account.Record{Group: m.group, Name: m.self.Name, Version: m.version, Expires: now.Add(memberGone), Data: m.data}
	err := m.store.WriteRecords(ctx, []account.Write{{Record: r}})
	if errors.Is(err, workspace.ErrConflict) { // the store has dropped it, or an earlier write went through after all
		have, found := m.store.Record(ctx, m.group, m.self.Name)
		switch {
		case errors.Is(found, workspace.ErrNotFound):
			r.Version = 0
		case found != nil:
			return found
		default:
			r.Version = have.Version
		}
		err = m.store.WriteRecords(ctx, []account.Write{{Record: r}})
	}
	if err != nil {
		return err
	}
	m.version, m.renewed = r.Version+1, now
	return nil
}

// judge says who of the records is a member. The caller holds mu.
func (m *Members) judge(all []account.Record) {
	now := m.now()
	// Nobody could be seen renewing while this server was stopped or the store failed.
	if gap := now.Sub(m.looked); !m.looked.IsZero() && (gap > memberLasts/2 || gap < 0) {
		for name, s := range m.seen {
			s.at = s.at.Add(gap)
			m.seen[name] = s
		}
	}
	m.looked = now
	seen := map[string]sighting{}
	list := []Member{m.self}
	for _, r := range all {
		if r.Name == m.self.Name {
			continue
		}
		s, ok := m.seen[r.Name]
		if !ok || s.version != r.Version {
			s = sighting{r.Version, now}
		}
		seen[r.Name] = s
		of := Member{Name: r.Name}
		if now.Sub(s.at) < memberLasts && json.Unmarshal(r.Data, &of) == nil && of.Address != "" {
			list = append(list, of)
		}
	}
	m.seen = seen
	slices.SortFunc(list, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	m.list.Store(&list)
}

// Leave takes this server out of the group, also where ctx has ended, in two seconds at most. Later
// calls do nothing.
func (m *Members) Leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left {
		return nil
	}
	m.left = true
	if m.version == 0 {
		return nil
	}
	r := account.Record{Group: m.group, Name: m.self.Name, Version: m.version}
	err := m.store.WriteRecords(ctx, []account.Write{{Record: r, Delete: true}})
	if errors.Is(err, workspace.ErrConflict) {
		return nil // the store has dropped it
	}
	return err
}

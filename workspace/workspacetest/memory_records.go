package workspacetest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
)

// records is what Memory keeps beside workspaces. Memory.mu guards it.
type records struct {
	keys    map[[32]byte]*workspace.APIKey
	deleted map[string][]workspace.Deletion    // by namespace, the oldest first
	trails  map[trailOf][]workspace.AuditEntry // the oldest first
	tallies map[string]knownTally              // by ID of tallies
	usage   map[usageOf]*workspace.Usage
	purges  map[string]workspace.PurgeLog // by workspace ID
	leases  map[leaseOf]int64             // tokens that were handed out
	answers map[string]kept
	people  map[[2]string]account.Record // by group and name
	errors  map[errorsOf][]workspace.ErrorCount
}

type (
	trailOf struct {
		workspaceID string
		trail       workspace.Trail
	}
	usageOf  struct{ workspaceID, day, operation, source string }
	errorsOf struct{ workspaceID, day, part string }
	leaseOf  struct {
		key    string
		window limit.Window
		start  time.Time
	}
	kept struct {
		workspace.Answer
		until time.Time
	}
)

func newRecords() records {
	return records{
		keys: map[[32]byte]*workspace.APIKey{}, deleted: map[string][]workspace.Deletion{}, trails: map[trailOf][]workspace.AuditEntry{}, tallies: map[string]knownTally{},
		usage: map[usageOf]*workspace.Usage{}, purges: map[string]workspace.PurgeLog{}, leases: map[leaseOf]int64{}, answers: map[string]kept{}, people: map[[2]string]account.Record{},
		errors: map[errorsOf][]workspace.ErrorCount{},
	}
}

// lock takes m.mu, unless the context has ended.
func (m *Memory) lock(ctx context.Context) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	return m.mu.Unlock, nil
}

// CreateAPIKey implements [workspace.APIKeys].
func (m *Memory) CreateAPIKey(ctx context.Context, k *workspace.APIKey, audit ...workspace.AuditEntry) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if m.keys[k.Hash] != nil || m.key(k.WorkspaceID, k.ID) != nil {
		return workspace.ErrKeyExists
	}
	live := 0
	for _, other := range m.keys {
		if other.WorkspaceID == k.WorkspaceID && other.Live(m.now()) {
			live++
		}
	}
	if live >= workspace.MaxAPIKeys {
		return workspace.ErrTooManyKeys
	}
	m.keys[k.Hash] = k.Clone()
	m.record(workspace.ChangedKeys, k.Namespace)
	m.appendAudit(k.WorkspaceID, audit)
	return nil
}

func (m *Memory) key(workspaceID, id string) *workspace.APIKey {
	for _, k := range m.keys {
		if k.WorkspaceID == workspaceID && k.ID == id {
			return k
		}
	}
	return nil
}

// APIKey implements [workspace.APIKeys].
func (m *Memory) APIKey(ctx context.Context, hash [32]byte) (*workspace.APIKey, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	k := m.keys[hash]
	if k == nil || k.Forgotten(m.now()) {
		return nil, workspace.ErrKeyNotFound
	}
	k = k.Clone()
	k.LastUsedAt, k.TotalRequests, k.TotalErrors = time.Time{}, 0, 0
	return k, nil
}

// APIKeys implements [workspace.APIKeys].
func (m *Memory) APIKeys(ctx context.Context, workspaceID string) ([]*workspace.APIKey, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var list []*workspace.APIKey
	for _, k := range m.keys {
		if k.WorkspaceID == workspaceID && !k.Forgotten(m.now()) && (k.RevokedAt.IsZero() || m.now().Sub(k.RevokedAt) < workspace.RevokedFor) {
			list = append(list, k.Clone())
		}
	}
	slices.SortFunc(list, func(a, b *workspace.APIKey) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// RevokeAPIKey implements [workspace.APIKeys].
func (m *Memory) RevokeAPIKey(ctx context.Context, workspaceID, id string, at time.Time, audit ...workspace.AuditEntry) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	k := m.key(workspaceID, id)
	if k == nil || k.Forgotten(m.now()) {
		return workspace.ErrKeyNotFound
	}
	if k.RevokedAt.IsZero() {
		k.RevokedAt = at.UTC().Truncate(time.Microsecond)
		m.record(workspace.ChangedKeys, k.Namespace)
		m.appendAudit(workspaceID, audit)
	}
	return nil
}

// appendAudit appends entries. Entries without a workspace get workspaceID. m.mu is held.
func (m *Memory) appendAudit(workspaceID string, entries []workspace.AuditEntry) {
	grown := map[trailOf]bool{}
	for _, e := range entries {
		e = e.Stamped(workspaceID, m.now())
		k := trailOf{e.WorkspaceID, e.Trail}
		e.Before, e.After = bytes.Clone(e.Before), bytes.Clone(e.After)
		m.trails[k] = append(m.trails[k], e)
		grown[k] = true
	}
	for k := range grown {
		slices.SortFunc(m.trails[k], func(a, b workspace.AuditEntry) int { return cmp.Compare(a.ID, b.ID) })
	}
}

// AppendAudit implements [workspace.AuditLog].
func (m *Memory) AppendAudit(ctx context.Context, entries ...workspace.AuditEntry) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	m.appendAudit("", entries)
	return nil
}

// Audit implements [workspace.AuditLog].
func (m *Memory) Audit(ctx context.Context, workspaceID string, trail workspace.Trail, before string, limit int) ([]workspace.AuditEntry, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var list []workspace.AuditEntry
	since := workspace.AuditSince(m.now().Add(-workspace.AuditKept))
	for _, e := range slices.Backward(m.trails[trailOf{workspaceID, trail}]) {
		if (before == "" || e.ID < before) && e.ID >= since && len(list) < limit {
			list = append(list, e)
		}
	}
	return list, nil
}

// Deletions implements [workspace.Deletions].
func (m *Memory) Deletions(ctx context.Context, namespace string) ([]workspace.Deletion, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var list []workspace.Deletion
	for _, d := range slices.Backward(m.deleted[namespace]) {
		if time.Since(d.At) < workspace.AuditKept && len(list) < workspace.MaxDeletions {
			list = append(list, d)
		}
	}
	return list, nil
}

// A knownTally is the latest tally of an ID, and until when it is known.
type knownTally struct {
	seq   int64
	until time.Time
}

// AddTally implements [workspace.Counters].
func (m *Memory) AddTally(ctx context.Context, t workspace.Tally) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	maps.DeleteFunc(m.tallies, func(_ string, k knownTally) bool { return m.now().After(k.until) })
	if k, ok := m.tallies[t.ID]; ok && t.Seq <= k.seq {
		return nil
	}
	m.tallies[t.ID] = knownTally{t.Seq, m.now().Add(workspace.TallyKnown)}
	for _, u := range t.Usage {
		k := usageOf{u.WorkspaceID, u.Day, u.Operation, u.Source}
		if have := m.usage[k]; have != nil {
			have.Add(u)
		} else {
			u = u.Clone()
			m.usage[k] = &u
		}
	}
	for _, u := range t.Merged().Keys {
		if k := m.key(u.WorkspaceID, u.ID); k != nil {
			k.TotalRequests += u.Requests
			k.TotalErrors += u.Errors
			k.LastUsedAt = u.LastUsedAt
		}
	}
	return nil
}

// Usage implements [workspace.Counters].
func (m *Memory) Usage(ctx context.Context, workspaceID, from, to string) ([]workspace.Usage, error) {
	list, err := m.UsageInParts(ctx, workspaceID, from, to)
	for i := range list {
		list[i].Countries, list[i].Keys = nil, nil
	}
	return list, err
}

// UsageInParts implements [workspace.Counters].
func (m *Memory) UsageInParts(ctx context.Context, workspaceID, from, to string) ([]workspace.Usage, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var list []workspace.Usage
	for _, u := range m.usage {
		if u.WorkspaceID == workspaceID && u.Day >= from && u.Day <= to {
			list = append(list, u.Clone())
		}
	}
	slices.SortFunc(list, workspace.CompareUsage)
	return list, nil
}

// PutErrors implements [workspace.ImageErrors].
func (m *Memory) PutErrors(ctx context.Context, reports ...workspace.ErrorReport) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, r := range reports {
		m.errors[errorsOf{r.WorkspaceID, r.Day, r.Part}] = slices.Clone(r.Rows)
	}
	return nil
}

// Errors implements [workspace.ImageErrors].
func (m *Memory) Errors(ctx context.Context, workspaceID, from, to string) ([]workspace.ErrorCount, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	from = max(from, m.now().UTC().Add(-workspace.ErrorsKept).Format(time.DateOnly))
	var all []workspace.ErrorCount
	for k, rows := range m.errors {
		if k.workspaceID == workspaceID && k.day >= from && k.day <= to {
			for _, r := range rows {
				r.Day = k.day
				all = append(all, r)
			}
		}
	}
	return workspace.MergeErrors(all), nil
}

// AddPurges implements [workspace.Purges].
func (m *Memory) AddPurges(ctx context.Context, namespace, workspaceID string, _ workspace.PurgeLog, purges []workspace.Purge, audit ...workspace.AuditEntry) (workspace.PurgeLog, []workspace.Widened, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return workspace.PurgeLog{}, nil, err
	}
	defer unlock()
	l, widened := m.purges[workspaceID].Add(purges...)
	m.purges[workspaceID] = l
	m.record(workspace.ChangedPurges, namespace)
	m.appendAudit(workspaceID, workspace.Tell(widened, audit))
	return l, widened, nil
}

// PurgeLog implements [workspace.Purges].
func (m *Memory) PurgeLog(ctx context.Context, workspaceID string, _ workspace.PurgeLog) (workspace.PurgeLog, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return workspace.PurgeLog{}, err
	}
	defer unlock()
	return m.purges[workspaceID], nil
}

// Domain implements [workspace.Domains].
func (m *Memory) Domain(ctx context.Context, name string) (workspace.Domain, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return workspace.Domain{}, err
	}
	defer unlock()
	d, ok := m.domains[name]
	if !ok {
		return workspace.Domain{}, workspace.ErrDomainNotFound
	}
	return d, nil
}

// VerifyDomain implements [workspace.Domains].
func (m *Memory) VerifyDomain(ctx context.Context, name, namespace string, at time.Time, audit ...workspace.AuditEntry) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	w := m.workspaces[namespace]
	if w == nil || !slices.Contains(w.Domains, name) {
		return workspace.ErrDomainNotFound
	}
	at = at.UTC().Truncate(time.Microsecond)
	d := m.domains[name]
	if d.Namespace != namespace {
		if !d.VerifiedAt.IsZero() {
			return workspace.ErrDomainTaken
		}
		d = workspace.Domain{Name: name, Namespace: namespace, WorkspaceID: w.ID, ClaimedAt: at}
	}
	d.VerifiedAt = at
	m.domains[name] = d
	m.record(workspace.ChangedDomains, namespace)
	m.appendAudit(d.WorkspaceID, audit)
	return nil
}

// BeginReplay implements [workspace.Replays].
func (m *Memory) BeginReplay(ctx context.Context, key, fingerprint string) (prior *workspace.Answer, err error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if a, ok := m.answers[key]; ok && m.now().Before(a.until) {
		prior := a.Answer
		prior.Header, prior.Body = maps.Clone(prior.Header), bytes.Clone(prior.Body)
		return &prior, nil
	}
	m.answers[key] = kept{workspace.Answer{Fingerprint: fingerprint}, m.now().Add(workspace.AnswerDue)}
	return nil, nil
}

// FinishReplay implements [workspace.Replays].
func (m *Memory) FinishReplay(ctx context.Context, key string, a workspace.Answer) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	a.Done = true
	a.Header, a.Body = maps.Clone(a.Header), bytes.Clone(a.Body)
	m.answers[key] = kept{a, m.now().Add(workspace.AnswerKept)}
	return nil
}

// ForgetReplay implements [workspace.Replays].
func (m *Memory) ForgetReplay(ctx context.Context, key string) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	delete(m.answers, key)
	return nil
}

// Lease implements [limit.Leases].
func (m *Memory) Lease(ctx context.Context, r limit.Request) (limit.Grant, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return limit.Grant{}, err
	}
	defer unlock()
	start, end := r.Window.Bounds(m.now())
	maps.DeleteFunc(m.leases, func(l leaseOf, _ int64) bool {
		_, over := l.window.Bounds(l.start)
		return m.now().After(over)
	})
	k := leaseOf{r.Key, r.Window, start}
	granted := max(0, min(r.Want, r.Max-m.leases[k]))
	m.leases[k] += granted
	return limit.Grant{Granted: granted, Used: m.leases[k], Start: start, Ends: time.Until(end)}, nil
}

// Return implements [limit.Leases].
func (m *Memory) Return(ctx context.Context, r limit.Request, g limit.Grant, unused int64) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	k := leaseOf{r.Key, r.Window, g.Start}
	if used, ok := m.leases[k]; ok {
		m.leases[k] = max(0, used-min(unused, g.Granted))
	}
	return nil
}

// Record implements [account.Records].
func (m *Memory) Record(ctx context.Context, group, name string) (account.Record, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return account.Record{}, err
	}
	defer unlock()
	r, ok := m.people[[2]string{group, name}]
	if !ok || m.over(r) {
		return account.Record{}, workspace.ErrNotFound
	}
	return r, nil
}

func (m *Memory) over(r account.Record) bool {
	return !r.Expires.IsZero() && !m.now().Before(r.Expires)
}

// Records implements [account.Records].
func (m *Memory) Records(ctx context.Context, group, after string, limit int) (list []account.Record, err error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, r := range m.people {
		if r.Group == group && r.Name > after && !m.over(r) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b account.Record) int { return cmp.Compare(a.Name, b.Name) })
	return list[:min(limit, len(list))], nil
}

// WriteRecords implements [account.Records].
func (m *Memory) WriteRecords(ctx context.Context, writes []account.Write, audit ...workspace.AuditEntry) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, w := range writes {
		is := m.people[[2]string{w.Group, w.Name}]
		if m.over(is) {
			is = account.Record{}
		}
		if is.Version != w.Version || w.Delete && w.Version == 0 {
			return workspace.ErrConflict
		}
	}
	for _, w := range writes {
		k := [2]string{w.Group, w.Name}
		if w.Delete {
			delete(m.people, k)
			continue
		}
		w.Version++
		w.Data = bytes.Clone(w.Data)
		if !w.Expires.IsZero() {
			w.Expires = w.Expires.UTC().Truncate(time.Second)
		}
		m.people[k] = w.Record
	}
	m.appendAudit("", audit)
	return nil
}

// PutRecords implements alert.Store.
func (m *Memory) PutRecords(ctx context.Context, writes ...account.Write) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, w := range writes {
		k := [2]string{w.Group, w.Name}
		if w.Delete {
			delete(m.people, k)
			continue
		}
		w.Version = 1
		w.Data = bytes.Clone(w.Data)
		if !w.Expires.IsZero() {
			w.Expires = w.Expires.UTC().Truncate(time.Second)
		}
		m.people[k] = w.Record
	}
	return nil
}

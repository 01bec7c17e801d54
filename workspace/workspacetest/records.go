package workspacetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
)

// A Store stores everything: workspaces, and what is kept beside them.
type Store interface {
	workspace.Store
	workspace.Domains
	workspace.APIKeys
	workspace.AuditLog
	workspace.Counters
	workspace.ImageErrors
	workspace.Purges
	workspace.Replays
	workspace.Deletions
	limit.Leases
	alert.Store
}

// RunRecords tests what a store keeps beside workspaces. open returns an empty store.
// RunRecords closes it.
func RunRecords(t *testing.T, open func(t *testing.T) Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Store)
	}{
		{"People", testPeople},
		{"Plans", testPlans},
		{"Places", testPlaces},
		{"PutRecords", testPutRecords},
		{"Alerts", testAlerts},
		{"DomainClaims", testDomainClaims},
		{"DomainSquatted", testDomainSquatted},
		{"DomainRace", testDomainRace},
		{"APIKeys", testAPIKeys},
		{"APIKeysAtMost", testAPIKeysAtMost},
		{"APIKeyRevoked", testAPIKeyRevoked},
		{"APIKeyForgotten", testAPIKeyForgotten},
		{"Deleted", testDeleted},
		{"Audit", testAudit},
		{"AuditOfWrites", testAuditOfWrites},
		{"Tallies", testTallies},
		{"UsageRange", testUsageRange},
		{"ImageErrors", testImageErrors},
		{"Purges", testPurges},
		{"PurgesSummedUp", testPurgesSummedUp},
		{"PurgesTogether", testPurgesTogether},
		{"PurgesConcurrent", testPurgesConcurrent},
		{"Leases", testLeases},
		{"LeasesConcurrent", testLeasesConcurrent},
		{"Replays", testReplays},
		{"ReplaysConcurrent", testReplaysConcurrent},
		{"RecordsCancelled", testRecordsCancelled},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			test.run(t, s)
		})
	}
}

// must fails the test on an error.
func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// feed returns a function that returns the changes since its last call.
func feed(t *testing.T, s Store) func() []workspace.Change {
	t.Helper()
	_, cursor, err := s.Changes(t.Context(), "")
	must(t, "Changes", err)
	return func() []workspace.Change {
		t.Helper()
		changes, next, err := s.Changes(t.Context(), cursor)
		must(t, "Changes", err)
		cursor = next
		return changes
	}
}

func testDomainClaims(t *testing.T, s Store) {
	_, err := s.Domain(t.Context(), "a.example.com")
	wantErr(t, "Domain of nobody", err, workspace.ErrDomainNotFound)
	w := create(t, s, "acme", "a.example.com", "b.example.com")
	d, err := s.Domain(t.Context(), "a.example.com")
	must(t, "Domain", err)
	if d.Name != "a.example.com" || d.Namespace != "acme" || d.WorkspaceID != w.ID || d.ClaimedAt.IsZero() || !d.VerifiedAt.IsZero() {
		t.Errorf("claimed: %+v", d)
	}

	changes := feed(t, s)
	at := time.Date(2026, 5, 1, 12, 0, 0, 123456000, time.UTC)
	must(t, "VerifyDomain", s.VerifyDomain(t.Context(), "a.example.com", "acme", at, workspace.AuditEntry{Action: "domain.verify"}))
	want := d
	want.VerifiedAt = at
	d, err = s.Domain(t.Context(), "a.example.com")
	must(t, "Domain", err)
	wantSame(t, "verified", d, want)
	wantSame(t, "changes", changes(), []workspace.Change{{Kind: workspace.ChangedDomains, Namespace: "acme"}})
	entries, err := s.Audit(t.Context(), w.ID, workspace.TrailChanges, "", 10)
	if err != nil || len(entries) != 1 || entries[0].Action != "domain.verify" {
		t.Errorf("audit: %+v, %v", entries, err)
	}
	wantErr(t, "VerifyDomain for another", s.VerifyDomain(t.Context(), "b.example.com", "beta", at), workspace.ErrDomainNotFound)
	wantErr(t, "VerifyDomain of nobody's", s.VerifyDomain(t.Context(), "c.example.com", "acme", at), workspace.ErrDomainNotFound)

	w.Domains = []string{"c.example.com", "a.example.com"}
	must(t, "Update", s.Update(t.Context(), w))
	d, err = s.Domain(t.Context(), "a.example.com")
	must(t, "Domain", err)
	wantSame(t, "a claim that stayed through an update", d, want)
	_, err = s.Domain(t.Context(), "b.example.com")
	wantErr(t, "Domain that was given up", err, workspace.ErrDomainNotFound)

	must(t, "Delete", s.Delete(t.Context(), "acme", 0))
	_, err = s.Domain(t.Context(), "a.example.com")
	wantErr(t, "Domain of a deleted workspace", err, workspace.ErrDomainNotFound)
	anew := create(t, s, "acme", "a.example.com")
	d, err = s.Domain(t.Context(), "a.example.com")
	if err != nil || !d.VerifiedAt.IsZero() || d.WorkspaceID != anew.ID {
		t.Errorf("claimed by a new workspace: %+v, %v", d, err)
	}
}

// A pending claim doesn't keep other workspaces from the name. A verified claim does.
func testDomainSquatted(t *testing.T, s Store) {
	const name = "img.victim.example"
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	is := func(want *workspace.Workspace, verified time.Time) {
		t.Helper()
		d, err := s.Domain(t.Context(), name)
		must(t, "Domain", err)
		if d.Namespace != want.Namespace || d.WorkspaceID != want.ID || !d.VerifiedAt.Equal(verified) || d.ClaimedAt.IsZero() {
			t.Fatalf("%+v, want %s, verified at %v", d, want.Namespace, verified)
		}
	}
	squatter := create(t, s, "squatter", name)
	owner := create(t, s, "owner")
	owner.Domains = []string{name}
	must(t, "Update with a name that another claims", s.Update(t.Context(), owner))
	third := create(t, s, "third", name)
	is(squatter, time.Time{})

	changes := feed(t, s)
	wantErr(t, "VerifyDomain by who claims nothing", s.VerifyDomain(t.Context(), name, "nobody", at), workspace.ErrDomainNotFound)
	must(t, "VerifyDomain", s.VerifyDomain(t.Context(), name, "owner", at, workspace.AuditEntry{Action: "domain.verify"}))
	is(owner, at)
	wantSame(t, "changes", changes(), []workspace.Change{{Kind: workspace.ChangedDomains, Namespace: "owner"}})
	entries, err := s.Audit(t.Context(), owner.ID, workspace.TrailChanges, "", 10)
	if err != nil || len(entries) != 1 {
		t.Errorf("audit: %+v, %v", entries, err)
	}
	wantErr(t, "VerifyDomain of another's", s.VerifyDomain(t.Context(), name, "squatter", at), workspace.ErrDomainTaken)
	late := workspace.New("late")
	late.Domains = []string{name}
	wantErr(t, "Create with another's domain", s.Create(t.Context(), late), workspace.ErrDomainTaken)

	// A workspace that lost the name works as before, whether it still lists the name or
	// not.
	wantSame(t, "workspace that lost a name", get(t, s, "squatter"), squatter)
	squatter.Name = "still listed"
	must(t, "Update", s.Update(t.Context(), squatter))
	squatter.Domains = []string{}
	must(t, "Update that drops a lost name", s.Update(t.Context(), squatter))
	must(t, "Delete of who lost a name", s.Delete(t.Context(), "third", third.Revision))
	is(owner, at)
	squatter.Domains = []string{name}
	wantErr(t, "Update with another's domain", s.Update(t.Context(), squatter), workspace.ErrDomainTaken)

	// After a name was given up, others can claim it.
	owner.Domains = []string{}
	must(t, "Update that gives a verified name up", s.Update(t.Context(), owner))
	_, err = s.Domain(t.Context(), name)
	wantErr(t, "Domain that was given up", err, workspace.ErrDomainNotFound)
	must(t, "Update that claims it", s.Update(t.Context(), squatter))
	is(squatter, time.Time{})
	owner.Domains = []string{name}
	must(t, "Update that claims it too", s.Update(t.Context(), owner))
	must(t, "Delete of the first", s.Delete(t.Context(), "squatter", 0))
	_, err = s.Domain(t.Context(), name)
	wantErr(t, "Domain whose first claim was given up", err, workspace.ErrDomainNotFound)
	must(t, "VerifyDomain by the second", s.VerifyDomain(t.Context(), name, "owner", at))
	is(owner, at)
}

// If many workspaces verify one name at the same time, one gets it. If a name is given up
// and verified at the same time, no claim remains without its workspace.
func testDomainRace(t *testing.T, s Store) {
	const name, claimants = "img.victim.example", 6
	for i := range claimants {
		create(t, s, fmt.Sprintf("ws-%d", i), name)
	}
	var racing sync.WaitGroup
	results := make([]error, claimants)
	for i := range claimants {
		racing.Go(func() { results[i] = s.VerifyDomain(t.Context(), name, fmt.Sprintf("ws-%d", i), time.Now()) })
	}
	racing.Wait()
	winner := slices.Index(results, nil)
	for i, err := range results {
		if i != winner {
			wantErr(t, "VerifyDomain by who was slower", err, workspace.ErrDomainTaken)
		}
	}
	if d, err := s.Domain(t.Context(), name); err != nil || d.Namespace != fmt.Sprintf("ws-%d", winner) {
		t.Fatalf("%d was first: %+v, %v", winner, d, err)
	}

	must(t, "Delete", s.Delete(t.Context(), fmt.Sprintf("ws-%d", winner), 0))
	w, err := s.Get(t.Context(), fmt.Sprintf("ws-%d", (winner+1)%claimants))
	must(t, "Get", err)
	w = w.Clone()
	w.Domains = []string{}
	var verified error
	racing.Go(func() { verified = s.VerifyDomain(t.Context(), name, w.Namespace, time.Now()) })
	racing.Go(func() {
		if err := s.Update(t.Context(), w); err != nil {
			t.Errorf("Update: %v", err)
		}
	})
	racing.Wait()
	if verified != nil {
		wantErr(t, "VerifyDomain of what is being given up", verified, workspace.ErrDomainNotFound)
	}
	_, err = s.Domain(t.Context(), name)
	wantErr(t, "Domain of who gave it up", err, workspace.ErrDomainNotFound)
}

// apiKey returns a key that was made age minutes ago.
func apiKey(workspaceID, id string, age int) *workspace.APIKey {
	made := time.Now().UTC().Truncate(time.Microsecond).Add(-time.Duration(age) * time.Minute)
	return &workspace.APIKey{
		ID: id, WorkspaceID: workspaceID, Namespace: "acme", Hash: sha256.Sum256([]byte(workspaceID + id)), Name: "Key <" + id + ">",
		Scopes: []string{"read", "write"}, CreatedAt: made, ExpiresAt: made.Add(24 * time.Hour),
	}
}

func testAPIKeys(t *testing.T, s Store) {
	changes := feed(t, s)
	old, young, other := apiKey("w1", "zz", 10), apiKey("w1", "aa", 5), apiKey("w2", "zz", 5)
	young.Test, young.ExpiresAt, young.Scopes = true, time.Time{}, []string{}
	must(t, "CreateAPIKey", s.CreateAPIKey(t.Context(), young))
	must(t, "CreateAPIKey", s.CreateAPIKey(t.Context(), old, workspace.AuditEntry{Action: "key.create"}))
	other.Namespace = "beta"
	must(t, "CreateAPIKey", s.CreateAPIKey(t.Context(), other))
	got := changes()
	slices.SortFunc(got, func(a, b workspace.Change) int { return strings.Compare(a.Namespace, b.Namespace) })
	wantSame(t, "changes", got, []workspace.Change{
		{Kind: workspace.ChangedKeys, Namespace: "acme"}, {Kind: workspace.ChangedKeys, Namespace: "beta"}})

	for _, k := range []*workspace.APIKey{old, young, other} {
		found, err := s.APIKey(t.Context(), k.Hash)
		must(t, "APIKey", err)
		wantSame(t, "APIKey", found, k)
	}
	_, err := s.APIKey(t.Context(), sha256.Sum256([]byte("unknown")))
	wantErr(t, "APIKey of an unknown hash", err, workspace.ErrKeyNotFound)
	list, err := s.APIKeys(t.Context(), "w1")
	must(t, "APIKeys", err)
	wantSame(t, "APIKeys", list, []*workspace.APIKey{old, young})
	if list, err := s.APIKeys(t.Context(), "w3"); err != nil || len(list) != 0 {
		t.Errorf("APIKeys of nobody: %v, %v", list, err)
	}
	entries, err := s.Audit(t.Context(), "w1", workspace.TrailChanges, "", 10)
	if err != nil || len(entries) != 1 || entries[0].Action != "key.create" {
		t.Errorf("audit: %+v, %v", entries, err)
	}

	sameID, sameHash := apiKey("w1", "zz", 0), apiKey("w1", "new", 0)
	sameID.Hash, sameHash.Hash = sha256.Sum256([]byte("another")), other.Hash
	for _, k := range []*workspace.APIKey{sameID, sameHash} {
		wantErr(t, "CreateAPIKey again", s.CreateAPIKey(t.Context(), k, workspace.AuditEntry{Action: "refused"}), workspace.ErrKeyExists)
	}
	if list, err := s.APIKeys(t.Context(), "w1"); err != nil || len(list) != 2 {
		t.Errorf("after refused creations: %v, %v", list, err)
	}
	if got := changes(); len(got) != 0 {
		t.Errorf("a refused creation changed %v", got)
	}
	old.Scopes[0], list[0].Scopes[0] = "spoilt", "spoilt"
	if found, err := s.APIKey(t.Context(), old.Hash); err != nil || found.Scopes[0] != "read" {
		t.Errorf("a stored key is shared with its callers: %+v, %v", found, err)
	}
}

func testAPIKeyRevoked(t *testing.T, s Store) {
	k, stays := apiKey("w1", "leaked", 1), apiKey("w1", "good", 0)
	must(t, "CreateAPIKey", s.CreateAPIKey(t.Context(), k))
	must(t, "CreateAPIKey", s.CreateAPIKey(t.Context(), stays))
	changes := feed(t, s)
	wantErr(t, "RevokeAPIKey of another workspace", s.RevokeAPIKey(t.Context(), "w2", "leaked", time.Now()), workspace.ErrKeyNotFound)
	wantErr(t, "RevokeAPIKey of no key", s.RevokeAPIKey(t.Context(), "w1", "nothing", time.Now()), workspace.ErrKeyNotFound)
	at := time.Now().UTC().Truncate(time.Microsecond)
	must(t, "RevokeAPIKey", s.RevokeAPIKey(t.Context(), "w1", "leaked", at, workspace.AuditEntry{Action: "key.revoke"}))
	must(t, "RevokeAPIKey again", s.RevokeAPIKey(t.Context(), "w1", "leaked", at.Add(time.Hour), workspace.AuditEntry{Action: "key.revoke"}))
	k.RevokedAt = at
	found, err := s.APIKey(t.Context(), k.Hash)
	must(t, "APIKey", err)
	wantSame(t, "revoked", found, k)
	list, err := s.APIKeys(t.Context(), "w1")
	must(t, "APIKeys", err)
	wantSame(t, "APIKeys", list, []*workspace.APIKey{k, stays})
	wantSame(t, "changes", changes(), []workspace.Change{{Kind: workspace.ChangedKeys, Namespace: "acme"}})
	entries, err := s.Audit(t.Context(), "w1", workspace.TrailChanges, "", 10)
	if err != nil || len(entries) != 1 {
		t.Errorf("audit: %+v, %v", entries, err)
	}

	must(t, "RevokeAPIKey", s.RevokeAPIKey(t.Context(), "w1", "good", at.Add(-workspace.RevokedFor-time.Hour)))
	list, err = s.APIKeys(t.Context(), "w1")
	must(t, "APIKeys", err)
	wantSame(t, "APIKeys without what was revoked long ago", list, []*workspace.APIKey{k})
}

// Keys that expired or were revoked long ago are forgotten. Others are known.
func testAPIKeyForgotten(t *testing.T, s Store) {
	long, lately := workspace.KeyKept+time.Hour, workspace.KeyKept-time.Hour
	now := time.Now().UTC().Truncate(time.Microsecond)
	for _, tt := range []struct {
		id               string
		expired, revoked time.Duration // ago; 0 means not
		known, listed    bool
	}{
		{"lasting", 0, 0, true, true},
		{"expired-lately", lately, 0, true, true},
		{"expired-long-ago", long, 0, false, false},
		{"revoked-lately", 0, lately, true, false},
		{"revoked-long-ago", 0, long, false, false},
		{"revoked-lately-expired-long-ago", long, lately, false, false},
		{"revoked-long-ago-expired-lately", lately, long, false, false},
		{"revoked-long-ago-not-expired", -time.Hour, long, false, false},
	} {
		k := apiKey("w1", tt.id, 0)
		k.ExpiresAt = time.Time{}
		if tt.expired != 0 {
			k.ExpiresAt = now.Add(-tt.expired)
		}
		must(t, "CreateAPIKey", s.CreateAPIKey(t.Context(), k))
		if tt.revoked != 0 && tt.expired < workspace.KeyKept {
			must(t, "RevokeAPIKey", s.RevokeAPIKey(t.Context(), "w1", tt.id, now.Add(-tt.revoked)))
		}
		var want error
		if !tt.known {
			want = workspace.ErrKeyNotFound
		}
		if _, err := s.APIKey(t.Context(), k.Hash); !errors.Is(err, want) {
			t.Errorf("APIKey %s: %v, want %v", tt.id, err, want)
		}
		list, err := s.APIKeys(t.Context(), "w1")
		must(t, "APIKeys", err)
		listed := slices.ContainsFunc(list, func(l *workspace.APIKey) bool { return l.ID == tt.id })
		if listed != tt.listed {
			t.Errorf("%s is in the list: %v", tt.id, listed)
		}
		if err := s.RevokeAPIKey(t.Context(), "w1", tt.id, now); !errors.Is(err, want) {
			t.Errorf("RevokeAPIKey %s: %v, want %v", tt.id, err, want)
		}
	}
}

// A workspace never has more keys than the limit, also with concurrent requests. Expired
// and revoked keys don't count, and neither do keys of other workspaces.
func testAPIKeysAtMost(t *testing.T, s Store) {
	create := func(workspaceID string, i int, end func(*workspace.APIKey)) error {
		k := apiKey(workspaceID, fmt.Sprint("k", i), 0)
		k.ExpiresAt = time.Time{}
		if end != nil {
			end(k)
		}
		return s.CreateAPIKey(t.Context(), k)
	}
	must(t, "CreateAPIKey", create("w1", 1000, func(k *workspace.APIKey) { k.ExpiresAt = time.Now().Add(-time.Minute) }))
	must(t, "CreateAPIKey", create("w1", 1001, func(k *workspace.APIKey) { k.RevokedAt = time.Now().Add(-time.Minute) }))
	must(t, "CreateAPIKey", create("w1", 1002, func(k *workspace.APIKey) { k.ExpiresAt = time.Now().Add(time.Hour) }))
	for i := range workspace.MaxAPIKeys - 6 {
		must(t, "CreateAPIKey", create("w1", i, nil))
	}
	var making sync.WaitGroup
	var made, refused atomic.Int64
	for i := range 12 {
		making.Go(func() {
			switch err := create("w1", 2000+i, nil); {
			case err == nil:
				made.Add(1)
			case errors.Is(err, workspace.ErrTooManyKeys):
				refused.Add(1)
			default:
				t.Errorf("CreateAPIKey: %v", err)
			}
		})
	}
	making.Wait()
	if made.Load() != 5 || refused.Load() != 7 {
		t.Errorf("with room for 5, %d keys were made and %d refused", made.Load(), refused.Load())
	}
	must(t, "CreateAPIKey", create("w2", 0, nil))
	must(t, "RevokeAPIKey", s.RevokeAPIKey(t.Context(), "w1", "k0", time.Now()))
	must(t, "CreateAPIKey", create("w1", 3000, nil))
	wantErr(t, "CreateAPIKey", create("w1", 3001, nil), workspace.ErrTooManyKeys)
}

// Deleting a workspace revokes its keys. Its logs stay readable.
func testDeleted(t *testing.T, s Store) {
	if list, err := s.Deletions(t.Context(), "acme"); err != nil || len(list) != 0 {
		t.Fatalf("deletions of nobody: %v, %v", list, err)
	}
	var ids []string
	for range 3 {
		w := create(t, s, "acme")
		_, _, err := s.AddPurges(t.Context(), "acme", w.ID, workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgeAll}})
		must(t, "AddPurges", err)
		k, ended := apiKey(w.ID, "k", 2), apiKey(w.ID, "ended", 1)
		must(t, "CreateAPIKey", s.CreateAPIKey(t.Context(), k))
		must(t, "CreateAPIKey", s.CreateAPIKey(t.Context(), ended))
		at := time.Now().UTC().Truncate(time.Microsecond).Add(-time.Minute)
		must(t, "RevokeAPIKey", s.RevokeAPIKey(t.Context(), w.ID, "ended", at))
		wantErr(t, "Delete", s.Delete(t.Context(), "acme", 9), workspace.ErrConflict)
		if found, err := s.APIKey(t.Context(), k.Hash); err != nil || !found.RevokedAt.IsZero() {
			t.Fatalf("a key after a refused Delete: %+v, %v", found, err)
		}
		must(t, "Delete", s.Delete(t.Context(), "acme", 0, workspace.AuditEntry{Action: "delete"}))
		if found, err := s.APIKey(t.Context(), k.Hash); err != nil || time.Since(found.RevokedAt).Abs() > time.Minute {
			t.Errorf("a key of a deleted workspace: %+v, %v", found, err)
		}
		if found, err := s.APIKey(t.Context(), ended.Hash); err != nil || !found.RevokedAt.Equal(at) {
			t.Errorf("a revoked key of a deleted workspace: %+v, %v", found, err)
		}
		if l, err := s.PurgeLog(t.Context(), w.ID, workspace.PurgeLog{}); err != nil || l.Sequence != 1 {
			t.Errorf("its purges, for servers that haven't heard of it yet: %+v, %v", l, err)
		}
		if entries, err := s.Audit(t.Context(), w.ID, workspace.TrailChanges, "", 10); err != nil || len(entries) != 1 {
			t.Errorf("its log: %+v, %v", entries, err)
		}
		ids = append(ids, w.ID)
	}
	create(t, s, "beta")
	must(t, "Delete", s.Delete(t.Context(), "beta", 0))
	list, err := s.Deletions(t.Context(), "acme")
	must(t, "Deletions", err)
	var got []string
	for _, d := range list {
		if time.Since(d.At).Abs() > time.Minute {
			t.Errorf("deleted at %v", d.At)
		}
		got = append([]string{d.WorkspaceID}, got...)
	}
	wantSame(t, "Deletions", got, ids)
}

func testAudit(t *testing.T, s Store) {
	base := time.Now().UTC().Truncate(time.Microsecond).Add(-time.Hour)
	entry := func(i int) workspace.AuditEntry {
		return workspace.AuditEntry{
			WorkspaceID: "w1", Time: base.Add(time.Duration(i) * time.Second), Actor: "key:abc", Action: fmt.Sprint("change-", i),
			Target: "sources/photos", Before: json.RawMessage(`{"name":"a"}`), After: json.RawMessage(`{"name":"b"}`),
			IP: "192.0.2.7", UserAgent: "curl/8 <ünicode>",
		}
	}
	for _, i := range []int{4, 0, 2, 6, 1, 5, 3} {
		must(t, "AppendAudit", s.AppendAudit(t.Context(), entry(i)))
	}
	tooOld := entry(0)
	tooOld.Time, tooOld.Action = time.Now().Add(-workspace.AuditKept-time.Hour), "too old"
	must(t, "AppendAudit", s.AppendAudit(t.Context(),
		workspace.AuditEntry{WorkspaceID: "w2", Action: "another's"},
		workspace.AuditEntry{WorkspaceID: "w1", Trail: workspace.TrailAccess, Action: "GET /v1/workspaces", Status: 403}, tooOld))
	must(t, "AppendAudit of nothing", s.AppendAudit(t.Context()))

	for _, limit := range []int{1, 3, 7, 100} {
		var all []workspace.AuditEntry
		before := ""
		for {
			page, err := s.Audit(t.Context(), "w1", workspace.TrailChanges, before, limit)
			must(t, "Audit", err)
			if len(page) > limit {
				t.Fatalf("a page of %d entries, limit %d", len(page), limit)
			}
			if len(page) == 0 {
				break
			}
			all = append(all, page...)
			before = page[len(page)-1].ID
		}
		if len(all) != 7 {
			t.Fatalf("%d entries by %d, want 7", len(all), limit)
		}
		for i, e := range all {
			want := entry(6 - i)
			want.ID = e.ID
			wantSame(t, "entry", e, want)
		}
	}
	access, err := s.Audit(t.Context(), "w1", workspace.TrailAccess, "", 10)
	if err != nil || len(access) != 1 || access[0].Status != 403 || access[0].Trail != workspace.TrailAccess || access[0].Time.IsZero() {
		t.Errorf("access log: %+v, %v", access, err)
	}

	long := entry(9)
	long.Time, long.UserAgent = time.Time{}, strings.Repeat("ü", 4000)
	long.After = json.RawMessage(`"` + strings.Repeat("x", workspace.MaxAuditDetail) + `"`)
	must(t, "AppendAudit", s.AppendAudit(t.Context(), long))
	page, err := s.Audit(t.Context(), "w1", workspace.TrailChanges, "", 1)
	if err != nil || len(page) != 1 || len(page[0].UserAgent) > 600 || len(page[0].After) > 200 || !json.Valid(page[0].After) {
		t.Errorf("an entry that was too long: %.300v, %v", page, err)
	}
}

func testAuditOfWrites(t *testing.T, s Store) {
	did := func(action string) workspace.AuditEntry { return workspace.AuditEntry{Actor: "root", Action: action} }
	w := workspace.New("acme")
	must(t, "Create", s.Create(t.Context(), w, did("create")))
	wantErr(t, "Create again", s.Create(t.Context(), workspace.New("acme"), did("refused")), workspace.ErrExists)
	stale := w.Clone()
	must(t, "Update", s.Update(t.Context(), w, did("update"), did("update, too")))
	wantErr(t, "Update", s.Update(t.Context(), stale, did("refused")), workspace.ErrConflict)
	wantErr(t, "Delete", s.Delete(t.Context(), "acme", 9, did("refused")), workspace.ErrConflict)
	must(t, "Delete", s.Delete(t.Context(), "acme", 2, did("delete")))
	entries, err := s.Audit(t.Context(), w.ID, workspace.TrailChanges, "", 100)
	must(t, "Audit", err)
	var actions []string
	for _, e := range entries {
		actions = append(actions, e.Action)
	}
	slices.Sort(actions) // entries of one write have the same time
	wantSame(t, "actions", actions, []string{"create", "delete", "update", "update, too"})
}

func testTallies(t *testing.T, s Store) {
	used := apiKey("w1", "used", 0)
	must(t, "CreateAPIKey", s.CreateAPIKey(t.Context(), used))
	at := time.Now().UTC().Truncate(time.Microsecond)
	row := workspace.Usage{WorkspaceID: "w1", Day: "2026-05-01", Operation: "transform", Source: "photos",
		Requests: 10, Hits: 4, Transforms: 5, Errors: 1, BytesIn: 1 << 40, BytesOut: 1 << 41, Units: 2500, Previews: 3,
		Countries: map[string]workspace.Part{"DE": {Requests: 7, Units: 2000}, "NZ": {Requests: 1}, workspace.OtherParts: {Units: 500}},
		Keys:      map[string]workspace.Part{"used": {Requests: 2, Units: 1500}}}
	tally := workspace.Tally{
		ID:    "first",
		Usage: []workspace.Usage{row, row, {WorkspaceID: "w2", Day: "2026-05-01", Operation: "info", Requests: 1}},
		Keys: []workspace.KeyUse{
			{WorkspaceID: "w1", ID: "used", Requests: 10, Errors: 1, LastUsedAt: at},
			{WorkspaceID: "w1", ID: "unknown", Requests: 1, LastUsedAt: at},
		},
	}
	for range 80 { // more rows than some stores write in one step
		tally.Usage = append(tally.Usage, workspace.Usage{WorkspaceID: fmt.Sprint("many-", len(tally.Usage)), Day: "2026-05-01", Operation: "transform", Requests: 1})
	}
	must(t, "AddTally", s.AddTally(t.Context(), tally))
	must(t, "AddTally again", s.AddTally(t.Context(), tally)) // counts once
	tally.ID = "second"
	must(t, "AddTally", s.AddTally(t.Context(), tally))
	must(t, "AddTally of nothing", s.AddTally(t.Context(), workspace.Tally{ID: "third"}))

	// Tallies of a server have one ID, and each is known by its Seq.
	many := workspace.Tally{ID: "server"}
	for i := range 600 {
		many.Usage = append(many.Usage, workspace.Usage{WorkspaceID: fmt.Sprint("more-", i), Day: "2026-05-01", Operation: "transform", Requests: 1})
	}
	for _, seq := range []int64{1, 1, 2, 1, 2, 5} {
		many.Seq = seq
		must(t, "AddTally of a server", s.AddTally(t.Context(), many))
	}
	folder, folds := s.(workspace.Folder)
	fold := func() {
		if folds {
			_, err := folder.Fold(t.Context())
			must(t, "Fold", err)
		}
	}
	wantCounted := func(when string) {
		t.Helper()
		for i := 0; i < 600; i += 37 { // each is some requests
			got, err := s.Usage(t.Context(), fmt.Sprint("more-", i), "2026-05-01", "2026-05-01")
			if err != nil || len(got) != 1 || got[0].Requests != 3 {
				t.Fatalf("%s, row %d: %+v, %v", when, i, got, err)
			}
		}
	}
	wantCounted("before a fold")
	fold()
	wantCounted("after a fold")
	must(t, "AddTally of a server, once more", s.AddTally(t.Context(), many))
	wantCounted("a tally that comes again after a fold")
	fold()
	wantCounted("and is folded")

	want := row.Clone()
	for range 3 {
		want.Add(row)
	}
	more := workspace.Usage{WorkspaceID: "w1", Day: row.Day, Operation: row.Operation, Source: row.Source, Requests: 1,
		Countries: map[string]workspace.Part{"FR": {Requests: 1}}} // later parts join those of before
	must(t, "AddTally", s.AddTally(t.Context(), workspace.Tally{ID: "fourth", Usage: []workspace.Usage{more}}))
	want.Add(more)
	got, err := s.UsageInParts(t.Context(), "w1", "2026-05-01", "2026-05-01")
	must(t, "UsageInParts", err)
	wantSame(t, "UsageInParts", got, []workspace.Usage{want})
	bare := want
	bare.Countries, bare.Keys = nil, nil
	got, err = s.Usage(t.Context(), "w1", "2026-05-01", "2026-05-01")
	must(t, "Usage", err)
	wantSame(t, "Usage", got, []workspace.Usage{bare})
	for i := 3; i < 83; i++ {
		got, err := s.Usage(t.Context(), fmt.Sprint("many-", i), "2026-05-01", "2026-05-01")
		if err != nil || len(got) != 1 || got[0].Requests != 2 {
			t.Fatalf("row %d: %+v, %v", i, got, err)
		}
	}
	used.LastUsedAt, used.TotalRequests, used.TotalErrors = at, 20, 2
	for _, when := range []string{"APIKeys", "APIKeys after a fold"} {
		keys, err := s.APIKeys(t.Context(), "w1")
		must(t, when, err)
		wantSame(t, when, keys, []*workspace.APIKey{used})
		fold()
	}
	want.Add(more)
	must(t, "AddTally, after a fold", s.AddTally(t.Context(), workspace.Tally{ID: "fifth", Usage: []workspace.Usage{more}}))
	for _, when := range []string{"UsageInParts", "UsageInParts after a fold"} {
		got, err = s.UsageInParts(t.Context(), "w1", "2026-05-01", "2026-05-01")
		must(t, when, err)
		wantSame(t, when, got, []workspace.Usage{want})
		fold()
	}
}

func testImageErrors(t *testing.T, s Store) {
	noon := time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)
	day := func(ago int) string { return noon.AddDate(0, 0, -ago).Format(time.DateOnly) }
	row := func(ago int, source string, count int64, paths ...string) workspace.ErrorCount {
		at := noon.AddDate(0, 0, -ago)
		r := workspace.ErrorCount{Day: day(ago), Source: source, Status: 404, Code: "NOT_FOUND", Count: count, FirstSeen: at, LastSeen: at.Add(time.Hour), Samples: []workspace.ErrorSample{}}
		for i, p := range paths {
			r.Samples = append(r.Samples, workspace.ErrorSample{Path: p, Origin: "https://o.example", SeenAt: at.Add(time.Hour - time.Duration(i)*time.Minute)})
		}
		return r
	}
	report := func(id string, part string, rows ...workspace.ErrorCount) workspace.ErrorReport {
		return workspace.ErrorReport{WorkspaceID: id, Day: rows[0].Day, Part: part, Rows: rows}
	}
	first := report("w1", "a", row(1, "photos", 3, "/photos/x.jpg"), row(1, "", 1))
	must(t, "PutErrors", s.PutErrors(t.Context(), first, report("w1", "a", row(0, "photos", 1)), report("w2", "a", row(1, "secret", 9))))
	must(t, "PutErrors again", s.PutErrors(t.Context(), first)) // counts once
	must(t, "PutErrors of another part", s.PutErrors(t.Context(), report("w1", "b", row(1, "photos", 4, "/photos/y.jpg?w=1&h=<2>"))))
	must(t, "PutErrors, later", s.PutErrors(t.Context(), report("w1", "a", row(1, "photos", 5, "/photos/z.jpg"), row(1, "", 2))))
	must(t, "PutErrors of nothing", s.PutErrors(t.Context()))
	both := row(1, "photos", 9, "/photos/y.jpg?w=1&h=<2>", "/photos/z.jpg")
	both.Samples[1].SeenAt = both.Samples[0].SeenAt
	for _, tt := range []struct {
		id, from, to string
		want         []workspace.ErrorCount
	}{
		{"w1", day(1), day(1), []workspace.ErrorCount{both, row(1, "", 2)}},
		{"w1", day(9), day(0), []workspace.ErrorCount{row(0, "photos", 1), both, row(1, "", 2)}},
		{"w1", day(0), day(0), []workspace.ErrorCount{row(0, "photos", 1)}},
		{"w2", day(9), day(0), []workspace.ErrorCount{row(1, "secret", 9)}},
		{"w1", day(9), day(2), nil},
		{"w1", day(0), day(1), nil},
		{"w3", day(9), day(0), nil},
	} {
		got, err := s.Errors(t.Context(), tt.id, tt.from, tt.to)
		must(t, "Errors", err)
		for _, r := range got {
			slices.SortFunc(r.Samples, func(a, b workspace.ErrorSample) int { return strings.Compare(a.Path, b.Path) })
		}
		wantSame(t, fmt.Sprint("Errors ", tt.id, tt.from, tt.to), got, tt.want)
	}
	many := []workspace.ErrorReport{}
	for i := range 60 { // more than some stores write in one step
		many = append(many, report(fmt.Sprint("many-", i), "a", row(1, "photos", int64(i+1))))
	}
	must(t, "PutErrors of many", s.PutErrors(t.Context(), many...))
	for i := range 60 {
		if got, err := s.Errors(t.Context(), fmt.Sprint("many-", i), day(1), day(1)); err != nil || len(got) != 1 || got[0].Count != int64(i+1) {
			t.Fatalf("report %d: %+v, %v", i, got, err)
		}
	}
	old := row(32, "photos", 1)
	must(t, "PutErrors of a day long ago", s.PutErrors(t.Context(), report("w4", "a", old), report("w4", "a", row(30, "photos", 2))))
	if got, err := s.Errors(t.Context(), "w4", day(60), day(0)); err != nil || len(got) != 1 || got[0].Count != 2 {
		t.Errorf("errors are kept for 31 days: %+v, %v", got, err)
	}
}

func testUsageRange(t *testing.T, s Store) {
	tally := workspace.Tally{ID: "t"}
	for _, day := range []string{"2026-05-03", "2026-05-01", "2026-05-02", "2026-12-31"} {
		for _, operation := range []string{"transform", "info"} {
			for _, source := range []string{"photos", "", "a_b-c"} {
				tally.Usage = append(tally.Usage, workspace.Usage{WorkspaceID: "w1", Day: day, Operation: operation, Source: source, Requests: 1, BytesOut: 10, Units: 5, Previews: 1})
			}
		}
	}
	must(t, "AddTally", s.AddTally(t.Context(), tally))
	got, err := s.Usage(t.Context(), "w1", "2026-05-02", "2026-05-03")
	must(t, "Usage", err)
	var rows []string
	for _, u := range got {
		rows = append(rows, u.Day[8:]+" "+u.Operation+" "+u.Source)
	}
	wantSame(t, "Usage", rows, []string{
		"02 info ", "02 info a_b-c", "02 info photos", "02 transform ", "02 transform a_b-c", "02 transform photos",
		"03 info ", "03 info a_b-c", "03 info photos", "03 transform ", "03 transform a_b-c", "03 transform photos",
	})
	long, err := s.Usage(t.Context(), "w1", "2026-01-01", "2026-12-31") // which a store may read in parts
	if err != nil || len(long) != 24 || !slices.IsSortedFunc(long, workspace.CompareUsage) {
		t.Errorf("Usage of a year: %d rows, %v", len(long), err)
	}
	if totals, ok := s.(workspace.Totals); ok {
		for span, want := range map[[2]string]int64{{"2026-05-02", "2026-05-03"}: 12, {"2026-05-01", "2026-12-31"}: 24, {"2026-05-04", "2026-12-30"}: 0, {"2026-05-03", "2026-05-02"}: 0, {"2025-12-01", "2027-01-01"}: 24} {
			if got, err := totals.Total(t.Context(), "w1", span[0], span[1]); err != nil || !reflect.DeepEqual(got, workspace.Usage{WorkspaceID: "w1", Requests: want, BytesOut: 10 * want, Units: workspace.Units(5 * want), Previews: want}) {
				t.Errorf("Total of %v: %+v, %v", span, got, err)
			}
		}
		if got, err := totals.Total(t.Context(), "nobody", "2026-05-01", "2026-12-31"); err != nil || !reflect.DeepEqual(got, workspace.Usage{WorkspaceID: "nobody"}) {
			t.Errorf("Total of nobody: %+v, %v", got, err)
		}
	}
	for _, span := range [][2]string{{"2026-05-04", "2026-12-30"}, {"2026-05-03", "2026-05-02"}} {
		if got, err := s.Usage(t.Context(), "w1", span[0], span[1]); err != nil || len(got) != 0 {
			t.Errorf("Usage from %s to %s: %v, %v", span[0], span[1], got, err)
		}
	}
}

func testPurges(t *testing.T, s Store) {
	l, err := s.PurgeLog(t.Context(), "w1", workspace.PurgeLog{})
	if err != nil || l.Sequence != 0 || len(l.Purges) != 0 {
		t.Fatalf("PurgeLog of nothing: %+v, %v", l, err)
	}
	changes := feed(t, s)
	add := func(p workspace.Purge) {
		t.Helper()
		l, _ = l.Add(p)
		got, widened, err := s.AddPurges(t.Context(), "acme", "w1", workspace.PurgeLog{}, []workspace.Purge{p}, workspace.AuditEntry{Action: "purge"})
		must(t, "AddPurges", err)
		wantSame(t, "AddPurges", got, l)
		if widened != nil {
			t.Errorf("widened: %+v", widened)
		}
	}
	add(workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: "a/ü b.jpg"})
	add(workspace.Purge{Kind: workspace.PurgeMark, Value: "brand"})
	add(workspace.Purge{Kind: workspace.PurgePrefix, Source: "photos", Value: "a/"})
	add(workspace.Purge{Kind: workspace.PurgeSource, Source: "media"})
	got, err := s.PurgeLog(t.Context(), "w1", workspace.PurgeLog{})
	must(t, "PurgeLog", err)
	wantSame(t, "PurgeLog", got, l)
	wantSame(t, "changes", changes(), []workspace.Change{{Kind: workspace.ChangedPurges, Namespace: "acme"}})
	if other, err := s.PurgeLog(t.Context(), "w2", workspace.PurgeLog{}); err != nil || other.Sequence != 0 {
		t.Errorf("PurgeLog of another: %+v, %v", other, err)
	}
	if entries, err := s.Audit(t.Context(), "w1", workspace.TrailChanges, "", 10); err != nil || len(entries) != 4 {
		t.Errorf("audit: %+v, %v", entries, err)
	}
}

// A log that has been summed up is the same for everybody: who adds to it, who knows it as
// it was at some time, and who reads it for the first time. What had to be widened is told.
func testPurgesSummedUp(t *testing.T, s Store) {
	var l, early, late workspace.PurgeLog // of the test, and of servers that read now and then
	summedUp, told := 0, 0
	long := func(i int) string { return fmt.Sprintf("%02d/", i) + strings.Repeat("ü", 2000) }
	for i := range 340 {
		p := workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: long(i)}
		if i >= 100 && i < 170 {
			p.Kind = workspace.PurgePrefix
		}
		before := l
		var want []workspace.Widened
		l, want = l.Add(p)
		got, widened, err := s.AddPurges(t.Context(), "acme", "w1", before, []workspace.Purge{p}, workspace.AuditEntry{Action: "purge", After: json.RawMessage(`{"path":"x"}`)})
		must(t, "AddPurges", err)
		wantSame(t, "AddPurges", got, l)
		wantSame(t, "widened", widened, want)
		if l.Base != before.Base {
			summedUp++
		}
		if len(want) > 0 {
			told++
			entries, err := s.Audit(t.Context(), "w1", workspace.TrailChanges, "", 1)
			must(t, "Audit", err)
			after := ""
			if len(entries) == 1 {
				after = string(entries[0].After)
			}
			if !strings.Contains(after, `"path":"x"`) || !strings.Contains(after, `"widened":[{"kind":"prefix","source":"photos"`) {
				t.Errorf("in the audit log: %.200s", after)
			}
		}
		if i%7 == 0 {
			late, err = s.PurgeLog(t.Context(), "w1", late)
			must(t, "PurgeLog", err)
			wantSame(t, "PurgeLog of who reads often", late, l)
		}
		if i%90 == 89 {
			early, err = s.PurgeLog(t.Context(), "w1", early)
			must(t, "PurgeLog", err)
			wantSame(t, "PurgeLog of who reads seldom", early, l)
			fresh, err := s.PurgeLog(t.Context(), "w1", workspace.PurgeLog{})
			must(t, "PurgeLog", err)
			wantSame(t, "PurgeLog of who knew nothing", fresh, l)
		}
	}
	if summedUp != 5 || told != 1 {
		t.Errorf("summed up %d times, widened %d times: the test needs other purges", summedUp, told)
	}
	// The store was put back, and then others purged.
	ahead, _ := l.Add(workspace.Purge{Kind: workspace.PurgeAll})
	got, err := s.PurgeLog(t.Context(), "w1", ahead)
	must(t, "PurgeLog", err)
	wantSame(t, "PurgeLog of who knows more", got, l)
}

// Purges that are written together are one change with one audit entry. The log is as if they
// had come one by one, for who knows an earlier one too.
func testPurgesTogether(t *testing.T, s Store) {
	changes := feed(t, s)
	var l, seldom workspace.PurgeLog
	for i, n := range []int{1, 1000, 3, 1000, 1, 700} {
		var purges []workspace.Purge
		for j := range n {
			purges = append(purges, workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: fmt.Sprintf("%d/<ü> %d.jpg", i, j)})
		}
		for _, p := range purges {
			l, _ = l.Add(p)
		}
		got, _, err := s.AddPurges(t.Context(), "acme", "w1", workspace.PurgeLog{}, purges, workspace.AuditEntry{Action: "purge"})
		must(t, "AddPurges", err)
		wantSame(t, "AddPurges", got, l)
		fresh, err := s.PurgeLog(t.Context(), "w1", workspace.PurgeLog{})
		must(t, "PurgeLog", err)
		wantSame(t, "PurgeLog of who knew nothing", fresh, l)
		if i%2 == 1 {
			seldom, err = s.PurgeLog(t.Context(), "w1", seldom)
			must(t, "PurgeLog", err)
			wantSame(t, "PurgeLog of who reads seldom", seldom, l)
		}
	}
	if entries, err := s.Audit(t.Context(), "w1", workspace.TrailChanges, "", 10); err != nil || len(entries) != 6 {
		t.Errorf("audit: %d entries, %v", len(entries), err)
	}
	wantSame(t, "changes", changes(), []workspace.Change{{Kind: workspace.ChangedPurges, Namespace: "acme"}})
}

func testPurgesConcurrent(t *testing.T, s Store) {
	var wg sync.WaitGroup
	sequences := make([]int64, 12)
	for i := range sequences {
		wg.Go(func() {
			l, _, err := s.AddPurges(t.Context(), "acme", "w1", workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgePath, Source: "photos", Value: fmt.Sprint(i)}})
			if err != nil {
				t.Errorf("AddPurges: %v", err)
			}
			sequences[i] = l.Sequence
		})
	}
	wg.Wait()
	slices.Sort(sequences)
	wantSame(t, "sequences", sequences, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	if l, err := s.PurgeLog(t.Context(), "w1", workspace.PurgeLog{}); err != nil || len(l.Purges) != 12 || l.Sequence != 12 {
		t.Errorf("PurgeLog: %+v, %v", l, err)
	}
}

// month is a limit with a window that normally doesn't end during a test.
func month(key string, most, want int64) limit.Request {
	return limit.Request{Key: key, Window: limit.Month, Max: most, Want: want}
}

func testLeases(t *testing.T, s Store) {
	lease := func(r limit.Request, granted, used int64) limit.Grant {
		t.Helper()
		g, err := s.Lease(t.Context(), r)
		must(t, "Lease", err)
		if g.Granted != granted || g.Used != used {
			t.Fatalf("Lease(%+v): %+v, want %d granted and %d used", r, g, granted, used)
		}
		if start, end := r.Window.Bounds(g.Start); !g.Start.Equal(start) || g.Ends <= 0 || g.Ends > end.Sub(start) {
			t.Fatalf("Lease(%+v) counts in the window from %v, which ends in %v", r, g.Start, g.Ends)
		}
		return g
	}
	lease(month("a", 100, 0), 0, 0)
	lease(month("a", 100, 60), 60, 60)
	lease(month("b", 100, 60), 60, 60)
	g := lease(month("a", 100, 60), 40, 100) // the rest
	lease(month("a", 100, 1), 0, 100)
	lease(month("a", 100, 0), 0, 100)
	lease(month("a", 120, 50), 20, 120) // the limit was raised
	lease(month("a", 50, 50), 0, 120)   // and lowered
	lease(month("a", 0, 50), 0, 120)
	lease(month("never", 0, 50), 0, 0)
	day := month("a", 100, 10)
	day.Window = limit.Day
	lease(day, 10, 10) // another window has its own count

	must(t, "Return", s.Return(t.Context(), month("a", 100, 60), g, 30))
	lease(month("a", 100, 0), 0, 90)
	lease(month("a", 100, 60), 10, 100)
	g.Start = g.Start.AddDate(0, -1, 0)
	must(t, "Return of a window that is over", s.Return(t.Context(), month("a", 100, 60), g, 30))
	must(t, "Return of a limit that is unknown", s.Return(t.Context(), month("c", 100, 60), g, 30))
	lease(month("a", 100, 0), 0, 100)
	lease(month("c", 100, 0), 0, 0)
}

func testLeasesConcurrent(t *testing.T, s Store) {
	var wg sync.WaitGroup
	var total atomic.Int64
	for range 20 {
		wg.Go(func() {
			for {
				g, err := s.Lease(t.Context(), month("race", 100, 7))
				if err != nil {
					t.Errorf("Lease: %v", err)
					return
				}
				if g.Granted == 0 {
					return
				}
				total.Add(g.Granted)
			}
		})
	}
	wg.Wait()
	if total.Load() != 100 {
		t.Errorf("%d tokens were granted of 100", total.Load())
	}
}

func testReplays(t *testing.T, s Store) {
	begin := func(key string) *workspace.Answer {
		t.Helper()
		prior, err := s.BeginReplay(t.Context(), key, "POST /v1/workspaces")
		must(t, "BeginReplay", err)
		return prior
	}
	if prior := begin("one"); prior != nil {
		t.Fatalf("the first request finds %+v", prior)
	}
	wantSame(t, "while the first is being answered", begin("one"), &workspace.Answer{Fingerprint: "POST /v1/workspaces"})
	if prior := begin("two"); prior != nil {
		t.Fatalf("the first request under another key finds %+v", prior)
	}
	body := bytes.Repeat([]byte("tt_live_\x00\xff"), 1000)
	answer := workspace.Answer{Fingerprint: "POST /v1/workspaces", Status: 201, Header: map[string]string{"Location": "/v1/ü"}, Body: body}
	must(t, "FinishReplay", s.FinishReplay(t.Context(), "one", answer))
	answer.Done = true
	for range 2 {
		wantSame(t, "once it is answered", begin("one"), &answer)
	}
	must(t, "ForgetReplay", s.ForgetReplay(t.Context(), "two"))
	if prior := begin("two"); prior != nil {
		t.Fatalf("the first request after one that failed finds %+v", prior)
	}
	must(t, "ForgetReplay of nothing", s.ForgetReplay(t.Context(), "three"))
}

func testReplaysConcurrent(t *testing.T, s Store) {
	var wg sync.WaitGroup
	var mine atomic.Int64
	for range 20 {
		wg.Go(func() {
			prior, err := s.BeginReplay(t.Context(), "once", "f")
			if err != nil {
				t.Errorf("BeginReplay: %v", err)
			}
			if prior == nil {
				mine.Add(1)
			}
		})
	}
	wg.Wait()
	if mine.Load() != 1 {
		t.Errorf("%d of 20 were told to answer", mine.Load())
	}
}

func testRecordsCancelled(t *testing.T, s Store) {
	ctx := canceled(t)
	_, domain := s.Domain(ctx, "a.example.com")
	_, key := s.APIKey(ctx, [32]byte{})
	_, keys := s.APIKeys(ctx, "w1")
	_, audit := s.Audit(ctx, "w1", workspace.TrailChanges, "", 10)
	_, usage := s.Usage(ctx, "w1", "2026-05-01", "2026-05-02")
	_, failures := s.Errors(ctx, "w1", "2026-05-01", "2026-05-02")
	_, _, purge := s.AddPurges(ctx, "acme", "w1", workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgeAll}})
	_, log := s.PurgeLog(ctx, "w1", workspace.PurgeLog{})
	_, replay := s.BeginReplay(ctx, "k", "f")
	_, deletions := s.Deletions(ctx, "acme")
	_, lease := s.Lease(ctx, month("k", 1, 1))
	for name, err := range map[string]error{
		"Domain": domain, "APIKey": key, "APIKeys": keys, "Audit": audit, "Usage": usage, "Errors": failures, "AddPurges": purge, "PurgeLog": log,
		"BeginReplay": replay, "Lease": lease, "Deletions": deletions,
		"CreateAPIKey": s.CreateAPIKey(ctx, apiKey("w1", "k", 0)), "RevokeAPIKey": s.RevokeAPIKey(ctx, "w1", "k", time.Now()),
		"VerifyDomain": s.VerifyDomain(ctx, "a.example.com", "acme", time.Now()),
		"AppendAudit":  s.AppendAudit(ctx, workspace.AuditEntry{WorkspaceID: "w1"}),
		"AddTally":     s.AddTally(ctx, workspace.Tally{ID: "t", Usage: []workspace.Usage{{WorkspaceID: "w1", Day: "2026-05-01"}}}),
		"PutErrors":    s.PutErrors(ctx, workspace.ErrorReport{WorkspaceID: "w1", Day: "2026-05-01", Part: "p"}),
		"FinishReplay": s.FinishReplay(ctx, "k", workspace.Answer{}), "ForgetReplay": s.ForgetReplay(ctx, "k"),
	} {
		wantErr(t, name, err, ctx.Err())
		if errors.Is(err, workspace.ErrUnavailable) {
			t.Errorf("%s reports a canceled request as an error of the store: %v", name, err)
		}
	}
	if l, err := s.PurgeLog(t.Context(), "w1", workspace.PurgeLog{}); err != nil || l.Sequence != 0 {
		t.Errorf("a canceled purge: %+v, %v", l, err)
	}
}

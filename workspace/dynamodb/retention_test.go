package dynamodb

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/workspace"
)

// TestRetention: every item that ends has the time after which the service deletes it.
// Items that last have none.
func TestRetention(t *testing.T) {
	s, err := Open(t.Context(), Config{
		URL: dynamodblocal.Shared(t).URL(dynamodblocal.TableName()), Codec: testCodec(t), Timeout: time.Minute, Credentials: awsAccount,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	// days that an item stays from now on; 0 is for ever
	kept := func(k item) int {
		t.Helper()
		i, err := s.get(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		if i == nil {
			t.Fatalf("there is no item %s, %s", getText(k, pk), getText(k, sk))
		}
		if at := getNumber(i, ttl); at != 0 {
			return int(time.Until(time.Unix(at, 0)).Round(24*time.Hour).Hours() / 24)
		}
		return 0
	}
	want := func(what string, k *workspace.APIKey, days int) {
		t.Helper()
		if got := kept(apiKeyKey(k.Hash)); got != days {
			t.Errorf("%s, to look up: kept for %d days, want %d", what, got, days)
		}
		if got := kept(key(apiKeysPK(k.WorkspaceID), k.ID)); got != days {
			t.Errorf("%s, to list: kept for %d days, want %d", what, got, days)
		}
	}
	w := workspace.New("acme")
	if err := s.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	add := func(id string, expires time.Time) *workspace.APIKey {
		t.Helper()
		k := &workspace.APIKey{ID: id, WorkspaceID: w.ID, Namespace: "acme", Hash: sha256.Sum256([]byte(w.ID + id)), ExpiresAt: expires}
		if err := s.CreateAPIKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		return k
	}
	lasting, ends, revoked := add("lasting", time.Time{}), add("ends", time.Now().Add(90*24*time.Hour)), add("revoked", time.Time{})
	want("a key without an end", lasting, 0)
	want("a key with one", ends, 490)
	if err := s.RevokeAPIKey(t.Context(), w.ID, "revoked", time.Now().Add(-10*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	want("a revoked key", revoked, 390)

	if _, _, err := s.AddPurges(t.Context(), "acme", w.ID, workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgeAll}}); err != nil {
		t.Fatal(err)
	}
	if got := kept(purgeKey(w.ID)); got != 0 {
		t.Errorf("the purges of a workspace are kept for %d days", got)
	}
	many := make([]*workspace.APIKey, 60) // more than fit into one transaction
	for i := range many {
		many[i] = add("many-"+string(rune('A'+i)), time.Time{})
	}
	if err := s.Delete(t.Context(), "acme", 0); err != nil {
		t.Fatal(err)
	}
	want("a key of a deleted workspace", lasting, 400)
	want("a key of one, which had an end", ends, 400)
	want("a key of one, which was revoked", revoked, 390)
	for _, k := range many {
		want("one of many", k, 400)
	}
	if got := kept(purgeKey(w.ID)); got != 400 {
		t.Errorf("the purges of a deleted workspace are kept for %d days", got)
	}
	if got := kept(purgeEventKey(w.ID, 1)); got != 400 {
		t.Errorf("a purge of a deleted workspace is kept for %d days", got)
	}
	today := time.Now().UTC().Format(time.DateOnly)
	if err := s.PutErrors(t.Context(), workspace.ErrorReport{WorkspaceID: w.ID, Day: today, Part: "a"}); err != nil {
		t.Fatal(err)
	}
	if got := kept(key(errorsPK(w.ID), today+"#a")); got < 31 || got > 32 {
		t.Errorf("errors of images are kept for %d days", got)
	}
	found, err := s.Deletions(t.Context(), "acme")
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if got := kept(key(gonePK("acme"), changeSK(found[0].At.UnixMicro())+"#"+w.ID)); got != 400 {
		t.Errorf("that it was deleted is kept for %d days", got)
	}

	// A workspace without purges leaves none.
	w = workspace.New("beta")
	if err := s.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "beta", 0); err != nil {
		t.Fatal(err)
	}
	if i, err := s.get(t.Context(), purgeKey(w.ID)); err != nil || i != nil {
		t.Errorf("%v, %v", i, err)
	}
}

package sqlite_test

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/tintype/tintype/workspace"
)

// TestForgets: each write deletes some records that have expired.
func TestForgets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "workspaces.db")
	s := open(t, path)
	defer s.Close()
	long := time.Now().Add(-workspace.KeyKept - time.Hour)
	add := func(workspaceID, id string, expires, revoked time.Time) {
		t.Helper()
		k := &workspace.APIKey{
			ID: id, WorkspaceID: workspaceID, Namespace: "acme", Hash: sha256.Sum256([]byte(workspaceID + id)),
			ExpiresAt: expires, RevokedAt: revoked,
		}
		if err := s.CreateAPIKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	w := workspace.New("acme")
	if err := s.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	add("w1", "lasting", time.Time{}, time.Time{})
	add("w1", "over", time.Now().Add(-time.Hour), time.Time{})
	add("w1", "revoked", time.Time{}, long)
	add("w1", "expired", long, time.Time{})
	add(w.ID, "active", time.Time{}, time.Time{})
	if _, _, err := s.AddPurges(t.Context(), "acme", w.ID, workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgeAll}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "acme", 0); err != nil {
		t.Fatal(err)
	}
	write := func() {
		t.Helper()
		if err := s.AppendAudit(t.Context(), workspace.AuditEntry{WorkspaceID: "w1"}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(when, keys, purges, deleted string) {
		t.Helper()
		for statement, want := range map[string]string{
			`SELECT group_concat(id, ' ') FROM (SELECT id FROM api_keys ORDER BY id)`: keys,
			`SELECT count(*) FROM purges`:  purges,
			`SELECT count(*) FROM deleted`: deleted,
		} {
			if got := exec1(t, path, statement); got != want {
				t.Errorf("%s: %s is %s, want %s", when, statement, got, want)
			}
		}
	}
	write()
	want("now", "active lasting over", "1", "1")
	// 401 days pass after the deletion of the workspace.
	exec1(t, path, fmt.Sprintf(`UPDATE deleted SET at = %d`, long.UnixMicro()))
	exec1(t, path, fmt.Sprintf(`UPDATE api_keys SET forget_at = forget_at - %d WHERE id = 'active'`, (workspace.KeyKept+time.Hour).Microseconds()))
	write()
	want("later", "lasting over", "0", "0")
}

// TestMigratesRetention: keys of an older version are forgotten at the same time as new
// ones. Keys of deleted workspaces count as revoked.
func TestMigratesRetention(t *testing.T) {
	path := filepath.Join(t.TempDir(), "workspaces.db")
	s := open(t, path)
	w := workspace.New("acme")
	if err := s.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	at := time.Now().UTC().Truncate(time.Second)
	keys := []*workspace.APIKey{
		{ID: "lasting", WorkspaceID: w.ID},
		{ID: "ends", WorkspaceID: w.ID, ExpiresAt: at},
		{ID: "revoked", WorkspaceID: w.ID, RevokedAt: at},
		{ID: "revoked-first", WorkspaceID: w.ID, RevokedAt: at.Add(-time.Hour), ExpiresAt: at},
		{ID: "ended-first", WorkspaceID: w.ID, RevokedAt: at, ExpiresAt: at.Add(-time.Hour)},
		{ID: "orphan", WorkspaceID: "gone"},
	}
	for _, k := range keys {
		k.Namespace, k.Hash = "acme", sha256.Sum256([]byte(k.ID))
		if err := s.CreateAPIKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{w.ID, "gone"} {
		if _, _, err := s.AddPurges(t.Context(), "acme", id, workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgeAll}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{ // back to version 3
		`DROP TABLE deleted`, `DROP INDEX api_keys_age`, `ALTER TABLE api_keys DROP COLUMN forget_at`,
		`DROP TABLE purge_events`, `ALTER TABLE purges DROP COLUMN sequence`, `DROP TABLE people`, `DROP TABLE image_errors`, `ALTER TABLE usage DROP COLUMN previews`, `ALTER TABLE usage DROP COLUMN units`, `ALTER TABLE usage DROP COLUMN parts`, `ALTER TABLE tallies DROP COLUMN seq`, `PRAGMA user_version = 3`,
	} {
		exec1(t, path, statement)
	}
	s = open(t, path)
	defer s.Close()
	for _, k := range keys {
		got, err := s.APIKey(t.Context(), k.Hash)
		if err != nil {
			t.Fatal(k.ID, err)
		}
		if k.ID == "orphan" && got.RevokedAt.IsZero() {
			t.Error("a key of a workspace that is gone is not revoked")
		}
		want := "0"
		if forget := got.ForgetAt(); !forget.IsZero() {
			want = fmt.Sprint(forget.UnixMicro())
		}
		if have := exec1(t, path, `SELECT forget_at FROM api_keys WHERE id = '`+k.ID+`'`); have != want {
			t.Errorf("%s is forgotten at %s, want %s", k.ID, have, want)
		}
	}
	if n := exec1(t, path, `SELECT count(*) FROM purges`); n != "1" {
		t.Errorf("%s logs of purges are left", n)
	}
}

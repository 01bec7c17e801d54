package sqlite_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/sqlite"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// holdsSecret looks for a secret in the database and in the files beside it.
func holdsSecret(t *testing.T, path string, readable func([]byte) bool) bool {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if readable(b) {
			return true
		}
	}
	return false
}

// TestSecretsAtRest: no secret is readable in the database's files, every secret can be
// decrypted, and keys rotate.
func TestSecretsAtRest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "workspaces.db")
	old, fresh := strings.Repeat("0a", 32), strings.Repeat("0b", 32)
	reopen := func(keys string) *sqlite.Store {
		t.Helper()
		s, err := sqlite.Open(path, newCodec(keys))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	w, readable := workspacetest.Secretive("acme")
	check := func(s *sqlite.Store, want *workspace.Workspace) {
		t.Helper()
		got, err := s.Get(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Sources, got.Sources); diff != "" {
			t.Error(diff)
		}
		if len(got.SigningKeys) != 1 || got.SigningKeys[0].Secret != want.SigningKeys[0].Secret || got.SigningKeys[0].ID != "one" {
			t.Errorf("signing keys: %v", got.SigningKeys)
		}
		if diff := cmp.Diff(want.DialectKeys, got.DialectKeys); diff != "" {
			t.Error(diff)
		}
		if holdsSecret(t, path, readable) {
			t.Error("a secret is readable in the database's files")
		}
	}

	s := reopen(old)
	if err := s.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	check(s, w)
	w.Name = "changed"
	if err := s.Update(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	check(s, w)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	if s, err := sqlite.Open(path, newCodec(fresh)); err == nil {
		s.Close()
		t.Fatal("a database is opened with a key that can't read it")
	} else if !strings.Contains(err.Error(), "TINTYPE_SECRET_KEY") {
		t.Errorf("the error doesn't say what to set: %v", err)
	}
	s = reopen(fresh + "," + old) // with both keys, all secrets are encrypted again
	check(s, w)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = reopen(fresh) // the old key is not needed any more
	check(s, w)
	if got, err := s.Get(t.Context(), "acme"); err != nil || got.Revision != w.Revision {
		t.Errorf("rotation changed the revision: %v, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

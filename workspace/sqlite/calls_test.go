package sqlite_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/workspace"
)

// TestWatch: a store tells of its reads and writes, and how they ended.
func TestWatch(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "workspaces.db"))
	defer s.Close()
	got := map[string]int{}
	s.Watch(func(c workspace.Call) {
		if got[c.Name+" "+string(c.Result)]++; c.Took <= 0 {
			t.Errorf("%+v took no time", c)
		}
	})
	if err := s.Create(t.Context(), workspace.New("acme")); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), workspace.New("acme")); !errors.Is(err, workspace.ErrExists) {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Changes(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	_, _ = s.List(left, "", 1)
	_ = s.Delete(left, "acme", 0)
	if diff := cmp.Diff(map[string]int{"write ok": 1, "write condition": 1, "read ok": 2, "read left": 1, "write left": 1}, got); diff != "" {
		t.Error(diff)
	}
}

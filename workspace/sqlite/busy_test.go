package sqlite

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

// TestBusyWriter: writes don't wait for ever behind one that hangs, and reads don't wait.
func TestBusyWriter(t *testing.T) {
	codec, err := workspace.NewCodec(strings.Repeat("0a", 32))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(filepath.Join(t.TempDir(), "workspaces.db"), codec)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.turn = time.Millisecond
	tx, err := s.file.open.Load().write.Begin() // it hangs
	if err != nil {
		t.Fatal(err)
	}
	write := func() error {
		return s.WriteRecords(t.Context(), []account.Write{{Record: account.Record{Group: "code", Name: "x", Data: []byte("1")}}})
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := write(); !errors.Is(err, workspace.ErrUnavailable) {
				t.Errorf("a write behind one that hangs: %v", err)
			}
		})
	}
	wg.Wait()
	if _, err := s.Record(t.Context(), "code", "x"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("a read: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	s.turn = turnTimeout
	if err := write(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

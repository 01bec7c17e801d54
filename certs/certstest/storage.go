package certstest

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/google/go-cmp/cmp"
)

// TestStorage is what every storage must pass. open returns what another server would open:
// all are of the same storage, which is empty at first.
func TestStorage(t *testing.T, open func(t *testing.T) certmagic.Storage) {
	t.Run("values", func(t *testing.T) { testValues(t, open(t), open(t)) })
	t.Run("locks", func(t *testing.T) { testLocks(t, []certmagic.Storage{open(t), open(t), open(t)}) })
}

func testValues(t *testing.T, s, other certmagic.Storage) {
	ctx := t.Context()
	gone := func(key string) {
		t.Helper()
		if b, err := s.Load(ctx, key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s has %q, %v", key, b, err)
		}
		if _, err := s.Stat(ctx, key); !errors.Is(err, fs.ErrNotExist) || s.Exists(ctx, key) {
			t.Errorf("%s: %v; it exists: %v", key, err, s.Exists(ctx, key))
		}
	}
	gone("a")
	gone("a/b")
	if list, err := s.List(ctx, "a", true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that isn't there: %v, %v", list, err)
	}
	values := map[string]string{"a/b/1.crt": "one", "a/b/1.key": "two", "a/b-c/2.crt": "three", "a/x": "four", "ab/y": "", "z": "\x00\xff binary"}
	for key, value := range values {
		if err := s.Store(ctx, key, []byte("before")); err != nil {
			t.Fatal(err)
		}
		if err := s.Store(ctx, key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	for key, value := range values {
		b, err := other.Load(ctx, key)
		if err != nil || string(b) != value {
			t.Errorf("%s: %q, %v", key, b, err)
		}
		info, err := other.Stat(ctx, key)
		if err != nil || info.Key != key || !info.IsTerminal || time.Since(info.Modified).Abs() > time.Hour || !other.Exists(ctx, key) {
			t.Errorf("%s: %+v, %v", key, info, err)
		}
	}
	if info, err := s.Stat(ctx, "a/b"); err != nil || info.IsTerminal || !s.Exists(ctx, "a/b") {
		t.Errorf("a folder: %+v, %v", info, err)
	}
	for _, test := range []struct {
		folder    string
		recursive bool
		want      []string
	}{
		{"a", false, []string{"a/b", "a/b-c", "a/x"}},
		{"a", true, []string{"a/b", "a/b-c", "a/b-c/2.crt", "a/b/1.crt", "a/b/1.key", "a/x"}},
		{"a/b", true, []string{"a/b/1.crt", "a/b/1.key"}},
	} {
		list, err := s.List(ctx, test.folder, test.recursive)
		slices.Sort(list)
		if diff := cmp.Diff(test.want, list); err != nil || diff != "" {
			t.Errorf("%s, recursive %v: %v %s", test.folder, test.recursive, err, diff)
		}
	}
	for _, key := range []string{"a/b", "z", "z", "none"} {
		if err := other.Delete(ctx, key); err != nil {
			t.Errorf("deleting %s: %v", key, err)
		}
	}
	gone("a/b/1.crt")
	gone("a/b/1.key")
	gone("a/b")
	gone("z")
	if b, err := s.Load(ctx, "a/b-c/2.crt"); err != nil || string(b) != "three" {
		t.Errorf("beside a folder that was deleted: %q, %v", b, err)
	}
	var writing sync.WaitGroup
	for range 8 {
		writing.Go(func() {
			if err := s.Store(ctx, "many", []byte("whole")); err != nil {
				t.Error(err)
			}
		})
	}
	writing.Wait()
	if b, err := other.Load(ctx, "many"); err != nil || string(b) != "whole" {
		t.Errorf("written by many: %q, %v", b, err)
	}
}

// testLocks: one at a time has a lock, also of one server.
func testLocks(t *testing.T, servers []certmagic.Storage) {
	var inside, times atomic.Int32
	var working sync.WaitGroup
	for _, s := range append(servers, servers[0]) {
		working.Go(func() {
			if err := s.Lock(t.Context(), "work"); err != nil {
				t.Error(err)
				return
			}
			if inside.Add(1) != 1 {
				t.Error("two have the lock")
			}
			times.Add(1)
			inside.Add(-1)
			if err := s.Unlock(t.Context(), "work"); err != nil {
				t.Error(err)
			}
		})
	}
	working.Wait()
	if times.Load() != 4 {
		t.Errorf("%d of 4 had the lock", times.Load())
	}
	if err := servers[0].Lock(t.Context(), "held"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error, 1)
	go func() { waiting <- servers[1].Lock(ctx, "held") }()
	if err := servers[1].Lock(t.Context(), "another"); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("a lock that nobody waits for any more: %v", err)
	}
	for name, s := range map[string]certmagic.Storage{"held": servers[0], "another": servers[1]} {
		if err := s.Unlock(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
}

package cache

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// On a disk that is short of room the cache stops growing. Where other programs fill the
// disk, the cache writes no new entries and serves the old ones.
func TestDiskIsFull(t *testing.T) {
	const total = 100 * spareBytes
	var free atomic.Int64
	var log bytes.Buffer
	d := open(t, DiskConfig{
		Dir: t.TempDir(), MaxBytes: 1 << 30, Log: slog.New(slog.NewTextHandler(&log, nil)),
		room: func() (int64, int64) { return free.Load(), total },
	})
	<-d.scanned
	put := func(n int) {
		t.Helper()
		d.Put(t.Context(), diskKey(n), diskEntry(n))
		drain(t, d)
	}
	has := func(n int) bool {
		e, _ := d.Get(t.Context(), diskKey(n))
		return e != nil
	}

	free.Store(2 * spareBytes)
	put(1)
	put(2)
	put(3)
	grown := d.Stats()

	free.Store(spareBytes)
	put(4)
	if s := d.Stats(); has(1) || !has(2) || !has(3) || !has(4) || s.Bytes != grown.Bytes || s.Evictions != 1 {
		t.Errorf("it did not put one in the place of the oldest: %+v", s)
	}
	free.Store(spareBytes / 2)
	put(5)
	put(6)
	put(3) // is renewed
	s := d.Stats()
	if has(5) || has(6) || !has(2) || !has(3) || !has(4) || s.Bytes != grown.Bytes || s.Evictions != 1 || s.Dropped != 2 {
		t.Errorf("on a full disk it wrote or lost entries: %+v", s)
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "the disk is full (32 MiB are free)") {
		t.Errorf("the log: %s", text)
	}
	free.Store(2 * spareBytes)
	put(5)
	if !has(5) || d.Stats().Bytes <= grown.Bytes {
		t.Errorf("with room again it wrote nothing: %+v", d.Stats())
	}
}

// A twentieth of a small disk is left to others.
func TestDiskIsSmall(t *testing.T) {
	d := open(t, DiskConfig{Dir: t.TempDir(), MaxBytes: 1 << 30, room: func() (int64, int64) { return 100_000, 1_000_000 }})
	for size, want := range map[int]bool{49_000: true, 74_000: true, 76_000: false, 100_000: false, 200_000: false} {
		e := &Entry{Body: make([]byte, size)}
		if err := d.makeRoom(&diskWrite{entry: e}, e); (err == nil) != want {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if free, total := diskRoom(d.dir); free <= 0 || total < free {
		t.Errorf("of this disk: %d of %d bytes are free", free, total)
	}
}

// A lock file that can't be written still works as a lock.
func TestDiskLock(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"a file": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		// Nobody can open this file for writing.
		"a folder": func(path string) error { return os.Mkdir(path, 0o500) },
		"none":     func(path string) error { return os.Symlink(filepath.Join(path, "nowhere"), path) },
	} {
		path := filepath.Join(t.TempDir(), lockName)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		first, err := lockFile(path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := lockFile(path); err != ErrInUse {
			t.Errorf("%s: locked twice: %v", name, err)
		}
		_ = first.Close()
		again, err := lockFile(path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = again.Close()
	}
}

package cache

import (
	"bytes"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDiskVerified: the checksum of a file isn't verified again at each hit, but it is once
// anybody has written to the file, whatever they do to its times, or has put another in its place.
func TestDiskVerified(t *testing.T) {
	d := open(t, DiskConfig{Dir: t.TempDir(), MaxBytes: 1 << 20})
	<-d.scanned
	key, entry := diskKey(1), diskEntry(1)
	d.Put(t.Context(), key, entry)
	drain(t, d)
	path := d.path(key)
	written := time.Now()
	verified := func() uint64 {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.files.verified(key)
	}
	hit := func(now time.Time) {
		t.Helper()
		if e := d.get(t.Context(), key, now); e == nil || !bytes.Equal(e.Body, entry.Body) {
			t.Fatal("no hit")
		}
	}

	if hit(written); verified() != 0 {
		t.Error("within a second of a write another one could have the same time, and the file counts as verified")
	}
	later := written.Add(2 * time.Second)
	hit(later)
	state := verified()
	if state == 0 {
		t.Fatal("the checksum would be verified at each hit")
	}
	if hit(later); verified() != state {
		t.Error("the state of a file that nobody has changed is another")
	}

	hit(written.Add(2 * touchEvery)) // sets its time
	hit(later)
	if verified() == state {
		t.Error("a file that is in use isn't verified again")
	}

	d.Put(t.Context(), key, entry)
	drain(t, d)
	if verified() != 0 {
		t.Error("another file counts as verified")
	}
	hit(later)

	last := bytes.LastIndex(mustRead(t, path), entry.Body)
	change := func(b byte) {
		var before, after unix.Stat_t
		if err := unix.Stat(path, &before); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for after = before; after.Ctim == before.Ctim; { // some kernels have coarse clocks
			if _, err := f.WriteAt([]byte{b}, int64(last)); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, time.Unix(before.Atim.Unix()), time.Unix(before.Mtim.Unix())); err != nil {
				t.Fatal(err)
			}
			if err := unix.Stat(path, &after); err != nil {
				t.Fatal(err)
			}
		}
	}
	change(entry.Body[0] ^ 1)
	if e := d.get(t.Context(), key, later); e != nil {
		t.Errorf("a file that was changed is a hit: %q", e.Body)
	}
	if s := d.Stats(); s.Corrupt != 1 {
		t.Errorf("%d corrupt files, want 1", s.Corrupt)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

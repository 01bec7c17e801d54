package cache

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lent returns an entry of a lookup by somebody who sends files, and what it was lent by.
func lent(t *testing.T, d *Disk, key Key, now time.Time) (*Entry, *Lend) {
	t.Helper()
	to := &Lend{}
	t.Cleanup(to.Return)
	return d.get(WithLend(t.Context(), to), key, now), to
}

// describe describes an entry without its body.
func describe(e *Entry) string {
	if e == nil {
		return "none"
	}
	return fmt.Sprintf("%s %s %dx%d of %v, with %d bytes, lent %t", e.ETag, e.ContentType, e.Width, e.Height, e.StoredAt, len(e.Body), e.File != nil)
}

func bodyOf(t *testing.T, e *Entry) []byte {
	t.Helper()
	if e == nil || e.File == nil || e.Body != nil {
		t.Fatal("not lent:", describe(e))
	}
	b, err := io.ReadAll(io.NewSectionReader(e.File, 0, e.File.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestLend: a file is lent once its checksum was verified, and no longer once anybody has written to
// it, has put another in its place or has removed it. What is lent already stays readable.
func TestLend(t *testing.T) {
	d := open(t, DiskConfig{Dir: t.TempDir(), MaxBytes: 1 << 20})
	<-d.scanned
	key, entry := diskKey(1), diskEntry(1)
	put := func() (later time.Time) {
		t.Helper()
		d.Put(t.Context(), key, entry)
		drain(t, d)
		return time.Now().Add(2 * time.Second)
	}
	read := func(e *Entry) {
		t.Helper()
		if e == nil || e.File != nil || !bytes.Equal(e.Body, entry.Body) {
			t.Fatalf("got %s, want an entry with its body", describe(e))
		}
	}
	later := put()
	e, _ := lent(t, d, key, later)
	read(e) // verifies the checksum
	e, held := lent(t, d, key, later)
	if !bytes.Equal(bodyOf(t, e), entry.Body) {
		t.Error("another body")
	}
	if e.ETag != entry.ETag || e.ContentType != entry.ContentType || e.Width != entry.Width || !e.StoredAt.Equal(entry.StoredAt) {
		t.Errorf("got %s, want %s", describe(e), describe(entry))
	}
	if again, _ := lent(t, d, key, later); again != e {
		t.Error("the file was opened again")
	}
	if n, err := e.File.ReadAt(make([]byte, 10), e.File.Size()-3); n != 3 || err != io.EOF {
		t.Errorf("read %d bytes at the end, error %v", n, err)
	}

	read(d.get(t.Context(), key, later)) // by others
	e, _ = lent(t, d, key, later.Add(2*touchEvery))
	read(e) // sets the time of its last use
	if len(openDescriptors(t, d)) != 1 {
		t.Error("the file is open, and nobody uses it")
	}

	entry = diskEntry(3) // under the same key
	later = put()
	e, _ = lent(t, d, key, later)
	read(e)
	e, _ = lent(t, d, key, later)
	if !bytes.Equal(bodyOf(t, e), entry.Body) {
		t.Error("the old body")
	}
	if !bytes.Equal(bodyOf(t, &held.file.entry), diskEntry(1).Body) {
		t.Error("a file that was lent has changed")
	}
	stale := *entry
	stale.RevalidateAt = later
	d.Put(t.Context(), key, &stale)
	drain(t, d)
	for range 2 {
		e, _ = lent(t, d, key, later.Add(time.Second))
		read(e)
	}

	if err := os.Remove(d.path(key)); err != nil {
		t.Fatal(err)
	}
	if e, _ := lent(t, d, key, later); e != nil {
		t.Error("a file that was removed:", describe(e))
	}
}

// TestLendChanged: a file that anybody has written to is read, so that its checksum is verified.
func TestLendChanged(t *testing.T) {
	d := open(t, DiskConfig{Dir: t.TempDir(), MaxBytes: 1 << 20})
	<-d.scanned
	key := diskKey(1)
	d.Put(t.Context(), key, diskEntry(1))
	drain(t, d)
	later := time.Now().Add(2 * time.Second)
	for range 2 {
		_, to := lent(t, d, key, later)
		to.Return()
	}
	time.Sleep(20 * time.Millisecond) // of a coarse clock
	f, err := os.OpenFile(d.path(key), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if e, _ := lent(t, d, key, later); e != nil {
		t.Error("a file that was changed:", describe(e))
	}
	if s := d.Stats(); s.Corrupt != 1 || s.Entries != 0 {
		t.Errorf("%+v, want one corrupt file and no other", s)
	}
	if n := len(openDescriptors(t, d)); n != 0 {
		t.Errorf("%d files are open", n)
	}
}

// TestLendSwept: files that nobody asks for are closed, so that their room is free where somebody else
// has removed them.
func TestLendSwept(t *testing.T) {
	d := open(t, DiskConfig{Dir: t.TempDir(), MaxBytes: 1 << 20})
	<-d.scanned
	d.Put(t.Context(), diskKey(1), diskEntry(1))
	drain(t, d)
	later := time.Now().Add(2 * time.Second)
	for range 2 {
		_, to := lent(t, d, diskKey(1), later)
		to.Return()
	}
	sweep := func(now time.Time) {
		d.open.mu.Lock()
		defer d.open.mu.Unlock()
		d.open.sweep(now)
	}
	sweep(later)
	if n := len(openDescriptors(t, d)); n != 1 || !d.open.sweeps {
		t.Errorf("%d files are open, sweeps: %t", n, d.open.sweeps)
	}
	sweep(later.Add(touchEvery))
	if n := len(openDescriptors(t, d)); n != 0 {
		t.Errorf("%d files are open, and nobody has asked for a minute", n)
	}
}

// TestLendBounds: so many files stay open, and none once the cache is closed and all are given back.
func TestLendBounds(t *testing.T) {
	d := open(t, DiskConfig{Dir: t.TempDir(), MaxBytes: 64 << 20})
	<-d.scanned
	all := d.open.most + 20
	for n := range all {
		d.Put(t.Context(), diskKey(n), diskEntry(n))
	}
	drain(t, d)
	later := time.Now().Add(2 * time.Second)
	var held []*Lend
	for n := range all {
		d.get(t.Context(), diskKey(n), later)
		e, to := lent(t, d, diskKey(n), later)
		if !bytes.Equal(bodyOf(t, e), diskEntry(n).Body) {
			t.Fatal("another body")
		}
		if n%2 == 0 {
			held = append(held, to)
		} else {
			to.Return()
		}
	}
	if n := len(openDescriptors(t, d)); n != d.open.most+10 { // of the first 20, which are no longer kept, ten are in use
		t.Errorf("%d files are open", n)
	}
	if d.open.open != d.open.most+10 {
		t.Errorf("%d files count as open", d.open.open)
	}
	d.Delete(t.Context(), diskKey(all-1))
	d.Delete(t.Context(), diskKey(all-2)) // in use
	if n := len(openDescriptors(t, d)); n != d.open.most+9 {
		t.Errorf("%d files are open after two were deleted", n)
	}
	closeDisk(t, d)
	if n := len(openDescriptors(t, d)); n != len(held) {
		t.Errorf("%d files are open, %d are in use", n, len(held))
	}
	for _, to := range held {
		to.Return()
		to.Return() // does nothing
	}
	if n := len(openDescriptors(t, d)); n != 0 || d.open.open != 0 {
		t.Errorf("%d files are open at the end, %d count", n, d.open.open)
	}
}

// TestLendMost: files are read where too many are open.
func TestLendMost(t *testing.T) {
	d := open(t, DiskConfig{Dir: t.TempDir(), MaxBytes: 64 << 20})
	<-d.scanned
	d.open.most = 2
	later := time.Now().Add(2 * time.Second)
	for n := range 6 {
		d.Put(t.Context(), diskKey(n), diskEntry(n))
		drain(t, d)
		d.get(t.Context(), diskKey(n), later)
		e, _ := lent(t, d, diskKey(n), later)
		if e == nil || (e.File != nil) != (n < 4) || n >= 4 && !bytes.Equal(e.Body, diskEntry(n).Body) {
			t.Error(n, describe(e))
		}
	}
}

// openDescriptors returns the files of a cache that this process has open.
func openDescriptors(t *testing.T, d *Disk) (paths []string) {
	t.Helper()
	names, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, name := range names {
		path, err := os.Readlink("/dev/fd/" + name.Name())
		if err == nil && len(path) > len(d.dir) && path[:len(d.dir)] == d.dir && path != d.dir+"/"+lockName {
			paths = append(paths, path)
		}
	}
	return paths
}

// TestLendLoaded: a Loader renews a stale entry whoever asks, and lends nothing that another tier wants to
// have.
func TestLendLoaded(t *testing.T) {
	d := open(t, DiskConfig{Dir: t.TempDir(), MaxBytes: 1 << 20})
	<-d.scanned
	key, entry := diskKey(1), diskEntry(1)
	d.Put(t.Context(), key, entry)
	drain(t, d)
	old := time.Now().Add(-time.Minute / 2)
	if err := os.Chtimes(d.path(key), old, old); err != nil {
		t.Fatal(err)
	}
	for changed := true; changed; time.Sleep(50 * time.Millisecond) { // until its state says something
		var is unix.Stat_t
		if err := unix.Stat(d.path(key), &is); err != nil {
			t.Fatal(err)
		}
		changed = time.Since(time.Unix(is.Ctim.Unix())) < time.Second
	}
	for _, test := range []struct {
		name  string
		cache Cache
		now   time.Time
		lent  bool
	}{
		{"fresh", NewTiered(NewMemory(0), d), time.Now(), true},
		{"with a tier that asks", NewTiered(NewMemory(1), d, &asking{NewMemory(0), false}), time.Now(), false},
		{"with a tier that knows it", NewTiered(NewMemory(1), d, &asking{NewMemory(0), true}), time.Now(), true},
		{"stale", NewTiered(NewMemory(0), d), entry.RevalidateAt, false}, // the last, since it is written anew
	} {
		t.Run(test.name, func(t *testing.T) {
			renewed := make(chan *Entry, 1)
			l := &Loader{Cache: test.cache, Now: func() time.Time { return test.now }}
			defer l.Close(t.Context())
			to := &Lend{}
			defer to.Return()
			fill := func(ctx context.Context, old *Entry) (*Entry, error) {
				if lendOf(ctx) != nil {
					t.Error("a fill can borrow")
				}
				renewed <- old
				return old, nil
			}
			_, _, _ = l.Load(t.Context(), key, fill) // verifies the checksum
			if test.now.Equal(entry.RevalidateAt) {
				<-renewed
				l = &Loader{Cache: test.cache, Now: l.Now}
			}
			e, o, err := l.Load(WithLend(t.Context(), to), key, fill)
			if err != nil || o.Tier != "disk" || (e.File != nil) != test.lent || (e.Body == nil) != test.lent {
				t.Fatalf("%s %+v %v", describe(e), o, err)
			}
			if o.Stale {
				if old := <-renewed; old == nil || !bytes.Equal(old.Body, entry.Body) {
					t.Error("renewed from", describe(old))
				}
			}
		})
	}
}

// asking is a tier that wants to hear of hits.
type asking struct {
	*Memory
	settled bool
}

func (*asking) Again(_ Key, e *Entry) (settled bool) { return len(e.Body) > 0 }
func (a *asking) Settled(Key) bool                   { return a.settled }

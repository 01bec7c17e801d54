package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"golang.org/x/sys/unix"
)

func open(t testing.TB, c DiskConfig) *Disk {
	t.Helper()
	d, err := OpenDisk(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeDisk(t, d) })
	return d
}

func closeDisk(t testing.TB, d *Disk) {
	t.Helper()
	if err := d.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func drain(t testing.TB, d *Disk) {
	t.Helper()
	if err := d.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func diskKey(n int) Key { return Key{byte(n), byte(n >> 8), 31: byte(n)} }

func diskEntry(n int) *Entry {
	return &Entry{
		Body: bytes.Repeat([]byte{byte(n), 7}, 3000), ContentType: "image/avif", ETag: `"tag"`,
		Width: 300, Height: 200, Frames: 1, OriginETag: `"origin"`, OriginLastModified: "yesterday",
		StoredAt: time.Unix(1e9, 1), RevalidateAt: time.Unix(4e9, 2), ExpiresAt: time.Unix(5e9, 3),
	}
}

// entryFiles returns the paths of all regular files in the cache but its lock.
func entryFiles(t testing.TB, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && entry.Name() != lockName {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestDiskOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	d := open(t, DiskConfig{Dir: dir, MaxBytes: 1 << 20})
	for i := range 20 {
		d.Put(t.Context(), diskKey(i), diskEntry(i))
	}
	closeDisk(t, d) // drains
	before := d.Stats()

	d = open(t, DiskConfig{Dir: dir, MaxBytes: 1 << 20})
	for i := range 20 {
		e, tier := d.Get(t.Context(), diskKey(i))
		if diff := cmp.Diff(diskEntry(i), e); diff != "" || tier != "disk" {
			t.Fatalf("entry %d, tier %q (-want +got):\n%s", i, tier, diff)
		}
	}
	<-d.scanned
	if after := d.Stats(); after.Bytes != before.Bytes || after.Entries != 20 || before.Bytes != 20*2*fileBlock {
		t.Errorf("before %+v, after the scan %+v", before, after)
	}
}

func TestDiskClosed(t *testing.T) {
	dir := t.TempDir()
	d := open(t, DiskConfig{Dir: dir, MaxBytes: 1 << 20})
	d.Put(t.Context(), diskKey(1), diskEntry(1))
	closeDisk(t, d)
	closeDisk(t, d)
	if e, _ := d.Get(t.Context(), diskKey(1)); e != nil {
		t.Error("a closed cache has hits")
	}
	d.Put(t.Context(), diskKey(2), diskEntry(2))
	d.Delete(t.Context(), diskKey(1))
	if paths := entryFiles(t, dir); len(paths) != 1 {
		t.Errorf("a closed cache has changed its folder: %q", paths)
	}
}

func TestDiskPermissions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	d := open(t, DiskConfig{Dir: dir, MaxBytes: 1 << 20})
	d.Put(t.Context(), diskKey(1), diskEntry(1))
	drain(t, d)
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if entry.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil || files != 2 {
		t.Errorf("%d files, want an entry and the lock; %v", files, err)
	}
}

func TestDiskOpenErrors(t *testing.T) {
	dir := t.TempDir()
	d := open(t, DiskConfig{Dir: dir, MaxBytes: 1 << 20})
	if _, err := OpenDisk(DiskConfig{Dir: dir, MaxBytes: 1 << 20}); !errors.Is(err, ErrInUse) {
		t.Errorf("a folder in use: %v", err)
	}
	closeDisk(t, d)
	closeDisk(t, open(t, DiskConfig{Dir: dir, MaxBytes: 1 << 20}))

	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDisk(DiskConfig{Dir: file, MaxBytes: 1 << 20}); err == nil {
		t.Error("opened a file as a folder")
	}
	if _, err := OpenDisk(DiskConfig{Dir: dir}); err == nil {
		t.Error("opened a cache of 0 bytes")
	}
}

func TestDiskStaysWithinItsBytes(t *testing.T) {
	const bound = 20 * 2 * fileBlock
	dir := t.TempDir()
	d := open(t, DiskConfig{Dir: dir, MaxBytes: bound})
	for i := range 100 {
		d.Put(t.Context(), diskKey(i), diskEntry(i))
		drain(t, d)
		if i == 50 {
			if e, _ := d.Get(t.Context(), diskKey(40)); e == nil {
				t.Fatal("a recent entry is gone")
			}
		}
		if i == 65 {
			if e, _ := d.Get(t.Context(), diskKey(40)); e == nil {
				t.Error("an entry that was used is gone")
			}
			if e, _ := d.Get(t.Context(), diskKey(44)); e != nil {
				t.Error("an entry that was not used for longest is still there")
			}
		}
	}
	s := d.Stats()
	if files := entryFiles(t, dir); s.Bytes > bound || s.Entries != 20 || s.Evictions != 80 || len(files) != 20 {
		t.Errorf("%+v, %d files", s, len(files))
	}
}

// The scan evicts by the order of last use, which mtimes carry over a restart.
func TestDiskEvictsAfterRestart(t *testing.T) {
	dir := t.TempDir()
	d := open(t, DiskConfig{Dir: dir, MaxBytes: 1 << 20})
	for i := range 40 {
		d.Put(t.Context(), diskKey(i), diskEntry(i))
	}
	drain(t, d)
	old := time.Now().Add(-time.Hour)
	for i := range 40 {
		at := old.Add(time.Duration(i*7%40) * time.Second)
		if err := os.Chtimes(d.path(diskKey(i)), at, at); err != nil {
			t.Fatal(err)
		}
	}
	d.Get(t.Context(), diskKey(0)) // the oldest, used now
	closeDisk(t, d)

	d = open(t, DiskConfig{Dir: dir, MaxBytes: 10 * 2 * fileBlock})
	<-d.scanned
	kept := 0
	for i := range 40 {
		e, _ := d.Get(t.Context(), diskKey(i))
		if want := i == 0 || i*7%40 > 30; (e != nil) != want {
			t.Errorf("entry %d, the %dth: kept %v, want %v", i, i*7%40, e != nil, want)
		}
		if e != nil {
			kept++
		}
	}
	if kept != 10 {
		t.Errorf("%d kept", kept)
	}
}

func TestDiskTouchesOnceAMinute(t *testing.T) {
	d := open(t, DiskConfig{Dir: t.TempDir(), MaxBytes: 1 << 20})
	d.Put(t.Context(), diskKey(1), diskEntry(1))
	drain(t, d)
	for _, test := range []struct {
		age     time.Duration
		touched bool
	}{{30 * time.Second, false}, {2 * time.Minute, true}} {
		path := d.path(diskKey(1))
		at := time.Now().Add(-test.age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		if e, _ := d.Get(t.Context(), diskKey(1)); e == nil {
			t.Fatal("a miss")
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if touched := time.Since(info.ModTime()) < test.age-time.Second; touched != test.touched {
			t.Errorf("last used %v ago: touched %v", test.age, touched)
		}
	}
}

func TestDiskScanCleansUp(t *testing.T) {
	dir := t.TempDir()
	d := open(t, DiskConfig{Dir: dir, MaxBytes: 1 << 20})
	for i := range 6 {
		e := diskEntry(i)
		if i == 1 {
			e.ExpiresAt = time.Now().Add(2 * time.Second)
		}
		d.Put(t.Context(), diskKey(i), e)
	}
	expires := time.Now().Add(2 * time.Second)
	closeDisk(t, d)

	alter := func(key Key, change func(file []byte) []byte) {
		t.Helper()
		file, err := os.ReadFile(d.path(key))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(d.path(key), change(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	alter(diskKey(2), func(file []byte) []byte { file[len(magic)-1] += MaxHashes + 1; return file })
	alter(diskKey(3), func(file []byte) []byte { return file[:len(file)-1] })
	alter(diskKey(4), func([]byte) []byte { return nil })
	foreign := []string{
		filepath.Join(dir, "notes.txt"),
		filepath.Join(filepath.Dir(d.path(diskKey(0))), "README"),
		filepath.Join(dir, "AB", "cd", strings.Repeat("ab", 32)),
		filepath.Join(dir, "ab", "cd", strings.Repeat("ef", 32)), // under another's folder
	}
	for _, path := range append(foreign, filepath.Join(dir, tempDir, diskKey(9).String())) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	<-time.After(time.Until(expires))

	d = open(t, DiskConfig{Dir: dir, MaxBytes: 1 << 20})
	<-d.scanned
	want := map[string]bool{d.path(diskKey(0)): true, d.path(diskKey(5)): true}
	for _, path := range foreign {
		want[path] = true // not ours to remove
	}
	got := map[string]bool{}
	for _, path := range entryFiles(t, dir) {
		got[path] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files after the scan (-want +got):\n%s", diff)
	}
	if s := d.Stats(); s.Entries != 2 || s.Corrupt != 2 {
		t.Errorf("%+v, want 2 entries and 2 corrupt", s)
	}
	closeDisk(t, d)

	// The folders that are empty now go with the next scan.
	d = open(t, DiskConfig{Dir: dir, MaxBytes: 1 << 20})
	<-d.scanned
	if _, err := os.Stat(filepath.Dir(d.path(diskKey(3)))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder is still there: %v", err)
	}
}

// Every way to damage a file must make it a miss, and the file go.
func TestDiskDamagedFiles(t *testing.T) {
	d := open(t, DiskConfig{Dir: t.TempDir(), MaxBytes: 1 << 20})
	<-d.scanned // the scan removes empty folders, and this test writes into one
	key := diskKey(1)
	d.Put(t.Context(), key, diskEntry(1))
	drain(t, d)
	good, err := os.ReadFile(d.path(key))
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, damaged []byte) {
		t.Helper()
		if err := os.WriteFile(d.path(key), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if e, _ := d.Get(t.Context(), key); e != nil {
			t.Errorf("%s: served", name)
		}
		if _, err := os.Stat(d.path(key)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the file is still there: %v", name, err)
		}
	}
	head := len(good) - len(diskEntry(1).Body)
	for i := range good {
		if i > head+10 && i < len(good)-10 && i%97 != 0 {
			continue // within the body, samples do
		}
		damaged := bytes.Clone(good)
		damaged[i] ^= 1 << (i % 8)
		check(fmt.Sprintf("bit flipped in byte %d", i), damaged)
		check(fmt.Sprintf("cut to %d bytes", i), good[:i])
		damaged = bytes.Clone(good)
		clear(damaged[i:])
		if !bytes.Equal(damaged, good) {
			check(fmt.Sprintf("zeros from byte %d", i), damaged)
		}
		damaged = bytes.Clone(good)
		clear(damaged[:i+1])
		check(fmt.Sprintf("zeros to byte %d", i), damaged)
	}
	check("longer", append(bytes.Clone(good), 0))
	check("twice", append(bytes.Clone(good), good...))

	if err := unix.Mkfifo(d.path(key), 0o600); err != nil { // reading it would wait for a writer
		t.Fatal(err)
	}
	if e, _ := d.Get(t.Context(), key); e != nil {
		t.Error("a pipe was served")
	}
	if _, err := os.Lstat(d.path(key)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the pipe is still there: %v", err)
	}

	other := d.path(diskKey(2))
	if err := os.MkdirAll(filepath.Dir(other), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if e, _ := d.Get(t.Context(), diskKey(2)); e != nil {
		t.Error("served another key's file")
	}
	if err := os.WriteFile(d.path(key), good, 0o600); err != nil {
		t.Fatal(err)
	}
	if e, _ := d.Get(t.Context(), key); e == nil {
		t.Error("the undamaged file is a miss")
	}
	if s := d.Stats(); s.Corrupt == 0 || s.Failures != 0 {
		t.Errorf("%+v", s)
	}
}

func TestDiskFilesVanish(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	d := open(t, DiskConfig{Dir: dir, MaxBytes: 1 << 20})
	<-d.scanned
	for _, remove := range []func() error{
		func() error { return os.Remove(d.path(diskKey(1))) },
		func() error { return os.RemoveAll(dir) },
	} {
		d.Put(t.Context(), diskKey(1), diskEntry(1))
		drain(t, d)
		if err := remove(); err != nil {
			t.Fatal(err)
		}
		if e, _ := d.Get(t.Context(), diskKey(1)); e != nil {
			t.Error("served what is not there")
		}
		if s := d.Stats(); s.Entries != 0 || s.Bytes != 0 {
			t.Errorf("%+v: still counts what is not there", s)
		}
	}
	d.Put(t.Context(), diskKey(1), diskEntry(1))
	drain(t, d)
	if paths := entryFiles(t, dir); len(paths) != 1 {
		t.Errorf("not made anew: %q", paths)
	}
	if s := d.Stats(); s.Failures != 0 {
		t.Errorf("%+v", s)
	}
}

// TestDiskReadsFewLargeFilesAtATime: reads of further large files wait. Small files don't.
func TestDiskReadsFewLargeFilesAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, DiskConfig{Dir: t.TempDir(), MaxBytes: 8 << 20})
		small, large := diskEntry(1), diskEntry(2)
		large.Body = make([]byte, largeRead)
		d.Put(t.Context(), diskKey(1), small)
		d.Put(t.Context(), diskKey(2), large)
		drain(t, d)
		for range readers {
			d.reading <- struct{}{}
		}
		got := make(chan *Entry, 1)
		go func() {
			e, _ := d.Get(t.Context(), diskKey(2))
			got <- e
		}()
		synctest.Wait()
		if e, _ := d.Get(t.Context(), diskKey(1)); e == nil {
			t.Error("the small one is a miss")
		}
		select {
		case <-got:
			t.Error("the large one did not wait")
		default:
		}
		<-d.reading
		if e := <-got; e == nil || len(e.Body) != largeRead {
			t.Error("the large one is a miss")
		}
	})
}

// A write that the file system refuses is counted, and logged once a minute. The old entry
// is removed too.
func TestDiskFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		dir := t.TempDir()
		d := open(t, DiskConfig{Dir: dir, MaxBytes: 1 << 20, Log: slog.New(slog.NewTextHandler(&log, nil))})
		<-d.scanned
		d.Put(t.Context(), diskKey(1), diskEntry(1))
		drain(t, d)

		// A file where the writer's folder should be.
		if err := os.Remove(filepath.Join(dir, tempDir)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, tempDir), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			d.Put(t.Context(), diskKey(1), diskEntry(2))
			d.Put(t.Context(), diskKey(2+i), diskEntry(2))
			drain(t, d)
			if e, _ := d.Get(t.Context(), diskKey(1)); e != nil {
				t.Error("the entry that was replaced is still there")
			}
		}
		if s := d.Stats(); s.Failures != 10 || s.Dropped != 10 || s.Puts != 1 {
			t.Errorf("%+v", s)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%d lines in the log, want 1:\n%s", n, log.String())
		}
		time.Sleep(time.Minute)
		d.Put(t.Context(), diskKey(1), diskEntry(2))
		drain(t, d)
		if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "failures=10") {
			t.Errorf("a minute later: %d lines in the log, want 2:\n%s", n, log.String())
		}

		// A folder where an entry's file should be.
		if err := os.MkdirAll(filepath.Join(d.path(diskKey(99)), "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, tempDir)); err != nil {
			t.Fatal(err)
		}
		before := d.Stats().Failures
		d.Put(t.Context(), diskKey(99), diskEntry(99))
		drain(t, d)
		if e, _ := d.Get(t.Context(), diskKey(99)); e != nil {
			t.Error("served a folder")
		}
		if after := d.Stats().Failures; after <= before {
			t.Error("failures are not counted")
		}
		if entries, _ := os.ReadDir(filepath.Join(dir, tempDir)); len(entries) != 0 {
			t.Errorf("temporary files are left: %v", entries)
		}
		d.Put(t.Context(), diskKey(1), diskEntry(3))
		drain(t, d)
		if e, _ := d.Get(t.Context(), diskKey(1)); e == nil {
			t.Error("does not recover")
		}
	})
}

// block keeps the writer from finishing any write of the key until the returned
// function is called.
func block(d *Disk, key Key) (unblock func()) {
	name := d.name(key)
	name.Lock()
	return name.Unlock
}

// awaitQueue waits until n writes are left that haven't begun.
func awaitQueue(d *Disk, n int) {
	for waiting := n + 1; waiting > n; runtime.Gosched() {
		d.mu.Lock()
		waiting = len(d.queue)
		d.mu.Unlock()
	}
}

func TestDiskQueueIsBounded(t *testing.T) {
	d := open(t, DiskConfig{Dir: t.TempDir(), MaxBytes: 1 << 20, QueueBytes: 5 * memorySize(diskEntry(0))})
	<-d.scanned
	old := diskKey(9)
	d.Put(t.Context(), old, diskEntry(9))
	drain(t, d)
	unblock := block(d, diskKey(0))
	for i := range 5 {
		d.Put(t.Context(), diskKey(i), diskEntry(i))
	}
	for i := range 5 {
		if e, _ := d.Get(t.Context(), diskKey(i)); e == nil {
			t.Errorf("entry %d is a miss while it waits to be written", i)
		}
	}
	d.Put(t.Context(), diskKey(5), diskEntry(5))
	d.Put(t.Context(), old, diskEntry(10))
	for _, key := range []Key{diskKey(5), old} {
		if e, _ := d.Get(t.Context(), key); e != nil {
			t.Error("past the bound, an entry was queued, or the one it replaces is still there")
		}
	}
	unblock()
	drain(t, d)
	if s := d.Stats(); s.Dropped != 2 || s.Puts != 6 || s.Entries != 5 {
		t.Errorf("%+v", s)
	}
	d.Put(t.Context(), diskKey(5), diskEntry(5))
	drain(t, d)
	if e, _ := d.Get(t.Context(), diskKey(5)); e == nil {
		t.Error("the queue's room doesn't come back")
	}
}

// A write that runs must not bring back an entry that is deleted meanwhile, and must not
// replace a later write.
func TestDiskSupersededWrites(t *testing.T) {
	d := open(t, DiskConfig{Dir: t.TempDir(), MaxBytes: 1 << 20})
	<-d.scanned
	ahead, key := diskKey(1), diskKey(2)
	unblock := block(d, ahead)
	d.Put(t.Context(), ahead, diskEntry(1))
	for i := range 4 {
		d.Put(t.Context(), key, diskEntry(i))
	}
	if e, _ := d.Get(t.Context(), key); e == nil || e.Body[0] != 3 {
		t.Error("Get doesn't answer the last of several puts")
	}
	d.Delete(t.Context(), key)
	if e, _ := d.Get(t.Context(), key); e != nil {
		t.Error("Get answers what is deleted")
	}
	unblock()
	drain(t, d)
	if s := d.Stats(); s.Entries != 1 || s.Puts != 1 {
		t.Errorf("%+v: wrote what was superseded", s)
	}
	for i := range 200 {
		d.Put(t.Context(), key, diskEntry(i))
		d.Put(t.Context(), key, diskEntry(i+1))
		if i%2 == 0 {
			d.Delete(t.Context(), key) // with the write anywhere on its way
		}
		drain(t, d)
		e, _ := d.Get(t.Context(), key)
		if i%2 == 0 && e != nil || i%2 == 1 && (e == nil || e.Body[0] != byte(i+1)) {
			t.Fatalf("round %d: have %v", i, e != nil)
		}
	}
}

// A delete that comes between the writing of the temporary file and its rename.
func TestDiskDeleteDuringWrite(t *testing.T) {
	d := open(t, DiskConfig{Dir: t.TempDir(), MaxBytes: 1 << 20})
	<-d.scanned
	key := diskKey(1)
	unblock := block(d, key)
	d.Put(t.Context(), key, diskEntry(1))
	awaitQueue(d, 0)
	// Delete does this when it has the lock of the name, which the test holds here.
	d.mu.Lock()
	d.supersede(key)
	d.mu.Unlock()
	d.remove(key)
	unblock()
	drain(t, d)
	if e, _ := d.Get(t.Context(), key); e != nil {
		t.Error("the write has brought back what was deleted")
	}
	if paths := entryFiles(t, d.dir); len(paths) != 0 {
		t.Errorf("files are left: %q", paths)
	}
}

func TestDiskCloseGivesUp(t *testing.T) {
	dir := t.TempDir()
	d := open(t, DiskConfig{Dir: dir, MaxBytes: 1 << 20})
	<-d.scanned
	unblock := block(d, diskKey(0))
	for i := range 5 {
		d.Put(t.Context(), diskKey(i), diskEntry(i))
	}
	awaitQueue(d, 4) // the first has begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Drain(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Drain: %v", err)
	}
	if err := d.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v", err)
	}
	if _, err := OpenDisk(DiskConfig{Dir: dir, MaxBytes: 1 << 20}); !errors.Is(err, ErrInUse) {
		t.Errorf("the folder is free while a write is under way: %v", err)
	}
	unblock()
	closeDisk(t, d)
	if s := d.Stats(); s.Puts > 1 || s.Dropped < 4 {
		t.Errorf("%+v: went on after giving up", s)
	}
	open(t, DiskConfig{Dir: dir, MaxBytes: 1 << 20})
}

// Readers, writers, deleters and eviction work on a few files at the same time. Each entry
// that is served must be complete, and that of its key.
func TestDiskUnderStress(t *testing.T) {
	dir := t.TempDir()
	d := open(t, DiskConfig{Dir: dir, MaxBytes: 17 * 2 * fileBlock})
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			for i := range 300 {
				n := (g*31 + i*7) % 40
				switch (g + i) % 4 {
				case 0:
					d.Put(t.Context(), diskKey(n), diskEntry(n))
				case 1:
					if i%5 == 0 {
						d.Delete(t.Context(), diskKey(n))
					}
				default:
					if e, _ := d.Get(t.Context(), diskKey(n)); e != nil && !cmp.Equal(e, diskEntry(n)) {
						t.Errorf("entry %d is not as it was put", n)
					}
				}
			}
		})
	}
	wg.Wait()
	drain(t, d)
	s := d.Stats()
	if files := entryFiles(t, dir); int64(len(files)) != s.Entries || s.Bytes > 17*2*fileBlock {
		t.Errorf("%+v, but %d files", s, len(files))
	}
	if s.Failures != 0 || s.Corrupt != 0 {
		t.Errorf("%+v", s)
	}
}

// TestDiskReserves: a large file is read only where there is memory for it. The entry stays,
// and isn't copied to the tier above.
func TestDiskReserves(t *testing.T) {
	var reserved, released int64
	room := true
	d, err := OpenDisk(DiskConfig{Dir: t.TempDir(), MaxBytes: 64 << 20, Reserve: func(_ context.Context, n int64) (func(), bool) {
		if !room {
			return nil, false
		}
		reserved += n
		return func() { released += n }, true
	}})
	if err != nil {
		t.Fatal(err)
	}
	small, large := Key{1}, Key{2}
	d.Put(t.Context(), small, &Entry{Body: make([]byte, 1000), ETag: `"s"`})
	d.Put(t.Context(), large, &Entry{Body: make([]byte, largeRead), ETag: `"l"`})
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d, err = OpenDisk(DiskConfig{Dir: d.dir, MaxBytes: 64 << 20, Reserve: d.reserve}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close(t.Context()) }()
	memory := NewMemory(64 << 20)
	both := NewTiered(memory, d)
	room = false
	if e, _ := both.Get(t.Context(), small); e == nil || len(e.Body) != 1000 {
		t.Errorf("a small entry: %v", e)
	}
	if e, _ := both.Get(t.Context(), large); e != NoRoom {
		t.Errorf("without room: %v", e)
	}
	l := &Loader{Cache: both}
	if e, _, err := l.Load(t.Context(), large, func(context.Context, *Entry) (*Entry, error) {
		t.Error("the entry is made again")
		return &Entry{}, nil
	}); e != nil || err != ErrNoRoom {
		t.Errorf("%v, %v", e, err)
	}
	if e, _, err := l.Peek(t.Context(), large); e != nil || err != ErrNoRoom {
		t.Errorf("a look: %v, %v", e, err)
	}
	room = true
	if e, _ := both.Get(t.Context(), large); e == nil || len(e.Body) != largeRead {
		t.Errorf("with room: %v", e)
	}
	if reserved < largeRead || released != reserved {
		t.Errorf("%d bytes reserved, %d released", reserved, released)
	}
}

//go:build unix

package origin

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// writeFiles writes files with their own names as content.
func writeFiles(t *testing.T, folder string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func symlink(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func openTestDir(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestDirFetch(t *testing.T) {
	outside := t.TempDir()
	writeFiles(t, outside, "secret.jpg")
	root := filepath.Join(outside, "root")
	writeFiles(t, root, "cat.jpg", "a/b/c.jpg", "a b+ü.jpg", "100%2e.jpg", "large.jpg", ".cat.jpg", ".git/cat.jpg", "a/.git/cat.jpg")
	if err := os.Truncate(filepath.Join(root, "large.jpg"), 1001); err != nil {
		t.Fatal(err)
	}
	symlink(t, "a/b/c.jpg", filepath.Join(root, "inside.jpg"))
	symlink(t, "a", filepath.Join(root, "inside"))
	symlink(t, "../secret.jpg", filepath.Join(root, "up.jpg"))
	symlink(t, filepath.Join(outside, "secret.jpg"), filepath.Join(root, "absolute.jpg"))
	symlink(t, "..", filepath.Join(root, "up"))
	symlink(t, "loop.jpg", filepath.Join(root, "loop.jpg"))
	symlink(t, "/dev/zero", filepath.Join(root, "zero.jpg"))
	if err := syscall.Mkfifo(filepath.Join(root, "fifo.jpg"), 0o644); err != nil {
		t.Fatal(err)
	}
	d := openTestDir(t, root)
	d.MaxBytes = 1000

	tests := []struct {
		key  Key
		body string
		err  error
	}{
		{key: Key{Path: "cat.jpg"}, body: "cat.jpg"},
		{key: Key{Path: "a/b/c.jpg"}, body: "a/b/c.jpg"},
		{key: Key{Path: "a b+ü.jpg"}, body: "a b+ü.jpg"},
		{key: Key{Path: "100%2e.jpg"}, body: "100%2e.jpg"},
		{key: Key{Path: "inside.jpg"}, body: "a/b/c.jpg"},
		{key: Key{Path: "inside/b/c.jpg"}, body: "a/b/c.jpg"},
		{key: Key{Path: "large.jpg"}, err: ErrTooLarge},
		{key: Key{Path: "cat.jpg", Query: "v=1"}, err: ErrNotFound},
		{key: Key{Path: "none.jpg"}, err: ErrNotFound},
		{key: Key{Path: "none/cat.jpg"}, err: ErrNotFound},
		{key: Key{Path: "cat.jpg/x"}, err: ErrNotFound},
		{key: Key{Path: "a"}, err: ErrNotFound},
		{key: Key{Path: strings.Repeat("x", 300)}, err: ErrNotFound},
		{key: Key{Path: ".cat.jpg"}, err: ErrNotFound},
		{key: Key{Path: ".git/cat.jpg"}, err: ErrNotFound},
		{key: Key{Path: "a/.git/cat.jpg"}, err: ErrNotFound},
		{key: Key{Path: "up.jpg"}, err: ErrNotFound},
		{key: Key{Path: "up/secret.jpg"}, err: ErrNotFound},
		{key: Key{Path: "absolute.jpg"}, err: ErrNotFound},
		{key: Key{Path: "loop.jpg"}, err: ErrNotFound},
		{key: Key{Path: "zero.jpg"}, err: ErrNotFound},
		{key: Key{Path: "fifo.jpg"}, err: ErrNotFound},
		{key: Key{Path: "../secret.jpg"}, err: ErrInvalidPath},
		{key: Key{Path: "/etc/passwd"}, err: ErrInvalidPath},
		{key: Key{Path: "a/../cat.jpg"}, err: ErrInvalidPath},
		{key: Key{Path: "."}, err: ErrInvalidPath},
		{key: Key{Path: ""}, err: ErrInvalidPath},
		{key: Key{Path: "a/"}, err: ErrInvalidPath},
		{key: Key{Path: "cat.jpg\x00"}, err: ErrInvalidPath},
	}
	for _, tt := range tests {
		object, err := d.Fetch(t.Context(), tt.key, Validators{})
		if !errors.Is(err, tt.err) || err == nil && string(object.Body) != tt.body {
			t.Errorf("%.40q: %v, %v; want %q, %v", tt.key, object, err, tt.body, tt.err)
		}
		if err != nil && strings.Contains(err.Error(), outside) {
			t.Errorf("%q tells where the folder is", err)
		}
	}

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Fetch(cancelled, Key{Path: "cat.jpg"}, Validators{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	d.Close()
	if _, err := d.Fetch(t.Context(), Key{Path: "cat.jpg"}, Validators{}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("closed: %v", err)
	}
}

func TestDirConditional(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "cat.jpg")
	at := time.Date(2026, 11, 22, 8, 0, 0, 1, time.UTC)
	write := func(content string, at time.Time) {
		t.Helper()
		// Editors and uploads write a new file and move it over the old one.
		if err := os.WriteFile(path+".new", []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path+".new", at, at); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write("one", at)
	d := openTestDir(t, root)
	key := Key{Path: "cat.jpg"}
	object, err := d.Fetch(t.Context(), key, Validators{})
	if err != nil {
		t.Fatal(err)
	}
	have := object.Validators
	if have.LastModified != "Sun, 22 Nov 2026 08:00:00 GMT" || len(have.ETag) < 10 || have.ETag[0] != '"' {
		t.Errorf("validators %+v", have)
	}
	for _, v := range []Validators{have, {ETag: have.ETag}, {LastModified: have.LastModified}} {
		if _, err := d.Fetch(t.Context(), key, v); !errors.Is(err, ErrNotModified) {
			t.Errorf("%+v: %v; want ErrNotModified", v, err)
		}
	}
	for _, v := range []Validators{{ETag: `"x"`, LastModified: have.LastModified}, {LastModified: "Sun, 22 Nov 2026 08:00:01 GMT"}} {
		if object, err := d.Fetch(t.Context(), key, v); err != nil || string(object.Body) != "one" {
			t.Errorf("%+v: %v, %v", v, object, err)
		}
	}

	for _, change := range []struct {
		name, content string
		at            time.Time
	}{
		{"another file of the same size and time", "two", at},
		{"the same size, a nanosecond later", "six", at.Add(1)},
		{"another size at the same time", "three", at.Add(1)},
	} {
		write(change.content, change.at)
		object, err := d.Fetch(t.Context(), key, have)
		if err != nil || string(object.Body) != change.content {
			t.Errorf("%s: %v, %v", change.name, object, err)
			continue
		}
		have = object.Validators
	}
}

func TestDirList(t *testing.T) {
	outside := t.TempDir()
	writeFiles(t, outside, "secret.jpg")
	root := filepath.Join(outside, "root")
	deep := strings.Repeat("d/", maxListDepth)
	writeFiles(t, root, "b.JPG", "a.png", "c/z.webp", "c/a.avif", "c.gif", "e.heic", "f.tiff", "g.svg", "h.jpeg",
		"notes.txt", "jpg", ".hidden.jpg", ".git/x.jpg", `back\slash.jpg`, "line\nbreak.jpg",
		deep+"in.jpg", deep+"d/out.jpg")
	os.WriteFile(filepath.Join(root, "not-utf8-\xff.jpg"), nil, 0o644) // not every file system has such names
	symlink(t, "a.png", filepath.Join(root, "link.png"))
	symlink(t, "../secret.jpg", filepath.Join(root, "secret.jpg"))
	symlink(t, ".", filepath.Join(root, "self"))
	symlink(t, "self.jpg", filepath.Join(root, "self.jpg"))
	if err := os.Mkdir(filepath.Join(root, "folder.jpg"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "fifo.jpg"), 0o644); err != nil {
		t.Fatal(err)
	}
	d := openTestDir(t, root)
	all := []string{
		"a.png", "b.JPG", "c.gif", "c/a.avif", "c/z.webp", deep + "in.jpg", "e.heic", "f.tiff", "g.svg", "h.jpeg", "link.png",
	}
	for limit, want := range map[int][]string{100: all, 3: all[:3], 0: {}, -1: {}} {
		got, err := d.List(t.Context(), limit)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, append([]string{}, got...)); diff != "" {
			t.Errorf("limit %d (-want +got):\n%s", limit, diff)
		}
	}
	for _, key := range all {
		if _, err := d.Fetch(t.Context(), Key{Path: key}, Validators{}); err != nil {
			t.Errorf("%q is listed, but: %v", key, err)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.List(cancelled, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestOpenDirRefuses(t *testing.T) {
	root := t.TempDir()
	writeFiles(t, root, "file")
	for _, path := range []string{filepath.Join(root, "none"), filepath.Join(root, "file")} {
		if d, err := OpenDir(path); err == nil {
			d.Close()
			t.Errorf("OpenDir(%q) succeeded", path)
		}
	}
}

package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/transform"
)

// With refusing, every third sendfile is what a file system without it does; with failing, each is
// what a disk that fails does.
var (
	refusing, failing atomic.Bool
	refused           atomic.Int64
)

func init() {
	sendfile = func(out, in int, at *int64, n int) (int, error) {
		if refusing.Load() && refused.Add(1)%3 == 0 {
			return 0, unix.EINVAL
		}
		if failing.Load() {
			return 0, unix.EIO
		}
		return unix.Sendfile(out, in, at, n)
	}
}

// noise is an engine whose output is large, so that no socket takes it at once.
type noise struct{ body []byte }

func (n noise) Transform(context.Context, transform.Job) (transform.Image, error) {
	return transform.Image{Data: n.body, Format: transform.JPEG, Width: 20, Height: 20, Frames: 1}, nil
}

// TestSendFile: a body of several MiB comes whole out of its file, to clients that read slowly and
// several at once, and is removed meanwhile. Where the disk
// fails or the file becomes shorter, the answer breaks off.
func TestSendFile(t *testing.T) {
	body := make([]byte, 6<<20)
	for i, sum := 0, sha256.Sum256(nil); i < len(body); i += len(sum) {
		copy(body[i:], sum[:])
		sum = sha256.Sum256(sum[:])
	}
	d, dir := openDisk(t)
	c := &lending{Cache: d}
	b := newBench(t, func(s *delivery.Config) { s.Cache, s.Engine = c, noise{body} })
	b.registry.Set(t, b.acme())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: b.handler, WriteTimeout: 20 * time.Second}
	guard := &Connections{Most: 100}
	l = guard.Guard(s, l)
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	at := "http://" + l.Addr().String() + "/acme/photos/cat.jpg?w=20"
	get := func(change ...string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(change); i += 2 {
			r.Header.Set(change[i], change[i+1])
		}
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Body.Close() })
		return w
	}
	whole := func(w *http.Response, want []byte) {
		t.Helper()
		got, err := io.ReadAll(w.Body)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes of %d, error %v", len(got), len(want), err)
		}
	}
	whole(get(), body)
	settle(t, d)
	whole(get(), body) // verifies the checksum
	if c.lent.Load() != 0 {
		t.Fatal("lent too early")
	}
	for range 3 { // over one connection
		whole(get(), body)
		whole(get("Range", "bytes=1000001-4999999"), body[1000001:5000000])
		whole(get("Range", "bytes=-7"), body[len(body)-7:])
	}

	refusing.Store(true)
	whole(get(), body)
	refusing.Store(false)
	if n := refused.Load(); n < 3 {
		t.Error("sendfile was called", n, "times")
	}

	failing.Store(true)
	if n, err := io.Copy(io.Discard, get().Body); err == nil {
		t.Errorf("%d bytes from a disk that fails", n)
	}
	failing.Store(false)
	n := c.lent.Load()
	whole(get(), body) // reads the file, and verifies the checksum
	if c.lent.Load() != n || d.Stats().Failures != 1 {
		t.Errorf("%d answers were lent after the disk has failed, %+v", c.lent.Load()-n, d.Stats())
	}

	slow := []*http.Response{get(), get(), get()}
	for _, w := range slow {
		if _, err := io.CopyN(io.Discard, w.Body, 100<<10); err != nil {
			t.Fatal(err)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "??", "??", "*"))
	if len(files) != 1 {
		t.Fatal("files: ", files)
	}
	kept, err := os.OpenFile(files[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	whole(slow[0], body[100<<10:])
	if err := kept.Truncate(1 << 20); err != nil {
		t.Fatal(err)
	}
	for _, w := range slow[1:] {
		if n, err := io.Copy(io.Discard, w.Body); err == nil || n+(100<<10) >= int64(len(body)) {
			t.Errorf("%d bytes of a file that became shorter, error %v", n, err)
		}
	}
	if n := c.lent.Load(); n != 14 {
		t.Errorf("%d answers were lent, want 14", n)
	}
	whole(get(), body) // made anew
	if w := get(); !strings.Contains(w.Header.Get("Cache-Status"), "hit") {
		t.Error(w.Header)
	}
}

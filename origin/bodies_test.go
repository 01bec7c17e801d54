package origin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// An upload is a body that brings its first bytes at once, and the rest on demand.
type upload struct {
	at, has, all int64 // bytes: read, that may be read, in all
	more         chan int64
	gone         chan struct{}
	stop         func()
}

func newUpload(has, all int64) *upload {
	u := &upload{has: has, all: all, more: make(chan int64), gone: make(chan struct{})}
	u.stop = sync.OnceFunc(func() { close(u.gone) })
	return u
}

func (u *upload) Read(p []byte) (int, error) {
	for u.at >= u.has {
		if u.at >= u.all {
			return 0, io.EOF
		}
		select {
		case n := <-u.more:
			u.has += n
		case <-u.gone:
			return 0, errors.New("connection closed")
		}
	}
	n := copy(p[:min(int64(len(p)), u.has-u.at)], pattern[u.at%int64(len(pattern)):])
	u.at += int64(n)
	return n, nil
}

// pattern is repeated in the bodies of the tests. Its length is a prime.
var pattern = func() []byte {
	p := make([]byte, 65521)
	for i := range p {
		p[i] = byte(i ^ i>>8)
	}
	return p
}()

func isUpload(body []byte, size int64) bool {
	if int64(len(body)) != size {
		return false
	}
	for len(body) > 0 {
		n := min(len(body), len(pattern))
		if !bytes.Equal(body[:n], pattern[:n]) {
			return false
		}
		body = body[n:]
	}
	return true
}

func wantNothingHeld(t *testing.T, b *Bodies) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pools[inMemory].used != 0 || b.pools[onDisk].used != 0 || len(b.pools[inMemory].of) != 0 || len(b.pools[onDisk].of) != 0 || len(b.pools[inMemory].clients) != 0 || len(b.pools[onDisk].clients) != 0 || len(b.hosts) != 0 || len(b.reading) != 0 || b.whole != 0 {
		t.Errorf("at rest: %d bytes in memory, %d on disk, of %d and %d workspaces; %d are read, %d are whole",
			b.pools[inMemory].used, b.pools[onDisk].used, len(b.pools[inMemory].of), len(b.pools[onDisk].of), len(b.reading), b.whole)
	}
}

// TestBodies reads bodies of every size, in memory and on disk. They come out unchanged.
// Their bytes count until they are released.
func TestBodies(t *testing.T) {
	const limit = 5 << 20
	places := []struct {
		name   string
		config BodiesConfig
		full   bool // the disk
	}{
		{"any number", BodiesConfig{}, false},
		{"memory alone", BodiesConfig{Memory: 12 << 20}, false},
		{"memory and disk", BodiesConfig{Memory: 6 << 20, Disk: 32 << 20, Dir: t.TempDir()}, false},
		{"disk", BodiesConfig{Memory: 128 << 10, Disk: 32 << 20, Dir: t.TempDir()}, false},
		{"a disk that fails later", BodiesConfig{Memory: 12 << 20, Disk: 32 << 20, Dir: t.TempDir()}, true},
		{"no such folder", BodiesConfig{Memory: 12 << 20, Disk: 32 << 20, Dir: "/nowhere"}, false},
	}
	for _, tt := range places {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBodies(tt.config)
			for _, size := range []int64{0, 1, firstBuffer - 1, firstBuffer, firstBuffer + 1, heapBody - 1, heapBody, heapBody + 1, 300_000, largeBody - 1, largeBody, largeBody + 1, largeBody + growBy, 3<<20 + 7, limit} {
				for _, length := range []int64{-1, size} {
					u := newUpload(size, size)
					ctx := WithOwner(t.Context(), Owner{Workspace: "w", Host: "h"})
					var r io.Reader = u
					if tt.full {
						r = &breaker{Reader: u, b: b}
					}
					o, err := b.Read(ctx, r, length, limit, u.stop)
					if err != nil {
						t.Fatalf("%d bytes, length %d: %v", size, length, err)
					}
					if err := o.Look(func(body []byte) error {
						if !isUpload(body, size) {
							return errors.New("it is another")
						}
						return nil
					}); err != nil {
						t.Errorf("%d bytes, length %d: %v", size, length, err)
					}
					if s := b.Stats(); s.Memory+s.Disk < size || s.Memory+s.Disk > size+size/4 {
						t.Errorf("%d bytes, length %d: %d in memory and %d on disk are counted", size, length, s.Memory, s.Disk)
					}
					o.Retain()
					o.Release()
					if s := b.Stats(); s.Whole != 1 {
						t.Errorf("%d whole bodies, want the one that is retained", s.Whole)
					}
					o.Release()
				}
				if size == 0 {
					continue
				}
				if _, err := b.Read(t.Context(), newUpload(size, size), -1, size-1, func() {}); !errors.Is(err, ErrTooLarge) {
					t.Errorf("%d bytes, one too many: %v", size, err)
				}
				if _, err := b.Read(t.Context(), newUpload(size-1, size-1), size, limit, func() {}); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%d bytes, one too few: %v", size, err)
				}
			}
			wantNothingHeld(t, b)
			if s := b.Stats(); (tt.name == "disk" || tt.name == "memory and disk") && s.Spilled == 0 || tt.name == "memory alone" && s.Spilled > 0 || tt.full && s.DiskFailures == 0 {
				t.Errorf("%d were spilled, %d times the disk failed", s.Spilled, s.DiskFailures)
			}
			if dir := tt.config.Dir; dir != "" && dir != "/nowhere" {
				if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
					t.Errorf("left on disk: %v, %v", left, err)
				}
			}
		})
	}
}

// TestHeapBodies: a body that is announced to be longer than heapBody never is in Go's heap.
// One of unknown length leaves it when it gets as long. Growing, it takes twice its bytes at most.
func TestHeapBodies(t *testing.T) {
	for _, tt := range []struct {
		name         string
		came, length int64
		heap         bool
	}{
		{"short", heapBody / 2, 3 * heapBody / 4, true},
		{"short, of unknown length", heapBody / 2, -1, true},
		{"long, at its beginning", firstBuffer / 2, 4 * heapBody, false},
		{"long", 3 * heapBody, 4 * heapBody, false},
		{"long, of unknown length", 3 * heapBody, -1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := NewBodies(BodiesConfig{Memory: 64 << 20})
				u := newUpload(tt.came, 25<<20)
				done := make(chan error)
				go func() {
					_, err := b.Read(t.Context(), u, tt.length, 25<<20, u.stop)
					done <- err
				}()
				synctest.Wait()
				b.mu.Lock()
				for in := range b.reading {
					s := &in.store
					if s.size != tt.came || (s.buffer != nil) != tt.heap || (s.region != nil) == tt.heap {
						t.Errorf("after %d bytes, %d of them are in the heap and %d in a mapping", s.size, len(s.buffer), len(s.region))
					}
					if took := in.took[inMemory]; took < s.size || took > max(2*s.size, firstBuffer) {
						t.Errorf("%d bytes are counted for %d", took, s.size)
					}
				}
				b.mu.Unlock()
				u.stop()
				if err := <-done; err == nil {
					t.Error("a body that was stopped is whole")
				}
				wantNothingHeld(t, b)
			})
		})
	}
}

// A breaker takes the file away from a body that is going to disk, after two megabytes.
type breaker struct {
	io.Reader
	b *Bodies
}

func (r *breaker) Read(p []byte) (int, error) {
	r.b.mu.Lock()
	r.b.diskOff = time.Time{}
	for in := range r.b.reading {
		if f := in.store.file; f != nil && in.store.size > 2<<20 {
			readOnly, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
			if err == nil {
				in.store.file = readOnly
				_ = f.Close()
			}
		}
	}
	r.b.mu.Unlock()
	return r.Reader.Read(p)
}

// TestPromisedBytes: bytes that a length announces count only when they arrive.
func TestPromisedBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBodies(BodiesConfig{Memory: 64 << 20})
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for range 100 {
			u := newUpload(0, 25<<20)
			wg.Go(func() {
				context.AfterFunc(ctx, u.stop)
				if o, err := b.Read(ctx, u, 25<<20, 25<<20, u.stop); err == nil {
					o.Release()
				}
			})
		}
		synctest.Wait()
		if s := b.Stats(); s.Memory > 100*firstBuffer || s.Reading != 100 {
			t.Errorf("100 promises of 25 MiB take %d bytes; %d are read", s.Memory, s.Reading)
		}
		cancel()
		wg.Wait()
		wantNothingHeld(t, b)
	})
}

// TestStalledBodies: bodies bring 24 of 25 MiB and then stall, from more hosts than there is
// room for. The bytes stay within the bounds, bodies of others are read at once, and all
// stalled bodies are ended long before the timeout of a fetch. The cases are with and
// without a disk, and with and without a length.
func TestStalledBodies(t *testing.T) {
	for _, tt := range []struct {
		name   string
		length int64
		config BodiesConfig
	}{
		{"memory alone", 25 << 20, BodiesConfig{Memory: 64 << 20, Largest: 25 << 20}},
		{"of unknown length", -1, BodiesConfig{Memory: 64 << 20, Largest: 25 << 20}},
		{"memory and disk", 25 << 20, BodiesConfig{Memory: 32 << 20, Disk: 128 << 20, Dir: t.TempDir(), Largest: 25 << 20}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := NewBodies(tt.config)
				var before runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				ended := make(chan error, 100)
				var wg sync.WaitGroup
				for i := range 100 {
					u := newUpload(24<<20, 25<<20)
					wg.Go(func() {
						o, err := b.Read(WithOwner(t.Context(), Owner{Workspace: "default", Host: fmt.Sprint(i%4, ".attacker")}), u, tt.length, 25<<20, u.stop)
						if err == nil {
							o.Release()
						}
						ended <- err
					})
				}
				time.Sleep(1400 * time.Millisecond) // all has come that is let
				synctest.Wait()
				var during runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&during)
				s := b.Stats()
				if s.PeakMemory > s.MemoryLimit || s.PeakDisk > s.DiskLimit {
					t.Errorf("%d of %d bytes of memory and %d of %d of disk were taken at a time", s.PeakMemory, s.MemoryLimit, s.PeakDisk, s.DiskLimit)
				}
				if heap := int64(during.HeapAlloc) - int64(before.HeapAlloc); heap > tt.config.Memory+32<<20 {
					t.Errorf("the heap grew by %d MiB", heap>>20)
				}
				// Others, from other hosts of the same workspace and from others.
				for i, owner := range []Owner{{Workspace: "other", Host: "shop"}, {Workspace: "third", Host: "shop"}, {Workspace: "default", Host: "shop"}} {
					begun := time.Now()
					u := newUpload(3<<20, 3<<20)
					o, err := b.Read(WithOwner(t.Context(), owner), u, -1, 25<<20, u.stop)
					if err != nil || time.Since(begun) > 0 && i < 2 {
						t.Errorf("%v: %v after %v", owner, err, time.Since(begun))
						continue
					}
					o.Release()
				}
				begun := time.Now()
				wg.Wait()
				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("the last one that stalls was ended after %v", took)
				}
				close(ended)
				by := map[error]int{}
				for err := range ended {
					switch {
					case errors.Is(err, ErrBusy):
						by[ErrBusy]++
					case errors.Is(err, ErrTimeout):
						by[ErrTimeout]++
					default:
						t.Error(err)
					}
				}
				if by[ErrBusy] == 0 || by[ErrTimeout] == 0 {
					t.Errorf("ended: %v", by)
				}
				wantNothingHeld(t, b)
			})
		})
	}
}

// TestHalfReadBodies: bodies of several workspaces together need more memory than there is.
// No body waits for ever, and some are read to their end.
func TestHalfReadBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBodies(BodiesConfig{Memory: 20 << 20})
		var wg sync.WaitGroup
		var mu sync.Mutex
		whole, busy := 0, 0
		for i := range 60 {
			u := newUpload(1<<20, 8<<20)
			ctx := WithOwner(t.Context(), Owner{Workspace: fmt.Sprint("w", i%3), Host: fmt.Sprint("h", i%5)})
			wg.Go(func() {
				done := make(chan struct{})
				go func() { // a megabyte more after the other
					for range 7 {
						select {
						case u.more <- 1 << 20:
						case <-done:
							return
						}
					}
				}()
				o, err := b.Read(ctx, u, -1, 25<<20, u.stop)
				close(done)
				if err == nil {
					time.Sleep(100 * time.Millisecond) // a transform
					o.Release()
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					whole++
				case errors.Is(err, ErrBusy):
					busy++
				default:
					t.Error(err)
				}
			})
		}
		begun := time.Now()
		wg.Wait()
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("they took %v", took)
		}
		if whole == 0 || busy == 0 {
			t.Errorf("%d were read whole, %d gave way", whole, busy)
		}
		wantNothingHeld(t, b)
	})
}

// TestShares: where there is no room, a body of the workspace that holds most is ended. It
// is a slow one, or else the newest from the host that holds most.
func TestShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBodies(BodiesConfig{Memory: 40<<20 + 40<<20/7}) // 40 MiB for large bodies
		errs := map[string]error{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		uploads := map[string]*upload{}
		start := func(name, workspace, host string, size int64) {
			u := newUpload(size, 25<<20)
			uploads[name] = u
			wg.Go(func() {
				o, err := b.Read(WithOwner(t.Context(), Owner{Workspace: workspace, Host: host}), u, 25<<20, 25<<20, u.stop)
				if err == nil {
					o.Release()
				}
				mu.Lock()
				errs[name] = err
				mu.Unlock()
			})
			time.Sleep(50 * time.Millisecond) // until paced bodies may go on
			synctest.Wait()
		}
		ended := func(want ...string) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if len(errs) != len(want) {
				t.Errorf("ended: %v, want %v", errs, want)
			}
			for _, name := range want {
				if !errors.Is(errs[name], ErrBusy) {
					t.Errorf("%s: %v", name, errs[name])
				}
			}
		}
		start("a1", "a", "x", 7<<20)
		start("a2", "a", "x", 7<<20)
		start("a3", "a", "y", 3<<20)
		ended()
		start("a4", "a", "z", 5<<20) // more than a's share
		ended("a2")
		start("b1", "b", "x", 5<<20)
		start("c1", "c", "x", 12<<20)
		ended("a2")
		start("d1", "d", "x", 9<<20) // more than there is, of a most
		ended("a2", "a1")
		time.Sleep(2500 * time.Millisecond) // all but e1 have become slow
		start("e1", "e", "x", 4<<20)
		start("f1", "f", "x", 6<<20)
		ended("a2", "a1", "c1")
		for _, u := range uploads {
			u.stop()
		}
		wg.Wait()
		wantNothingHeld(t, b)
	})
}

// TestBrokenDisk: a body that can't be read back from disk is an error. The process doesn't
// crash.
func TestBrokenDisk(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/body")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(bytes.Repeat([]byte{1}, 100_000)); err != nil {
		t.Fatal(err)
	}
	in := NewBodies(BodiesConfig{}).begin(t.Context(), func() {})
	defer in.end()
	s := store{in: in, file: f, size: 100_000}
	body, err := s.finish()
	if err != nil {
		t.Fatal(err)
	}
	defer s.drop()
	if err := os.Truncate(f.Name(), 0); err != nil {
		t.Fatal(err)
	}
	o := &Object{Body: body}
	sum := 0
	err = o.Look(func(body []byte) error {
		for _, b := range body {
			sum += int(b)
		}
		return nil
	})
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v, sum %d", err, sum)
	}
	func() { // other panics in f are not caught
		defer func() {
			if recover() == nil {
				t.Error("a panic was swallowed")
			}
		}()
		_ = o.Look(func([]byte) error { panic("other") })
	}()
}

// TestAdmit: a body that would be ended at once isn't admitted. Bodies from other hosts and
// for other workspaces are, and all bodies are when there is room or a slow body.
func TestAdmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBodies(BodiesConfig{Memory: 40 << 20})
		admits := func(workspace, host string) bool {
			return b.Admit(WithOwner(t.Context(), Owner{Workspace: workspace, Host: host})) == nil
		}
		var wg sync.WaitGroup
		var uploads []*upload
		for range 2 { // all of a's share
			u := newUpload(9<<20, 25<<20)
			uploads = append(uploads, u)
			wg.Go(func() {
				if o, err := b.Read(WithOwner(t.Context(), Owner{Workspace: "a", Host: "x"}), u, 25<<20, 25<<20, u.stop); err == nil {
					o.Release()
				}
			})
		}
		time.Sleep(300 * time.Millisecond) // for what is paced
		synctest.Wait()
		if admits("a", "x") {
			t.Error("one that would give way at once is admitted")
		}
		if !admits("a", "y") || !admits("b", "x") {
			t.Error("another host or workspace is not admitted")
		}
		time.Sleep(2500 * time.Millisecond)
		if !admits("a", "x") {
			t.Error("not admitted, though others are slow and give way")
		}
		for _, u := range uploads {
			u.stop()
		}
		wg.Wait()
		if !admits("a", "x") {
			t.Error("not admitted, though nothing is held")
		}
		wantNothingHeld(t, b)
	})
}

// TestClientOfManyWorkspaces: few clients fill the memory with large bodies of many workspaces,
// which arrive. The bodies of another client find room, small ones at once.
func TestClientOfManyWorkspaces(t *testing.T) {
	for _, clients := range []int{1, 20, 60} {
		synctest.Test(t, func(t *testing.T) {
			b := NewBodies(BodiesConfig{Memory: 58 << 20})
			var wg sync.WaitGroup
			var uploads []*upload
			for i := range 300 {
				ctx := WithOwner(t.Context(), Owner{Workspace: fmt.Sprint("w", i), Host: "attacker", Client: fmt.Sprint("c", i%clients)})
				if i >= clients && b.Admit(ctx) != nil {
					continue
				}
				u := newUpload(7<<20, 8<<20)
				uploads = append(uploads, u)
				wg.Go(func() {
					if o, err := b.Read(ctx, u, 8<<20, 25<<20, u.stop); err == nil {
						o.Release()
					}
				})
				synctest.Wait()
			}
			for i, size := range []int64{67 << 10, 67 << 10, 8 << 20} {
				start := time.Now()
				ctx := WithOwner(t.Context(), Owner{Workspace: "shop", Host: "own", Client: fmt.Sprint("visitor", i)})
				if err := b.Admit(ctx); err != nil {
					t.Errorf("%d clients, body %d: %v", clients, i, err)
				}
				u := newUpload(size, size)
				o, err := b.Read(ctx, u, size, 25<<20, u.stop)
				if took := time.Since(start); err != nil || took > time.Second || size < largeBody && took > 0 {
					t.Errorf("%d clients, body %d: %v after %v", clients, i, err, took)
				}
				if err == nil {
					o.Release()
				}
			}
			for _, u := range uploads {
				u.stop()
			}
			wg.Wait()
			wantNothingHeld(t, b)
		})
	}
}

// TestWorkspacesOfOneClient: behind a proxy that looks like one client, a workspace with large
// bodies gives way to another one.
func TestWorkspacesOfOneClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBodies(BodiesConfig{Memory: 58 << 20})
		var wg sync.WaitGroup
		var uploads []*upload
		for range 3 {
			for i := range 2 {
				u := newUpload(7<<20, 8<<20)
				uploads = append(uploads, u)
				wg.Go(func() {
					if o, err := b.Read(WithOwner(t.Context(), Owner{Workspace: fmt.Sprint("w", i), Host: "big", Client: "proxy"}), u, 8<<20, 25<<20, u.stop); err == nil {
						o.Release()
					}
				})
				synctest.Wait()
			}
		}
		start := time.Now()
		ctx := WithOwner(t.Context(), Owner{Workspace: "shop", Host: "own", Client: "proxy"})
		u := newUpload(8<<20, 8<<20)
		o, err := b.Read(ctx, u, 8<<20, 25<<20, u.stop)
		if took := time.Since(start); b.Admit(ctx) != nil || err != nil || took > time.Second {
			t.Errorf("%v after %v", err, took)
		}
		if err == nil {
			o.Release()
		}
		for _, u := range uploads {
			u.stop()
		}
		wg.Wait()
		wantNothingHeld(t, b)
	})
}

// TestPace: large bodies that arrive at the same time are slowed down to the common pace. A
// single large body and small bodies aren't slowed down.
func TestPace(t *testing.T) {
	rate := int64(paceRate * runtime.GOMAXPROCS(0))
	burst := rate * int64(paceBurst) / int64(time.Second)
	for _, c := range []struct {
		name            string
		bodies          int64
		size            int64 // of each
		atLeast, atMost time.Duration
	}{
		{"one", 1, burst, 0, 0},
		{"small ones", 500, largeBody, 0, 0},
		{"many", 40, burst, 34 * paceBurst, 40 * paceBurst},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := NewBodies(BodiesConfig{})
				start := time.Now()
				var wg sync.WaitGroup
				for range c.bodies {
					wg.Go(func() {
						u := newUpload(c.size, c.size)
						o, err := b.Read(t.Context(), u, c.size, c.size, u.stop)
						if err != nil {
							t.Error(err)
							return
						}
						o.Release()
					})
				}
				wg.Wait()
				if took := time.Since(start); took < c.atLeast || took > c.atMost {
					t.Errorf("took %s, want %s to %s", took, c.atLeast, c.atMost)
				}
				wantNothingHeld(t, b)
			})
		})
	}
}

// TestOrderOfWaiting: bodies of transforms that run fill the memory, and more bodies wait.
// What becomes free goes to the workspace that holds least, and within it to the host that
// holds least, whoever came first.
func TestOrderOfWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBodies(BodiesConfig{Memory: 32 << 20})
		read := func(workspace, host string, size int64) (*Object, error) {
			u := newUpload(size, size)
			return b.Read(WithOwner(t.Context(), Owner{Workspace: workspace, Host: host}), u, size, 25<<20, u.stop)
		}
		var held []*Object
		for _, f := range []struct {
			workspace string
			size      int64
			n         int
		}{{"a", 13 << 20, 1}, {"b", 8 << 20, 1}, {"c", 4 << 20, 1}, {"d", 900 << 10, 10}, {"d", 10 << 10, 1000}} {
			for range f.n {
				o, err := read(f.workspace, "x", f.size)
				if err != nil {
					break // there is no room for another
				}
				held = append(held, o)
			}
		}
		var mu sync.Mutex
		var order []string
		var wg sync.WaitGroup
		wait := func(workspace, host string) {
			wg.Go(func() {
				o, err := read(workspace, host, 10<<10)
				mu.Lock()
				order = append(order, fmt.Sprint(workspace, "/", host))
				mu.Unlock()
				if err != nil {
					t.Errorf("%s/%s: %v", workspace, host, err)
					return
				}
				time.Sleep(10 * time.Millisecond) // a transform
				o.Release()
			})
			synctest.Wait()
		}
		for range 5 {
			wait("b", "x")
		}
		wait("b", "z")
		wait("c", "x")
		wait("new", "x")
		held[len(held)-1].Release()
		wg.Wait()
		if want := []string{"new/x", "c/x", "b/z", "b/x"}; len(order) != 8 || !slices.Equal(order[:4], want) {
			t.Errorf("they were read in the order %v, want %v first", order, want)
		}
		for _, o := range held[:len(held)-1] {
			o.Release()
		}
		wantNothingHeld(t, b)
	})
}

// TestWaitersComeFirst: a body takes free bytes at once unless one that waits would get them
// first. Of a workspace that is the body of the host that holds least, whoever came first.
func TestWaitersComeFirst(t *testing.T) {
	const mib = 1 << 20
	type body struct {
		workspace, host string
		has, wants      int64
	}
	for name, tt := range map[string]struct {
		holds []int64 // of workspace b, host x: bytes of bodies that don't wait
		lines []body  // they wait, in this order
		asks  body
		want  bool
	}{
		"nobody waits":                        {nil, nil, body{"a", "x", 0, mib}, true},
		"one with less waits":                 {nil, []body{{"b", "x", 0, 2 * mib}}, body{"a", "x", mib, mib}, false},
		"one with more waits":                 {nil, []body{{"b", "x", 2 * mib, 2 * mib}}, body{"a", "x", mib, mib}, true},
		"one above its share waits":           {[]int64{13 * mib}, []body{{"b", "x", 0, 4 * mib}}, body{"a", "x", 13 * mib, mib}, true},
		"one above its share and a small one": {[]int64{13 * mib}, []body{{"b", "x", 0, 4 * mib}, {"b", "z", 0, mib}}, body{"a", "x", 13 * mib, mib}, false},
		"another host of the workspace":       {nil, []body{{"a", "x", 2 * mib, mib}}, body{"a", "z", 0, mib}, true},
		"the same host":                       {nil, []body{{"a", "x", mib, mib}}, body{"a", "x", 0, mib}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBodies(BodiesConfig{Memory: 32 * mib})
			p := &b.pools[inMemory]
			var all []*intake
			begin := func(f body) *intake {
				in := b.begin(WithOwner(t.Context(), Owner{Workspace: f.workspace, Host: f.host}), func() {})
				all = append(all, in)
				in.takeLocked(inMemory, f.has)
				return in
			}
			for _, n := range tt.holds {
				begin(body{"b", "x", n, 0})
			}
			for _, f := range tt.lines {
				p.waiting[f.workspace] = append(p.waiting[f.workspace], &waiter{in: begin(f), n: f.wants, granted: make(chan struct{})})
			}
			if got := begin(tt.asks).tryTakeLocked(inMemory, tt.asks.wants); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
			clear(p.waiting)
			for _, in := range all {
				in.end()
				in.free()
			}
			wantNothingHeld(t, b)
		})
	}
}

// TestSmallBodiesHaveRoom: large bodies of transforms that run leave room for small ones.
func TestSmallBodiesHaveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBodies(BodiesConfig{Memory: 32 << 20})
		read := func(workspace string, size int64) (*Object, error) {
			u := newUpload(size, size)
			return b.Read(WithOwner(t.Context(), Owner{Workspace: workspace, Host: "x"}), u, size, 25<<20, u.stop)
		}
		var held []*Object
		for i := range 20 {
			if o, err := read(fmt.Sprint(i%4), 3<<20); err == nil {
				held = append(held, o)
			}
		}
		begun := time.Now()
		o, err := read("shop", 900<<10)
		if err != nil || time.Since(begun) > 0 {
			t.Fatalf("%v after %v", err, time.Since(begun))
		}
		for _, o := range append(held, o) {
			o.Release()
		}
		wantNothingHeld(t, b)
	})
}

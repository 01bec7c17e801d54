package cached_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// A disk holds copies in memory, and fails as it is told to.
type disk struct {
	mu      sync.Mutex
	data    map[string]string
	writes  map[string]int                // by key
	full    atomic.Bool                   // Keep fails
	during  atomic.Pointer[func()]        // called once when Keep has begun
	longest atomic.Int64                  // changes in one Keep
	takes   atomic.Pointer[time.Duration] // nil is no time
}

var errFull = errors.New("no space left on device")

func (d *disk) Copy(_ context.Context, key string) ([]byte, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if data, ok := d.data[key]; ok {
		return []byte(data), false, nil
	}
	return nil, false, nil
}

func (d *disk) Keep(ctx context.Context, changes []cached.CopyChange) (gone []string, more bool, err error) {
	return nil, false, d.keep(ctx, changes)
}

func (d *disk) keep(ctx context.Context, changes []cached.CopyChange) error {
	if f := d.during.Swap(nil); f != nil {
		(*f)()
	}
	if takes := d.takes.Load(); takes != nil {
		select {
		case <-time.After(*takes):
		case <-ctx.Done():
			return ctx.Err() // as a transaction does
		}
	}
	if d.full.Load() {
		return errFull
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d.longest.Store(max(d.longest.Load(), int64(len(changes))))
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range changes {
		switch {
		case c.Key == "":
			clear(d.data)
		case c.Data == nil:
			delete(d.data, c.Key)
		default:
			d.data[c.Key] = string(c.Data)
			if d.writes != nil {
				d.writes[c.Key]++
			}
		}
	}
	return nil
}

func (d *disk) has(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.data[key]
	return ok
}

// onDisk starts a node whose copies are on the disk.
func onDisk(t *testing.T, r *remote, d *disk, memory int64) *node {
	t.Helper()
	codec, err := workspace.NewCodec(strings.Repeat("0a", 32))
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Store: cached.New(r, cached.Config{Log: slog.New(slog.DiscardHandler), Copies: d, Codec: codec, Memory: memory})}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { n.Run(ctx) })
	n.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	synctest.Wait()
	return n
}

// verifies reports whether the node takes a URL that was signed with a secret.
func verifies(t *testing.T, n *node, secret signing.Secret) bool {
	t.Helper()
	w, err := n.Get(t.Context(), "acme")
	if errors.Is(err, workspace.ErrUnavailable) {
		return false // it knows nothing, and refuses
	}
	if err != nil {
		t.Fatal(err)
	}
	target, err := secret.Sign("/acme/photos/cat.jpg")
	if err != nil {
		t.Fatal(err)
	}
	_, err = signing.NewKeyring(w.SigningKeys).Verify(target, time.Now())
	return err == nil
}

// TestRevokedKeyStaysRevoked: a signing key that was revoked, as the node knows, verifies
// nothing after a restart with the store down, whatever became of writing that down at
// first.
func TestRevokedKeyStaysRevoked(t *testing.T) {
	second := time.Second
	for name, test := range map[string]struct {
		revoked func(d *disk, n *node) // is called when the key is about to be revoked
		after   func(d *disk, n *node) // some seconds later
	}{
		"all works": {},
		"the disk is full for a while": {
			revoked: func(d *disk, _ *node) { d.full.Store(true) },
			after:   func(d *disk, _ *node) { d.full.Store(false) },
		},
		"the disk is full until the end": {
			revoked: func(d *disk, _ *node) { d.full.Store(true) },
			after: func(d *disk, n *node) {
				time.AfterFunc(1500*time.Millisecond, func() { d.full.Store(false) })
			},
		},
		"it is told to stop while it writes": {
			revoked: func(d *disk, n *node) {
				d.takes.Store(&second)
				stop := func() { go n.stop() }
				d.during.Store(&stop)
			},
		},
		"writing takes long at the end": {
			after: func(d *disk, n *node) { d.takes.Store(&second) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				secret := signing.NewSecret()
				r, d := &remote{Memory: workspacetest.NewMemory()}, &disk{data: map[string]string{}}
				w := workspace.New("acme")
				w.SigningKeys = []signing.Key{{ID: "k1", Secret: secret}}
				if err := r.Memory.Create(t.Context(), w); err != nil {
					t.Fatal(err)
				}
				n := onDisk(t, r, d, 0)
				if !verifies(t, n, secret) {
					t.Fatal("the key verifies nothing")
				}
				time.Sleep(10 * time.Second)
				if !d.has("acme") || !d.has(">") {
					t.Fatal("there is no copy")
				}
				if test.revoked != nil {
					test.revoked(d, n)
				}
				w.SigningKeys = nil
				if err := r.Memory.Update(t.Context(), w); err != nil {
					t.Fatal(err)
				}
				time.Sleep(8 * time.Second)
				synctest.Wait()
				if test.after != nil {
					test.after(d, n)
				}
				time.Sleep(200 * time.Millisecond) // less than until the next flush
				n.stop()
				r.set(down)
				n = onDisk(t, r, d, 0)
				if verifies(t, n, secret) {
					t.Error("the revoked key verifies after a restart")
				}
				n.stop()
			})
		})
	}
}

// The same where nothing was restarted: what waits to be written counts before what is on
// the disk.
func TestPendingCopiesCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secret := signing.NewSecret()
		r, d := &remote{Memory: workspacetest.NewMemory()}, &disk{data: map[string]string{}}
		w := workspace.New("acme")
		w.SigningKeys = []signing.Key{{ID: "k1", Secret: secret}}
		if err := r.Memory.Create(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		n := onDisk(t, r, d, 1) // holds one workspace in memory
		if !verifies(t, n, secret) {
			t.Fatal("the key verifies nothing")
		}
		time.Sleep(10 * time.Second)
		d.full.Store(true)
		w.SigningKeys = nil
		if err := r.Memory.Update(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		put(t, r.Memory, "beta", "B")
		if _, err := n.Get(t.Context(), "beta"); err != nil { // takes acme's place
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		r.set(down)
		if verifies(t, n, secret) {
			t.Error("the revoked key verifies from an old copy")
		}
		n.stop()
	})
}

// TestPendingCopiesAreBounded: a disk that fails for good costs so much memory, and when
// it works again, what is in memory is on it and nothing older.
func TestPendingCopiesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, d := &remote{Memory: workspacetest.NewMemory()}, &disk{data: map[string]string{}}
		for _, namespace := range []string{"acme", "beta"} {
			put(t, r.Memory, namespace, "A")
		}
		n := onDisk(t, r, d, 0)
		for _, namespace := range []string{"acme", "beta"} {
			if _, err := n.Get(t.Context(), namespace); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		d.mu.Lock()
		d.data["gone"] = "of a workspace that was changed while the disk was full"
		d.mu.Unlock()
		d.full.Store(true)
		put(t, r.Memory, "gone", "A")
		for i := range 70_000 { // others' workspaces, which this node never served
			put(t, r.Memory, fmt.Sprintf("ws-%d", i), "A")
		}
		time.Sleep(30 * time.Second)
		d.full.Store(false)
		put(t, r.Memory, "beta", "B") // so that the feed has something new
		time.Sleep(10 * time.Second)
		n.stop()
		if d.has("gone") || !d.has("acme") || !d.has("beta") || !d.has(">") {
			t.Errorf("on the disk: gone %v, acme %v, beta %v, a cursor %v", d.has("gone"), d.has("acme"), d.has("beta"), d.has(">"))
		}
		if n := d.longest.Load(); n > 2*256+1 {
			t.Errorf("%d changes in one transaction", n)
		}
		r.set(down)
		n = onDisk(t, r, d, 0)
		wantName(t, n, "acme", "A")
		wantName(t, n, "beta", "B")
		n.stop()
	})
}

// TestPurgesInCopies: what a log of purges sums up isn't written again with each purge, and a
// copy has the whole log, whatever became of writing it.
func TestPurgesInCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, d := &remote{Memory: workspacetest.NewMemory()}, &disk{data: map[string]string{}, writes: map[string]int{}}
		w := put(t, r.Memory, "acme", "A")
		n := onDisk(t, r, d, 0)
		wantSequence(t, n, "acme", 0)
		purged := 0
		purge := func(count int) {
			t.Helper()
			for range count {
				p := workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: fmt.Sprint(purged)}
				if _, _, err := n.AddPurges(t.Context(), "acme", w.ID, workspace.PurgeLog{}, []workspace.Purge{p}); err != nil {
					t.Fatal(err)
				}
				purged++
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		restart := func() {
			t.Helper()
			before, err := n.Get(t.Context(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			n.stop()
			r.set(down)
			n = onDisk(t, r, d, 0)
			after := wantSequence(t, n, "acme", int64(purged))
			if diff := cmp.Diff(before.Purges, after.Purges); diff != "" {
				t.Errorf("purges of the copy: %s", diff)
			}
			r.set(fine)
			time.Sleep(10 * time.Second)
			synctest.Wait()
		}
		wrote := func(what string, bases int) {
			t.Helper()
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.writes["%acme"] != bases {
				t.Errorf("%s: the base was written %d times, want %d", what, d.writes["%acme"], bases)
			}
		}
		purge(10)
		restart()
		wrote("ten purges", 0)
		purge(workspace.MaxRecentPurges)
		wrote("summed up", 1)
		for range 3 {
			purge(2)
		}
		wrote("some more", 1)
		if d.writes["acme"] < 5 {
			t.Errorf("the copy was written %d times", d.writes["acme"])
		}
		restart()
		purge(1)
		wrote("after a restart", 2)

		d.full.Store(true) // while it is summed up
		purge(workspace.MaxRecentPurges)
		wrote("the disk is full", 2)
		d.full.Store(false)
		purge(1)
		wrote("the disk has room again", 3)
		restart()

		// A base that isn't the copy's is none: without it, what was purged would be served.
		n.stop()
		r.set(down)
		d.mu.Lock()
		base := d.data["%acme"]
		d.data["%acme"] = strings.Replace(base, `{"sequence":`, `{"sequence":1`, 1)
		d.mu.Unlock()
		n = onDisk(t, r, d, 0)
		if _, err := n.Get(t.Context(), "acme"); !errors.Is(err, workspace.ErrUnavailable) {
			t.Errorf("with the base of another time: %v", err)
		}
		r.set(fine)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		wantSequence(t, n, "acme", int64(purged))
		if err := n.Delete(t.Context(), "acme", 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if d.has("acme") || d.has("%acme") {
			t.Error("copies of a deleted workspace stay")
		}
		n.stop()
	})
}

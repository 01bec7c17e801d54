package cached_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/sqlite"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// smallNode starts a node with room for so many workspaces in memory, and so many bytes on the disk.
func smallNode(t *testing.T, r *remote, file string, inMemory, onDisk int64) *node {
	t.Helper()
	codec, err := workspace.NewCodec(strings.Repeat("0a", 32))
	if err != nil {
		t.Fatal(err)
	}
	copies, err := sqlite.OpenCopies(file, onDisk)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Store: cached.New(r, cached.Config{Log: slog.New(slog.DiscardHandler), Copies: copies, Codec: codec, Memory: roomFor(inMemory)})}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { n.Run(ctx) })
	n.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if stats := copies.Stats(); stats.Bytes > onDisk+64<<10 {
			t.Errorf("%+v on the disk, want %d", stats, onDisk)
		}
		if err := copies.Close(); err != nil {
			t.Errorf("closing copies: %v", err)
		}
	})
	synctest.Wait()
	return n
}

func spaceName(i int) string { return fmt.Sprintf("ws-%05d", i) }

// TestSecondLevel: what has left memory is read from the disk while the feed is followed, after a
// restart too. Only what others have changed is read from the store again, once.
func TestSecondLevel(t *testing.T) {
	const all, inMemory, changed = 680, 320, 40 // 17,000 and 8,000 take as many reads each
	file := filepath.Join(t.TempDir(), "copies.db")
	synctest.Test(t, func(t *testing.T) {
		r := &remote{Memory: workspacetest.NewMemory()}
		for i := range all {
			put(t, r.Memory, spaceName(i), "A")
		}
		n := smallNode(t, r, file, inMemory, 1<<30)
		pass := func(what string, want int64, name func(i int) string) {
			t.Helper()
			time.Sleep(6 * time.Second) // and what is pending is written
			synctest.Wait()
			before := n.Stats().Loaded
			for i := range all {
				wantName(t, n, spaceName(i), name(i))
			}
			if got := n.Stats().Loaded - before; got != want {
				t.Errorf("%s: %d of %d were read from the store, want %d", what, got, all, want)
			}
			if s := n.Stats(); s.Workspaces >= all || s.Workspaces < inMemory*9/10 || s.Bytes > s.Limit {
				t.Errorf("%s: %+v", what, s)
			}
		}
		same := func(int) string { return "A" }
		pass("the first pass", all, same)
		pass("the second", 0, same)
		n.stop()
		n = smallNode(t, r, file, inMemory, 1<<30)
		pass("after a restart", 0, same)
		for i := range changed { // of which none is in memory
			put(t, r.Memory, spaceName(i), "B")
		}
		some := func(i int) string { return map[bool]string{true: "B", false: "A"}[i < changed] }
		pass("after changes", changed, some)
		pass("and once more", 0, some)
		for i := all - changed; i < all; i++ { // of which all are
			put(t, r.Memory, spaceName(i), "B")
		}
		pass("after changes in memory", 0, func(i int) string {
			return map[bool]string{true: "B", false: "A"}[i < changed || i >= all-changed]
		})
		n.stop()
	})
}

// TestSizeOfCopies: a copy of a typical workspace is small.
func TestSizeOfCopies(t *testing.T) {
	const copies = 50
	synctest.Test(t, func(t *testing.T) {
		r, d := &remote{Memory: workspacetest.NewMemory()}, &disk{data: map[string]string{}}
		for i := range copies {
			if err := r.Memory.Create(t.Context(), workspacetest.Typical(i, 3)); err != nil {
				t.Fatal(err)
			}
		}
		n := onDisk(t, r, d, 0)
		for i := range copies {
			if _, err := n.Get(t.Context(), fmt.Sprintf("space-%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		n.stop()
		size := 0
		for _, data := range d.data {
			size += len(data)
		}
		t.Logf("a copy takes %d bytes", size/copies)
		if size/copies > 1400 {
			t.Errorf("a copy takes %d bytes", size/copies)
		}
	})
}

// TestCopiesAreSuspect: copies aren't taken for what the store has where the feed isn't followed, as
// long as the store answers.
func TestCopiesAreSuspect(t *testing.T) {
	file := filepath.Join(t.TempDir(), "copies.db")
	synctest.Test(t, func(t *testing.T) {
		r := &remote{Memory: workspacetest.NewMemory()}
		put(t, r.Memory, "acme", "A")
		put(t, r.Memory, "beta", "A")
		n := smallNode(t, r, file, 1, 1<<30)
		wantName(t, n, "acme", "A")
		wantName(t, n, "beta", "A") // in its place
		time.Sleep(10 * time.Second)
		r.set(deaf)
		put(t, r.Memory, "acme", "B") // which the node can't hear of
		time.Sleep(time.Minute)
		if _, err := n.Get(t.Context(), "acme"); err != nil { // by the copy or the store, as in an outage
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		wantName(t, n, "acme", "B") // what was taken from the disk was asked for
		wantName(t, n, "beta", "A")
		r.set(down)
		time.Sleep(10 * time.Second)
		wantName(t, n, "acme", "B") // the last known
		r.set(fine)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		wantName(t, n, "beta", "A")
		wantName(t, n, "acme", "B")
		n.stop()
	})
}

// A remote whose feed works while workspaces can't be read.
type unreadable struct {
	*remote
	broken func() bool
}

func (u unreadable) Get(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	if u.broken() {
		return nil, errDown
	}
	return u.remote.Get(ctx, namespace)
}

// TestRevocationOutlivesEviction: a workspace that was changed, as the feed has told, and leaves
// memory before it could be read again is not served from its copy, whether the node goes on or
// starts anew.
func TestRevocationOutlivesEviction(t *testing.T) {
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			secret := signing.NewSecret()
			r, d := &remote{Memory: workspacetest.NewMemory()}, &disk{data: map[string]string{}}
			broken := false
			codec, err := workspace.NewCodec(strings.Repeat("0a", 32))
			if err != nil {
				t.Fatal(err)
			}
			start := func() *node {
				n := &node{Store: cached.New(unreadable{r, func() bool { return broken }},
					cached.Config{Log: slog.New(slog.DiscardHandler), Copies: d, Codec: codec, Memory: roomFor(1)})}
				ctx, cancel := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { n.Run(ctx) })
				n.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
				synctest.Wait()
				return n
			}
			w := workspace.New("acme")
			w.SigningKeys = []signing.Key{{ID: "k1", Secret: secret}}
			if err := r.Memory.Create(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			put(t, r.Memory, "beta", "B")
			n := start()
			wantName(t, n, "beta", "B")
			if !verifies(t, n, secret) { // in its place
				t.Fatal("the key verifies nothing")
			}
			time.Sleep(10 * time.Second)
			broken = true
			w.SigningKeys = nil
			if err := r.Memory.Update(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second) // the feed tells, and nothing can be read
			wantName(t, n, "beta", "B")  // from the disk, in acme's place
			if verifies(t, n, secret) {
				t.Error("the revoked key verifies by an old copy")
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if d.has("acme") {
				t.Error("the old copy is on the disk")
			}
			if restart {
				n.stop()
				r.set(down)
				n = start()
				time.Sleep(10 * time.Second)
			}
			if verifies(t, n, secret) {
				t.Error("the revoked key verifies")
			}
			r.set(fine)
			broken = false
			time.Sleep(10 * time.Second)
			if _, err := n.Get(t.Context(), "acme"); err != nil {
				t.Error(err)
			}
			if verifies(t, n, secret) {
				t.Error("the revoked key verifies by the new settings")
			}
			n.stop()
		})
	}
}

// TestCopiesMakeRoom: copies take a bounded part of the disk. Those of what is in memory stay, with
// all of their purges. What had to go is read from the store, and is unavailable without it.
func TestCopiesMakeRoom(t *testing.T) {
	const all, inUse, room = 1500, 20, 256 << 10
	file := filepath.Join(t.TempDir(), "copies.db")
	synctest.Test(t, func(t *testing.T) {
		r := &remote{Memory: workspacetest.NewMemory()}
		for i := range all {
			put(t, r.Memory, spaceName(i), "A")
		}
		w, err := r.Memory.Get(t.Context(), spaceName(0))
		if err != nil {
			t.Fatal(err)
		}
		var purges []workspace.Purge
		for i := range workspace.MaxRecentPurges + 10 {
			purges = append(purges, workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: fmt.Sprint(i)})
		}
		for _, portion := range workspace.PurgePortions(purges) {
			if _, _, err := r.AddPurges(t.Context(), w.Namespace, w.ID, workspace.PurgeLog{}, portion); err != nil {
				t.Fatal(err)
			}
		}
		n := smallNode(t, r, file, 100, room)
		var log workspace.PurgeLog
		for i := range all {
			for j := range inUse {
				wantName(t, n, spaceName(j), "A")
			}
			wantName(t, n, spaceName(i), "A")
			if i%100 == 0 {
				time.Sleep(2 * time.Second)
				synctest.Wait()
			}
		}
		if w, err = n.Get(t.Context(), spaceName(0)); err != nil || w.Purges.Base == nil {
			t.Fatalf("%+v, %v", w, err)
		}
		log = w.Purges
		time.Sleep(10 * time.Second)
		before := n.Stats()
		wantName(t, n, spaceName(500), "A")
		if after := n.Stats(); after.Loaded != before.Loaded+1 {
			t.Error("a copy that had to go wasn't read from the store")
		}
		time.Sleep(10 * time.Second)
		n.stop()
		r.set(down)
		n = smallNode(t, r, file, 100, room)
		for i := range inUse {
			wantName(t, n, spaceName(i), "A")
		}
		if w, err = n.Get(t.Context(), spaceName(0)); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(log, w.Purges); d != "" {
			t.Errorf("purges of the copy: %s", d)
		}
		if _, err := n.Get(t.Context(), spaceName(600)); !errors.Is(err, workspace.ErrUnavailable) {
			t.Errorf("a copy that had to go: %v", err)
		}
		n.stop()
	})
}

package manage_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// slowPurges is a store whose writes of purges take until step gives them a turn.
type slowPurges struct {
	*workspacetest.Memory
	step   chan struct{} // nil lets every write through
	writes atomic.Int64  // that have ended
	now    sync.Map      // namespaces of the writes under way
	twice  atomic.Bool   // two writes of one namespace were under way
}

func (s *slowPurges) AddPurges(ctx context.Context, namespace, id string, known workspace.PurgeLog, purges []workspace.Purge, audit ...workspace.AuditEntry) (workspace.PurgeLog, []workspace.Widened, error) {
	if s.step != nil {
		if _, there := s.now.LoadOrStore(namespace, true); there {
			s.twice.Store(true)
		}
		<-s.step
		s.now.Delete(namespace)
	}
	s.writes.Add(1)
	return s.Memory.AddPurges(ctx, namespace, id, known, purges, audit...)
}

func purgingManager(t *testing.T) (*manage.Manager, *slowPurges) {
	s := &slowPurges{}
	m, db := start(t, func(c *manage.Config) {
		s.Memory = c.Store.(*workspacetest.Memory)
		c.Store = s
	})
	w := workspace.New("shop")
	w.Sources = []workspace.Source{{Key: "photos", Kind: "http", URL: "https://shop.test/"}}
	if err := db.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	return m, s
}

// root may purge in every workspace.
var root = manage.Caller{Principal: apikey.Principal{Kind: apikey.Root}}

func pathsNamed(n int, format string) (paths []string) {
	for i := range n {
		paths = append(paths, fmt.Sprintf(format, i))
	}
	return paths
}

// TestPurgesOfPathsAreOneWrite: a thousand paths are one write with one audit entry, and
// longer ones as few as their text allows. Each entry names its own.
func TestPurgesOfPathsAreOneWrite(t *testing.T) {
	m, s := purgingManager(t)
	for _, tt := range []struct {
		paths  []string
		writes int64
	}{
		{pathsNamed(1000, "photos/2026/05/image-%04d.jpg"), 1},
		{append(pathsNamed(10, "photos/%d.jpg"), pathsNamed(10, "photos/%d.jpg")...), 1},
		{pathsNamed(100, "photos/"+strings.Repeat("x", 1000)+"%02d"), 2},
	} {
		s.writes.Store(0)
		if _, err := m.Purge(t.Context(), root, "acme", manage.PurgeRequest{Paths: tt.paths}); err != nil {
			t.Fatal(err)
		}
		if n := s.writes.Load(); n != tt.writes {
			t.Errorf("%d paths from %.20s on are %d writes, want %d", len(tt.paths), tt.paths[0], n, tt.writes)
		}
	}
	w, err := s.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	log, err := s.Audit(t.Context(), w.ID, workspace.TrailChanges, "", 20)
	var targets []string
	for _, e := range log {
		if e.Action == "purge" {
			targets = append(targets, e.Target)
		}
	}
	if got := strings.Join(targets, ", "); err != nil || got != "40 paths, 60 paths, 10 paths, 1000 paths" {
		t.Error(got, err)
	}
	if l, err := s.PurgeLog(t.Context(), w.ID, workspace.PurgeLog{}); err != nil || l.Sequence != 1110 {
		t.Errorf("the last purge is %d, %v", l.Sequence, err)
	}
}

// TestPurgesWaitForTheirWorkspace: however many purges a workspace sends, one of them is in
// the store, 31 wait, and the others are refused with words. Another workspace's purge goes on.
func TestPurgesWaitForTheirWorkspace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := purgingManager(t)
		s.step = make(chan struct{})
		var purges sync.WaitGroup
		var refused atomic.Int64
		for i := range 60 {
			purges.Go(func() {
				_, err := m.Purge(t.Context(), root, "acme", manage.PurgeRequest{Path: fmt.Sprintf("photos/%d.jpg", i)})
				if e, ok := errors.AsType[*fault.Error](err); ok && e.Code == fault.RateLimited && e.RetryAfter == 1 && strings.Contains(e.Message, "32 purges") {
					refused.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if n := refused.Load(); n != 28 {
			t.Errorf("%d of 60 refused", n)
		}
		gone, leave := context.WithCancel(t.Context())
		purges.Go(func() {
			if _, err := m.Purge(t.Context(), root, "shop", manage.PurgeRequest{Path: "photos/a.jpg"}); err != nil {
				t.Error(err)
			}
		})
		purges.Go(func() {
			if _, err := m.Purge(gone, root, "shop", manage.PurgeRequest{Path: "photos/b.jpg"}); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		for _, namespace := range []string{"acme", "shop"} {
			if _, there := s.now.Load(namespace); !there {
				t.Errorf("no purge of %s is in the store", namespace)
			}
		}
		leave()
		close(s.step)
		purges.Wait()
		if s.twice.Load() {
			t.Error("two purges of a workspace were in the store at once")
		}
		// All places are free again.
		for range 40 {
			if _, err := m.Purge(t.Context(), root, "acme", manage.PurgeRequest{All: true}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

package workspacetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/workspace"
)

// testPutRecords: records are made, replaced and deleted whatever version they have, and can
// be written with a version afterwards.
func testPutRecords(t *testing.T, s Store) {
	ctx := t.Context()
	group := "group-" + rand.Text()
	later := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	put := func(name, data string) account.Write {
		return account.Write{Record: account.Record{Group: group, Name: name, Version: 7, Expires: later, Data: []byte(data)}}
	}
	var many []account.Write
	for i := range 60 {
		many = append(many, put(fmt.Sprintf("n%02d", i), "1"))
	}
	if err := s.PutRecords(ctx, many...); err != nil {
		t.Fatal(err)
	}
	gone := put("n01", "")
	gone.Delete = true
	absent := put("nothing", "")
	absent.Delete = true
	if err := s.PutRecords(ctx, put("n00", "2"), gone, absent); err != nil {
		t.Fatal(err)
	}
	got, err := s.Record(ctx, group, "n00")
	if diff := cmp.Diff(account.Record{Group: group, Name: "n00", Version: 1, Expires: later, Data: []byte("2")}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if _, err := s.Record(ctx, group, "n01"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("a deleted record: %v", err)
	}
	if list, err := s.Records(ctx, group, "", 100); err != nil || len(list) != 59 {
		t.Errorf("%d records, %v", len(list), err)
	}
	w := put("n00", "3")
	w.Version = 1
	if err := s.WriteRecords(ctx, []account.Write{w}); err != nil {
		t.Errorf("a write with the version: %v", err)
	}
	if err := s.PutRecords(ctx); err != nil {
		t.Errorf("nothing to write: %v", err)
	}
}

// testAlerts: of servers that judge at once, one fires an alert, and another learns of it.
func testAlerts(t *testing.T, s Store) {
	codec, err := workspace.NewCodec(workspace.NewSecretKey())
	if err != nil {
		t.Fatal(err)
	}
	at := alert.Place{WorkspaceID: rand.Text(), Namespace: "acme"}
	var engines [4]*alert.Engine
	for i := range engines {
		engines[i] = alert.New(alert.Config{
			Store: s, Codec: codec, Keys: s, Get: s.Get, Log: slog.New(slog.DiscardHandler), Transport: http.DefaultTransport,
			List: func(context.Context, string, int) ([]*workspace.Workspace, error) { return nil, nil },
		})
	}
	for _, e := range engines {
		e.Watch().Deny(at.WorkspaceID, at.Namespace, "key:k1", 403, "DELETE /v1/workspaces/acme", "")
	}
	for range 2 {
		var ticking sync.WaitGroup
		for _, e := range engines {
			ticking.Go(func() {
				if err := e.Tick(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		ticking.Wait()
	}
	for _, e := range engines {
		list, _, err := e.History(t.Context(), at.WorkspaceID, "", 10)
		if err != nil || len(list) != 1 || list[0].Rule != alert.Denied || list[0].OverAt != nil {
			t.Fatalf("history: %+v, %v", list, err)
		}
		if active, err := e.Active(t.Context(), at.WorkspaceID); err != nil || len(active) != 1 {
			t.Errorf("active: %+v, %v", active, err)
		}
	}
	if log, err := s.Audit(t.Context(), at.WorkspaceID, workspace.TrailChanges, "", 10); err != nil || len(log) != 0 {
		t.Errorf("audit log: %v, %v", log, err)
	}
}

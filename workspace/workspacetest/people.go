package workspacetest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

// testPlaces: of several who take the last places for workspaces of an account at once, no more
// than those get one.
func testPlaces(t *testing.T, s Store) {
	people := account.NewPeople(account.Config{Records: s})
	id := "acc_" + rand.Text()
	none := func(account.Member) (bool, error) { return false, nil }
	var wg sync.WaitGroup
	places := make(chan string, 4)
	for range 4 {
		wg.Go(func() {
			place, err := people.TakePlace(t.Context(), id, 2, none)
			if err == nil {
				places <- place
			} else if !errors.Is(err, account.ErrWorkspaces) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(places) != 2 {
		t.Fatalf("%d of 2 places were taken", len(places))
	}
	if err := people.LeavePlace(t.Context(), id, <-places, false); err != nil {
		t.Error(err)
	}
	if _, err := people.TakePlace(t.Context(), id, 2, none); err != nil {
		t.Errorf("a place that was left: %v", err)
	}
	if _, err := people.TakePlace(t.Context(), id, 2, none); !errors.Is(err, account.ErrWorkspaces) {
		t.Errorf("a third place: %v", err)
	}
}

// testPeople: records of people have versions, end, and are written all or none.
func testPeople(t *testing.T, s Store) {
	ctx := t.Context()
	group := "group-" + rand.Text()
	put := func(name string, version int64, expires time.Time, data string) account.Write {
		return account.Write{Record: account.Record{Group: group, Name: name, Version: version, Expires: expires, Data: []byte(data)}}
	}
	want := func(name string, is account.Record) {
		t.Helper()
		got, err := s.Record(ctx, group, name)
		if diff := cmp.Diff(is, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	if _, err := s.Record(ctx, group, "a"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("a record that isn't there: %v", err)
	}
	later := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	id := rand.Text()
	entry := workspace.AuditEntry{WorkspaceID: id, Actor: "account:a@b.example", Action: "member.invite", Target: "c@d.example"}
	if err := s.WriteRecords(ctx, []account.Write{put("a", 0, time.Time{}, `{"n":1}`), put("b", 0, later, `{"n":2}`)}, entry); err != nil {
		t.Fatal(err)
	}
	want("a", account.Record{Group: group, Name: "a", Version: 1, Data: []byte(`{"n":1}`)})
	want("b", account.Record{Group: group, Name: "b", Version: 1, Expires: later, Data: []byte(`{"n":2}`)})

	// One write that doesn't hold stops all, and the audit entry too.
	for name, writes := range map[string][]account.Write{
		"is there already":  {put("c", 0, time.Time{}, `{}`), put("a", 0, time.Time{}, `{}`)},
		"another version":   {put("c", 0, time.Time{}, `{}`), put("a", 2, time.Time{}, `{}`)},
		"isn't there":       {put("c", 0, time.Time{}, `{}`), put("d", 1, time.Time{}, `{}`)},
		"nothing to delete": {put("c", 0, time.Time{}, `{}`), {Record: account.Record{Group: group, Name: "d", Version: 1}, Delete: true}},
	} {
		if err := s.WriteRecords(ctx, writes, entry); !errors.Is(err, workspace.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Record(ctx, group, "c"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("a write of a transaction that doesn't hold: %v", err)
	}
	if log, err := s.Audit(ctx, id, workspace.TrailChanges, "", 10); err != nil || len(log) != 1 || log[0].Target != "c@d.example" {
		t.Errorf("audit log: %v, %v", log, err)
	}

	if err := s.WriteRecords(ctx, []account.Write{put("a", 1, time.Time{}, `{"n":3}`), {Record: account.Record{Group: group, Name: "b", Version: 1}, Delete: true}}); err != nil {
		t.Fatal(err)
	}
	want("a", account.Record{Group: group, Name: "a", Version: 2, Data: []byte(`{"n":3}`)})
	if _, err := s.Record(ctx, group, "b"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("a deleted record: %v", err)
	}

	// What has expired is gone, and may be made anew.
	if err := s.WriteRecords(ctx, []account.Write{put("e", 0, time.Now().Add(-time.Hour), `{}`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Record(ctx, group, "e"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("an expired record: %v", err)
	}
	if err := s.WriteRecords(ctx, []account.Write{put("e", 0, later, `{}`)}); err != nil {
		t.Errorf("making an expired record anew: %v", err)
	}

	// Lists are sorted and come in pages.
	for i := range 7 {
		if err := s.WriteRecords(ctx, []account.Write{put(fmt.Sprintf("n%d", 6-i), 0, time.Time{}, `{}`)}); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for after := ""; ; {
		page, err := s.Records(ctx, group, after, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			names = append(names, r.Name)
			after = r.Name
		}
		if len(page) < 3 {
			break
		}
	}
	if diff := cmp.Diff([]string{"a", "e", "n0", "n1", "n2", "n3", "n4", "n5", "n6"}, names); diff != "" {
		t.Error(diff)
	}

	// Of writers at once, one wins each version.
	var wg sync.WaitGroup
	won := make(chan int, 8)
	for i := range 8 {
		wg.Go(func() {
			if err := s.WriteRecords(ctx, []account.Write{put("a", 2, time.Time{}, fmt.Sprint(i))}); err == nil {
				won <- i
			} else if !errors.Is(err, workspace.ErrConflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(won)
	if len(won) != 1 {
		t.Errorf("%d of 8 writers won", len(won))
	}
}

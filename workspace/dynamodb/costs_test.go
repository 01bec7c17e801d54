package dynamodb

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
)

// A meter counts requests, and the items of each transaction: what the service charges for.
type meter struct {
	mu       sync.Mutex // guards requests
	requests []string
}

func (m *meter) watch(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("meter",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			asked := reflect.ValueOf(in.Parameters).Elem()
			request := strings.TrimSuffix(asked.Type().Name(), "Input")
			if items := asked.FieldByName("TransactItems"); items.IsValid() {
				request = fmt.Sprintf("%s of %d", request, items.Len())
			}
			m.mu.Lock()
			m.requests = append(m.requests, request)
			m.mu.Unlock()
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
}

// TestCosts compares docs/store.md with the requests of operations, with a few workspaces
// and with more. The requests must not depend on the number of workspaces.
func TestCosts(t *testing.T) {
	s, err := Open(t.Context(), Config{
		URL: dynamodblocal.Shared(t).URL(dynamodblocal.TableName()), Codec: testCodec(t), Timeout: time.Minute, Credentials: awsAccount,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := &meter{}
	s.client = of(dynamodb.New(s.client.options(), func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, m.watch) }))

	typical := func(namespace string) *workspace.Workspace { // about 2 kB
		w := workspace.New(namespace)
		w.Name = strings.Repeat("x", 1200)
		w.Domains = []string{"img." + namespace + ".test"}
		return w
	}
	costs := func(round int) (lines []string) {
		count := func(what string, do func() error) {
			t.Helper()
			m.requests = nil
			s.folding.forget() // what is read of tallies is used for some seconds
			if err := do(); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			lines = append(lines, what+": "+strings.Join(m.requests, ", "))
		}
		ctx := t.Context()
		w := typical(fmt.Sprintf("costs-%d", round))
		entry := workspace.AuditEntry{Actor: "root", Action: "change"}
		if _, err := s.readHeads(ctx); err != nil { // every server that follows the feed does this
			t.Fatal(err)
		}
		count("create", func() error { return s.Create(ctx, w, entry) })
		count("get", func() error { _, err := s.Get(ctx, w.Namespace); return err })
		count("get nothing", func() error { _, _ = s.Get(ctx, "nobody"); return nil })
		count("update", func() error { return s.Update(ctx, w, entry) })
		count("purge log, of one that has purged nothing", func() error { _, err := s.PurgeLog(ctx, w.ID, workspace.PurgeLog{}); return err })
		var cursor string
		count("look at the feed", func() (err error) { _, cursor, err = s.Changes(ctx, ""); return err })
		count("look at the feed, nothing new", func() (err error) { _, cursor, err = s.Changes(ctx, cursor); return err })
		before, _, err := s.AddPurges(ctx, w.Namespace, w.ID, workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgeAll}}, entry)
		if err != nil {
			t.Fatal(err)
		}
		log := before
		count("purge", func() (err error) {
			log, _, err = s.AddPurges(ctx, w.Namespace, w.ID, before, []workspace.Purge{{Kind: workspace.PurgeAll}}, entry)
			return err
		})
		count("purge log, nothing new", func() error { _, err := s.PurgeLog(ctx, w.ID, log); return err })
		count("purge log, one purge more", func() error { _, err := s.PurgeLog(ctx, w.ID, before); return err })
		count("purge log, for the first time", func() error { _, err := s.PurgeLog(ctx, w.ID, workspace.PurgeLog{}); return err })
		reread := func(w *workspace.Workspace) error {
			return s.Reread(ctx, []*workspace.Workspace{w}, func(int, *workspace.Workspace) {})
		}
		had := w.Clone()
		had.Purges = log
		count("read again", func() error { return reread(had) })
		had.Purges = before
		count("read again, one purge more", func() error { return reread(had) })
		count("look at the feed, one change", func() (err error) { _, cursor, err = s.Changes(ctx, cursor); return err })
		k := &workspace.APIKey{ID: "k", WorkspaceID: w.ID, Namespace: w.Namespace, Hash: [32]byte{byte(round)}, Scopes: []string{"read"}}
		count("make a key", func() error { return s.CreateAPIKey(ctx, k, entry) })
		count("look a key up", func() error { _, err := s.APIKey(ctx, k.Hash); return err })
		count("list keys", func() error { _, err := s.APIKeys(ctx, w.ID); return err })
		count("revoke a key", func() error { return s.RevokeAPIKey(ctx, w.ID, "k", time.Now(), entry) })
		count("look a domain up", func() error { _, err := s.Domain(ctx, w.Domains[0]); return err })
		count("page of the audit log", func() error { _, err := s.Audit(ctx, w.ID, workspace.TrailChanges, "", 50); return err })
		if _, err := s.Fold(ctx); err != nil { // of the round before
			t.Fatal(err)
		}
		count("a tally of up to 256 rows", func() error {
			return s.AddTally(ctx, workspace.Tally{ID: w.ID, Usage: []workspace.Usage{{WorkspaceID: w.ID, Day: "2026-05-01", Operation: "transform", Source: "photos", Requests: 1}}})
		})
		count("a fold of one row", func() error { _, err := s.foldPart(ctx, 0); return err })
		failures := workspace.ErrorReport{WorkspaceID: w.ID, Day: time.Now().UTC().Format(time.DateOnly), Part: "a", Rows: []workspace.ErrorCount{{Status: 404, Code: "NOT_FOUND", Count: 1}}}
		count("errors of a workspace", func() error { return s.PutErrors(ctx, failures) })
		count("errors of 25 workspaces", func() error {
			many := slices.Repeat([]workspace.ErrorReport{failures}, 25)
			for i := range many {
				many[i].Part = fmt.Sprint(i)
			}
			return s.PutErrors(ctx, many...)
		})
		count("errors of a week, read", func() error { _, err := s.Errors(ctx, w.ID, failures.Day, failures.Day); return err })
		count("usage of a month", func() error { _, err := s.Usage(ctx, w.ID, "2026-05-01", "2026-05-31"); return err })
		r := limit.Request{Key: w.ID + "/transforms", Window: limit.Month, Max: 100, Want: 10}
		var g limit.Grant
		count("lease", func() (err error) { g, err = s.Lease(ctx, r); return err })
		count("return", func() error { return s.Return(ctx, r, g, 5) })
		count("begin a replay", func() error { _, err := s.BeginReplay(ctx, w.ID, "f"); return err })
		count("finish a replay", func() error { return s.FinishReplay(ctx, w.ID, workspace.Answer{Status: 201}) })
		count("list one", func() error { _, err := s.List(ctx, "costs", 1); return err })
		count("delete", func() error { return s.Delete(ctx, w.Namespace, 0, entry) })
		return lines
	}
	few := costs(1)
	for i := range 40 {
		if err := s.Create(t.Context(), workspace.New(fmt.Sprintf("ws-%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(few, costs(2)); diff != "" {
		t.Errorf("what operations cost depends on how many workspaces there are:\n%s", diff)
	}
	if diff := cmp.Diff(stated, strings.Join(few, "\n")); diff != "" {
		t.Errorf("docs/store.md states other costs:\n%s", diff)
	}
}

// stated are the numbers in docs/store.md.
const stated = `create: TransactWriteItems of 6
get: GetItem
get nothing: GetItem
update: GetItem, TransactWriteItems of 4
purge log, of one that has purged nothing: GetItem
look at the feed: Query
look at the feed, nothing new: Query
purge: GetItem, TransactWriteItems of 5
purge log, nothing new: GetItem
purge log, one purge more: GetItem, Query
purge log, for the first time: GetItem, Query
read again: BatchGetItem
read again, one purge more: BatchGetItem, GetItem, Query
look at the feed, one change: Query, Query
make a key: Query, TransactWriteItems of 6
look a key up: GetItem
list keys: Query, Query, Query
revoke a key: GetItem, TransactWriteItems of 5
look a domain up: GetItem
page of the audit log: Query
a tally of up to 256 rows: PutItem
a fold of one row: Query, Query, PutItem, UpdateItem, BatchWriteItem
errors of a workspace: BatchWriteItem
errors of 25 workspaces: BatchWriteItem
errors of a week, read: Query
usage of a month: Query, Query, Query
lease: UpdateItem
return: UpdateItem
begin a replay: PutItem
finish a replay: PutItem
list one: Query, BatchGetItem
delete: GetItem, GetItem, GetItem, TransactWriteItems of 8, Query, TransactWriteItems of 1, Query, BatchWriteItem`

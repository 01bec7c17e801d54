package dynamodb

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/workspace"
)

func purgeStore(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{
		URL: dynamodblocal.Shared(t).URL(dynamodblocal.TableName()), Codec: testCodec(t), Timeout: time.Minute, Credentials: awsAccount,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// write puts a log into the table as a snapshot, after this many sums.
func write(t *testing.T, s *Store, workspaceID string, l workspace.PurgeLog, sums int64) {
	t.Helper()
	steps, err := s.putSnapshot(workspaceID, l)
	if err != nil {
		t.Fatal(err)
	}
	n := number(int64(len(steps)))
	steps = append(steps, s.put(with(purgeKey(workspaceID), item{"seq": number(l.Sequence), "snap": number(l.Sequence), "parts": n, "sums": number(sums)}), anyItem, nil))
	if _, err := s.transact(t.Context(), rand.Text(), steps); err != nil {
		t.Fatal(err)
	}
}

// paths returns n purges of different paths.
func paths(n int) []workspace.Purge { return pathsFrom(0, n) }

func pathsFrom(first, n int) []workspace.Purge {
	list := make([]workspace.Purge, n)
	for i := range list {
		list[i] = workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: fmt.Sprint(first + i)}
	}
	return list
}

// TestPurgeWithoutASnapshot: if the service throttles the snapshot of a purge, the purge is
// written without one, and a later purge writes it.
func TestPurgeWithoutASnapshot(t *testing.T) {
	s := purgeStore(t)
	l, _ := workspace.PurgeLog{}.Add(paths(5000)...)
	l, _ = l.Add(paths(workspace.MaxRecentPurges - len(l.Purges) - 1)...)
	write(t, s, "w1", l, sumsPerSnapshot-1)
	refused, room := 0, false
	s.client = of(dynamodb.New(s.client.options(), func(o *dynamodb.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("no room",
				func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
					if asked, ok := in.Parameters.(*dynamodb.TransactWriteItemsInput); ok && len(asked.TransactItems) > 5 && !room {
						refused++
						reasons := make([]types.CancellationReason, len(asked.TransactItems))
						reasons[2].Code = aws.String("ThrottlingError")
						return middleware.InitializeOutput{}, middleware.Metadata{}, &types.TransactionCanceledException{CancellationReasons: reasons}
					}
					return next.HandleInitialize(ctx, in)
				}), middleware.Before)
		})
	}))
	snapshot := func() int64 {
		t.Helper()
		i, err := s.get(t.Context(), purgeKey("w1"))
		if err != nil {
			t.Fatal(err)
		}
		return getNumber(i, "snap")
	}
	first := snapshot()
	for sums := range 2 {
		room = sums == 1
		for base := l.Base; l.Base == base; {
			var err error
			l, _, err = s.AddPurges(t.Context(), "acme", "w1", l, []workspace.Purge{{Kind: workspace.PurgePath, Source: "photos", Value: fmt.Sprintf("%d%04000d", l.Sequence, 0)}}, workspace.AuditEntry{Action: "purge"})
			if err != nil {
				t.Fatal(err)
			}
		}
		if refused != 1 || snapshot() == first && room || snapshot() != first && !room {
			t.Errorf("after summing up %d times: refused %d times, the snapshot of before: %v", sums+1, refused, snapshot() == first)
		}
		got, err := s.PurgeLog(t.Context(), "w1", workspace.PurgeLog{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(l, got); diff != "" {
			t.Error(diff)
		}
	}
}

// TestPurgesOfBefore: a log in one item, as earlier versions wrote it, can be read and
// added to. Earlier versions can't read it afterwards. Otherwise they would miss the new
// purges.
func TestPurgesOfBefore(t *testing.T) {
	s := purgeStore(t)
	const old = `{"sequence":250,"purges":[{"sequence":101,"kind":"source","source":"a"},{"sequence":250,"kind":"path","source":"b","value":"x"}]}`
	if err := s.putAll(t.Context(), []item{with(purgeKey("w1"), item{"seq": number(250), "json": text(old)})}); err != nil {
		t.Fatal(err)
	}
	var want workspace.PurgeLog
	if err := json.Unmarshal([]byte(old), &want); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		got, err := s.PurgeLog(t.Context(), "w1", workspace.PurgeLog{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	}
	check()
	for i := range 3 {
		p := workspace.Purge{Kind: workspace.PurgePath, Source: "b", Value: fmt.Sprint(i)}
		want, _ = want.Add(p)
		if _, _, err := s.AddPurges(t.Context(), "acme", "w1", workspace.PurgeLog{}, []workspace.Purge{p}); err != nil {
			t.Fatal(err)
		}
		check()
		i, err := s.get(t.Context(), purgeKey("w1"))
		if err != nil || i["json"] != nil {
			t.Errorf("%v, %v", i, err)
		}
	}
}

// TestPurgeSnapshotOfBefore: a snapshot as earlier versions wrote it is read and added to.
func TestPurgeSnapshotOfBefore(t *testing.T) {
	s := purgeStore(t)
	const old = `{"sequence":1024,"purges":null,"base":{"sources":{"media":9},"hashes":"gICABAE="}}`
	err := s.putAll(t.Context(), []item{
		with(purgeKey("w1"), item{"seq": number(1024), "snap": number(1024), "parts": number(2)}),
		with(purgePartKey("w1", 0), item{"of": number(1024), "data": &types.AttributeValueMemberB{Value: []byte(old[:20])}}),
		with(purgePartKey("w1", 1), item{"of": number(1024), "data": &types.AttributeValueMemberB{Value: []byte(old[20:])}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	var want workspace.PurgeLog
	if err := json.Unmarshal([]byte(old), &want); err != nil {
		t.Fatal(err)
	}
	want, _ = want.Add(workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: "x"})
	if _, _, err := s.AddPurges(t.Context(), "acme", "w1", workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgePath, Source: "photos", Value: "x"}}); err != nil {
		t.Fatal(err)
	}
	got, err := s.PurgeLog(t.Context(), "w1", workspace.PurgeLog{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if x := workspace.NewPurgeIndex(got); x.Original("media", "y") != 9 || x.Original("photos", "x") != 1025 {
		t.Errorf("media %d, photos/x %d", x.Original("media", "y"), x.Original("photos", "x"))
	}
}

// TestPurgesWithAPartMissing: an incomplete log is an error, since it would purge less than
// requested.
func TestPurgesWithAPartMissing(t *testing.T) {
	s := purgeStore(t)
	var l workspace.PurgeLog
	for i := range 3 {
		var err error
		if l, _, err = s.AddPurges(t.Context(), "acme", "w1", l, []workspace.Purge{{Kind: workspace.PurgePath, Source: "b", Value: fmt.Sprint(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	err := s.batch(t.Context(), []types.WriteRequest{{DeleteRequest: &types.DeleteRequest{Key: purgeEventKey("w1", 2)}}})
	if err != nil {
		t.Fatal(err)
	}
	s.timeout = 200 * time.Millisecond
	if got, err := s.PurgeLog(t.Context(), "w1", workspace.PurgeLog{}); !errors.Is(err, workspace.ErrUnavailable) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestPurgesMeetAtASnapshot: servers that purge at once while the log is summed up, and its
// snapshot written, lose nothing, and all have the same log.
func TestPurgesMeetAtASnapshot(t *testing.T) {
	s := purgeStore(t)
	full, _ := workspace.PurgeLog{}.Add(paths(20_000)...)
	full, _ = full.Add(paths(workspace.MaxRecentPurges - len(full.Purges) - 8)...)
	write(t, s, "w1", full, sumsPerSnapshot-1)
	var servers sync.WaitGroup
	for server := range 4 {
		servers.Go(func() {
			var known workspace.PurgeLog
			if server%2 == 0 {
				known = full
			}
			for i := range 6 {
				name := fmt.Sprintf("%d/%d", server, i)
				l, _, err := s.AddPurges(t.Context(), "acme", "w1", known, []workspace.Purge{{Kind: workspace.PurgePath, Source: "photos", Value: name}})
				if err != nil {
					t.Errorf("AddPurges: %v", err)
					return
				}
				if last := workspace.NewPurgeIndex(l).Original("photos", name); last != l.Sequence {
					t.Errorf("%s is purged up to %d of %d", name, last, l.Sequence)
				}
				known = l
			}
		})
	}
	servers.Wait()
	fresh, err := s.PurgeLog(t.Context(), "w1", workspace.PurgeLog{})
	if err != nil {
		t.Fatal(err)
	}
	known, err := s.PurgeLog(t.Context(), "w1", full)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fresh, known); diff != "" {
		t.Errorf("who knew the log has another: %s", diff)
	}
	if want := full.Sequence + 24; fresh.Sequence != want || fresh.Base == full.Base {
		t.Errorf("sequence %d, want %d", fresh.Sequence, want)
	}
	x := workspace.NewPurgeIndex(fresh)
	for server := range 4 {
		for i := range 6 {
			if name := fmt.Sprintf("%d/%d", server, i); x.Original("photos", name) <= full.Sequence {
				t.Errorf("%s is forgotten", name)
			}
		}
	}
}

package dynamodb

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/workspace"
)

// A scale counts the bytes of requests and of their answers.
type scale struct{ sent, received int64 }

func (m *scale) watch(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("scale",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			if r, ok := in.Request.(*smithyhttp.Request); ok {
				if n, known, err := r.StreamLength(); err == nil && known {
					m.sent += n
				}
			}
			out, metadata, err := next.HandleDeserialize(ctx, in)
			if r, ok := out.RawResponse.(*smithyhttp.Response); ok && r.ContentLength > 0 {
				m.received += r.ContentLength
			}
			return out, metadata, err
		}), middleware.After)
}

func purgeStore(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{
		URL: dynamodblocal.Shared(t).URL(dynamodblocal.TableName()), Codec: testCodec(t), Timeout: time.Minute, Credentials: account,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// write puts a log into the table as a snapshot.
func write(t *testing.T, s *Store, workspaceID string, l workspace.PurgeLog) {
	t.Helper()
	steps, err := s.putSnapshot(workspaceID, l)
	if err != nil {
		t.Fatal(err)
	}
	n := number(int64(len(steps)))
	steps = append(steps, s.put(with(purgeKey(workspaceID), item{"seq": number(l.Sequence), "snap": number(l.Sequence), "parts": n}), anyItem, nil))
	if _, err := s.transact(t.Context(), rand.Text(), steps); err != nil {
		t.Fatal(err)
	}
}

// TestPurgeOfAFullLogIsCheap: what a purge writes, and what a server reads of it, doesn't
// grow with what was purged before.
func TestPurgeOfAFullLogIsCheap(t *testing.T) {
	s := purgeStore(t)
	list := make([]workspace.Purge, workspace.MaxPurgedPaths)
	for i := range list {
		list[i] = workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: fmt.Sprint(i)}
	}
	full, _ := workspace.PurgeLog{}.Add(list...)
	write(t, s, "w1", full)
	m := &scale{}
	s.client = dynamodb.New(s.client.Options(), func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, m.watch) })

	read, err := s.PurgeLog(t.Context(), "w1", workspace.PurgeLog{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full, read); diff != "" {
		t.Fatal(diff)
	}
	t.Logf("the first time a server reads a full log: %d bytes received", m.received)
	const purges = 20
	*m = scale{}
	l := full
	for i := range purges {
		if l, _, err = s.AddPurge(t.Context(), "acme", "w1", l, workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: fmt.Sprintf("2026/05/%d.jpg", i)}, workspace.AuditEntry{Action: "purge"}); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("a purge in a full log: %d bytes sent, %d received", m.sent/purges, m.received/purges)
	if m.sent/purges > 6<<10 || m.received/purges > 6<<10 {
		t.Errorf("a purge sends %d bytes and receives %d", m.sent/purges, m.received/purges)
	}
	*m = scale{}
	seen, err := s.PurgeLog(t.Context(), "w1", read)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d purges, seen by a server that knows the log: %d bytes received", purges, m.received)
	if m.received > 16<<10 {
		t.Errorf("a server that knows the log received %d bytes to see %d purges", m.received, purges)
	}
	if diff := cmp.Diff(l, seen); diff != "" {
		t.Error(diff)
	}
}

// TestPurgeSnapshots: summing up takes parts over, drops those that are too many, and
// forgets purges a snapshot later.
func TestPurgeSnapshots(t *testing.T) {
	s := purgeStore(t)
	list := make([]workspace.Purge, workspace.MaxPurgedPaths)
	for i := range list {
		list[i] = workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: fmt.Sprint(i)}
	}
	l, _ := workspace.PurgeLog{}.Add(list...)
	write(t, s, "w1", l)
	items := func() (parts, purges int) {
		t.Helper()
		err := s.query(t.Context(), query{pk: purgePK("w1")}, func(i item) (bool, error) {
			switch name := getText(i, sk); {
			case strings.HasPrefix(name, purgePartPrefix):
				parts++
			case strings.HasPrefix(name, purgeEventPrefix):
				purges++
			}
			return true, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return parts, purges
	}
	if parts, _ := items(); parts < 2 {
		t.Fatalf("%d parts: the test needs a larger log", parts)
	}
	before := l
	sumUp := func(kind workspace.PurgeKind) {
		t.Helper()
		for base := l.Base; l.Base == base; {
			var err error
			l, _, err = s.AddPurge(t.Context(), "acme", "w1", l, workspace.Purge{Kind: kind, Source: "photos", Value: fmt.Sprintf("%d%04000d", l.Sequence, 0)})
			if err != nil {
				t.Fatal(err)
			}
		}
		for name, known := range map[string]workspace.PurgeLog{"nothing": {}, "the log of before": before, "this log": l} {
			got, err := s.PurgeLog(t.Context(), "w1", known)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(l, got); diff != "" {
				t.Errorf("who knew %s: %s", name, diff)
			}
		}
	}
	sumUp(workspace.PurgeAll)
	parts, first := items()
	if parts != 1 {
		t.Errorf("%d parts after a purge of everything", parts)
	}
	sumUp(workspace.PurgePath)
	if parts, purges := items(); parts != 1 || purges > first+1 {
		t.Errorf("%d parts, %d purges after %d: they are not forgotten", parts, purges, first)
	}
	// A server that has been away for long reads a snapshot.
	got, err := s.PurgeLog(t.Context(), "w1", before)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l, got); diff != "" {
		t.Error(diff)
	}
}

// TestPurgesOfBefore: a log in one item, as earlier versions wrote it, is read and added
// to. Those versions can't read it afterwards, so that they don't miss what was added.
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
		if _, _, err := s.AddPurge(t.Context(), "acme", "w1", workspace.PurgeLog{}, p); err != nil {
			t.Fatal(err)
		}
		check()
		i, err := s.get(t.Context(), purgeKey("w1"))
		if err != nil || i["json"] != nil {
			t.Errorf("%v, %v", i, err)
		}
	}
}

// TestPurgesWithAPartMissing: a log that isn't whole is no log, since it would purge less
// than was asked for.
func TestPurgesWithAPartMissing(t *testing.T) {
	s := purgeStore(t)
	s.timeout = 200 * time.Millisecond
	var l workspace.PurgeLog
	for i := range 3 {
		var err error
		if l, _, err = s.AddPurge(t.Context(), "acme", "w1", l, workspace.Purge{Kind: workspace.PurgePath, Source: "b", Value: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	err := s.batch(t.Context(), []types.WriteRequest{{DeleteRequest: &types.DeleteRequest{Key: purgeEventKey("w1", 2)}}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.PurgeLog(t.Context(), "w1", workspace.PurgeLog{}); !errors.Is(err, workspace.ErrUnavailable) {
		t.Errorf("%+v, %v", got, err)
	}
}

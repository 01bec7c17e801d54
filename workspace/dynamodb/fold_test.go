package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/workspace"
)

func openTally(t *testing.T, url string, watch ...func(*middleware.Stack) error) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{URL: url, Codec: testCodec(t), Timeout: time.Minute, Credentials: awsAccount})
	if err != nil {
		t.Fatal(err)
	}
	s.client = of(dynamodb.New(s.client.options(), func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, watch...) }))
	return s
}

var errCut = errors.New("cut off")

// cutter fails all requests after some, and the last of these after the service took it.
type cutter struct{ left atomic.Int64 }

func (c *cutter) watch(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("cutter",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			left := c.left.Add(-1)
			if left < 0 {
				return middleware.InitializeOutput{}, middleware.Metadata{}, errCut
			}
			out, metadata, err := next.HandleInitialize(ctx, in)
			if left == 0 {
				err = errCut
			}
			return out, metadata, err
		}), middleware.Before)
}

// TestFoldCutOff: a server that folds is cut off after each of its requests, and others go on. At
// each moment every reader finds each count once.
func TestFoldCutOff(t *testing.T) {
	for most, step := range map[int]int64{foldBytes: 1, 1: 9} { // the latter takes one tally each
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			defer func(was int) { foldBytes = was }(foldBytes)
			foldBytes = most
			testFoldCutOff(t, step)
		})
	}
}

func testFoldCutOff(t *testing.T, step int64) {
	url := dynamodblocal.Shared(t).URL(dynamodblocal.TableName())
	cut := &cutter{}
	cut.left.Store(1 << 30)
	s, folding := openTally(t, url), openTally(t, url, cut.watch)
	if _, err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	const workspaces = 5
	day := time.Now().UTC().Format(time.DateOnly)
	for i := range workspaces {
		k := &workspace.APIKey{ID: "k", WorkspaceID: fmt.Sprint("w", i), Namespace: fmt.Sprint("w", i), Hash: [32]byte{byte(i + 1)}, CreatedAt: time.Now()}
		if err := s.CreateAPIKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	counted, seq := int64(0), int64(0)
	count := func() {
		t.Helper()
		counted, seq = counted+1, seq+1
		tally := workspace.Tally{ID: []string{"server", "another"}[seq%2], Seq: seq}
		for i := range workspaces {
			id := fmt.Sprint("w", i)
			tally.Usage = append(tally.Usage, workspace.Usage{WorkspaceID: id, Day: day, Operation: "transform", Requests: 1})
			tally.Keys = append(tally.Keys, workspace.KeyUse{WorkspaceID: id, ID: "k", Requests: 1, LastUsedAt: time.Now()})
		}
		for range 2 {
			if err := s.AddTally(t.Context(), tally); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := func(when string) {
		t.Helper()
		s.folding.forget()
		for i := range workspaces {
			id := fmt.Sprint("w", i)
			rows, err := s.Usage(t.Context(), id, day, day)
			keys, keysErr := s.APIKeys(t.Context(), id)
			if err != nil || keysErr != nil || len(rows) != 1 || rows[0].Requests != counted || len(keys) != 1 || keys[0].TotalRequests != counted {
				t.Fatalf("%s, %s: %+v, %+v, %v, %v; %d were counted", when, id, rows, keys, err, keysErr, counted)
			}
		}
	}
	for requests := int64(1); ; requests += step {
		count()
		cut.left.Store(requests)
		_, err := folding.foldPart(t.Context(), 0)
		want(fmt.Sprintf("cut off after %d requests", requests))
		count()
		want("counted since then")
		if requests/step%3 == 0 { // another server ends it, else the next fold of the same
			if _, err := s.Fold(t.Context()); err != nil {
				t.Fatal(err)
			}
			want("ended by another")
		}
		if err == nil {
			break
		}
		if requests > 400 {
			t.Fatal("a fold never ends")
		}
	}
	if _, err := s.Fold(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("folded")
	if some, err := s.anyTally(t.Context(), 0); some || err != nil {
		t.Error("tallies are left after a fold", err)
	}
}

// TestFoldsMeet: several servers fold and count at once, and every count is there once.
func TestFoldsMeet(t *testing.T) {
	url := dynamodblocal.Shared(t).URL(dynamodblocal.TableName())
	first := openTally(t, url)
	if _, err := first.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	const servers, tallies = 4, 12
	var working sync.WaitGroup
	for n := range servers {
		s := openTally(t, url)
		working.Go(func() {
			for seq := range tallies {
				tally := workspace.Tally{ID: fmt.Sprint("server-", n), Seq: int64(seq)}
				for i := range 3 {
					tally.Usage = append(tally.Usage, workspace.Usage{WorkspaceID: fmt.Sprint("w", i), Day: "2026-05-01", Operation: "transform", Requests: 1})
				}
				if err := s.AddTally(t.Context(), tally); err != nil {
					t.Error(err)
				}
				if seq%3 == n%3 {
					if _, err := s.foldPart(t.Context(), 0); err != nil {
						t.Error(err)
					}
				}
				rows, err := s.Usage(t.Context(), "w0", "2026-05-01", "2026-05-01")
				if err != nil || len(rows) != 1 || rows[0].Requests > servers*tallies {
					t.Error(rows, err)
				}
			}
		})
	}
	working.Wait()
	if _, err := first.Fold(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		rows, err := first.Usage(t.Context(), fmt.Sprint("w", i), "2026-05-01", "2026-05-01")
		if err != nil || len(rows) != 1 || rows[0].Requests != servers*tallies {
			t.Errorf("w%d: %+v, %v", i, rows, err)
		}
	}
}

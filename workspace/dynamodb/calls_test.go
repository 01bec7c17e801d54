package dynamodb

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
)

// A tally of calls, by name and result.
type callCounts struct {
	mu          sync.Mutex // guards all below
	calls       map[string]int
	throttled   int
	read, write float64
}

func (c *callCounts) watch(call workspace.Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[string]int{}
	}
	c.calls[call.Name+" "+string(call.Result)]++
	c.throttled += call.Throttled
	c.read += call.Read
	c.write += call.Write
	if call.Took <= 0 {
		c.calls["no time"]++
	}
}

// take returns how many calls there were since it was called last.
func (c *callCounts) take() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.calls {
		n += k
	}
	clear(c.calls)
	return n
}

// TestWatchedCalls: a store tells of its calls, with what the service says they have consumed.
func TestWatchedCalls(t *testing.T) {
	counts := &callCounts{}
	s, err := Open(t.Context(), Config{
		URL: dynamodblocal.Shared(t).URL(dynamodblocal.TableName()), Codec: testCodec(t), Timeout: time.Minute, Credentials: awsAccount, Watch: counts.watch,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	counts.mu.Lock()
	clear(counts.calls)
	counts.read, counts.write = 0, 0
	counts.mu.Unlock()
	w := workspace.New("acme")
	if err := s.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), workspace.New("acme")); !errors.Is(err, workspace.ErrExists) {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	_, _ = s.Get(left, "acme")
	want := map[string]int{"TransactWriteItems ok": 1, "TransactWriteItems condition": 1, "GetItem ok": 1, "GetItem left": 1}
	if diff := cmp.Diff(want, counts.calls); diff != "" {
		t.Error(diff)
	}
	if counts.read != 1 || counts.write == 0 { // DynamoDB Local tells only some of a transaction's units
		t.Errorf("%v read units, %v write units", counts.read, counts.write)
	}
	counts.write = 0
	if _, err := s.Lease(t.Context(), limit.Request{Key: "k", Window: limit.Month, Max: 10, Want: 1}); err != nil || counts.write != 1 {
		t.Errorf("%v; an update of a small item consumes %v units", err, counts.write)
	}
}

// TestWatchedFailures: each way in which a call fails has its own result, and tries that are refused
// for too much load are counted.
func TestWatchedFailures(t *testing.T) {
	for _, test := range []struct {
		name      string
		answer    string // empty is none
		times     int64
		timeout   time.Duration
		want      string
		throttled int
	}{
		{"throttled for a moment", `{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow down"}`, 2, time.Minute, "GetItem ok", 2},
		{"throttled for long", `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}`, 100, time.Minute, "GetItem throttled", attempts},
		{"refused", `{"__type":"com.amazonaws.dynamodb.v20120810#AccessDeniedException","message":"no"}`, 100, time.Minute, "GetItem error", 0},
		{"no answer", "", 100, 300 * time.Millisecond, "GetItem timeout", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // each waits most of its time
			var requests atomic.Int64
			service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				if requests.Add(1) > test.times {
					_, _ = w.Write([]byte(`{}`))
					return
				}
				if test.answer == "" {
					_, _ = io.Copy(io.Discard, r.Body) // the server sees that the client has left only after its body
					<-r.Context().Done()
					return
				}
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte(test.answer))
			}))
			defer service.Close()
			counts := &callCounts{}
			s, err := Open(t.Context(), Config{
				URL: "dynamodb://tintype?region=eu-west-1&endpoint=" + service.URL, Codec: testCodec(t), Credentials: awsAccount, Watch: counts.watch,
				Timeout: test.timeout,
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Get(t.Context(), "acme")
			if strings.HasSuffix(test.want, "ok") != errors.Is(err, workspace.ErrNotFound) {
				t.Errorf("Get: %v", err)
			}
			if counts.calls[test.want] != 1 || len(counts.calls) != 1 || counts.throttled != test.throttled {
				t.Errorf("%v, %d throttled, want %s and %d", counts.calls, counts.throttled, test.want, test.throttled)
			}
		})
	}
}

package dynamodb

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/workspace"
)

var awsAccount = credentials.NewStaticCredentialsProvider(dynamodblocal.AccessKeyID, dynamodblocal.SecretAccessKey, "")

func testCodec(t *testing.T) *workspace.Codec {
	t.Helper()
	codec, err := workspace.NewCodec(strings.Repeat("0a", 32))
	if err != nil {
		t.Fatal(err)
	}
	return codec
}

// A throttled request is retried several times, and then the error says so.
func TestThrottled(t *testing.T) {
	for _, test := range []struct {
		name     string
		kind     string
		times    int64 // how many times the service refuses
		requests int64
		want     error
	}{
		{"for a moment", "ProvisionedThroughputExceededException", 2, 3, workspace.ErrNotFound},
		{"for long", "ProvisionedThroughputExceededException", 100, attempts, workspace.ErrThrottled},
		{"by the awsAccount's limit", "ThrottlingException", 100, attempts, workspace.ErrThrottled},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // each waits most of its time
			var requests atomic.Int64
			service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				if requests.Add(1) <= test.times {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = w.Write([]byte(`{"__type":"com.amazonaws.dynamodb.v20120810#` + test.kind + `","message":"slow down"}`))
					return
				}
				_, _ = w.Write([]byte(`{}`))
			}))
			defer service.Close()
			s, err := Open(t.Context(), Config{
				URL: "dynamodb://tintype?region=eu-west-1&endpoint=" + service.URL, Codec: testCodec(t), Credentials: awsAccount, Timeout: time.Minute,
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Get(t.Context(), "acme")
			if !errors.Is(err, test.want) {
				t.Errorf("Get: %v, want %v", err, test.want)
			}
			if errors.Is(test.want, workspace.ErrUnavailable) != errors.Is(err, workspace.ErrUnavailable) {
				t.Errorf("Get: %v", err)
			}
			if n := requests.Load(); n != test.requests {
				t.Errorf("%d requests, want %d", n, test.requests)
			}
		})
	}
}

// Changes doesn't skip a missing change.
func TestFeedWithGaps(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(t *testing.T, s *Store, shard int)
	}{
		{"changes have expired", func(t *testing.T, s *Store, shard int) {
			for n := range int64(2) {
				remove(t, s, changeKey(shard, n+1))
			}
		}},
		{"all changes have expired", func(t *testing.T, s *Store, shard int) {
			for n := range int64(3) {
				remove(t, s, changeKey(shard, n+1))
			}
		}},
		{"the table was put back", func(t *testing.T, s *Store, shard int) {
			remove(t, s, headKey(shard))
			for n := range int64(3) {
				remove(t, s, changeKey(shard, n+1))
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := Open(t.Context(), Config{
				URL: dynamodblocal.Shared(t).URL(dynamodblocal.TableName()), Codec: testCodec(t), Credentials: awsAccount, Timeout: time.Minute,
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Init(t.Context()); err != nil {
				t.Fatal(err)
			}
			w := workspace.New("acme")
			if err := s.Create(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			_, first, err := s.Changes(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			var before cursor // in an empty table
			for range 2 {
				if err := s.Update(t.Context(), w); err != nil {
					t.Fatal(err)
				}
			}
			test.spoil(t, s, shardOf("acme"))
			since := before.String()
			if test.name == "the table was put back" {
				since = first
			}
			if changes, _, err := s.Changes(t.Context(), since); !errors.Is(err, workspace.ErrCursor) {
				t.Errorf("Changes: %v, %v", changes, err)
			}
			// Writes still work.
			if err := s.Update(t.Context(), w); err != nil {
				t.Errorf("Update: %v", err)
			}
		})
	}
}

func remove(t *testing.T, s *Store, k item) {
	t.Helper()
	if _, err := s.client.deleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &s.table, Key: k}); err != nil {
		t.Fatal(err)
	}
}

// Only cursors of this format are read. Each is read as it was written.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", cursor{}.String(), cursor{1, 36, 1 << 62}.String(), "1.2", "-1" + strings.Repeat(".0", shards-1), "no cursor of ours"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(text)
		if err != nil {
			if !errors.Is(err, workspace.ErrCursor) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if again, err := parseCursor(c.String()); err != nil || again != c {
			t.Errorf("%q: %v, then %v, %v", text, c, again, err)
		}
	})
}

package dynamodb

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/workspace"
)

// failing makes requests of one kind fail several times, as the service would.
func failing(s *Store, kind string, times *atomic.Int64, err error) {
	s.client = of(dynamodb.New(s.client.options(), func(o *dynamodb.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("failing",
				func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
					if reflect.TypeOf(in.Parameters).Elem().Name() == kind+"Input" && times.Add(-1) >= 0 {
						return middleware.InitializeOutput{}, middleware.Metadata{}, err
					}
					return next.HandleInitialize(ctx, in)
				}), middleware.Before)
		})
	}))
}

var errDenied = &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}

// TestLeavingIsTried: the keys of a deleted workspace are revoked even if the service fails
// for a moment. If it keeps failing, the log says what remains.
func TestLeavingIsTried(t *testing.T) {
	for _, tt := range []struct {
		name    string
		times   int64
		timeout time.Duration
		revoked bool
	}{{"for a moment", 2, time.Minute, true}, {"for good", 1 << 30, 5 * time.Second, false}} {
		var log bytes.Buffer
		s := purgeStore(t)
		s.log = slog.New(slog.NewTextHandler(&log, nil))
		w := workspace.New("acme")
		if err := s.Create(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		k := &workspace.APIKey{ID: "k", WorkspaceID: w.ID, Namespace: "acme", Hash: [32]byte{1}}
		if err := s.CreateAPIKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		var times atomic.Int64
		times.Store(tt.times)
		failing(s, "Query", &times, errDenied) // a deletion needs queries only for the keys
		s.timeout = tt.timeout
		if err := s.Delete(t.Context(), "acme", 0); err != nil {
			t.Errorf("%s: Delete: %v, though the workspace is deleted", tt.name, err)
		}
		s.timeout = time.Minute
		if _, err := s.Get(t.Context(), "acme"); !errors.Is(err, workspace.ErrNotFound) {
			t.Errorf("%s: Get: %v", tt.name, err)
		}
		found, err := s.APIKey(t.Context(), k.Hash)
		if err != nil || found.RevokedAt.IsZero() == tt.revoked {
			t.Errorf("%s: its key: %+v, %v", tt.name, found, err)
		}
		if said := strings.Contains(log.String(), "workspace_id="+w.ID); said == tt.revoked {
			t.Errorf("%s: the log: %s", tt.name, &log)
		}
	}
}

// TestInitTellsOfRecovery: Init fails if point-in-time recovery can't be turned on.
func TestInitTellsOfRecovery(t *testing.T) {
	open := func() *Store {
		s, err := Open(t.Context(), Config{
			URL: dynamodblocal.Shared(t).URL(dynamodblocal.TableName()), Codec: testCodec(t), Timeout: time.Minute, Credentials: awsAccount,
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	var times atomic.Int64
	times.Store(1)
	failing(s, "UpdateContinuousBackups", &times, errDenied)
	if created, err := s.Init(t.Context()); !created || err == nil || !strings.Contains(err.Error(), "point-in-time recovery") {
		t.Errorf("Init: %v, %v", created, err)
	}
	if _, err := s.Check(t.Context()); !errors.Is(err, ErrTable) {
		t.Errorf("Check: %v", err)
	}
	if created, err := s.Init(t.Context()); created || err != nil {
		t.Errorf("Init again: %v, %v", created, err)
	}
	s = open()
	times.Store(2)
	failing(s, "UpdateContinuousBackups", &times, &types.ContinuousBackupsUnavailableException{})
	if created, err := s.Init(t.Context()); !created || err != nil || times.Load() >= 0 {
		t.Errorf("Init of a table that isn't ready for it at once: %v, %v", created, err)
	}
}

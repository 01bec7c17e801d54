package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/workspace"
)

// TestFeedWithABrokenShard: where one shard can't be read, the changes of the others are told,
// once, and its own as soon as it can be read.
func TestFeedWithABrokenShard(t *testing.T) {
	s, err := Open(t.Context(), Config{
		URL: dynamodblocal.Shared(t).URL(dynamodblocal.TableName()), Codec: testCodec(t), Timeout: time.Minute, Credentials: awsAccount,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	broken := -1
	s.client = of(dynamodb.New(s.client.options(), func(o *dynamodb.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("break",
				func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
					if q, ok := in.Parameters.(*dynamodb.QueryInput); ok && broken >= 0 && getText(q.ExpressionAttributeValues, ":pk") == changePK(broken) {
						return middleware.InitializeOutput{}, middleware.Metadata{}, errors.New("no answer")
					}
					return next.HandleInitialize(ctx, in)
				}), middleware.Before)
		})
	}))
	_, cursor, err := s.Changes(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for i := range 20 {
		w := workspace.New(fmt.Sprintf("ws-%d", i))
		if err := s.Create(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		want[w.Namespace] = true
	}
	broken = shardOf("ws-0")
	told := map[string]int{}
	look := func() error {
		t.Helper()
		changes, next, err := s.Changes(t.Context(), cursor)
		if next == "" {
			t.Fatalf("no cursor, %v", err)
		}
		for _, c := range changes {
			told[c.Namespace]++
		}
		cursor = next
		return err
	}
	for range 2 {
		if err := look(); !errors.Is(err, workspace.ErrUnavailable) {
			t.Fatalf("with a broken shard: %v", err)
		}
		for namespace := range want {
			if there := told[namespace]; (there == 1) != (shardOf(namespace) != broken) {
				t.Errorf("%s was told of %d times", namespace, there)
			}
		}
	}
	broken = -1
	if err := look(); err != nil {
		t.Fatal(err)
	}
	for namespace := range want {
		if told[namespace] != 1 {
			t.Errorf("%s was told of %d times in all", namespace, told[namespace])
		}
	}
}

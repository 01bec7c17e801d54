package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/tintype/tintype/workspace"
)

// answers are the errors that describe what is stored.
var answers = []error{
	workspace.ErrNotFound, workspace.ErrExists, workspace.ErrConflict, workspace.ErrDomainTaken, workspace.ErrDomainNotFound,
	workspace.ErrKeyNotFound, workspace.ErrKeyExists, workspace.ErrTooManyKeys, workspace.ErrCursor, workspace.ErrUnavailable,
}

// failure converts an error. Errors in answers and those of the caller's context stay.
// Throttling becomes ErrThrottled. All others mean that the table can't be used.
func (s *Store) failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if slices.ContainsFunc(answers, func(a error) bool { return errors.Is(err, a) }) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		return fmt.Errorf("%w: %w", workspace.ErrUnavailable, s.errNoTable())
	}
	if throttled(err) {
		return fmt.Errorf("%w: %w", workspace.ErrThrottled, err)
	}
	return fmt.Errorf("%w: %w", workspace.ErrUnavailable, err)
}

// throttled reports whether the service refused a request because of too much load.
func throttled(err error) bool {
	if e, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
		return slices.ContainsFunc(e.CancellationReasons, func(r types.CancellationReason) bool {
			return r.Code != nil && (*r.Code == "ThrottlingError" || *r.Code == "ProvisionedThroughputExceeded")
		})
	}
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	_, throttled := retry.DefaultThrottleErrorCodes[e.ErrorCode()]
	return throttled
}

// conditionFailed reports whether the error is a failed condition, and returns the item
// that the condition was tested on.
func conditionFailed(err error) (found item, failed bool) {
	if e, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return e.Item, true
	}
	return nil, false
}

package workspace

import (
	"context"
	"errors"
	"time"
)

// A Call is what a store has asked its table, or its database, for one purpose. Stores tell it to
// who counts calls.
type Call struct {
	Name   string // of the operation, such as "Query", and "read" or "write" where there are no others
	Result CallResult
	Took   time.Duration // with all tries, and pauses between them

	Throttled   int     // tries that were refused for too much load
	Read, Write float64 // units that the service says it has consumed
}

// A CallResult says how a [Call] has ended.
type CallResult string

// The results of calls.
const (
	CallOK        CallResult = "ok"
	CallCondition CallResult = "condition" // what is stored isn't as the call needs it, or another write came between
	CallThrottled CallResult = "throttled" // refused for too much load, after all tries
	CallTimeout   CallResult = "timeout"
	CallLeft      CallResult = "left" // nobody waited any more
	CallError     CallResult = "error"
)

// CallResults lists all results.
func CallResults() []CallResult {
	return []CallResult{CallOK, CallCondition, CallThrottled, CallTimeout, CallLeft, CallError}
}

// CallFailed returns the result of a call that failed with err. ctx is the call's. Stores handle
// refused conditions and throttling before, since these are errors of their own.
func CallFailed(ctx context.Context, err error) CallResult {
	var late interface{ Timeout() bool }
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return CallLeft
	case ctx.Err() != nil, errors.As(err, &late) && late.Timeout():
		return CallTimeout
	}
	return CallError
}

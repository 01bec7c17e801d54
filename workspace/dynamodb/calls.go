package dynamodb

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/tintype/tintype/workspace"
)

// watchCalls tells Config.Watch of every call.
func (s *Store) watchCalls(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("watchCalls",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			askUnits(in.Parameters)
			began := time.Now()
			out, metadata, err := next.HandleInitialize(ctx, in)
			call := workspace.Call{Name: middleware.GetOperationName(ctx), Result: resultOf(ctx, err), Took: time.Since(began)}
			if tries, ok := retry.GetAttemptResults(metadata); ok {
				for _, try := range tries.Results {
					if throttled(try.Err) {
						call.Throttled++
					}
				}
			}
			used, write := unitsOf(out.Result)
			if write {
				call.Write = used
			} else {
				call.Read = used
			}
			s.watch(call)
			return out, metadata, err
		}), middleware.Before)
}

func resultOf(ctx context.Context, err error) workspace.CallResult {
	if err == nil {
		return workspace.CallOK
	}
	if _, refused := conditionFailed(err); refused {
		return workspace.CallCondition
	}
	if throttled(err) {
		return workspace.CallThrottled
	}
	if e, ok := errors.AsType[*types.TransactionCanceledException](err); ok && slices.ContainsFunc(e.CancellationReasons, func(r types.CancellationReason) bool {
		return refused(r) || aws.ToString(r.Code) == "TransactionConflict"
	}) {
		return workspace.CallCondition
	}
	return workspace.CallFailed(ctx, err)
}

// askUnits has the service say what a call consumes. That costs nothing.
func askUnits(in any) {
	const total = types.ReturnConsumedCapacityTotal
	switch in := in.(type) {
	case *dynamodb.GetItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.BatchGetItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.QueryInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.TransactGetItemsInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.PutItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.UpdateItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.DeleteItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.BatchWriteItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.TransactWriteItemsInput:
		in.ReturnConsumedCapacity = total
	}
}

// unitsOf returns the units that a call has consumed, and whether they are of writing. Of a refused
// call the service doesn't say it.
func unitsOf(out any) (used float64, write bool) {
	switch out := out.(type) {
	case *dynamodb.GetItemOutput:
		return sum(out.ConsumedCapacity), false
	case *dynamodb.BatchGetItemOutput:
		return sumOf(out.ConsumedCapacity), false
	case *dynamodb.QueryOutput:
		return sum(out.ConsumedCapacity), false
	case *dynamodb.TransactGetItemsOutput:
		return sumOf(out.ConsumedCapacity), false
	case *dynamodb.PutItemOutput:
		return sum(out.ConsumedCapacity), true
	case *dynamodb.UpdateItemOutput:
		return sum(out.ConsumedCapacity), true
	case *dynamodb.DeleteItemOutput:
		return sum(out.ConsumedCapacity), true
	case *dynamodb.BatchWriteItemOutput:
		return sumOf(out.ConsumedCapacity), true
	case *dynamodb.TransactWriteItemsOutput:
		return sumOf(out.ConsumedCapacity), true
	}
	return 0, false
}

func sum(c *types.ConsumedCapacity) float64 {
	if c == nil {
		return 0
	}
	return aws.ToFloat64(c.CapacityUnits)
}

func sumOf(list []types.ConsumedCapacity) (all float64) {
	for _, c := range list {
		all += sum(&c)
	}
	return all
}

package dynamodb

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tintype/tintype/workspace"
)

const (
	changesKept = 48 * time.Hour
	firstPause  = 5 * time.Millisecond // after a conflict with another transaction; doubled up to maxPause
)

// A step is one item of a transaction, and the error if its condition fails.
type step struct {
	types.TransactWriteItem
	refused error
}

// errAgain means that the caller must read again and retry.
var errAgain = errors.New("what was read has changed since")

// A condition is an expression and its values.
type condition struct {
	text   string
	values item
}

var (
	absent  = condition{text: "attribute_not_exists(pk)"}
	anyItem = condition{}
)

// equals is the condition that attributes have these values.
func equals(attributes item) condition {
	c := condition{values: item{}}
	for name, v := range attributes {
		if c.text != "" {
			c.text += " AND "
		}
		c.text += name + " = :is_" + name
		c.values[":is_"+name] = v
	}
	return c
}

func (c condition) expression() *string {
	if c.text == "" {
		return nil
	}
	return &c.text
}

func (s *Store) put(i item, c condition, refused error) step {
	return step{types.TransactWriteItem{Put: &types.Put{
		TableName: &s.table, Item: i, ConditionExpression: c.expression(), ExpressionAttributeValues: c.values,
	}}, refused}
}

// check returns a step that only tests a condition.
func (s *Store) check(k item, c condition, refused error) step {
	return step{types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &s.table, Key: k, ConditionExpression: c.expression(), ExpressionAttributeValues: c.values,
	}}, refused}
}

func (s *Store) remove(k item, c condition, refused error) step {
	return step{types.TransactWriteItem{Delete: &types.Delete{
		TableName: &s.table, Key: k, ConditionExpression: c.expression(), ExpressionAttributeValues: c.values,
	}}, refused}
}

// set returns a step that sets attributes of an item.
func (s *Store) set(k item, attributes item, c condition, refused error) step {
	expression, values := "SET ", item{}
	for name, v := range attributes {
		if len(values) > 0 {
			expression += ", "
		}
		expression += name + " = :" + name
		values[":"+name] = v
	}
	for name, v := range c.values {
		values[name] = v
	}
	return step{types.TransactWriteItem{Update: &types.Update{
		TableName: &s.table, Key: k, UpdateExpression: &expression, ConditionExpression: c.expression(), ExpressionAttributeValues: values,
	}}, refused}
}

// commit writes the steps, the change in the feed and the audit log in one transaction. If
// a condition fails, it returns the error of the first step whose condition failed.
//
// The change gets the number after the head of its shard. commit guesses the head from its
// last write. If another write came between, the transaction fails and returns the head.
// Numbers therefore have no gaps, and readers of the feed miss nothing, whatever the clocks
// say.
func (s *Store) commit(ctx context.Context, change workspace.Change, id string, audit []workspace.AuditEntry, steps ...step) error {
	shard := shardOf(change.Namespace)
	now := s.now()
	entries, err := auditItems(id, now, audit)
	if err != nil {
		return err
	}
	for _, e := range entries {
		steps = append(steps, s.put(e, anyItem, nil))
	}
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		head := s.heads[shard].Load()
		update, is := s.set(headKey(shard), item{"n": number(head + 1)}, equals(item{"n": number(head)}), errAgain), len(steps)
		if head == 0 {
			update = s.set(headKey(shard), item{"n": number(1)}, absent, errAgain)
		}
		update.Update.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
		record := with(changeKey(shard, head+1), item{
			"kind": text(string(change.Kind)), "ns": text(change.Namespace), ttl: seconds(now.Add(changesKept)),
		})
		reasons, err := s.transact(ctx, rand.Text(), append(steps[:is:is], update, s.put(record, anyItem, nil)))
		switch {
		case err == nil:
			s.advanceHead(shard, head+1)
			return nil
		case reasons == nil:
			return err
		}
		for i, st := range steps {
			if refused(reasons[i]) {
				return st.refused
			}
		}
		if refused(reasons[is]) { // another write came between
			s.heads[shard].Store(getNumber(reasons[is].Item, "n"))
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
	}
}

// advanceHead remembers a head, unless a later one is known.
func (s *Store) advanceHead(shard int, to int64) {
	for {
		known := s.heads[shard].Load()
		if known >= to || s.heads[shard].CompareAndSwap(known, to) {
			return
		}
	}
}

// transact writes the steps in one transaction. With the same token, a repeated request is
// executed once. If a condition failed or another transaction was in conflict, it returns
// one reason for each step.
func (s *Store) transact(ctx context.Context, token string, steps []step) (reasons []types.CancellationReason, err error) {
	in := &dynamodb.TransactWriteItemsInput{ClientRequestToken: &token}
	for _, st := range steps {
		in.TransactItems = append(in.TransactItems, st.TransactWriteItem)
	}
	_, err = s.client.transactWriteItems(ctx, in)
	e, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok || len(e.CancellationReasons) != len(steps) {
		return nil, err
	}
	for _, r := range e.CancellationReasons {
		switch aws.ToString(r.Code) {
		case "None", "", "ConditionalCheckFailed", "TransactionConflict":
		case "ThrottlingError", "ProvisionedThroughputExceeded":
			return nil, err
		default: // such as ValidationError for an item that is too large
			return nil, fmt.Errorf("%s: %s", aws.ToString(r.Code), aws.ToString(r.Message))
		}
	}
	return e.CancellationReasons, err
}

func refused(r types.CancellationReason) bool {
	return aws.ToString(r.Code) == "ConditionalCheckFailed"
}

// wait waits for a random time up to pause, so that conflicting writers don't meet again.
func wait(ctx context.Context, pause time.Duration) error {
	t := time.NewTimer(mathrand.N(pause))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// get reads the present item, or nil.
func (s *Store) get(ctx context.Context, k item) (item, error) {
	out, err := s.client.getItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: k, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// getMany calls do for the present items of up to 100 keys. It skips keys that have none.
func (s *Store) getMany(ctx context.Context, keys []item, do func(item) error) error {
	ask := types.KeysAndAttributes{ConsistentRead: aws.Bool(true), Keys: keys}
	for pause := firstPause; len(ask.Keys) > 0; pause = min(2*pause, maxPause) {
		out, err := s.client.batchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{s.table: ask}})
		if err != nil {
			return err
		}
		for _, i := range out.Responses[s.table] {
			if err := do(i); err != nil {
				return err
			}
		}
		ask.Keys = out.UnprocessedKeys[s.table].Keys
		if len(ask.Keys) > 0 {
			if err := wait(ctx, pause); err != nil {
				return err
			}
		}
	}
	return nil
}

// A query selects items of one partition, sorted by sort key.
type query struct {
	pk        string
	condition string // on sk, such as "sk > :after"; empty selects all
	values    item
	limit     int // 0 is all
	backward  bool
	behind    bool // the answer may be some seconds behind, which costs half

	attributes string // that the answer has; empty is all

	each time.Duration // bound of each request; 0 is none but the caller's
}

// query calls do for each item until it returns false.
func (s *Store) query(ctx context.Context, q query, do func(item) (more bool, err error)) error {
	expression := "pk = :pk"
	if q.condition != "" {
		expression += " AND " + q.condition
	}
	in := &dynamodb.QueryInput{
		TableName: &s.table, KeyConditionExpression: &expression, ExpressionAttributeValues: with(item{":pk": text(q.pk)}, q.values),
		ConsistentRead: aws.Bool(!q.behind), ScanIndexForward: aws.Bool(!q.backward),
	}
	if q.attributes != "" {
		in.ProjectionExpression = &q.attributes
	}
	if q.limit > 0 {
		in.Limit = aws.Int32(int32(min(q.limit, 1000)))
	}
	for {
		out, err := s.page(ctx, in, q.each)
		if err != nil {
			return err
		}
		for _, i := range out.Items {
			if more, err := do(i); err != nil || !more {
				return err
			}
		}
		if len(out.LastEvaluatedKey) == 0 {
			return nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// page sends one request of a query.
func (s *Store) page(ctx context.Context, in *dynamodb.QueryInput, each time.Duration) (*dynamodb.QueryOutput, error) {
	if each > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, each)
		defer cancel()
	}
	return s.client.query(ctx, in)
}

// unmarshal reads the JSON in an item.
func unmarshal(i item, name string, into any) error {
	if err := json.Unmarshal([]byte(getText(i, name)), into); err != nil {
		return fmt.Errorf("item %s, %s: %w", getText(i, pk), getText(i, sk), err)
	}
	return nil
}

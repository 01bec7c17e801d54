package dynamodb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tintype/tintype/workspace"
)

// foldBytes is how many bytes of tallies, compressed, one fold takes. Tests take few.
var foldBytes = 32 << 20

const (
	foldWriters = 16 // rows that are written at a time
	foldKnown   = 8 * 24 * time.Hour
)

var _ workspace.Folder = (*Store)(nil)

// Fold implements [workspace.Folder]. For each part of the tallies:
//
//  1. It writes down which tallies the next fold has, under its number.
//  2. It adds the sums to the rows, each on the condition that the row isn't in this fold yet.
//     So it may be done again after an outcome that nobody knows, by another server too.
//  3. It deletes the tallies.
//
// A fold that was cut off is ended first. Tallies that come again later are known by their Seq.
func (s *Store) Fold(ctx context.Context) (all workspace.Folded, err error) {
	defer s.folding.forget()
	for part := range tallyParts {
		f, failed := s.foldPart(ctx, part)
		all.Rows, all.Bytes = all.Rows+f.Rows, max(all.Bytes, f.Bytes)
		if err = errors.Join(err, failed); ctx.Err() != nil {
			break
		}
	}
	return all, err
}

// foldPart folds until no tally waits.
func (s *Store) foldPart(ctx context.Context, part int) (all workspace.Folded, err error) {
	for {
		some, err := s.anyTally(ctx, part)
		if err != nil || !some {
			return all, err
		}
		f, more, err := s.foldOnce(ctx, part)
		all.Rows, all.Bytes = all.Rows+f.Rows, all.Bytes+f.Bytes
		if err != nil || !more {
			return all, err
		}
	}
}

// anyTally reports whether a part has tallies, as of a moment ago, for half a unit.
func (s *Store) anyTally(ctx context.Context, part int) (some bool, err error) {
	within, cancel := s.bound(ctx)
	defer cancel()
	q := query{pk: tallyPK(part), condition: "begins_with(sk, :b)", values: item{":b": text(blockPrefix)}, limit: 1, behind: true}
	err = s.query(within, q, func(item) (bool, error) { some = true; return false, nil })
	return some, s.failure(ctx, err)
}

// A block is a stored tally.
type block struct {
	sk   string
	id   string
	seq  int64
	data []byte
}

// foldOnce makes or ends one fold. more says that tallies may wait that it left out.
func (s *Store) foldOnce(ctx context.Context, part int) (done workspace.Folded, more bool, err error) {
	f, left, next, more, err := s.readTallies(ctx, part)
	if err != nil {
		return done, false, err
	}
	for _, b := range append(left, next...) {
		done.Bytes += len(b.data)
	}
	if len(left) > 0 {
		n, err := s.applyFold(ctx, part, f, left)
		if done.Rows += n; err != nil {
			return done, false, err
		}
	}
	if len(next) == 0 {
		return done, more, nil
	}
	if f, err = s.beginFold(ctx, part, f, next); f == nil || err != nil {
		return done, false, err // another server has begun one
	}
	n, err := s.applyFold(ctx, part, f, next)
	done.Rows += n
	return done, more, err
}

// readTallies reads the record of a part and its tallies: all that are left of a fold that was cut
// off, or that came again, since a row takes at once what its fold has; and of those that wait for
// the next one up to foldBytes.
func (s *Store) readTallies(ctx context.Context, part int) (f *folded, left, next []block, more bool, err error) {
	if f, err = foldedOf(nil); err != nil {
		return nil, nil, nil, false, err
	}
	size := 0
	within, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = s.query(within, query{pk: tallyPK(part), each: s.timeout}, func(i item) (bool, error) {
		if getText(i, sk) == foldSK {
			f, err = foldedOf(i)
			return err == nil, err
		}
		b := block{sk: getText(i, sk), data: getBytes(i, "data")}
		if b.id, b.seq, err = blockOf(b.sk); err != nil {
			return false, err
		}
		switch {
		case f.state(b.id, b.seq) != waiting:
			left = append(left, b)
		case size < foldBytes:
			next = append(next, b)
			size += len(b.data)
		default: // they are sorted by server and Seq, so that the fold has the first ones of each
			more = true
		}
		return true, nil
	})
	return f, left, next, more, s.failure(ctx, err)
}

// beginFold writes down which tallies the next fold has. The result is nil where another server
// was faster.
func (s *Store) beginFold(ctx context.Context, part int, f *folded, blocks []block) (*folded, error) {
	today := s.now().Unix() / (24 * 60 * 60)
	next := &folded{n: f.n + 1, Done: maps.Clone(f.Done), From: map[string]int64{}}
	maps.DeleteFunc(next.Done, func(_ string, d foldedUpTo) bool { return today-d.Day > int64(foldKnown/(24*time.Hour)) })
	for _, b := range blocks {
		if _, ok := next.From[b.id]; !ok {
			next.From[b.id] = f.upTo(b.id)
		}
		next.Done[b.id] = foldedUpTo{max(b.seq, next.Done[b.id].Seq), today}
	}
	data, err := json.Marshal(next)
	if err != nil {
		return nil, err
	}
	same := absent
	if f.n > 0 {
		same = equals(item{"n": number(f.n)})
	}
	within, cancel := s.bound(ctx)
	defer cancel()
	_, err = s.client.putItem(within, &dynamodb.PutItemInput{
		TableName: &s.table, Item: with(key(tallyPK(part), foldSK), item{"n": number(next.n), "json": text(string(data))}),
		ConditionExpression: same.expression(), ExpressionAttributeValues: same.values,
	})
	if _, other := conditionFailed(err); other {
		return nil, nil
	}
	return next, s.failure(ctx, err)
}

// applyFold adds tallies of the last fold to the rows, and deletes them. Those of an earlier one
// are deleted only.
func (s *Store) applyFold(ctx context.Context, part int, f *folded, blocks []block) (rows int, err error) {
	all, merged := workspace.Tally{}, 0
	for _, b := range blocks {
		if f.state(b.id, b.seq) != inFold {
			continue
		}
		t, err := unpackTally(b.data)
		if err != nil {
			return 0, err
		}
		all.Usage, all.Keys = append(all.Usage, t.Usage...), append(all.Keys, t.Keys...)
		if len(all.Usage) > 2*merged+100_000 { // most rows are in many tallies
			all = all.Merged()
			merged = len(all.Usage)
		}
	}
	all = all.Merged()
	mark := foldedAttribute(part)
	var updates []*dynamodb.UpdateItemInput
	for _, u := range all.Usage {
		day, err := time.Parse(time.DateOnly, u.Day)
		if err != nil {
			return 0, fmt.Errorf("day of usage: %w", err)
		}
		updates = append(updates, s.addFolded(usageKey(u), usageCounts(u), item{ttl: seconds(day.Add(workspace.UsageKept)), mark: number(f.n)}, mark))
	}
	for _, k := range all.Keys {
		updates = append(updates, s.addFolded(key(apiKeysPK(k.WorkspaceID), k.ID),
			item{"requests": number(k.Requests), "errors": number(k.Errors)}, item{"last_used": micros(k.LastUsedAt), mark: number(f.n)}, mark))
	}
	if err := s.updateAll(ctx, updates); err != nil {
		return 0, s.failure(ctx, err)
	}
	var deletes []types.WriteRequest
	for _, b := range blocks {
		deletes = append(deletes, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: key(tallyPK(part), b.sk)}})
	}
	for chunk := range slices.Chunk(deletes, batchItems) {
		if err := s.batchAtOnce(ctx, chunk); err != nil {
			return len(updates), err
		}
	}
	return len(updates), nil
}

// addFolded returns an update that adds to numbers of an item and sets attributes, where the item
// isn't in this fold yet.
func (s *Store) addFolded(k, counts, attributes item, mark string) *dynamodb.UpdateItemInput {
	u := s.add(k, counts, attributes).Update
	return &dynamodb.UpdateItemInput{
		TableName: u.TableName, Key: u.Key, UpdateExpression: u.UpdateExpression, ExpressionAttributeValues: u.ExpressionAttributeValues,
		ConditionExpression: aws.String("attribute_not_exists(" + mark + ") OR " + mark + " < :" + mark),
	}
}

// updateAll makes updates, some at a time. Those whose condition fails have been made already.
func (s *Store) updateAll(ctx context.Context, updates []*dynamodb.UpdateItemInput) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan *dynamodb.UpdateItemInput)
	var writing sync.WaitGroup
	for range min(foldWriters, len(updates)) {
		writing.Go(func() {
			for u := range work {
				within, done := s.bound(ctx)
				_, err := s.client.updateItem(within, u)
				done()
				if _, made := conditionFailed(err); err != nil && !made {
					cancel(err)
				}
			}
		})
	}
	for _, u := range updates {
		if ctx.Err() != nil {
			break
		}
		work <- u
	}
	close(work)
	writing.Wait()
	return context.Cause(ctx)
}

// usageName returns the key of a row of usage within its workspace.
func usageName(u workspace.Usage) string {
	return strings.Join([]string{u.Day, u.Operation, u.Source}, "#")
}

package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tintype/tintype/workspace"
)

// The feed has shards, so that writes to different workspaces seldom conflict. The
// namespace decides the shard. Each shard is a sequence of numbered changes, and an item
// FEED, HEAD#shard with the last number. To read the feed, a server reads the heads in one
// small query, however many workspaces there are, and then the new changes of the shards
// that moved.

// A cursor has the number of the last change that was read in each shard.
type cursor [shards]int64

func (c cursor) String() string {
	numbers := make([]string, shards)
	for i, n := range c {
		numbers[i] = strconv.FormatInt(n, 36)
	}
	return strings.Join(numbers, ".")
}

func parseCursor(s string) (c cursor, err error) {
	numbers := strings.Split(s, ".")
	if len(numbers) != shards {
		return c, workspace.ErrCursor
	}
	for i, n := range numbers {
		if c[i], err = strconv.ParseInt(n, 36, 64); err != nil || c[i] < 0 {
			return cursor{}, workspace.ErrCursor
		}
	}
	return c, nil
}

// lookTimeout bounds one request for the feed with its repetitions. A shard that doesn't answer
// must not keep the changes of the others.
const lookTimeout = 4 * time.Second

// Changes implements [workspace.Store]. It reads the shards at the same time. Where one fails,
// the others have their changes and their place in the cursor.
func (s *Store) Changes(ctx context.Context, since string) (changes []workspace.Change, next string, err error) {
	heads, err := s.readHeads(ctx)
	if err != nil {
		return nil, "", s.failure(ctx, err)
	}
	if since == "" {
		return nil, heads.String(), nil
	}
	seen, err := parseCursor(since)
	if err != nil {
		return nil, "", err
	}
	for shard := range seen {
		if seen[shard] > heads[shard] { // the table was restored from a backup
			return nil, "", workspace.ErrCursor
		}
	}
	var lists [shards][]workspace.Change
	var failed [shards]error
	var reading sync.WaitGroup
	for shard := range seen {
		if seen[shard] == heads[shard] {
			continue
		}
		reading.Go(func() {
			within, cancel := s.bound(ctx)
			defer cancel()
			seen[shard], failed[shard] = s.readShard(within, shard, seen[shard], func(c workspace.Change) {
				lists[shard] = append(lists[shard], c)
			})
		})
	}
	reading.Wait()
	known := map[workspace.Change]bool{}
	for shard, list := range lists {
		if errors.Is(failed[shard], workspace.ErrCursor) {
			return nil, "", workspace.ErrCursor
		}
		for _, c := range list {
			if !known[c] {
				known[c] = true
				changes = append(changes, c)
			}
		}
	}
	return changes, seen.String(), s.failure(ctx, errors.Join(failed[:]...))
}

func (s *Store) readHeads(ctx context.Context) (heads cursor, err error) {
	err = s.query(ctx, query{pk: feedKey, each: lookTimeout}, func(i item) (bool, error) {
		shard, err := strconv.Atoi(strings.TrimPrefix(getText(i, sk), "HEAD#"))
		if err != nil || shard < 0 || shard >= shards {
			return false, fmt.Errorf("the feed has an item %q", getText(i, sk))
		}
		heads[shard] = getNumber(i, "n")
		s.advanceHead(shard, heads[shard])
		return true, nil
	})
	return heads, err
}

// readShard calls do for the changes of a shard after a number, and returns the number of
// the last one. A query is not a transaction: it may see a new head before the change
// itself. A change that isn't there yet is read the next time.
func (s *Store) readShard(ctx context.Context, shard int, after int64, do func(workspace.Change)) (last int64, err error) {
	last = after
	q := query{pk: changePK(shard), condition: "sk > :after", values: item{":after": text(changeSK(after))}, each: lookTimeout}
	err = s.query(ctx, q, func(i item) (bool, error) {
		if getText(i, sk) != changeSK(last+1) {
			return false, nil
		}
		last++
		do(workspace.Change{Kind: workspace.ChangeKind(getText(i, "kind")), Namespace: getText(i, "ns")})
		return true, nil
	})
	if err != nil || last > after {
		return last, err
	}
	missing, err := s.forgotten(ctx, shard, after+1)
	if missing {
		err = workspace.ErrCursor
	}
	return last, err
}

// forgotten reports whether a change has expired. It reads head and change in a
// transaction, so that both are from the same moment.
func (s *Store) forgotten(ctx context.Context, shard int, n int64) (bool, error) {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		out, err := s.client.transactGetItems(ctx, &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{
			{Get: &types.Get{TableName: &s.table, Key: headKey(shard)}},
			{Get: &types.Get{TableName: &s.table, Key: changeKey(shard, n)}},
		}})
		if err == nil {
			return getNumber(out.Responses[0].Item, "n") >= n && out.Responses[1].Item == nil, nil
		}
		if _, met := errors.AsType[*types.TransactionCanceledException](err); !met || throttled(err) {
			return false, err
		}
		if err := wait(ctx, pause); err != nil {
			return false, err
		}
	}
}

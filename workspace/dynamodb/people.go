package dynamodb

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

var _ account.Records = (*Store)(nil)

func peoplePK(group string) string { return "PEOPLE#" + group }

// Record implements [account.Records].
func (s *Store) Record(ctx context.Context, group, name string) (account.Record, error) {
	within, cancel := s.bound(ctx)
	defer cancel()
	i, err := s.get(within, key(peoplePK(group), name))
	if err != nil {
		return account.Record{}, s.failure(ctx, err)
	}
	r := person(group, i)
	if r.Version == 0 || s.over(r) {
		return account.Record{}, workspace.ErrNotFound
	}
	return r, nil
}

// Records implements [account.Records].
func (s *Store) Records(ctx context.Context, group, after string, limit int) (list []account.Record, err error) {
	within, cancel := s.bound(ctx)
	defer cancel()
	q := query{pk: peoplePK(group), limit: limit}
	if after != "" {
		q.condition, q.values = "sk > :after", item{":after": text(after)}
	}
	err = s.query(within, q, func(i item) (bool, error) {
		if len(list) >= limit {
			return false, nil
		}
		if r := person(group, i); !s.over(r) {
			list = append(list, r)
		}
		return len(list) < limit, nil
	})
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return list, nil
}

func person(group string, i item) account.Record {
	r := account.Record{Group: group, Name: getText(i, sk), Version: getNumber(i, "version"), Data: []byte(getText(i, "json"))}
	if at := getNumber(i, ttl); at != 0 {
		r.Expires = time.Unix(at, 0).UTC()
	}
	return r
}

// over reports whether a record has expired. The service deletes it some time later.
func (s *Store) over(r account.Record) bool {
	return !r.Expires.IsZero() && !s.now().Before(r.Expires)
}

// WriteRecords implements [account.Records].
func (s *Store) WriteRecords(ctx context.Context, writes []account.Write, audit ...workspace.AuditEntry) error {
	within, cancel := s.bound(ctx)
	defer cancel()
	var steps []step
	for _, w := range writes {
		k := key(peoplePK(w.Group), w.Name)
		c := equals(item{"version": number(w.Version)})
		if w.Version == 0 {
			c = condition{text: "attribute_not_exists(pk) OR expires <= :now", values: item{":now": seconds(s.now())}}
		}
		if w.Delete {
			steps = append(steps, s.remove(k, c, workspace.ErrConflict))
			continue
		}
		steps = append(steps, s.put(recordItem(w, w.Version+1), c, workspace.ErrConflict))
	}
	entries, err := auditItems("", s.now(), audit)
	if err != nil {
		return err
	}
	for _, e := range entries {
		steps = append(steps, s.put(e, anyItem, nil))
	}
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		reasons, err := s.transact(within, rand.Text(), steps)
		if reasons == nil {
			if err != nil {
				return s.failure(ctx, err)
			}
			return ctx.Err()
		}
		for i, st := range steps {
			if refused(reasons[i]) {
				return st.refused
			}
		}
		if err := wait(within, pause); err != nil {
			return s.failure(ctx, err)
		}
	}
}

// PutRecords makes, replaces or deletes records whatever version they have: one write unit a record, where a transaction takes two.
func (s *Store) PutRecords(ctx context.Context, writes ...account.Write) error {
	within, cancel := s.bound(ctx)
	defer cancel()
	for chunk := range slices.Chunk(writes, batchItems) {
		var requests []types.WriteRequest
		for _, w := range chunk {
			k := key(peoplePK(w.Group), w.Name)
			if w.Delete {
				requests = append(requests, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: k}})
				continue
			}
			requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{Item: recordItem(w, 1)}})
		}
		if err := s.batch(within, requests); err != nil {
			return s.failure(ctx, err)
		}
	}
	return ctx.Err()
}

// recordItem returns the item of a record in a version.
func recordItem(w account.Write, version int64) item {
	values := item{"version": number(version), "json": text(string(w.Data))}
	if !w.Expires.IsZero() {
		values[ttl] = seconds(w.Expires)
	}
	return with(key(peoplePK(w.Group), w.Name), values)
}

package dynamodb

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tintype/tintype/workspace"
)

// CreateAPIKey implements [workspace.APIKeys].
func (s *Store) CreateAPIKey(ctx context.Context, k *workspace.APIKey, audit ...workspace.AuditEntry) error {
	data, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("API key %q: %w", k.ID, err)
	}
	within, cancel := s.bound(ctx)
	defer cancel()
	body := item{"json": text(string(data)), "revoked": micros(k.RevokedAt)}
	if at := k.ForgetAt(); !at.IsZero() {
		body[ttl] = seconds(at)
	}
	for {
		count, err := s.countKey(within, k.WorkspaceID)
		if err != nil {
			return s.failure(ctx, err)
		}
		err = s.commit(within, workspace.Change{Kind: workspace.ChangedKeys, Namespace: k.Namespace}, k.WorkspaceID, audit,
			s.put(with(apiKeyKey(k.Hash), body), absent, workspace.ErrKeyExists),
			s.put(with(key(apiKeysPK(k.WorkspaceID), k.ID), body), absent, workspace.ErrKeyExists), count)
		if !errors.Is(err, errAgain) {
			return s.failure(ctx, err)
		}
	}
}

// countKey returns the step that counts a new key, or ErrTooManyKeys. The query reads the
// count before the keys. The step fails if the count has changed since then, which means
// that another key was made. Only new keys can increase the number of live keys.
func (s *Store) countKey(ctx context.Context, workspaceID string) (step, error) {
	made, live := int64(0), 0
	err := s.query(ctx, query{pk: apiKeysPK(workspaceID)}, func(i item) (bool, error) {
		if getText(i, sk) == madeSK {
			made = getNumber(i, "n")
		}
		if i["json"] == nil {
			return true, nil
		}
		k, err := decodeKey(i)
		if err == nil && k.Live(s.now()) {
			live++
		}
		return true, err
	})
	if err != nil {
		return step{}, err
	}
	if live >= workspace.MaxAPIKeys {
		return step{}, workspace.ErrTooManyKeys
	}
	same := absent
	if made > 0 {
		same = equals(item{"n": number(made)})
	}
	return s.set(key(apiKeysPK(workspaceID), madeSK), item{"n": number(made + 1)}, same, errAgain), nil
}

// decodeKey decodes one of the two items of an API key.
func decodeKey(i item) (*workspace.APIKey, error) {
	k := &workspace.APIKey{}
	if err := unmarshal(i, "json", k); err != nil {
		return nil, err
	}
	k.RevokedAt = getTime(i, "revoked")
	return k, nil
}

// APIKey implements [workspace.APIKeys].
func (s *Store) APIKey(ctx context.Context, hash [32]byte) (*workspace.APIKey, error) {
	within, cancel := s.bound(ctx)
	defer cancel()
	i, err := s.get(within, apiKeyKey(hash))
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	if i == nil {
		return nil, workspace.ErrKeyNotFound
	}
	k, err := decodeKey(i)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	if k.Forgotten(s.now()) { // the service deletes expired items later
		return nil, workspace.ErrKeyNotFound
	}
	return k, nil
}

// APIKeys implements [workspace.APIKeys].
func (s *Store) APIKeys(ctx context.Context, workspaceID string) (list []*workspace.APIKey, err error) {
	within, cancel := s.bound(ctx)
	defer cancel()
	tallies, err := s.unfolded(within, workspaceID)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	err = s.query(within, query{pk: apiKeysPK(workspaceID)}, func(i item) (bool, error) {
		if i["json"] == nil { // counters of a deleted key
			return true, nil
		}
		k, err := decodeKey(i)
		if err != nil {
			return false, err
		}
		if k.Forgotten(s.now()) || !k.RevokedAt.IsZero() && s.now().Sub(k.RevokedAt) > workspace.RevokedFor {
			return true, nil
		}
		k.LastUsedAt, k.TotalRequests, k.TotalErrors = getTime(i, "last_used"), getNumber(i, "requests"), getNumber(i, "errors")
		for _, t := range tallies {
			t.addUses(k, i)
		}
		list = append(list, k)
		return true, nil
	})
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	slices.SortFunc(list, func(a, b *workspace.APIKey) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// RevokeAPIKey implements [workspace.APIKeys].
func (s *Store) RevokeAPIKey(ctx context.Context, workspaceID, id string, at time.Time, audit ...workspace.AuditEntry) error {
	within, cancel := s.bound(ctx)
	defer cancel()
	for {
		listed := key(apiKeysPK(workspaceID), id)
		i, err := s.get(within, listed)
		if err != nil {
			return s.failure(ctx, err)
		}
		if i == nil || i["json"] == nil {
			return workspace.ErrKeyNotFound
		}
		k, err := decodeKey(i)
		if err != nil {
			return s.failure(ctx, err)
		}
		if k.Forgotten(s.now()) {
			return workspace.ErrKeyNotFound
		}
		if !k.RevokedAt.IsZero() {
			return nil
		}
		err = s.commit(within, workspace.Change{Kind: workspace.ChangedKeys, Namespace: k.Namespace}, workspaceID, audit,
			s.revoke(k, at, equals(item{"revoked": number(0)}))...)
		if !errors.Is(err, errAgain) {
			return s.failure(ctx, err)
		}
	}
}

// revoke returns the steps that revoke both items of a key, on a condition.
func (s *Store) revoke(k *workspace.APIKey, at time.Time, c condition) []step {
	k.RevokedAt = at
	set := item{"revoked": micros(at), ttl: seconds(k.ForgetAt())}
	return []step{
		s.set(key(apiKeysPK(k.WorkspaceID), k.ID), set, c, errAgain),
		s.set(apiKeyKey(k.Hash), set, c, errAgain),
	}
}

// revokeAll revokes all keys of a deleted workspace, in several transactions. The keys
// don't work any more; revoking them makes them expire.
func (s *Store) revokeAll(ctx context.Context, workspaceID string, at time.Time) error {
	var steps []step
	err := s.query(ctx, query{pk: apiKeysPK(workspaceID)}, func(i item) (bool, error) {
		if getText(i, sk) == madeSK {
			steps = append(steps, s.set(key(apiKeysPK(workspaceID), madeSK), item{ttl: seconds(at.Add(workspace.KeyKept))}, anyItem, nil))
		}
		if i["json"] == nil {
			return true, nil
		}
		k, err := decodeKey(i)
		if err == nil && k.RevokedAt.IsZero() {
			steps = append(steps, s.revoke(k, at, anyItem)...)
		}
		return true, err
	})
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(steps, 50) {
		if err := s.transactOnce(ctx, rand.Text(), chunk); err != nil {
			return err
		}
	}
	return nil
}

// Deletions implements [workspace.Deletions].
func (s *Store) Deletions(ctx context.Context, namespace string) (list []workspace.Deletion, err error) {
	within, cancel := s.bound(ctx)
	defer cancel()
	q := query{pk: gonePK(namespace), limit: workspace.MaxDeletions, backward: true}
	err = s.query(within, q, func(i item) (bool, error) {
		d := workspace.Deletion{WorkspaceID: getText(i, "id"), At: getTime(i, "at")}
		if s.now().Sub(d.At) > workspace.AuditKept {
			return false, nil
		}
		list = append(list, d)
		return len(list) < workspace.MaxDeletions, nil
	})
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return list, nil
}

// auditItems returns the items for entries. Entries without a workspace get workspaceID.
func auditItems(workspaceID string, now time.Time, entries []workspace.AuditEntry) (items []item, err error) {
	for _, e := range entries {
		e = e.Stamped(workspaceID, now)
		data, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		items = append(items, with(key(auditPK(e.WorkspaceID, e.Trail), e.ID), item{
			"json": text(string(data)), ttl: seconds(e.Time.Add(workspace.AuditKept)),
		}))
	}
	return items, nil
}

// AppendAudit implements [workspace.AuditLog].
func (s *Store) AppendAudit(ctx context.Context, entries ...workspace.AuditEntry) error {
	within, cancel := s.bound(ctx)
	defer cancel()
	items, err := auditItems("", s.now(), entries)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(items, 25) { // maximum of a batch
		if err := s.putAll(within, chunk); err != nil {
			return s.failure(ctx, err)
		}
	}
	return ctx.Err()
}

// putAll writes up to 25 items, not as a transaction.
func (s *Store) putAll(ctx context.Context, items []item) error {
	var requests []types.WriteRequest
	for _, i := range items {
		requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{Item: i}})
	}
	return s.batch(ctx, requests)
}

// batch makes up to 25 writes, not as a transaction.
func (s *Store) batch(ctx context.Context, requests []types.WriteRequest) error {
	for pause := firstPause; len(requests) > 0; pause = min(2*pause, maxPause) {
		out, err := s.client.batchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{s.table: requests}})
		if err != nil {
			return err
		}
		if requests = out.UnprocessedItems[s.table]; len(requests) > 0 {
			if err := wait(ctx, pause); err != nil {
				return err
			}
		}
	}
	return nil
}

// Audit implements [workspace.AuditLog].
func (s *Store) Audit(ctx context.Context, workspaceID string, trail workspace.Trail, before string, limit int) (list []workspace.AuditEntry, err error) {
	if limit <= 0 {
		return nil, ctx.Err()
	}
	within, cancel := s.bound(ctx)
	defer cancel()
	q := query{pk: auditPK(workspaceID, trail), limit: limit, backward: true}
	if before != "" {
		q.condition, q.values = "sk < :before", item{":before": text(before)}
	}
	horizon := workspace.AuditSince(s.now().Add(-workspace.AuditKept)) // the service deletes expired items later
	err = s.query(within, q, func(i item) (bool, error) {
		if getText(i, sk) < horizon {
			return false, nil
		}
		e := workspace.AuditEntry{WorkspaceID: workspaceID, Trail: trail}
		if err := unmarshal(i, "json", &e); err != nil {
			return false, err
		}
		list = append(list, e)
		return len(list) < limit, nil
	})
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return list, nil
}

// BeginReplay implements [workspace.Replays].
func (s *Store) BeginReplay(ctx context.Context, k, fingerprint string) (prior *workspace.Answer, err error) {
	within, cancel := s.bound(ctx)
	defer cancel()
	now, me := s.now(), rand.Text()
	_, err = s.client.putItem(within, &dynamodb.PutItemInput{
		TableName: &s.table,
		Item: with(answerKey(k), item{
			"fingerprint": text(fingerprint), "nonce": text(me),
			"due": number(now.Add(workspace.AnswerDue).Unix()), ttl: seconds(now.Add(workspace.AnswerKept)),
		}),
		ConditionExpression:                 aws.String("attribute_not_exists(pk) OR due < :now"),
		ExpressionAttributeValues:           item{":now": number(now.Unix())},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	old, met := conditionFailed(err)
	switch {
	case !met:
		return nil, s.failure(ctx, err)
	case getText(old, "nonce") == me: // this request was sent twice, since the first answer was lost
		return nil, nil
	}
	a := workspace.Answer{}
	if sealed := getText(old, "sealed"); sealed != "" {
		if a, err = s.codec.OpenAnswer(k, sealed); err != nil {
			return nil, s.failure(ctx, err)
		}
		a.Done = true
	}
	a.Fingerprint = getText(old, "fingerprint")
	return &a, nil
}

// FinishReplay implements [workspace.Replays].
func (s *Store) FinishReplay(ctx context.Context, k string, a workspace.Answer) error {
	sealed, err := s.codec.SealAnswer(k, a)
	if err != nil {
		return err
	}
	within, cancel := s.bound(ctx)
	defer cancel()
	until := s.now().Add(workspace.AnswerKept)
	_, err = s.client.putItem(within, &dynamodb.PutItemInput{TableName: &s.table, Item: with(answerKey(k), item{
		"fingerprint": text(a.Fingerprint), "sealed": text(sealed), "due": number(until.Unix()), ttl: seconds(until),
	})})
	return s.failure(ctx, err)
}

// ForgetReplay implements [workspace.Replays].
func (s *Store) ForgetReplay(ctx context.Context, k string) error {
	within, cancel := s.bound(ctx)
	defer cancel()
	_, err := s.client.deleteItem(within, &dynamodb.DeleteItemInput{TableName: &s.table, Key: answerKey(k)})
	return s.failure(ctx, err)
}

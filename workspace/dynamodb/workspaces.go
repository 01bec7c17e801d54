package dynamodb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tintype/tintype/workspace"
)

// MaxBytes is the maximum size of a workspace as JSON with encrypted secrets. DynamoDB
// bounds the size of an item.
const MaxBytes = 390 << 10

// Get implements [workspace.Store].
func (s *Store) Get(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	within, cancel := s.bound(ctx)
	defer cancel()
	i, err := s.get(within, workspaceKey(namespace))
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	if i == nil {
		return nil, workspace.ErrNotFound
	}
	w, err := s.decode(i)
	return w, s.failure(ctx, err)
}

// decode decodes a workspace's item. It fails if it can't read everything: a newer version
// may have written a rule that would otherwise be ignored.
func (s *Store) decode(i item) (*workspace.Workspace, error) {
	w, err := s.codec.Unmarshal([]byte(getText(i, "json")))
	if err != nil {
		return nil, fmt.Errorf("%w: %s as stored: %w", workspace.ErrUndecodable, getText(i, pk), err)
	}
	return w, nil
}

// encode encodes a workspace's item.
func (s *Store) encode(w *workspace.Workspace) (item, error) {
	data, err := s.codec.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("workspace %q: %w", w.Namespace, err)
	}
	if len(data) > MaxBytes {
		return nil, &workspace.ValidationError{Problems: []workspace.Problem{{
			Message: fmt.Sprintf("the stored workspace would have %d kB; this store allows %d kB: remove something", len(data)>>10, MaxBytes>>10),
		}}}
	}
	domains := &types.AttributeValueMemberL{Value: []types.AttributeValue{}}
	for _, d := range w.Domains {
		domains.Value = append(domains.Value, text(d))
	}
	return with(workspaceKey(w.Namespace), item{
		"id": text(w.ID), "rev": number(w.Revision), "created": micros(w.CreatedAt), "json": text(string(data)), "domains": domains,
	}), nil
}

// domainsOf returns the domains in a workspace's item.
func domainsOf(i item) (domains []string) {
	if l, ok := i["domains"].(*types.AttributeValueMemberL); ok {
		for _, v := range l.Value {
			if d, ok := v.(*types.AttributeValueMemberS); ok {
				domains = append(domains, d.Value)
			}
		}
	}
	return domains
}

// List implements [workspace.Store].
func (s *Store) List(ctx context.Context, after string, limit int) ([]*workspace.Workspace, error) {
	if limit <= 0 {
		return nil, ctx.Err()
	}
	within, cancel := s.bound(ctx)
	defer cancel()
	q := query{pk: listPK, limit: limit}
	if after != "" {
		q.condition, q.values = "sk > :after", item{":after": text(after)}
	}
	var list []*workspace.Workspace
	var batch []string
	read := func() error {
		found, err := s.getAll(within, batch)
		batch = batch[:0]
		list = append(list, found...)
		return err
	}
	err := s.query(within, q, func(i item) (bool, error) {
		batch = append(batch, getText(i, sk))
		if len(batch) < min(100, limit-len(list)) {
			return true, nil
		}
		err := read() // some may be deleted by now, so more may be needed
		return len(list) < limit, err
	})
	if err == nil && len(batch) > 0 {
		err = read()
	}
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return list, nil
}

// getAll reads up to 100 workspaces, sorted. It skips deleted ones.
func (s *Store) getAll(ctx context.Context, namespaces []string) (list []*workspace.Workspace, err error) {
	keys := make([]item, len(namespaces))
	for i, namespace := range namespaces {
		keys[i] = workspaceKey(namespace)
	}
	err = s.getMany(ctx, keys, func(i item) error {
		w, err := s.decode(i)
		list = append(list, w)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b *workspace.Workspace) int {
		if a.Namespace < b.Namespace {
			return -1
		}
		return 1
	})
	return list, nil
}

// Create implements [workspace.Store].
func (s *Store) Create(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	n := w.Clone()
	n.ID = rand.Text()
	n.Revision = 1
	n.CreatedAt = s.now()
	n.UpdatedAt = n.CreatedAt
	i, err := s.encode(n)
	if err != nil {
		return err
	}
	steps := []step{s.put(i, absent, workspace.ErrExists), s.put(key(listPK, n.Namespace), anyItem, nil)}
	for _, d := range n.Domains {
		steps = append(steps, s.claim(d, n))
	}
	within, cancel := s.bound(ctx)
	defer cancel()
	if err := s.commit(within, workspace.Change{Kind: workspace.ChangedWorkspace, Namespace: n.Namespace}, n.ID, audit, steps...); err != nil {
		return s.failure(ctx, err)
	}
	w.ID, w.Revision, w.CreatedAt, w.UpdatedAt = n.ID, n.Revision, n.CreatedAt, n.UpdatedAt
	return nil
}

// Update implements [workspace.Store].
func (s *Store) Update(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	within, cancel := s.bound(ctx)
	defer cancel()
	for {
		n := w.Clone()
		err := s.replace(within, n, audit)
		switch {
		case errors.Is(err, errAgain):
		case err != nil:
			return s.failure(ctx, err)
		default:
			w.ID, w.Revision, w.CreatedAt, w.UpdatedAt = n.ID, n.Revision, n.CreatedAt, n.UpdatedAt
			return nil
		}
	}
}

// replace replaces the workspace with the revision of n by n.
func (s *Store) replace(ctx context.Context, n *workspace.Workspace, audit []workspace.AuditEntry) error {
	old, err := s.get(ctx, workspaceKey(n.Namespace))
	switch {
	case err != nil:
		return err
	case old == nil:
		return workspace.ErrNotFound
	case getText(old, "id") != n.ID || getNumber(old, "rev") != n.Revision:
		return workspace.ErrConflict
	}
	n.CreatedAt = getTime(old, "created")
	n.Revision++
	n.UpdatedAt = s.now()
	i, err := s.encode(n)
	if err != nil {
		return err
	}
	steps := []step{s.put(i, sameVersion(old), errAgain)}
	had := domainsOf(old)
	for _, d := range n.Domains {
		if !slices.Contains(had, d) {
			steps = append(steps, s.claim(d, n))
		}
	}
	for _, d := range had {
		if !slices.Contains(n.Domains, d) {
			giveUp, err := s.giveUp(ctx, d, n.Namespace, n.ID)
			if err != nil {
				return err
			}
			steps = append(steps, giveUp)
		}
	}
	return s.commit(ctx, workspace.Change{Kind: workspace.ChangedWorkspace, Namespace: n.Namespace}, n.ID, audit, steps...)
}

// sameVersion is the condition that a workspace's item is the one that was read.
func sameVersion(i item) condition { return equals(item{"id": i["id"], "rev": i["rev"]}) }

// Delete implements [workspace.Store].
func (s *Store) Delete(ctx context.Context, namespace string, revision int64, audit ...workspace.AuditEntry) error {
	within, cancel := s.bound(ctx)
	defer cancel()
	for {
		err := s.drop(within, namespace, revision, audit)
		if !errors.Is(err, errAgain) {
			return s.failure(ctx, err)
		}
	}
}

// drop deletes the workspace if it has this revision; 0 is any.
func (s *Store) drop(ctx context.Context, namespace string, revision int64, audit []workspace.AuditEntry) error {
	old, err := s.get(ctx, workspaceKey(namespace))
	switch {
	case err != nil:
		return err
	case old == nil:
		return workspace.ErrNotFound
	case revision != 0 && getNumber(old, "rev") != revision:
		return workspace.ErrConflict
	}
	steps := []step{
		s.remove(workspaceKey(namespace), sameVersion(old), errAgain),
		s.remove(key(listPK, namespace), anyItem, nil),
	}
	for _, d := range domainsOf(old) {
		giveUp, err := s.giveUp(ctx, d, namespace, getText(old, "id"))
		if err != nil {
			return err
		}
		steps = append(steps, giveUp)
	}
	id, at := getText(old, "id"), s.now()
	steps = append(steps, s.put(with(key(gonePK(namespace), changeSK(at.UnixMicro())+"#"+id), item{
		"id": text(id), "at": micros(at), ttl: seconds(at.Add(workspace.AuditKept)),
	}), anyItem, nil))
	purged, err := s.get(ctx, purgeKey(id))
	if err != nil {
		return err
	}
	if purged != nil {
		steps = append(steps, s.set(purgeKey(id), item{ttl: seconds(at.Add(workspace.AuditKept))}, equals(item{"seq": purged["seq"]}), errAgain))
	}
	if err := s.commit(ctx, workspace.Change{Kind: workspace.ChangedWorkspace, Namespace: namespace}, id, audit, steps...); err != nil {
		return err
	}
	// The workspace is deleted already, so this must not return an error. If the server ends
	// here, API keys stay in the table. They don't work and never expire.
	s.leave(ctx, id, at, purged != nil)
	return nil
}

// leave makes the records of a deleted workspace expire: its API keys, which it revokes,
// and its purges. It retries until the timeout of a call, then logs an error.
func (s *Store) leave(ctx context.Context, id string, at time.Time, purged bool) {
	ctx, cancel := s.bound(context.WithoutCancel(ctx)) // the deletion may have used up its time
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := s.revokeAll(ctx, id, at)
		if err == nil && purged {
			err = s.expirePurges(ctx, id, seconds(at.Add(workspace.AuditKept)))
		}
		if err == nil {
			return
		}
		if wait(ctx, pause) != nil {
			s.log.Error("a workspace was deleted, but some of its records will not expire: API keys and purges stay in the table, without effect",
				"workspace_id", id, "err", s.failure(ctx, err))
			return
		}
	}
}

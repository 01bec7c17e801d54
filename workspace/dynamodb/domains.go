package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tintype/tintype/workspace"
)

// claim returns the step that claims a domain for the workspace. Another workspace's
// pending claim stays in its item; VerifyDomain decides who gets the name.
func (s *Store) claim(domain string, w *workspace.Workspace) step {
	unlessThere := "SET ns = if_not_exists(ns, :ns), id = if_not_exists(id, :id), claimed = if_not_exists(claimed, :claimed)"
	c := condition{text: "attribute_not_exists(verified) OR (ns = :ns AND id = :id)"}
	return step{types.TransactWriteItem{Update: &types.Update{
		TableName: &s.table, Key: domainKey(domain), UpdateExpression: &unlessThere, ConditionExpression: c.expression(),
		ExpressionAttributeValues: item{":ns": text(w.Namespace), ":id": text(w.ID), ":claimed": micros(w.UpdatedAt)},
	}}, fmt.Errorf("%w: %s", workspace.ErrDomainTaken, domain)}
}

// giveUp returns the step that gives up a workspace's domain. It removes the domain's item,
// unless the item is another workspace's. The step fails if that has changed in the
// meantime.
func (s *Store) giveUp(ctx context.Context, domain, namespace, id string) (step, error) {
	stored, err := s.get(ctx, domainKey(domain))
	if err != nil {
		return step{}, err
	}
	if getText(stored, "ns") == namespace && getText(stored, "id") == id {
		return s.remove(domainKey(domain), sameClaimant(stored), errAgain), nil
	}
	return s.check(domainKey(domain), condition{
		"attribute_not_exists(pk) OR ns <> :ns OR id <> :id", item{":ns": text(namespace), ":id": text(id)},
	}, errAgain), nil
}

// sameClaimant is the condition that a domain's item has the same claimant as when it was
// read.
func sameClaimant(i item) condition { return equals(item{"ns": i["ns"], "id": i["id"]}) }

// Domain implements [workspace.Domains].
func (s *Store) Domain(ctx context.Context, name string) (workspace.Domain, error) {
	within, cancel := s.bound(ctx)
	defer cancel()
	i, err := s.get(within, domainKey(name))
	if err != nil {
		return workspace.Domain{}, s.failure(ctx, err)
	}
	if i == nil {
		return workspace.Domain{}, workspace.ErrDomainNotFound
	}
	return workspace.Domain{
		Name: name, Namespace: getText(i, "ns"), WorkspaceID: getText(i, "id"),
		ClaimedAt: getTime(i, "claimed"), VerifiedAt: getTime(i, "verified"),
	}, nil
}

// VerifyDomain implements [workspace.Domains].
func (s *Store) VerifyDomain(ctx context.Context, name, namespace string, at time.Time, audit ...workspace.AuditEntry) error {
	within, cancel := s.bound(ctx)
	defer cancel()
	for {
		err := s.verify(within, name, namespace, at, audit)
		if !errors.Is(err, errAgain) {
			return s.failure(ctx, err)
		}
	}
}

// verify gives a name to the workspace of the namespace, which must claim it. The
// transaction fails if the workspace or the name's item has changed since they were read.
func (s *Store) verify(ctx context.Context, name, namespace string, at time.Time, audit []workspace.AuditEntry) error {
	w, err := s.get(ctx, workspaceKey(namespace))
	if err != nil {
		return err
	}
	if !slices.Contains(domainsOf(w), name) {
		return workspace.ErrDomainNotFound
	}
	stored, err := s.get(ctx, domainKey(name))
	if err != nil {
		return err
	}
	id, claimed, same := getText(w, "id"), stored["claimed"], absent
	if stored != nil {
		same = sameClaimant(stored)
	}
	if getText(stored, "ns") != namespace || getText(stored, "id") != id {
		if !getTime(stored, "verified").IsZero() {
			return workspace.ErrDomainTaken
		}
		if stored != nil {
			same.text += " AND attribute_not_exists(verified)"
		}
		claimed = micros(at)
	}
	return s.commit(ctx, workspace.Change{Kind: workspace.ChangedDomains, Namespace: namespace}, id, audit,
		s.check(workspaceKey(namespace), sameVersion(w), errAgain),
		s.put(with(domainKey(name), item{"ns": text(namespace), "id": text(id), "claimed": claimed, "verified": micros(at)}), same, errAgain))
}

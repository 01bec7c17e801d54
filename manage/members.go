package manage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

var errNoPeople = fault.New(fault.NotFound, "This server keeps no accounts.")

// Members are the people of a workspace.
type Members struct {
	Members     []account.Member
	Invitations []account.Invitation
}

// Members returns the members of a workspace and its open invitations.
func (m *Manager) Members(ctx context.Context, who Caller, namespace string) (out Members, err error) {
	w, err := m.openPeople(ctx, who, account.ReadMembers, namespace)
	if err != nil {
		return out, err
	}
	if out.Members, err = m.people.Members(ctx, w.ID); err != nil {
		return out, err
	}
	out.Invitations, err = m.people.Invitations(ctx, w.ID)
	return out, err
}

// Invite lets an address join a workspace within a week.
func (m *Manager) Invite(ctx context.Context, who Caller, namespace, address string, role account.Role) (account.Invitation, error) {
	w, err := m.openPeople(ctx, who, account.WriteMembers, namespace)
	if err != nil {
		return account.Invitation{}, err
	}
	if err := m.roomFor(ctx, w, address); err != nil {
		return account.Invitation{}, err
	}
	return m.people.Invite(ctx, w, address, role, who.changed("member.invite", "", nil, map[string]account.Role{"role": role}))
}

// Uninvite takes an invitation back.
func (m *Manager) Uninvite(ctx context.Context, who Caller, namespace, id string) error {
	w, err := m.openPeople(ctx, who, account.WriteMembers, namespace)
	if err != nil {
		return err
	}
	return m.people.Uninvite(ctx, w.ID, id, who.entry("member.uninvite", ""))
}

// SetRole gives a member another role. The last owner stays one. What the person made and may
// not make with the new role ends: invitations, and API keys whose scopes have more rights.
// After an error, call it again.
func (m *Manager) SetRole(ctx context.Context, who Caller, namespace, accountID string, role account.Role) (account.Member, error) {
	w, err := m.openPeople(ctx, who, account.WriteMembers, namespace)
	if err != nil {
		return account.Member{}, err
	}
	stronger := func(k *workspace.APIKey) bool {
		return slices.ContainsFunc(k.Scopes, func(s string) bool { return !role.Covers(apikey.Scope(s)) })
	}
	before, lastOwner, err := m.member(ctx, w, accountID)
	if err != nil {
		return account.Member{}, err
	}
	if role.Valid() && !lastOwner && !m.people.IsOperator(before.Email) {
		// Before the role changes: if the server ends in between, no key has rights that its maker lost.
		if _, err := m.revokeOf(ctx, who, w, "account:"+before.Email, stronger); err != nil {
			return account.Member{}, err
		}
	}
	member, err := m.people.SetRole(ctx, w.ID, accountID, role, who.changed("member.role", "", nil, map[string]account.Role{"role": role}))
	if err != nil || m.people.IsOperator(member.Email) { // an operator has all rights, whatever the role
		return member, err
	}
	maker := "account:" + member.Email
	if !role.Includes(account.WriteMembers.Right().Role) {
		if err := m.people.Withdraw(ctx, w.ID, maker, who.entry("member.uninvite", "")); err != nil {
			return account.Member{}, err
		}
	}
	_, err = m.revokeOf(ctx, who, w, maker, stronger) // those that were made meanwhile
	return member, err
}

// member returns a member of a workspace, and whether it is the last owner.
func (m *Manager) member(ctx context.Context, w *workspace.Workspace, accountID string) (found account.Member, lastOwner bool, err error) {
	members, err := m.people.Members(ctx, w.ID)
	if err != nil {
		return found, false, err
	}
	i := slices.IndexFunc(members, func(m account.Member) bool { return m.AccountID == accountID })
	if i < 0 {
		return found, false, account.ErrNoMember
	}
	owners := 0
	for _, member := range members {
		if member.Role == account.Owner {
			owners++
		}
	}
	return members[i], members[i].Role == account.Owner && owners == 1, nil
}

// RemoveMember ends a membership, and takes back the invitations that the member made. With
// keys it revokes the API keys that the member made. Members may remove themselves. After an
// error, call it again while the person is a member.
func (m *Manager) RemoveMember(ctx context.Context, who Caller, namespace, accountID string, keys bool) (revoked int, err error) {
	w, err := m.openPeople(ctx, who, account.ReadMembers, namespace)
	if err != nil {
		return 0, err
	}
	member, lastOwner, err := m.member(ctx, w, accountID)
	if err != nil {
		return 0, err
	}
	if member.Email != who.Email {
		if err := who.Allow(account.WriteMembers, namespace); err != nil {
			return 0, err
		}
	}
	maker := "account:" + member.Email
	revoke := func() error {
		n, err := 0, error(nil)
		if keys {
			n, err = m.revokeOf(ctx, who, w, maker, func(*workspace.APIKey) bool { return true })
		}
		revoked += n
		return err
	}
	if !lastOwner { // if the server ends in between, a member has lost keys, and no key has lost its member
		if err := revoke(); err != nil {
			return revoked, err
		}
	}
	if err := m.people.Remove(ctx, w.ID, accountID, who.entry("member.remove", "")); err != nil {
		return revoked, err
	}
	if err := revoke(); err != nil { // those that were made meanwhile
		return revoked, err
	}
	return revoked, m.people.Withdraw(ctx, w.ID, maker, who.entry("member.uninvite", ""))
}

// revokeOf revokes the live API keys for which an actor answers, with those that were made
// with them, if they match. It returns how many.
func (m *Manager) revokeOf(ctx context.Context, who Caller, w *workspace.Workspace, actor string, match func(*workspace.APIKey) bool) (revoked int, err error) {
	return m.revokeAll(ctx, who, w, func(k *workspace.APIKey) bool { return k.CreatedBy == actor && match(k) })
}

// revokeAll revokes the API keys that match and aren't revoked, and returns how many. It looks
// again until it finds none, since a key may be made with another while that one is revoked.
// A key that is made later finds its maker revoked: see [Manager.CreateAPIKey].
func (m *Manager) revokeAll(ctx context.Context, who Caller, w *workspace.Workspace, match func(*workspace.APIKey) bool) (revoked int, err error) {
	if m.records == nil {
		return 0, nil
	}
	for range again {
		all, err := m.records.APIKeys(ctx, w.ID)
		if err != nil {
			return revoked, fmt.Errorf("reading the API keys of workspace %q: %w", w.Namespace, err)
		}
		before := revoked
		for _, k := range all {
			if !k.RevokedAt.IsZero() || !match(k) {
				continue
			}
			if err := m.revoke(ctx, who, w, k); err != nil {
				return revoked, err
			}
			revoked++
		}
		if revoked == before {
			break
		}
	}
	return revoked, nil
}

// AcceptInvitation makes a person a member by an invitation for their address.
func (m *Manager) AcceptInvitation(ctx context.Context, who Caller, visitor account.Account, id string) (account.Member, error) {
	if m.people == nil {
		return account.Member{}, errNoPeople
	}
	most, err := m.mostMembers(ctx, visitor, id)
	if err != nil {
		return account.Member{}, err
	}
	return m.people.Accept(ctx, visitor, id, most, who.entry("member.join", ""))
}

func (m *Manager) openPeople(ctx context.Context, who Caller, action account.Action, namespace string) (*workspace.Workspace, error) {
	w, err := m.open(ctx, who, action, namespace)
	if err == nil && m.people == nil {
		err = errNoPeople
	}
	if errors.Is(err, ErrOrphan) {
		err = workspace.ErrNotFound
	}
	return w, err
}

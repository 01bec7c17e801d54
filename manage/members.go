package manage

import (
	"context"
	"errors"

	"github.com/tintype/tintype/account"
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

// SetRole gives a member another role. The last owner stays one.
func (m *Manager) SetRole(ctx context.Context, who Caller, namespace, accountID string, role account.Role) (account.Member, error) {
	w, err := m.openPeople(ctx, who, account.WriteMembers, namespace)
	if err != nil {
		return account.Member{}, err
	}
	return m.people.SetRole(ctx, w.ID, accountID, role, who.changed("member.role", "", nil, map[string]account.Role{"role": role}))
}

// RemoveMember ends a membership. With keys it revokes the API keys that the member made.
// Members may remove themselves.
func (m *Manager) RemoveMember(ctx context.Context, who Caller, namespace, accountID string, keys bool) (revoked int, err error) {
	w, err := m.openPeople(ctx, who, account.ReadMembers, namespace)
	if err != nil {
		return 0, err
	}
	members, err := m.people.Members(ctx, w.ID)
	if err != nil {
		return 0, err
	}
	email := ""
	for _, member := range members {
		if member.AccountID == accountID {
			email = member.Email
		}
	}
	if email == "" {
		return 0, account.ErrNoMember
	}
	if email != who.Email {
		if err := who.Allow(account.WriteMembers, namespace); err != nil {
			return 0, err
		}
	}
	if err := m.people.Remove(ctx, w.ID, accountID, who.entry("member.remove", "")); err != nil || !keys {
		return 0, err
	}
	made, err := m.records.APIKeys(ctx, w.ID)
	if err != nil {
		return 0, err
	}
	for _, k := range made {
		if k.CreatedBy != "account:"+email || !k.RevokedAt.IsZero() {
			continue
		}
		if err := m.revoke(ctx, who, w, k); err != nil {
			return revoked, err
		}
		revoked++
	}
	return revoked, nil
}

// AcceptInvitation makes a person a member by an invitation for their address.
func (m *Manager) AcceptInvitation(ctx context.Context, who Caller, visitor account.Account, id string) (account.Member, error) {
	if m.people == nil {
		return account.Member{}, errNoPeople
	}
	return m.people.Accept(ctx, visitor, id, who.entry("member.join", ""))
}

// CreateOwned creates a workspace with default settings whose owner is the person.
func (m *Manager) CreateOwned(ctx context.Context, who Caller, visitor account.Account, namespace string) (*workspace.Workspace, error) {
	if m.people == nil {
		return nil, errNoPeople
	}
	w, err := m.CreateWorkspace(ctx, who, workspace.New(namespace))
	if err != nil {
		return nil, err
	}
	return w, m.people.Join(ctx, visitor, w, account.Owner, who.entry("member.join", ""))
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

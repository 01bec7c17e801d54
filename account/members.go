package account

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/mail"
	"github.com/tintype/tintype/workspace"
)

// Members returns the members of a workspace, sorted by address.
func (p *People) Members(ctx context.Context, workspaceID string) ([]Member, error) {
	all, err := list[Member](ctx, p, "members#"+workspaceID)
	slices.SortFunc(all, func(a, b Member) int { return cmp.Compare(a.Email, b.Email) })
	return all, err
}

// Invitations returns the invitations of a workspace that nobody has taken yet. It leaves out
// those that nobody can accept: see holds.
func (p *People) Invitations(ctx context.Context, workspaceID string) ([]Invitation, error) {
	all, err := p.invitations(ctx, workspaceID)
	if err != nil {
		return nil, err
	}
	return p.holding(ctx, all)
}

func (p *People) invitations(ctx context.Context, workspaceID string) ([]Invitation, error) {
	return list[Invitation](ctx, p, "invitations#"+workspaceID)
}

// InvitationsFor returns the invitations that a canonical address can accept.
func (p *People) InvitationsFor(ctx context.Context, email string) ([]Invitation, error) {
	all, err := list[Invitation](ctx, p, "invited#"+email)
	if err != nil {
		return nil, err
	}
	return p.holding(ctx, all)
}

// holding returns those of the invitations that hold.
func (p *People) holding(ctx context.Context, all []Invitation) (list []Invitation, err error) {
	known := map[[2]string]bool{} // by workspace and maker
	for _, i := range all {
		maker := [2]string{i.WorkspaceID, i.InvitedBy}
		ok, asked := known[maker]
		if !asked {
			if ok, err = p.holds(ctx, i); err != nil {
				return nil, err
			}
			known[maker] = ok
		}
		if ok {
			list = append(list, i)
		}
	}
	return list, nil
}

// Invite lets an address join a workspace within a week, and tells it so by mail.
func (p *People) Invite(ctx context.Context, w *workspace.Workspace, address string, role Role, audit workspace.AuditEntry) (i Invitation, err error) {
	email, err := ParseEmail(address)
	if err != nil {
		return i, err
	}
	if !role.Valid() {
		return i, ErrRole
	}
	members, err := p.Members(ctx, w.ID)
	if err != nil {
		return i, err
	}
	if slices.ContainsFunc(members, func(m Member) bool { return m.Email == email }) {
		return i, ErrIsMember
	}
	ok, err := p.count(ctx, inviting, w.ID, 24*time.Hour, maxInvitations)
	if err != nil {
		return i, err
	}
	if !ok {
		return i, ErrInvited
	}
	i = Invitation{
		ID: rand.Text(), Email: email, Namespace: w.Namespace, WorkspaceID: w.ID, Role: role, InvitedBy: audit.Actor,
		ExpiresAt: p.Now().UTC().Add(inviteLives).Truncate(time.Second),
	}
	audit.WorkspaceID, audit.Target = w.ID, email
	err = p.Records.WriteRecords(ctx, []Write{
		put("invitations#"+w.ID, i.ID, 0, i.ExpiresAt, i), put("invited#"+email, i.ID, 0, i.ExpiresAt, i),
	}, audit)
	if err != nil {
		return i, err
	}
	text := "You are invited to work on images of the workspace " + w.Namespace + " as " + string(role) + ".\n\nSign in with this address within 7 days to accept.\n"
	if p.PublicURL != "" {
		text += "\n" + p.PublicURL + "/app\n"
	}
	if err := p.Mail.Send(ctx, mail.Message{To: email, Subject: "An invitation to Tintype", Text: text}); err != nil {
		p.Log.Error("an invitation can't be sent", "address", MaskEmail(email), "error", err)
	}
	return i, nil
}

// Uninvite takes an invitation back.
func (p *People) Uninvite(ctx context.Context, workspaceID, id string, audit workspace.AuditEntry) error {
	return again(func() error {
		var i Invitation
		stored, err := p.read(ctx, "invitations#"+workspaceID, id, &i)
		if err != nil {
			return err
		}
		if stored.Version == 0 {
			return ErrInvitation
		}
		audit.WorkspaceID, audit.Target = workspaceID, i.Email
		return p.Records.WriteRecords(ctx, []Write{
			remove("invitations#"+workspaceID, id, stored.Version), remove("invited#"+i.Email, id, stored.Version),
		}, audit)
	})
}

// Withdraw takes back the invitations of a workspace that an actor made.
func (p *People) Withdraw(ctx context.Context, workspaceID, actor string, audit workspace.AuditEntry) error {
	all, err := p.invitations(ctx, workspaceID)
	if err != nil {
		return err
	}
	for _, i := range all {
		if i.InvitedBy != actor {
			continue
		}
		if err := p.Uninvite(ctx, workspaceID, i.ID, audit); err != nil && !errors.Is(err, ErrInvitation) {
			return err
		}
	}
	return nil
}

// holds reports whether the person who made an invitation may still make it. It matters for
// one that was made while its maker lost the right.
func (p *People) holds(ctx context.Context, i Invitation) (bool, error) {
	email, person := strings.CutPrefix(i.InvitedBy, "account:")
	if !person {
		return true, nil
	}
	role, err := p.RoleOf(ctx, i.WorkspaceID, email)
	return role.Includes(WriteMembers.Right().Role), err
}

// RoleOf returns the role that the person with a canonical address has in a workspace now, or
// "". It is Operator for an operator.
func (p *People) RoleOf(ctx context.Context, workspaceID, email string) (Role, error) {
	if p.IsOperator(email) {
		return Operator, nil
	}
	var id string
	stored, err := p.read(ctx, accounts, email, &id)
	if err != nil || stored.Version == 0 {
		return "", err
	}
	var m Member
	_, err = p.read(ctx, "members#"+workspaceID, id, &m)
	return m.Role, err
}

// Accept makes somebody a member by an invitation for their address. The invitation holds
// only while the person who made it may invite. A workspace that has most members or more takes
// nobody in: ErrMembers. 0 is any number.
func (p *People) Accept(ctx context.Context, who Account, id string, most int, audit workspace.AuditEntry) (m Member, err error) {
	err = again(func() error {
		var i Invitation
		stored, err := p.read(ctx, "invited#"+who.Email, id, &i)
		if err != nil {
			return err
		}
		if stored.Version == 0 || !p.Now().Before(i.ExpiresAt) {
			return ErrInvitation
		}
		if ok, err := p.holds(ctx, i); err != nil || !ok {
			return cmp.Or(err, ErrInvitation)
		}
		m = Member{AccountID: who.ID, Email: who.Email, Namespace: i.Namespace, WorkspaceID: i.WorkspaceID, Role: i.Role, Since: p.Now().UTC().Truncate(time.Second)}
		audit.WorkspaceID, audit.Target = i.WorkspaceID, who.Email
		full, err := p.full(ctx, m, most)
		if err != nil {
			return err
		}
		writes, err := p.joins(ctx, m)
		if err != nil {
			return err
		}
		if full != nil {
			switch i := slices.IndexFunc(writes, func(w Write) bool { return w.Group == owners }); {
			case i < 0:
				writes = append(writes, *full)
			case writes[i].Version != full.Version:
				return workspace.ErrConflict // the members were counted before somebody came in
			}
		}
		return p.Records.WriteRecords(ctx, append(writes, remove("invited#"+who.Email, id, stored.Version), remove("invitations#"+i.WorkspaceID, id, stored.Version)), audit)
	})
	return m, err
}

// full returns ErrMembers where a workspace has no place for another member. Of two who come at
// once, one starts over: each writes the record of the workspace's owners, as full returns it,
// or with another owner. Nil is nothing to write.
func (p *People) full(ctx context.Context, m Member, most int) (*Write, error) {
	if most <= 0 {
		return nil, nil
	}
	var ids []string
	stored, err := p.read(ctx, owners, m.WorkspaceID, &ids)
	if err != nil {
		return nil, err
	}
	members, err := p.Members(ctx, m.WorkspaceID)
	if err != nil {
		return nil, err
	}
	if len(members) >= most && !slices.ContainsFunc(members, func(is Member) bool { return is.AccountID == m.AccountID }) {
		return nil, ErrMembers
	}
	w := put(owners, m.WorkspaceID, stored.Version, time.Time{}, ids)
	return &w, nil
}

// Join makes somebody a member without an invitation, such as the owner of a workspace that
// they made.
func (p *People) Join(ctx context.Context, who Account, w *workspace.Workspace, role Role, audit workspace.AuditEntry) error {
	return again(func() error {
		m := Member{AccountID: who.ID, Email: who.Email, Namespace: w.Namespace, WorkspaceID: w.ID, Role: role, Since: p.Now().UTC().Truncate(time.Second)}
		audit.WorkspaceID, audit.Target = w.ID, who.Email
		writes, err := p.joins(ctx, m)
		if err != nil {
			return err
		}
		return p.Records.WriteRecords(ctx, writes, audit)
	})
}

// SetRole gives a member another role. The last owner stays one.
func (p *People) SetRole(ctx context.Context, workspaceID, accountID string, role Role, audit workspace.AuditEntry) (Member, error) {
	if !role.Valid() {
		return Member{}, ErrRole
	}
	return p.change(ctx, workspaceID, accountID, &role, audit)
}

// Remove ends a membership. The last owner stays.
func (p *People) Remove(ctx context.Context, workspaceID, accountID string, audit workspace.AuditEntry) error {
	_, err := p.change(ctx, workspaceID, accountID, nil, audit)
	return err
}

// change gives a member a role, or none. All changes of owners write the record of the
// workspace's owners, so that of two at once one starts over.
func (p *People) change(ctx context.Context, workspaceID, accountID string, role *Role, audit workspace.AuditEntry) (m Member, err error) {
	err = again(func() error {
		stored, err := p.read(ctx, "members#"+workspaceID, accountID, &m)
		if err != nil {
			return err
		}
		if stored.Version == 0 {
			return ErrNoMember
		}
		audit.WorkspaceID, audit.Target = workspaceID, m.Email
		var writes []Write
		if role == nil {
			m.Role = ""
			writes = []Write{remove("members#"+workspaceID, accountID, stored.Version), remove("memberships#"+accountID, workspaceID, stored.Version)}
		} else {
			m.Role = *role
			writes = []Write{put("members#"+workspaceID, accountID, stored.Version, time.Time{}, m), put("memberships#"+accountID, workspaceID, stored.Version, time.Time{}, m)}
		}
		write, err := p.owns(ctx, m)
		if err != nil {
			return err
		}
		return p.Records.WriteRecords(ctx, append(writes, write...), audit)
	})
	return m, err
}

// Forget ends all memberships and invitations of a workspace that was deleted.
func (p *People) Forget(ctx context.Context, workspaceID string) error {
	members, err := p.Members(ctx, workspaceID)
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := p.drop(ctx, "members#"+workspaceID, m.AccountID, "memberships#"+m.AccountID, workspaceID); err != nil {
			return err
		}
	}
	invitations, err := p.invitations(ctx, workspaceID)
	if err != nil {
		return err
	}
	for _, i := range invitations {
		if err := p.drop(ctx, "invitations#"+workspaceID, i.ID, "invited#"+i.Email, i.ID); err != nil {
			return err
		}
	}
	return p.drop(ctx, owners, workspaceID, firstSteps, workspaceID)
}

// drop deletes records, each by its group and name, whatever is in them.
func (p *People) drop(ctx context.Context, names ...string) error {
	return again(func() error {
		var writes []Write
		for i := 0; i < len(names); i += 2 {
			r, err := p.Records.Record(ctx, names[i], names[i+1])
			if errors.Is(err, workspace.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			writes = append(writes, remove(r.Group, r.Name, r.Version))
		}
		if len(writes) == 0 {
			return nil
		}
		return p.Records.WriteRecords(ctx, writes)
	})
}

// joins returns the writes that make a membership, or replace it.
func (p *People) joins(ctx context.Context, m Member) ([]Write, error) {
	var old Member
	stored, err := p.read(ctx, "members#"+m.WorkspaceID, m.AccountID, &old)
	if err != nil {
		return nil, err
	}
	if stored.Version > 0 && old.Role.Includes(m.Role) {
		m.Role = old.Role // an invitation takes nothing away
	}
	writes, err := p.owns(ctx, m)
	return append(writes, put("members#"+m.WorkspaceID, m.AccountID, stored.Version, time.Time{}, m), put("memberships#"+m.AccountID, m.WorkspaceID, stored.Version, time.Time{}, m)), err
}

// owns returns the write of the workspace's owners, if it changes with the member's role.
func (p *People) owns(ctx context.Context, m Member) ([]Write, error) {
	var ids []string
	stored, err := p.read(ctx, owners, m.WorkspaceID, &ids)
	if err != nil {
		return nil, err
	}
	has := slices.Contains(ids, m.AccountID)
	switch {
	case m.Role == Owner && !has:
		ids = append(ids, m.AccountID)
	case m.Role != Owner && has:
		if len(ids) == 1 {
			return nil, ErrLastOwner
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { return id == m.AccountID })
	default:
		return nil, nil
	}
	return []Write{put(owners, m.WorkspaceID, stored.Version, time.Time{}, ids)}, nil
}

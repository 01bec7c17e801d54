package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/account"
)

// Member is a person in a workspace.
type Member struct {
	AccountID string       `json:"account_id" doc:"ID of the person's account."`
	Email     string       `json:"email"`
	Role      account.Role `json:"role" enum:"viewer,editor,owner"`
	Since     time.Time    `json:"since" doc:"When the person became a member."`
}

// Invitation lets one address join a workspace.
type Invitation struct {
	ID        string       `json:"id"`
	Email     string       `json:"email" doc:"Only who signs in with this address can accept."`
	Role      account.Role `json:"role" enum:"viewer,editor,owner"`
	InvitedBy string       `json:"invited_by" doc:"Who invited, as in the audit log: root, or account: and an address."`
	ExpiresAt time.Time    `json:"expires_at"`
}

// MemberRole is a role for a member.
type MemberRole struct {
	Role account.Role `json:"role" enum:"viewer,editor,owner" doc:"viewer: sees everything but secrets. editor: also changes settings, purges and signs. owner: also manages members, keys and domains, and deletes the workspace."`
}

// NewInvitation is the request for an invitation.
type NewInvitation struct {
	Email string       `json:"email" doc:"Address of one person. It gets a mail."`
	Role  account.Role `json:"role" enum:"viewer,editor,owner" doc:"The role that the person gets."`
}

type (
	memberRoleInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		ID        string `path:"id" doc:"The member's account_id."`
		Role      body
	}
	removeMemberInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		ID        string `path:"id" doc:"The member's account_id."`
		KeepKeys  string `query:"keep_keys" doc:"true keeps the API keys that the member made. Left out, they are revoked."`
	}
	invitationInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		ID        string `path:"id" doc:"The invitation's id."`
	}
	newInvitationInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		What      body
	}
	memberOutput     struct{ Body Member }
	invitationOutput struct{ Body Invitation }
	membersOutput    struct {
		Body struct {
			Members []Member `json:"members" nullable:"false" doc:"In the order of their addresses."`
		}
	}
	invitationsOutput struct {
		Body struct {
			Invitations []Invitation `json:"invitations" nullable:"false" doc:"Those that nobody has accepted yet."`
		}
	}
)

func (a *api) memberRoutes() {
	tags := []string{"Members"}
	handle(a, account.ReadMembers, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/members", OperationID: "listMembers", Tags: tags,
		Summary: "List the members of a workspace",
	}, a.listMembers)
	handle(a, account.WriteMembers, huma.Operation{
		Method: http.MethodPatch, Path: "/v1/workspaces/{ns}/members/{id}", OperationID: "setMemberRole", Tags: tags,
		Summary: "Give a member another role",
		Description: "A workspace keeps an owner: another role for the last one is 409 `CONFLICT`. " +
			"An owner who becomes an editor or a viewer loses what they made as an owner: the invitations that they made are taken back, " +
			"and the API keys that they made with the scope write or admin are revoked. Keys that have only the scope read stay.",
		RequestBody: jsonBody("MemberRole", "The role.", "application/json"),
	}, a.setMemberRole)
	handle(a, account.WriteMembers, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/workspaces/{ns}/members/{id}", OperationID: "removeMember", Tags: tags,
		Summary:     "Remove a member",
		Description: "Takes back the invitations that the member made and revokes the API keys that the member made, too. The last owner stays: the answer is 409 `CONFLICT`. This server holds to it at once, others within 60 seconds.",
	}, a.removeMember)
	handle(a, account.ReadMembers, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/invitations", OperationID: "listInvitations", Tags: tags,
		Summary: "List open invitations",
	}, a.listInvitations)
	handle(a, account.WriteMembers, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/invitations", OperationID: "invite", Tags: tags,
		Summary: "Invite a person",
		Description: "Sends a mail to the address, which can accept for 7 days. A workspace can invite 20 people a day; then the answer is 429 `RATE_LIMITED`. " +
			"For the address of a member it is 409 `CONFLICT`.",
		RequestBody: jsonBody("NewInvitation", "Whom to invite.", "application/json"), DefaultStatus: http.StatusCreated,
	}, a.invite)
	handle(a, account.WriteMembers, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/workspaces/{ns}/invitations/{id}", OperationID: "withdrawInvitation", Tags: tags,
		Summary: "Take an invitation back", DefaultStatus: http.StatusNoContent,
	}, a.withdrawInvitation)
}

func (a *api) listMembers(ctx context.Context, in *namespaceInput) (*membersOutput, error) {
	all, err := a.manage.Members(ctx, caller(ctx), in.Namespace)
	out := &membersOutput{}
	out.Body.Members = make([]Member, len(all.Members))
	for i, m := range all.Members {
		out.Body.Members[i] = memberOf(m)
	}
	return out, err
}

func (a *api) setMemberRole(ctx context.Context, in *memberRoleInput) (*memberOutput, error) {
	var req MemberRole
	if err := in.Role.decode(&req); err != nil {
		return nil, err
	}
	m, err := a.manage.SetRole(ctx, caller(ctx), in.Namespace, in.ID, req.Role)
	return &memberOutput{memberOf(m)}, err
}

func (a *api) removeMember(ctx context.Context, in *removeMemberInput) (out *revokedOutput, err error) {
	keep, err := readBool("keep_keys", in.KeepKeys)
	if err != nil {
		return nil, err
	}
	out = &revokedOutput{}
	out.Body.Revoked, err = a.manage.RemoveMember(ctx, caller(ctx), in.Namespace, in.ID, !keep)
	return out, err
}

func (a *api) listInvitations(ctx context.Context, in *namespaceInput) (*invitationsOutput, error) {
	all, err := a.manage.Members(ctx, caller(ctx), in.Namespace)
	out := &invitationsOutput{}
	out.Body.Invitations = make([]Invitation, len(all.Invitations))
	for i, one := range all.Invitations {
		out.Body.Invitations[i] = invitationOf(one)
	}
	return out, err
}

func (a *api) invite(ctx context.Context, in *newInvitationInput) (*invitationOutput, error) {
	var req NewInvitation
	if err := in.What.decode(&req); err != nil {
		return nil, err
	}
	i, err := a.manage.Invite(ctx, caller(ctx), in.Namespace, req.Email, req.Role)
	return &invitationOutput{invitationOf(i)}, err
}

func (a *api) withdrawInvitation(ctx context.Context, in *invitationInput) (*struct{}, error) {
	return nil, a.manage.Uninvite(ctx, caller(ctx), in.Namespace, in.ID)
}

func memberOf(m account.Member) Member {
	return Member{AccountID: m.AccountID, Email: m.Email, Role: m.Role, Since: m.Since}
}

func invitationOf(i account.Invitation) Invitation {
	return Invitation{ID: i.ID, Email: i.Email, Role: i.Role, InvitedBy: i.InvitedBy, ExpiresAt: i.ExpiresAt}
}

package manage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

var errNoSignupPlan = fault.New(fault.Forbidden, "Only an operator of this server makes workspaces. Ask the operator for one, or an owner of one for an invitation.")

// A Making says whether a person may make a workspace.
type Making struct {
	May   bool
	Plan  *plan.Plan // that the workspace is on; nil for an operator, and where people make none
	Owned int        // workspaces on the plan that the person owns
}

// Making says whether a person may make a workspace now.
func (m *Manager) Making(ctx context.Context, who Caller, visitor account.Account) (Making, error) {
	if err := m.allowMaking(who, visitor); err != nil {
		return Making{}, err
	}
	if who.everywhere() {
		return Making{May: true}, nil
	}
	p := m.plans.Signup()
	if p == nil || p.WorkspacesPerAccount <= 0 {
		return Making{}, nil
	}
	owned, err := m.people.Owned(ctx, visitor.ID, m.onSignup(ctx, p))
	return Making{owned < p.WorkspacesPerAccount, p, owned}, err
}

func (m *Manager) allowMaking(who Caller, visitor account.Account) error {
	if m.people == nil {
		return errNoPeople
	}
	if err := who.Allow(account.MakeWorkspace, ""); err != nil {
		return err
	}
	if !who.everywhere() && who.Email != visitor.Email {
		return ErrNotMember
	}
	return nil
}

// onSignup says which memberships are of workspaces on a plan. A workspace that was deleted
// counts no more, even if its members are still listed.
func (m *Manager) onSignup(ctx context.Context, p *plan.Plan) func(account.Member) (bool, error) {
	return func(member account.Member) (bool, error) {
		w, err := m.reads.Get(ctx, member.Namespace)
		if errors.Is(err, workspace.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("reading workspace %q: %w", member.Namespace, err)
		}
		return w.ID == member.WorkspaceID && w.Plan == p.Name, nil
	}
}

// CreateOwned creates a workspace whose owner is the person. It has the default settings, but
// shows images of its own sources only: an owner would not expect that strangers have images of
// the whole web made on the plan. Who isn't an operator makes it on the signup plan, and owns at
// most as many as that allows.
func (m *Manager) CreateOwned(ctx context.Context, who Caller, visitor account.Account, namespace string) (*workspace.Workspace, error) {
	if err := m.allowMaking(who, visitor); err != nil {
		return nil, err
	}
	w := workspace.New(namespace)
	w.OwnSourcesOnly()
	if who.everywhere() {
		return m.createOwned(ctx, who, visitor, w)
	}
	p := m.plans.Signup()
	if p == nil || p.WorkspacesPerAccount <= 0 {
		return nil, errNoSignupPlan
	}
	w.Plan = p.Name
	if err := m.judge(nil, w); err != nil {
		return nil, err
	}
	place, err := m.people.TakePlace(ctx, visitor.ID, p.WorkspacesPerAccount, m.onSignup(ctx, p))
	if errors.Is(err, account.ErrWorkspaces) {
		return nil, conflict(fmt.Sprintf("You own as many workspaces as the plan %s allows: %d. Delete one first, or ask the operator of this server for another.", p.Name, p.WorkspacesPerAccount))
	}
	if err != nil {
		return nil, err
	}
	made, err := m.createOwned(ctx, who, visitor, w)
	// Also if the client has gone: until then the place is taken.
	if err := m.people.LeavePlace(context.WithoutCancel(ctx), visitor.ID, place, err == nil); err != nil {
		m.log.WarnContext(ctx, "the place of a workspace is taken for a minute more", "namespace", namespace, "err", err)
	}
	return made, err
}

// createOwned creates a workspace and makes a person its owner. A workspace without its owner
// would only hold its name, so that it is deleted again.
func (m *Manager) createOwned(ctx context.Context, who Caller, visitor account.Account, w *workspace.Workspace) (*workspace.Workspace, error) {
	if err := m.create(ctx, who, w); err != nil {
		return nil, err
	}
	if err := m.people.Join(ctx, visitor, w, account.Owner, who.entry("member.join", "")); err != nil {
		if err := m.store.Delete(context.WithoutCancel(ctx), w.Namespace, w.Revision, who.changedWorkspace("workspace.delete", w.Namespace, w, nil)); err != nil {
			m.log.ErrorContext(ctx, "a workspace was made, and its maker could not become its owner: delete it, or invite an owner", "namespace", w.Namespace, "err", err)
		}
		return nil, err
	}
	return shown(w), nil
}

// endings are what FreeName tries after a name that is taken.
var endings = []string{"photos", "images", "media", "img", "2", "3", "4", "5", "6", "7", "8", "9"}

// FreeName returns a namespace like the one given that no workspace has, for somebody who may
// make one. It is empty where there is none.
func (m *Manager) FreeName(ctx context.Context, who Caller, namespace string) (string, error) {
	if err := who.Allow(account.MakeWorkspace, ""); err != nil {
		return "", err
	}
	for _, ending := range endings {
		name := strings.TrimRight(namespace[:min(len(namespace), 63-1-len(ending))], "-") + "-" + ending
		if !workspace.UsableNamespace(name) {
			continue
		}
		_, err := m.reads.Get(ctx, name)
		if errors.Is(err, workspace.ErrNotFound) {
			return name, nil
		}
		if err != nil {
			return "", fmt.Errorf("reading workspace %q: %w", name, err)
		}
	}
	return "", nil
}

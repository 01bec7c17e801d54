package manage

import (
	"context"
	"errors"
	"fmt"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// applyTries bounds how often Apply starts over after writes of others.
const applyTries = 5

// Plan returns what [Manager.Apply] would do now. It writes nothing.
func (m *Manager) Plan(ctx context.Context, who Caller, d *workspace.Document, prune bool) (*workspace.Plan, error) {
	p, _, err := m.plan(ctx, who, d, prune)
	return p, err
}

// Apply changes the stored workspace of the document's namespace to match the document, or
// creates it. If nothing differs, it writes nothing, so that applying a document twice is
// the same as once. With prune it removes what the document leaves out: see
// [workspace.Document.Plan]. If the document names a revision and the store has another
// one, or none, the error is workspace.ErrConflict.
//
// It reads from Config.Store, so that a server can start with its last known copies while
// the store is down.
func (m *Manager) Apply(ctx context.Context, who Caller, d *workspace.Document, prune bool) (*workspace.Plan, error) {
	for try := 1; ; try++ {
		p, old, err := m.plan(ctx, who, d, prune)
		switch w := p.Workspace; {
		case err != nil:
			return nil, err
		case old == nil:
			err = m.store.Create(ctx, w, who.changedWorkspace("workspace.create", w.Namespace, nil, w))
		case len(p.Changes) == 0:
			p.Workspace = old.Masked()
			return p, nil
		default:
			w.ID, w.Revision = old.ID, old.Revision
			err = m.store.Update(ctx, w, who.changedWorkspace("workspace.update", w.Namespace, old, w))
		}
		switch {
		case err == nil:
			p.Workspace = p.Workspace.Masked()
			return p, nil
		case try == applyTries:
			return nil, err
		case errors.Is(err, workspace.ErrExists), errors.Is(err, workspace.ErrNotFound):
		case errors.Is(err, workspace.ErrConflict) && d.Revision == 0:
		default:
			return nil, err
		}
	}
}

// errNoRevision is the error for a document that names a revision of a workspace that isn't
// there.
func errNoRevision(d *workspace.Document) error {
	return &fault.Error{
		Code:    fault.Conflict,
		Message: fmt.Sprintf("The file is for revision %d of workspace %s, and there is no such workspace: it may have been deleted. Leave out revision to create it.", d.Revision, d.Namespace),
		Cause:   workspace.ErrConflict,
	}
}

// plan returns the plan, whose workspace holds the secrets that stay, and the stored
// workspace. old is nil if the store has none.
func (m *Manager) plan(ctx context.Context, who Caller, d *workspace.Document, prune bool) (p *workspace.Plan, old *workspace.Workspace, err error) {
	p = &workspace.Plan{}
	if err := who.Allow(account.UpdateWorkspace, d.Namespace); err != nil {
		return p, nil, err
	}
	old, err = m.store.Get(ctx, d.Namespace)
	switch {
	case errors.Is(err, workspace.ErrNotFound):
		old, err = nil, who.Allow(account.CreateWorkspace, d.Namespace)
		if err == nil && d.Revision != 0 {
			err = errNoRevision(d)
		}
	case err == nil && !who.everywhere() && who.WorkspaceID != old.ID:
		err = ErrOrphan
	case err == nil && d.Revision != 0 && d.Revision != old.Revision:
		err = workspace.ErrConflict
	}
	if err != nil {
		return p, nil, err
	}
	made, err := d.Plan(old, prune)
	if err != nil {
		return p, nil, err
	}
	if err := made.Workspace.Unmask(old); err != nil {
		return p, nil, err
	}
	if err := m.judge(old, made.Workspace); err != nil {
		return p, nil, err
	}
	if prune && old != nil {
		who.keepPlan(old, made.Workspace)
	}
	if err := m.hold(ctx, who, old, made.Workspace); err != nil {
		return p, nil, err
	}
	made.Changes = workspace.Diff(old, made.Workspace)
	return made, old, nil
}

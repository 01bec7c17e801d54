package manage

import (
	"context"
	"errors"

	"github.com/tintype/tintype/workspace"
)

// applyTries bounds how often Apply starts over because others write too.
const applyTries = 5

// Plan says what [Manager.Apply] would do now, and writes nothing.
func (m *Manager) Plan(ctx context.Context, who Caller, d *workspace.Document, prune bool) (*workspace.Plan, error) {
	p, _, err := m.plan(ctx, who, d, prune)
	return p, err
}

// Apply brings the stored workspace of the document's namespace in line with it, and creates
// it where there is none. Where nothing changes, it writes nothing, so that applying twice is
// applying once. With prune it removes what the document leaves out: see
// [workspace.Document.Plan]. Where the document names a revision the store must have it:
// otherwise the error is workspace.ErrConflict.
//
// It reads from Config.Store, so that a start works with the last known copies where the
// store is down.
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

// plan is the plan as of now, whose workspace has the secrets that stay, and what is stored:
// nil where there is no such workspace.
func (m *Manager) plan(ctx context.Context, who Caller, d *workspace.Document, prune bool) (p *workspace.Plan, old *workspace.Workspace, err error) {
	p = &workspace.Plan{}
	if err := who.Allow(Write, d.Namespace); err != nil {
		return p, nil, err
	}
	old, err = m.store.Get(ctx, d.Namespace)
	switch {
	case errors.Is(err, workspace.ErrNotFound):
		old, err = nil, who.Allow(Root, d.Namespace)
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
	made.Changes = workspace.Diff(old, made.Workspace)
	return made, old, nil
}

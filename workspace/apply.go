package workspace

import (
	"context"
	"errors"
)

// applyTries bounds how often Apply starts over because others write too.
const applyTries = 5

// Applying says how documents are applied to the workspaces of a store.
type Applying struct {
	Prune    bool                   // remove what documents leave out: see [Document.Plan]
	Validate func(*Workspace) error // judges what is to be written
}

// Plan says what Apply would do now, and writes nothing.
func (a Applying) Plan(ctx context.Context, store Store, d *Document) (*Plan, error) {
	p, _, err := a.plan(ctx, store, d)
	return p, err
}

// Apply brings the stored workspace of the document's namespace in line with it,
// creating it where there is none. Where nothing changes it writes nothing, so that
// applying twice is applying once. [Mask] keeps stored secrets. Where the document
// names a revision the store must have it: otherwise the error is ErrConflict. What it
// returns is as stored, secrets included. Errors are the store's, those of Validate and
// *[ValidationError]s of Unmask and [Document.Plan].
func (a Applying) Apply(ctx context.Context, store Store, d *Document) (*Plan, error) {
	for try := 1; ; try++ {
		p, old, err := a.plan(ctx, store, d)
		switch {
		case err != nil:
			return nil, err
		case old == nil:
			err = store.Create(ctx, p.Workspace)
		case len(p.Changes) == 0:
			p.Workspace = old
			return p, nil
		default:
			p.Workspace.ID, p.Workspace.Revision = old.ID, old.Revision
			err = store.Update(ctx, p.Workspace)
		}
		switch {
		case err == nil:
			return p, nil
		case try == applyTries:
			return nil, err
		case errors.Is(err, ErrExists), errors.Is(err, ErrNotFound):
		case errors.Is(err, ErrConflict) && d.Revision == 0:
		default:
			return nil, err
		}
	}
}

// plan is the plan as of now, with the secrets that stay, and what is stored: nil where
// there is no such workspace.
func (a Applying) plan(ctx context.Context, store Store, d *Document) (p *Plan, old *Workspace, err error) {
	if old, err = store.Get(ctx, d.Namespace); errors.Is(err, ErrNotFound) {
		old = nil
	} else if err != nil {
		return nil, nil, err
	}
	if old != nil && d.Revision != 0 && d.Revision != old.Revision {
		return nil, nil, ErrConflict
	}
	if p, err = d.Plan(old, a.Prune); err != nil {
		return nil, nil, err
	}
	if err := p.Workspace.Unmask(old); err != nil {
		return nil, nil, err
	}
	if err := a.Validate(p.Workspace); err != nil {
		return nil, nil, err
	}
	p.Changes = Diff(old, p.Workspace)
	return p, old, nil
}

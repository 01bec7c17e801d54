package manage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/workspace"
)

// A Change is what a change of a workspace does. Its workspaces have masked secrets.
type Change struct {
	Before, After *workspace.Workspace
	Lines         []string // what differs, as [workspace.Diff] says it
	Differences   []workspace.Difference
	Closes        []string // URLs of the last hour that are refused from then on, warnings of [workspace.Workspace.Closes], and those of [workspace.Workspace.Warn] that Before doesn't have
	Opens         []string // warnings of [workspace.Workspace.Opens]
}

// Review returns what [Manager.ChangeWorkspace] would do now. It writes nothing. The error
// is the one that the write would have.
func (m *Manager) Review(ctx context.Context, who Caller, namespace string, edit func(*workspace.Workspace) error) (Change, error) {
	old, err := m.open(ctx, who, account.UpdateWorkspace, namespace)
	if err != nil {
		return Change{}, err
	}
	return m.review(ctx, who, old, edit)
}

func (m *Manager) review(ctx context.Context, who Caller, old *workspace.Workspace, edit func(*workspace.Workspace) error) (Change, error) {
	c, w, err := m.changed(ctx, who, old, edit)
	if err != nil || len(c.Lines) == 0 || m.delivery == nil {
		return c, err
	}
	refused, err := m.delivery.WouldRefuse(ctx, w)
	if err != nil {
		return Change{}, err
	}
	if refused.URLs > 0 {
		c.Closes = append([]string{refusals(refused)}, c.Closes...)
	}
	return c, nil
}

// refusals says which URLs would be refused.
func refusals(r delivery.Refusals) string {
	list := strings.Join(r.Paths, ", ")
	if r.URLs > len(r.Paths) {
		list += ", …"
	}
	return fmt.Sprintf("%d of %d URLs that this server answered in the last hour would be refused (%s): %s", r.URLs, r.Of, r.Code, list)
}

// ReviewPatch returns what [Manager.PatchWorkspace] would do now. It writes nothing.
func (m *Manager) ReviewPatch(ctx context.Context, who Caller, namespace string, patch []byte) (Change, error) {
	old, err := m.open(ctx, who, account.UpdateWorkspace, namespace)
	if err != nil {
		return Change{}, err
	}
	patched, err := workspace.MergePatch(old, patch)
	if err != nil {
		return Change{}, err
	}
	if patched.Revision != old.Revision {
		return Change{}, workspace.ErrConflict
	}
	return m.review(ctx, who, old, func(w *workspace.Workspace) error {
		*w = *patched
		return nil
	})
}

// ChangeWorkspace changes a workspace by a function, which edits a copy with masked secrets.
// If the workspace has another revision than the one that the caller saw, the error is
// workspace.ErrConflict.
func (m *Manager) ChangeWorkspace(ctx context.Context, who Caller, namespace string, revision int64, edit func(*workspace.Workspace) error) (Change, error) {
	var c Change
	err := m.startOver(ctx, who, account.UpdateWorkspace, namespace, once, func(old *workspace.Workspace) error {
		if old.Revision != revision {
			return workspace.ErrConflict
		}
		change, w, err := m.changed(ctx, who, old, edit)
		if err != nil {
			return err
		}
		if w, err = m.put(ctx, who, old, w); err != nil {
			return err
		}
		c, c.After = change, w.Masked()
		return nil
	})
	if errors.Is(err, workspace.ErrConflict) {
		return Change{}, workspace.ErrConflict
	}
	return c, err
}

// changed returns what the edit does to old, and the workspace that would be stored.
func (m *Manager) changed(ctx context.Context, who Caller, old *workspace.Workspace, edit func(*workspace.Workspace) error) (c Change, w *workspace.Workspace, err error) {
	if w, err = m.unsaved(ctx, who, old, edit); err != nil {
		return c, nil, err
	}
	had := map[string]bool{}
	for _, warning := range old.Warn() {
		had[warning] = true
	}
	c = Change{Before: old.Masked(), After: w.Masked(), Lines: workspace.Diff(old, w), Differences: workspace.Differences(old, w), Closes: w.Closes(old), Opens: w.Opens(old)}
	for _, warning := range w.Warn() {
		if !had[warning] {
			c.Closes = append(c.Closes, warning)
		}
	}
	return c, w, nil
}

// unsaved returns the workspace that would be stored after an edit. The edit gets a copy of
// old with masked secrets.
func (m *Manager) unsaved(ctx context.Context, who Caller, old *workspace.Workspace, edit func(*workspace.Workspace) error) (*workspace.Workspace, error) {
	w := old.Masked()
	if err := edit(w); err != nil {
		return nil, err
	}
	if err := w.Unmask(old); err != nil {
		return nil, err
	}
	if err := m.judge(old, w); err != nil {
		return nil, err
	}
	return w, m.hold(ctx, who, old, w)
}

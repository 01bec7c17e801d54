package manage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// A Condition reports whether a workspace with this revision may be changed. If it returns
// false, the error is workspace.ErrConflict. Nil allows every revision.
type Condition func(revision int64) bool

func (c Condition) holds(w *workspace.Workspace) bool { return c == nil || c(w.Revision) }

// CreateWorkspace stores a new workspace and returns it as [Manager.Workspace] does. The
// caller must not use w afterwards.
func (m *Manager) CreateWorkspace(ctx context.Context, who Caller, w *workspace.Workspace) (*workspace.Workspace, error) {
	if err := who.Allow(account.CreateWorkspace, w.Namespace); err != nil {
		return nil, err
	}
	if err := m.create(ctx, who, w); err != nil {
		return nil, err
	}
	return shown(w), nil
}

// create stores a new workspace, for a caller who may make it.
func (m *Manager) create(ctx context.Context, who Caller, w *workspace.Workspace) error {
	if err := w.Unmask(nil); err != nil {
		return err
	}
	if err := m.judge(nil, w); err != nil {
		return err
	}
	if err := m.hold(ctx, who, nil, w); err != nil {
		return err
	}
	if err := m.store.Create(ctx, w, who.changedWorkspace("workspace.create", w.Namespace, nil, w)); err != nil {
		return fmt.Errorf("creating workspace %q: %w", w.Namespace, err)
	}
	who.about(w.ID)
	m.await(ctx, w, w.Domains...)
	return nil
}

// EnsureWorkspace creates a workspace with default settings if the namespace has none.
func (m *Manager) EnsureWorkspace(ctx context.Context, who Caller, namespace string) error {
	_, err := m.store.Get(ctx, namespace)
	if !errors.Is(err, workspace.ErrNotFound) {
		return err
	}
	if _, err := m.CreateWorkspace(ctx, who, workspace.New(namespace)); !errors.Is(err, workspace.ErrExists) {
		return err
	}
	return nil
}

// ListWorkspaces returns up to limit workspaces with masked secrets, sorted by namespace.
// The page starts after the namespace `after`; empty starts at the first. next is the
// `after` of the next page, and empty on the last one.
func (m *Manager) ListWorkspaces(ctx context.Context, who Caller, after string, limit int) (page []*workspace.Workspace, next string, err error) {
	if err := who.Allow(account.ListWorkspaces, ""); err != nil {
		return nil, "", err
	}
	if err := checkCursor("after", after); err != nil {
		return nil, "", err
	}
	found, err := m.reads.List(ctx, after, limit+1) // the extra one tells whether there is a next page
	if err != nil {
		return nil, "", fmt.Errorf("listing workspaces after %q: %w", after, err)
	}
	if len(found) > limit {
		found = found[:limit]
		next = found[limit-1].Namespace
	}
	page = make([]*workspace.Workspace, len(found))
	for i, w := range found {
		page[i] = w.Masked()
	}
	return page, next, nil
}

// maxCursor is the maximum length of a cursor, in bytes. Cursors that we return are
// shorter.
const maxCursor = 256

// checkCursor refuses texts that no store can look for. It accepts the name of a deleted
// element, since a page may end with one.
func checkCursor(name, cursor string) error {
	if len(cursor) > maxCursor || !utf8.ValidString(cursor) {
		return invalid(name + ": must be the next of the previous page.")
	}
	return nil
}

// Workspace returns a copy of a workspace, with masked secrets and with the warnings for
// its owner.
func (m *Manager) Workspace(ctx context.Context, who Caller, namespace string) (*workspace.Workspace, error) {
	w, err := m.open(ctx, who, account.ReadWorkspace, namespace)
	if err != nil {
		return nil, err
	}
	return shown(w), nil
}

// ReplaceWorkspace replaces the workspace of the namespace by w, which names the revision
// that it is based on. It ignores the ID and the times in w. The caller must not use w
// afterwards.
func (m *Manager) ReplaceWorkspace(ctx context.Context, who Caller, namespace string, w *workspace.Workspace, only Condition) (*workspace.Workspace, error) {
	if err := who.Allow(account.UpdateWorkspace, namespace); err != nil {
		return nil, err
	}
	if w.Revision < 1 {
		return nil, invalid("revision: PUT requires the revision that the change is based on. GET the workspace, change the answer, and send it back.")
	}
	is, _, err := m.edit(ctx, who, account.UpdateWorkspace, namespace, once, func(old *workspace.Workspace) (*workspace.Workspace, error) {
		if w.Namespace != old.Namespace {
			return nil, invalid(fmt.Sprintf("namespace: must be %q, as in the path. A namespace can't be changed: create another workspace instead.", old.Namespace))
		}
		if w.Revision != old.Revision || !only.holds(old) {
			return nil, workspace.ErrConflict
		}
		w.ID, w.CreatedAt, w.UpdatedAt = old.ID, old.CreatedAt, old.UpdatedAt
		who.keepPlan(old, w)
		return w, w.Unmask(old)
	})
	return is, err
}

// PatchWorkspace changes a workspace by a JSON merge patch (RFC 7396). The patch may name
// the revision that it is based on.
func (m *Manager) PatchWorkspace(ctx context.Context, who Caller, namespace string, patch []byte, only Condition) (*workspace.Workspace, error) {
	how := again
	if only != nil || carriesRevision(patch) {
		how = once
	}
	w, _, err := m.edit(ctx, who, account.UpdateWorkspace, namespace, how, func(old *workspace.Workspace) (*workspace.Workspace, error) {
		w, err := workspace.MergePatch(old, patch)
		if err != nil {
			return nil, err
		}
		if w.Revision != old.Revision || !only.holds(old) {
			return nil, workspace.ErrConflict
		}
		return w, nil
	})
	return w, err
}

// carriesRevision reports whether a merge patch names the revision that it is based on.
func carriesRevision(patch []byte) bool {
	var p struct {
		Revision int64 `json:"revision"`
	}
	return json.Unmarshal(patch, &p) == nil && p.Revision != 0 // MergePatch returns the error of an invalid patch
}

// DeleteWorkspace deletes a workspace if it has this revision. 0 is any revision.
func (m *Manager) DeleteWorkspace(ctx context.Context, who Caller, namespace string, revision int64, only Condition) error {
	old, err := m.open(ctx, who, account.DeleteWorkspace, namespace)
	if err != nil {
		return err
	}
	if !only.holds(old) {
		return workspace.ErrConflict
	}
	if only != nil && revision == 0 {
		revision = old.Revision
	}
	if err := m.store.Delete(ctx, namespace, revision, who.changedWorkspace("workspace.delete", namespace, old, nil)); err != nil {
		return fmt.Errorf("deleting workspace %q: %w", namespace, err)
	}
	if m.people != nil {
		// Its members could do nothing any more: their records name the ID of this workspace.
		if err := m.people.Forget(context.WithoutCancel(ctx), old.ID); err != nil {
			m.log.WarnContext(ctx, "the members of a deleted workspace are still listed", "namespace", namespace, "err", err)
		}
	}
	if m.alerts != nil {
		if err := m.alerts.RemoveWorkspace(context.WithoutCancel(ctx), old.ID); err != nil {
			m.log.WarnContext(ctx, "the alert channels of a deleted workspace are still stored", "namespace", namespace, "err", err)
		}
	}
	return nil
}

// How many times edit tries a write.
const (
	once  = 1
	again = 50 // starts over if the workspace changed in between
)

// edit changes a workspace. It returns the changed workspace, and the warnings about what
// the change closes and opens, which are among the workspace's warnings too. change returns the new
// state, with the namespace, ID, revision and times of the old one. It must not modify the
// old one.
func (m *Manager) edit(ctx context.Context, who Caller, action account.Action, namespace string, tries int, change func(old *workspace.Workspace) (*workspace.Workspace, error)) (w *workspace.Workspace, warnings []string, err error) {
	err = m.startOver(ctx, who, action, namespace, tries, func(old *workspace.Workspace) error {
		if w, err = change(old); err != nil {
			return err
		}
		if w, err = m.put(ctx, who, old, w); err != nil {
			return err
		}
		warnings = slices.Concat(w.Closes(old), w.Opens(old))
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	w = shown(w)
	w.Warnings = append(w.Warnings, warnings...)
	return w, warnings, nil
}

// startOver calls write with the present workspace. It calls write again with the new state
// if another write came between.
func (m *Manager) startOver(ctx context.Context, who Caller, action account.Action, namespace string, tries int, write func(old *workspace.Workspace) error) error {
	for try := 1; ; try++ {
		old, err := m.open(ctx, who, action, namespace)
		if err != nil {
			return err
		}
		if err := write(old); !errors.Is(err, workspace.ErrConflict) || try >= tries {
			return err
		}
	}
}

// put replaces old by w and returns what the store has then. If nothing differs, it writes
// nothing and the revision stays.
func (m *Manager) put(ctx context.Context, who Caller, old, w *workspace.Workspace) (*workspace.Workspace, error) {
	if err := m.judge(old, w); err != nil {
		return nil, err
	}
	if err := m.hold(ctx, who, old, w); err != nil {
		return nil, err
	}
	if workspace.Same(old, w) {
		return old, nil
	}
	if err := m.store.Update(ctx, w, who.changedWorkspace("workspace.update", w.Namespace, old, w)); err != nil {
		return nil, fmt.Errorf("updating workspace %q: %w", w.Namespace, err)
	}
	m.await(ctx, w, slices.DeleteFunc(slices.Clone(w.Domains), func(name string) bool { return slices.Contains(old.Domains, name) })...)
	return w, nil
}

// judge returns what is wrong with w, which replaces old. A nil old means that w is created.
// judge applies the rules of package workspace and then compiles w as delivery does, so
// that an error appears at the write and not at the first image.
func (m *Manager) judge(old, w *workspace.Workspace) error {
	if err := m.process(w.Namespace).ValidateChange(old, w); err != nil {
		return err
	}
	if m.delivery != nil {
		if err := m.delivery.Check(w); err != nil {
			return invalid("The workspace can't be served: " + err.Error() + ".")
		}
	}
	return nil
}

// shown returns a copy of a workspace for clients: secrets masked, with warnings for the
// owner.
func shown(w *workspace.Workspace) *workspace.Workspace {
	out := w.Masked()
	out.Warnings = w.Warn()
	return out
}

// wrong returns the error of one value, whose path is the one in the JSON of the request.
func wrong(path, message string) error {
	return &workspace.ValidationError{Problems: []workspace.Problem{{Path: path, Message: message}}}
}

func invalid(message string) *fault.Error  { return fault.New(fault.Validation, message) }
func notFound(message string) *fault.Error { return fault.New(fault.NotFound, message) }
func conflict(message string) *fault.Error { return fault.New(fault.Conflict, message) }

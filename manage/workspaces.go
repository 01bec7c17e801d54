package manage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// A Condition says whether a change is wanted of a workspace that has this revision. Where
// it says no, the error is workspace.ErrConflict. Nil wants a change of any revision.
type Condition func(revision int64) bool

func (c Condition) holds(w *workspace.Workspace) bool { return c == nil || c(w.Revision) }

// CreateWorkspace stores a new workspace and returns it as [Manager.Workspace] does. The
// caller must not use w afterwards.
func (m *Manager) CreateWorkspace(ctx context.Context, who Caller, w *workspace.Workspace) (*workspace.Workspace, error) {
	if err := who.Allow(Root, w.Namespace); err != nil {
		return nil, err
	}
	if err := w.Unmask(nil); err != nil {
		return nil, err
	}
	if err := m.judge(nil, w); err != nil {
		return nil, err
	}
	if err := m.store.Create(ctx, w, who.changedWorkspace("workspace.create", w.Namespace, nil, w)); err != nil {
		return nil, fmt.Errorf("creating workspace %q: %w", w.Namespace, err)
	}
	who.about(w.ID)
	return shown(w), nil
}

// EnsureWorkspace creates a workspace with the defaults where there is none.
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

// ListWorkspaces returns up to limit workspaces in the order of their namespaces, from the
// first one after `after`, which is empty for the start, with masked secrets. next is the
// `after` of the following page; empty is none.
func (m *Manager) ListWorkspaces(ctx context.Context, who Caller, after string, limit int) (page []*workspace.Workspace, next string, err error) {
	if err := who.Allow(Root, ""); err != nil {
		return nil, "", err
	}
	if err := checkCursor("after", after); err != nil {
		return nil, "", err
	}
	found, err := m.reads.List(ctx, after, limit+1) // one more tells whether there is a next page
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

// maxCursor is how many bytes a cursor may have; one that was answered has fewer.
const maxCursor = 256

// checkCursor refuses what can't be where a page begins. Any text that a store can look for
// can be: pages outlive what stood at their ends.
func checkCursor(name, cursor string) error {
	if len(cursor) > maxCursor || !utf8.ValidString(cursor) {
		return invalid(name + ": must be the next of the page before.")
	}
	return nil
}

// Workspace returns a workspace with masked secrets, and with the warnings that its owner
// is to have. It is a copy of the caller's own.
func (m *Manager) Workspace(ctx context.Context, who Caller, namespace string) (*workspace.Workspace, error) {
	w, err := m.open(ctx, who, Read, namespace)
	if err != nil {
		return nil, err
	}
	return shown(w), nil
}

// ReplaceWorkspace puts w in the place of the workspace under the namespace. w names the
// revision that it is based on. What the server makes (id, times) is ignored in it. The
// caller must not use w afterwards.
func (m *Manager) ReplaceWorkspace(ctx context.Context, who Caller, namespace string, w *workspace.Workspace, only Condition) (*workspace.Workspace, error) {
	if err := who.Allow(Write, namespace); err != nil {
		return nil, err
	}
	if w.Revision < 1 {
		return nil, invalid("revision: PUT must carry the revision that it was based on. GET the workspace, change what it answers, and send that.")
	}
	is, _, err := m.edit(ctx, who, namespace, once, func(old *workspace.Workspace) (*workspace.Workspace, error) {
		if w.Namespace != old.Namespace {
			return nil, invalid(fmt.Sprintf("namespace: must be %q, as in the path. A namespace can't be changed: create another workspace instead.", old.Namespace))
		}
		if w.Revision != old.Revision || !only.holds(old) {
			return nil, workspace.ErrConflict
		}
		w.ID, w.CreatedAt, w.UpdatedAt = old.ID, old.CreatedAt, old.UpdatedAt
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
	w, _, err := m.edit(ctx, who, namespace, how, func(old *workspace.Workspace) (*workspace.Workspace, error) {
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

// carriesRevision tells whether a merge patch names the revision that it is based on.
func carriesRevision(patch []byte) bool {
	var p struct {
		Revision int64 `json:"revision"`
	}
	return json.Unmarshal(patch, &p) == nil && p.Revision != 0 // MergePatch refuses what isn't JSON of this form
}

// DeleteWorkspace deletes a workspace if it has the revision; 0 is any.
func (m *Manager) DeleteWorkspace(ctx context.Context, who Caller, namespace string, revision int64, only Condition) error {
	old, err := m.open(ctx, who, Root, namespace)
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
	return nil
}

// How often an edit may be tried.
const (
	once  = 1
	again = 50 // bounds how often it starts over because the workspace changed in between
)

// edit changes a workspace and returns it as it is then, and what the change opens, which is
// among its warnings too. change makes the new state of the old one, which it must not touch;
// it keeps namespace, ID, revision and times.
func (m *Manager) edit(ctx context.Context, who Caller, namespace string, tries int, change func(old *workspace.Workspace) (*workspace.Workspace, error)) (w *workspace.Workspace, opened []string, err error) {
	err = m.startOver(ctx, who, namespace, tries, func(old *workspace.Workspace) error {
		if w, err = change(old); err != nil {
			return err
		}
		if w, err = m.put(ctx, who, old, w); err != nil {
			return err
		}
		opened = w.Opens(old)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	w = shown(w)
	w.Warnings = append(w.Warnings, opened...)
	return w, opened, nil
}

// startOver calls write with the workspace as it is, and anew where somebody else changed it
// in between.
func (m *Manager) startOver(ctx context.Context, who Caller, namespace string, tries int, write func(old *workspace.Workspace) error) error {
	for try := 1; ; try++ {
		old, err := m.open(ctx, who, Write, namespace)
		if err != nil {
			return err
		}
		if err := write(old); !errors.Is(err, workspace.ErrConflict) || try >= tries {
			return err
		}
	}
}

// put writes w in the place of old and returns what is stored then. Where nothing differs,
// it writes nothing and the revision stays.
func (m *Manager) put(ctx context.Context, who Caller, old, w *workspace.Workspace) (*workspace.Workspace, error) {
	if err := m.judge(old, w); err != nil {
		return nil, err
	}
	if workspace.Same(old, w) {
		return old, nil
	}
	if err := m.store.Update(ctx, w, who.changedWorkspace("workspace.update", w.Namespace, old, w)); err != nil {
		return nil, fmt.Errorf("updating workspace %q: %w", w.Namespace, err)
	}
	return w, nil
}

// judge says what is wrong with what old is to become, where this process serves it. A nil
// old is created. It goes by the rules of package workspace, and then by compiling it as delivery does, so that what would fail at the first
// image is an error of the write.
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

// shown is what leaves this package of a workspace: its secrets masked, with what its owner
// is to be warned of.
func shown(w *workspace.Workspace) *workspace.Workspace {
	out := w.Masked()
	out.Warnings = w.Warn()
	return out
}

func invalid(message string) *fault.Error  { return fault.New(fault.Validation, message) }
func notFound(message string) *fault.Error { return fault.New(fault.NotFound, message) }
func conflict(message string) *fault.Error { return fault.New(fault.Conflict, message) }

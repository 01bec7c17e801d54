package manage

import (
	"context"
	"errors"
	"slices"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

var errNoPart = notFound("The workspace has no source, mark or preset of this name.")

// PutSource adds a source to a workspace, or replaces the source with the same key. It
// returns the changed workspace.
func (m *Manager) PutSource(ctx context.Context, who Caller, namespace string, s workspace.Source) (*workspace.Workspace, error) {
	return putPart(ctx, m, who, account.WriteSource, namespace, s, sourcesOf, sourceKey)
}

// DeleteSource removes a source from a workspace and returns the warnings about what that
// closes and opens ([workspace.Workspace.Closes], [workspace.Workspace.Opens]).
func (m *Manager) DeleteSource(ctx context.Context, who Caller, namespace, key string) (warnings []string, err error) {
	return deletePart(ctx, m, who, account.WriteSource, namespace, key, sourcesOf, sourceKey)
}

// PutMark adds a mark to a workspace, or replaces the mark with the same name. It returns
// the changed workspace.
func (m *Manager) PutMark(ctx context.Context, who Caller, namespace string, mark workspace.Mark) (*workspace.Workspace, error) {
	return putPart(ctx, m, who, account.WriteMark, namespace, mark, marksOf, markName)
}

// DeleteMark removes a mark from a workspace and returns the warnings about what that closes
// and opens ([workspace.Workspace.Closes], [workspace.Workspace.Opens]).
func (m *Manager) DeleteMark(ctx context.Context, who Caller, namespace, name string) (warnings []string, err error) {
	return deletePart(ctx, m, who, account.WriteMark, namespace, name, marksOf, markName)
}

// PutPreset adds a preset to a workspace, or replaces the preset with the same name. It
// returns the changed workspace.
func (m *Manager) PutPreset(ctx context.Context, who Caller, namespace string, p workspace.Preset) (*workspace.Workspace, error) {
	return putPart(ctx, m, who, account.WritePreset, namespace, p, presetsOf, presetName)
}

// DeletePreset removes a preset from a workspace and returns the warnings about what that
// closes ([workspace.Workspace.Closes]).
func (m *Manager) DeletePreset(ctx context.Context, who Caller, namespace, name string) (warnings []string, err error) {
	return deletePart(ctx, m, who, account.WritePreset, namespace, name, presetsOf, presetName)
}

// Misplaced returns wrong, the error of a source, mark or preset that could not be decoded,
// with paths as in the workspace. list is "sources", "marks" or "presets"; name is the key
// or the name of the part. If the caller can't change the workspace, or the list is full,
// it returns that error instead.
func (m *Manager) Misplaced(ctx context.Context, who Caller, namespace, list, name string, wrong error) error {
	w, err := m.open(ctx, who, account.UpdateWorkspace, namespace)
	if err != nil {
		return err
	}
	path, err := w.PlaceOf(list, name)
	if err != nil {
		return err
	}
	if v, ok := errors.AsType[*workspace.ValidationError](wrong); ok {
		return v.Within(path)
	}
	return wrong
}

func sourcesOf(w *workspace.Workspace) *[]workspace.Source { return &w.Sources }
func marksOf(w *workspace.Workspace) *[]workspace.Mark     { return &w.Marks }
func presetsOf(w *workspace.Workspace) *[]workspace.Preset { return &w.Presets }

func sourceKey(s workspace.Source) string  { return s.Key }
func markName(m workspace.Mark) string     { return m.Name }
func presetName(p workspace.Preset) string { return p.Name }

func putPart[E any](ctx context.Context, m *Manager, who Caller, action account.Action, namespace string, e E, list func(*workspace.Workspace) *[]E, name func(E) string) (*workspace.Workspace, error) {
	w, _, err := m.edit(ctx, who, action, namespace, again, func(old *workspace.Workspace) (*workspace.Workspace, error) {
		w := old.Clone()
		all := list(w)
		if i := slices.IndexFunc(*all, func(x E) bool { return name(x) == name(e) }); i >= 0 {
			(*all)[i] = e
		} else {
			*all = append(*all, e)
		}
		w = w.Clone() // Unmask writes into e, and the next try of edit needs e as it was given
		return w, w.Unmask(old)
	})
	return w, err
}

// deletePart removes the element with this name from a list of the workspace.
func deletePart[E any](ctx context.Context, m *Manager, who Caller, action account.Action, namespace, id string, list func(*workspace.Workspace) *[]E, name func(E) string) (warnings []string, err error) {
	_, warnings, err = m.edit(ctx, who, action, namespace, again, func(old *workspace.Workspace) (*workspace.Workspace, error) {
		w := old.Clone()
		all := list(w)
		i := slices.IndexFunc(*all, func(x E) bool { return name(x) == id })
		if i < 0 {
			return nil, errNoPart
		}
		*all = slices.Delete(*all, i, i+1)
		return w, nil
	})
	return warnings, err
}

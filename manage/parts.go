package manage

import (
	"context"
	"errors"
	"slices"

	"github.com/tintype/tintype/workspace"
)

var errNoPart = notFound("The workspace has nothing under this name.")

// PutSource adds a source to a workspace, or puts it in the place of the one that has its
// key, and returns the workspace as it is then.
func (m *Manager) PutSource(ctx context.Context, who Caller, namespace string, s workspace.Source) (*workspace.Workspace, error) {
	return putPart(ctx, m, who, namespace, s, sourcesOf, sourceKey)
}

// DeleteSource takes a source out of a workspace, and says what that opens
// ([workspace.Workspace.Opens]).
func (m *Manager) DeleteSource(ctx context.Context, who Caller, namespace, key string) (opened []string, err error) {
	return deletePart(ctx, m, who, namespace, key, sourcesOf, sourceKey)
}

// PutMark adds a mark to a workspace, or puts it in the place of the one that has its name,
// and returns the workspace as it is then.
func (m *Manager) PutMark(ctx context.Context, who Caller, namespace string, mark workspace.Mark) (*workspace.Workspace, error) {
	return putPart(ctx, m, who, namespace, mark, marksOf, markName)
}

// DeleteMark takes a mark out of a workspace, and says what that opens
// ([workspace.Workspace.Opens]).
func (m *Manager) DeleteMark(ctx context.Context, who Caller, namespace, name string) (opened []string, err error) {
	return deletePart(ctx, m, who, namespace, name, marksOf, markName)
}

// PutPreset adds a preset to a workspace, or puts it in the place of the one that has its
// name, and returns the workspace as it is then.
func (m *Manager) PutPreset(ctx context.Context, who Caller, namespace string, p workspace.Preset) (*workspace.Workspace, error) {
	return putPart(ctx, m, who, namespace, p, presetsOf, presetName)
}

// DeletePreset takes a preset out of a workspace. It opens nothing.
func (m *Manager) DeletePreset(ctx context.Context, who Caller, namespace, name string) (opened []string, err error) {
	return deletePart(ctx, m, who, namespace, name, presetsOf, presetName)
}

// Misplaced returns the error of a source, mark or preset that could not be read, with paths
// as in the workspace: list is "sources", "marks" or "presets", and name is what the part is
// called there. Where the caller can't change the workspace, or there is no room for another
// part, it returns why.
func (m *Manager) Misplaced(ctx context.Context, who Caller, namespace, list, name string, wrong error) error {
	w, err := m.open(ctx, who, Write, namespace)
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

// putPart puts an element into a list of the workspace.
func putPart[E any](ctx context.Context, m *Manager, who Caller, namespace string, e E, list func(*workspace.Workspace) *[]E, name func(E) string) (*workspace.Workspace, error) {
	w, _, err := m.edit(ctx, who, namespace, again, func(old *workspace.Workspace) (*workspace.Workspace, error) {
		w := old.Clone()
		all := list(w)
		if i := slices.IndexFunc(*all, func(x E) bool { return name(x) == name(e) }); i >= 0 {
			(*all)[i] = e
		} else {
			*all = append(*all, e)
		}
		w = w.Clone() // since Unmask writes into e, and e is given anew where the edit starts over
		return w, w.Unmask(old)
	})
	return w, err
}

// deletePart takes the element of this name out of a list of the workspace, and says what
// that opens.
func deletePart[E any](ctx context.Context, m *Manager, who Caller, namespace, id string, list func(*workspace.Workspace) *[]E, name func(E) string) (opened []string, err error) {
	_, opened, err = m.edit(ctx, who, namespace, again, func(old *workspace.Workspace) (*workspace.Workspace, error) {
		w := old.Clone()
		all := list(w)
		i := slices.IndexFunc(*all, func(x E) bool { return name(x) == id })
		if i < 0 {
			return nil, errNoPart
		}
		*all = slices.Delete(*all, i, i+1)
		return w, nil
	})
	return opened, err
}

package manage

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

// FirstSteps are the steps from a new workspace to its first image on a page of its owner.
type FirstSteps struct {
	account.FirstSteps
	HasSource bool
	Used      bool // an image was served to others than pages of the dashboard
}

// Done counts the steps of four that are done: a source, a test of it, a first image, and an
// image in use.
func (s FirstSteps) Done() (n int) {
	for _, done := range []bool{s.HasSource, s.Tested, s.Seen, s.Used} {
		if done {
			n++
		}
	}
	return n
}

// FirstSteps returns how far a workspace is. A workspace that was quiet for a while isn't new,
// so it counts what was served for as long as counts are kept.
func (m *Manager) FirstSteps(ctx context.Context, who Caller, namespace string) (s FirstSteps, err error) {
	w, err := m.open(ctx, who, account.ReadUsage, namespace)
	if err != nil {
		return s, err
	}
	if m.people != nil {
		if s.FirstSteps, err = m.people.FirstSteps(ctx, w.ID); err != nil {
			return s, err
		}
	}
	s.HasSource = len(w.Sources)+len(m.process(namespace).Dirs) > 0
	s.Tested = s.Tested && s.HasSource // a source can be tested before it is saved
	if m.records == nil {
		return s, nil
	}
	now := m.now().UTC()
	total, err := m.total(ctx, w, now.Add(-workspace.UsageKept).Format(time.DateOnly), now.Format(time.DateOnly))
	served := total.Requests - total.Errors
	s.Tested = s.Tested || total.BytesIn > 0
	s.Seen = s.Seen || served > 0
	s.Used = served > total.Previews
	return s, err
}

// LookAtFirst tests whether an image can be fetched from a stored source, and notes that a
// member looks at it. The image is one for the page of the first steps.
func (m *Manager) LookAtFirst(ctx context.Context, who Caller, namespace, source, path string) (SourceTest, error) {
	t, err := m.TestSource(ctx, who, namespace, workspace.Source{Key: source}, path)
	if err == nil && t.OK {
		err = m.changeFirstSteps(ctx, who, account.WriteSource, namespace, func(s *account.FirstSteps) { s.Seen = true })
	}
	return t, err
}

// HideFirstSteps hides the first steps of a workspace, or shows them again.
func (m *Manager) HideFirstSteps(ctx context.Context, who Caller, namespace string, hidden bool) error {
	return m.changeFirstSteps(ctx, who, account.UpdateWorkspace, namespace, func(s *account.FirstSteps) { s.Hidden = hidden })
}

func (m *Manager) changeFirstSteps(ctx context.Context, who Caller, action account.Action, namespace string, change func(*account.FirstSteps)) error {
	w, err := m.openPeople(ctx, who, action, namespace)
	if err != nil {
		return err
	}
	return m.people.ChangeFirstSteps(ctx, w.ID, change)
}

// noteTested notes that an image was fetched from a source. The test is fine where this fails.
func (m *Manager) noteTested(ctx context.Context, w *workspace.Workspace, source, path string) {
	if m.people == nil {
		return
	}
	err := m.people.ChangeFirstSteps(ctx, w.ID, func(s *account.FirstSteps) {
		s.Tested, s.Image = true, source+"/"+strings.TrimPrefix(path, "/")
	})
	if err != nil {
		m.log.Warn("a first step can't be written down", "workspace", w.Namespace, slog.Any("err", err))
	}
}

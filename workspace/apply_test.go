package workspace_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// interrupted is a store that somebody else writes to just before each of our first
// writes.
type interrupted struct {
	workspace.Store
	by []func(workspace.Store) error
}

func (s *interrupted) interrupt() error {
	if len(s.by) == 0 {
		return nil
	}
	other := s.by[0]
	s.by = s.by[1:]
	return other(s.Store)
}

func (s *interrupted) Create(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	if err := s.interrupt(); err != nil {
		return err
	}
	return s.Store.Create(ctx, w, audit...)
}

func (s *interrupted) Update(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	if err := s.interrupt(); err != nil {
		return err
	}
	return s.Store.Update(ctx, w, audit...)
}

// apply makes the stored workspace what w says.
func apply(ctx context.Context, s workspace.Store, w *workspace.Workspace) (*workspace.Plan, error) {
	how := workspace.Applying{Prune: true, Validate: func(w *workspace.Workspace) error { return w.Validate() }}
	return how.Apply(ctx, s, workspace.NewDocument(w))
}

func TestApplyStartsOver(t *testing.T) {
	ctx := t.Context()
	rename := func(s workspace.Store) error {
		w, err := s.Get(ctx, "acme")
		if err != nil {
			return err
		}
		w.Name += "x"
		return s.Update(ctx, w)
	}
	create := func(s workspace.Store) error { return s.Create(ctx, workspace.New("acme")) }
	remove := func(s workspace.Store) error { return s.Delete(ctx, "acme", 0) }

	s := &interrupted{workspacetest.NewMemory(), []func(workspace.Store) error{create, rename, remove}}
	w := workspace.New("acme")
	w.Name = "mine"
	p, err := apply(ctx, s, w)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{`workspace "acme": created`, `name: "mine"`}, p.Changes); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
	stored, err := s.Get(ctx, "acme")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(stored, p.Workspace); d != "" {
		t.Errorf("stored and applied differ:\n%s", d)
	}

	// Somebody who never stops wins.
	for range 100 {
		s.by = append(s.by, rename)
	}
	w.Name, w.Revision = "mine again", 0
	if _, err := apply(ctx, s, w); !errors.Is(err, workspace.ErrConflict) {
		t.Errorf("against endless writers: %v", err)
	}
	// A revision that was asked for is not waited for.
	s.by = []func(workspace.Store) error{rename}
	stored, err = s.Get(ctx, "acme")
	if err != nil {
		t.Fatal(err)
	}
	w.Revision = stored.Revision
	if _, err := apply(ctx, s, w); !errors.Is(err, workspace.ErrConflict) || len(s.by) != 0 {
		t.Errorf("against a write after the revision that was given: %v", err)
	}
}

func TestApplyRefusesMasksOfNothing(t *testing.T) {
	_, err := apply(t.Context(), workspacetest.NewMemory(), workspacetest.Full("acme").Masked())
	wantProblem(t, "Apply", err, "sources[1].secret_access_key", "there is none")
}

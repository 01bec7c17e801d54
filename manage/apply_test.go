package manage_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/sqlite"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// overtaken is a store with another writer, which writes just before each of the first
// writes.
type overtaken struct {
	workspace.Store
	by []func(workspace.Store) error
}

func (s *overtaken) interrupt() error {
	if len(s.by) == 0 {
		return nil
	}
	other := s.by[0]
	s.by = s.by[1:]
	return other(s.Store)
}

func (s *overtaken) Create(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	if err := s.interrupt(); err != nil {
		return err
	}
	return s.Store.Create(ctx, w, audit...)
}

func (s *overtaken) Update(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	if err := s.interrupt(); err != nil {
		return err
	}
	return s.Store.Update(ctx, w, audit...)
}

// apply makes the stored workspace match w.
func apply(ctx context.Context, s workspace.Store, w *workspace.Workspace) (*workspace.Plan, error) {
	return manage.New(manage.Config{Store: s, Plans: fullPlans(ctx)}).Apply(ctx, manage.Operator, workspace.NewDocument(w), true)
}

// TestApplyToWorkspaceThatIsGone: a document for a revision creates nothing.
func TestApplyToWorkspaceThatIsGone(t *testing.T) {
	s := workspacetest.NewMemory()
	w := workspace.New("acme")
	w.Revision = 99
	_, err := apply(t.Context(), s, w)
	if !errors.Is(err, workspace.ErrConflict) || !strings.Contains(err.Error(), "revision 99") {
		t.Error(err)
	}
	if _, err := s.Get(t.Context(), "acme"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("it is stored: %v", err)
	}
	w.Revision = 0
	if _, err := apply(t.Context(), s, w); err != nil {
		t.Error(err)
	}
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

	s := &overtaken{workspacetest.NewMemory(), []func(workspace.Store) error{create, rename, remove}}
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
	if d := cmp.Diff(stored.Masked(), p.Workspace); d != "" {
		t.Errorf("stored and applied differ:\n%s", d)
	}

	// Apply gives up if the other writer never stops.
	for range 100 {
		s.by = append(s.by, rename)
	}
	w.Name, w.Revision = "mine again", 0
	if _, err := apply(ctx, s, w); !errors.Is(err, workspace.ErrConflict) {
		t.Errorf("against endless writers: %v", err)
	}
	// If the document names a revision, Apply doesn't start over.
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

// TestApplyRefusesMasksOfNothing: a new workspace has no secrets for masks to keep.
func TestApplyRefusesMasksOfNothing(t *testing.T) {
	_, err := apply(t.Context(), workspacetest.NewMemory(), workspacetest.Full("acme").Masked())
	if err == nil || !strings.Contains(err.Error(), `sources[1].secret_access_key: "***" keeps the stored secret, but there is none`) {
		t.Errorf("Apply: %v", err)
	}
}

// TestApplyIsCompiled: a plan refuses a document that can't be served, and stores nothing.
// A valid one has one line in the audit log.
func TestApplyIsCompiled(t *testing.T) {
	db := workspacetest.NewMemory()
	w := workspacetest.Full("acme")
	m := manage.New(manage.Config{Store: db, Plans: fullPlans(t.Context()), Delivery: stub{check: func(w *workspace.Workspace) error {
		if w.Name == "bad" {
			return errors.New("preset thumb: no")
		}
		return nil
	}}})
	w.Name = "bad"
	for _, do := range []func(context.Context, manage.Caller, *workspace.Document, bool) (*workspace.Plan, error){m.Plan, m.Apply} {
		if _, err := do(t.Context(), manage.Operator, workspace.NewDocument(w), false); err == nil || !strings.Contains(err.Error(), "can't be served: preset thumb: no.") {
			t.Errorf("%v", err)
		}
	}
	if _, err := db.Get(t.Context(), "acme"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("stored: %v", err)
	}
	w.Name = "good"
	for range 2 {
		p, err := m.Apply(t.Context(), manage.Operator, workspace.NewDocument(w), false)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Workspace.Sources {
			if s.SecretAccessKey != "" && s.SecretAccessKey != workspace.Mask {
				t.Errorf("a secret is shown: %+v", s)
			}
		}
	}
	stored, err := db.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	log, err := db.Audit(t.Context(), stored.ID, workspace.TrailChanges, "", 9)
	if err != nil || len(log) != 1 || log[0].Actor != "operator" || log[0].Action != "workspace.create" {
		t.Errorf("log %+v, %v", log, err)
	}
}

// TestApply applies the same workspace twice, then with masks, to each kind of store.
func TestApply(t *testing.T) {
	codec, err := workspace.NewCodec(workspace.NewSecretKey())
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(filepath.Join(t.TempDir(), "tintype.db"), codec)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, s := range map[string]workspace.Store{
		"memory": workspacetest.NewMemory(), "sqlite": db, "cached": cached.New(workspacetest.NewMemory(), cached.Config{}),
	} {
		t.Run(name, func(t *testing.T) {
			if p, err := apply(t.Context(), s, workspacetest.Full("acme")); err != nil || len(p.Changes) == 0 {
				t.Fatalf("a new workspace: %+v, %v", p, err)
			}
			if p, err := apply(t.Context(), s, workspacetest.Full("acme")); err != nil || len(p.Changes) != 0 {
				t.Fatalf("again: %+v, %v", p, err)
			}
			masked := workspacetest.Full("acme").Masked()
			masked.Name = "Acme"
			p, err := apply(t.Context(), s, masked)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]string{`name: "Acme & <söhne>" → "Acme"`}, p.Changes); d != "" {
				t.Errorf("changes (-want +got):\n%s", d)
			}
			w, err := s.Get(t.Context(), "acme")
			if err != nil || w.Revision != 2 || w.Sources[1].SecretAccessKey != "s3cret" || w.Sources[0].Headers["Authorization"] != "Bearer s3cret" {
				t.Errorf("applied: %+v, %v", w, err)
			}
			masked.Name, masked.Revision = "later", 1
			if _, err := apply(t.Context(), s, masked); !errors.Is(err, workspace.ErrConflict) {
				t.Errorf("from an old revision: %v", err)
			}
		})
	}
}

// TestApplyKeeps: without prune, nothing is removed. The merged result is validated.
func TestApplyKeeps(t *testing.T) {
	ctx := t.Context()
	s := workspacetest.NewMemory()
	old := workspacetest.Document(t, workspacetest.Present)
	m := manage.New(manage.Config{Store: s})
	if _, err := m.Apply(ctx, manage.Operator, old, false); err != nil {
		t.Fatal(err)
	}
	d := workspacetest.Document(t, `{namespace: acme, presets: [{name: thumb, options: w=400}], sources: [{key: media, prefix: a2026}]}`)
	planned, err := m.Plan(ctx, manage.Operator, d, false)
	if err != nil {
		t.Fatal(err)
	}
	if w, err := s.Get(ctx, "acme"); err != nil || w.Revision != 1 {
		t.Fatalf("a plan was carried out: %+v, %v", w, err)
	}
	done, err := m.Apply(ctx, manage.Operator, d, false)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`sources[media].prefix: "" → "a2026/"`, `presets[thumb].options: "w=320" → "w=400"`}
	if diff := cmp.Diff(want, done.Changes); diff != "" || !cmp.Equal(planned.Changes, done.Changes) || !cmp.Equal(planned.Kept, done.Kept) {
		t.Errorf("planned %q, kept %q, done (-want +got):\n%s", planned.Changes, planned.Kept, diff)
	}
	w, err := s.Get(ctx, "acme")
	if err != nil || w.Revision != 2 || w.Sources[1].SecretAccessKey != "hunter4" || w.Sources[0].Headers["X-Token"] != "hunter2" || len(w.Presets) != 2 {
		t.Errorf("stored: %+v, %v", w, err)
	}
	if done, err = m.Apply(ctx, manage.Operator, d, false); err != nil || len(done.Changes) != 0 || done.Workspace.Revision != 2 {
		t.Errorf("again: %+v, %v", done, err)
	}
	m = manage.New(manage.Config{Store: s, Delivery: stub{check: func(w *workspace.Workspace) error {
		if len(w.Presets) != 3 {
			t.Errorf("judged %d presets", len(w.Presets))
		}
		return errors.New("refused")
	}}})
	more := workspacetest.Document(t, `{namespace: acme, presets: [{name: more, options: w=1}]}`)
	for _, do := range []func(context.Context, manage.Caller, *workspace.Document, bool) (*workspace.Plan, error){m.Plan, m.Apply} {
		if _, err := do(ctx, manage.Operator, more, false); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%v", err)
		}
	}
}

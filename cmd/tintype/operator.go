package main

import (
	"context"

	"github.com/tintype/tintype/workspace"
)

// An operatorStore notes in the audit log what this process writes by itself, because
// its flags say so.
type operatorStore struct{ workspace.Store }

// Create implements [workspace.Store].
func (s operatorStore) Create(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	return s.Store.Create(ctx, w, append(audit, byOperator("workspace.create", nil, w))...)
}

// Update implements [workspace.Store].
func (s operatorStore) Update(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	before, err := s.Get(ctx, w.Namespace)
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, w, append(audit, byOperator("workspace.update", before, w))...)
}

func byOperator(action string, before, after *workspace.Workspace) workspace.AuditEntry {
	e := workspace.AuditEntry{Actor: "operator", Action: action, Target: after.Namespace}
	e.Before, e.After = workspace.AuditDetail(before, after)
	return e
}

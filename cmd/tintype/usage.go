package main

import (
	"context"
	"time"

	"github.com/tintype/tintype/lease"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
)

// freshRecords is a store whose counts have those that this server has not sent to it yet, for
// pages and the API. What is billed goes by the store alone.
type freshRecords struct {
	store
	fresh usage.Fresh
}

var _ workspace.Totals = freshRecords{}

func (r freshRecords) Usage(ctx context.Context, workspaceID, from, to string) ([]workspace.Usage, error) {
	return r.fresh.Usage(ctx, workspaceID, from, to)
}

func (r freshRecords) UsageInParts(ctx context.Context, workspaceID, from, to string) ([]workspace.Usage, error) {
	return r.fresh.UsageInParts(ctx, workspaceID, from, to)
}

func (r freshRecords) Total(ctx context.Context, workspaceID, from, to string) (workspace.Usage, error) {
	return r.fresh.Total(ctx, workspaceID, from, to)
}

// foldLease is how long a server that folds may be quiet before another one does.
const foldLease = 4 * time.Minute

// fold returns what has the store add counts up, on one of several servers.
func (s *startup) fold(folder workspace.Folder) func(context.Context) {
	l := lease.New(s.store, "usage", foldLease, s.now)
	return func(ctx context.Context) {
		defer func() { _ = l.Release(ctx) }() // or it ends by itself
		usage.RunFolds(ctx, usage.FoldConfig{Store: folder, Mine: l.Take, Log: s.log, Now: s.now})
	}
}

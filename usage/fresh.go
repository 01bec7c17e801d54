package usage

import (
	"context"

	"github.com/tintype/tintype/workspace"
)

// Fresh reads the counts of a store, and adds those that this server has not sent yet. So pages
// show what was just counted here.
type Fresh struct {
	Store    workspace.Counters
	Recorder *Recorder
}

var _ workspace.Totals = Fresh{}

// Usage is that of [workspace.Counters].
func (f Fresh) Usage(ctx context.Context, workspaceID, from, to string) ([]workspace.Usage, error) {
	rows, err := f.Store.Usage(ctx, workspaceID, from, to)
	if err != nil {
		return nil, err
	}
	unsent := f.Recorder.Unsent(workspaceID, from, to)
	for i := range unsent {
		unsent[i].Countries, unsent[i].Keys = nil, nil
	}
	return join(rows, unsent), nil
}

// UsageInParts is that of [workspace.Counters].
func (f Fresh) UsageInParts(ctx context.Context, workspaceID, from, to string) ([]workspace.Usage, error) {
	rows, err := f.Store.UsageInParts(ctx, workspaceID, from, to)
	if err != nil {
		return nil, err
	}
	return join(rows, f.Recorder.Unsent(workspaceID, from, to)), nil
}

// Total implements [workspace.Totals].
func (f Fresh) Total(ctx context.Context, workspaceID, from, to string) (total workspace.Usage, err error) {
	if totals, ok := f.Store.(workspace.Totals); ok {
		if total, err = totals.Total(ctx, workspaceID, from, to); err != nil {
			return total, err
		}
	} else {
		rows, err := f.Store.Usage(ctx, workspaceID, from, to)
		if err != nil {
			return total, err
		}
		for _, u := range rows {
			total.Add(u)
		}
	}
	total.WorkspaceID = workspaceID
	for _, u := range f.Recorder.Unsent(workspaceID, from, to) {
		u.Countries, u.Keys = nil, nil
		total.Add(u)
	}
	return total, nil
}

// join adds rows to others, and returns all of them sorted.
func join(rows, more []workspace.Usage) []workspace.Usage {
	if len(more) == 0 {
		return rows
	}
	return workspace.Tally{Usage: append(rows, more...)}.Merged().Usage
}

package manage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

const (
	usageDays = 30 // of an answer, if the caller names no day

	// MaxUsageDays is the largest number of days in one answer of [Manager.Usage].
	MaxUsageDays = 92
)

// Usage holds the counts of a workspace.
type Usage struct {
	From  string            `json:"from" doc:"First day of the answer."`
	To    string            `json:"to" doc:"Last day of the answer."`
	Units workspace.Units   `json:"units" doc:"Sum over the rows."`
	Rows  []workspace.Usage `json:"usage" nullable:"false" doc:"One row for each day, operation and source with a count, sorted in this order. The source is empty for originals by full URL."`
}

// Usage returns the counts from one day to another, both included, in UTC. A zero `to` is
// today. A zero `from` is 29 days before `to`.
func (m *Manager) Usage(ctx context.Context, who Caller, namespace string, from, to time.Time) (out Usage, err error) {
	w, out, err := m.counted(ctx, who, namespace, from, to)
	if err != nil || m.records == nil {
		return out, err
	}
	return out, fill(ctx, w, &out, m.records.UsageInParts)
}

// fill reads the counts of the days that out names.
func fill(ctx context.Context, w *workspace.Workspace, out *Usage, read func(ctx context.Context, workspaceID, from, to string) ([]workspace.Usage, error)) error {
	rows, err := read(ctx, w.ID, out.From, out.To)
	if err != nil {
		return fmt.Errorf("reading the usage of workspace %q: %w", w.Namespace, err)
	}
	if rows != nil {
		out.Rows = rows
	}
	for _, u := range rows {
		out.Units += u.Units
	}
	return nil
}

// CompareUsage returns what [Manager.Usage] does, without countries and keys, and what [Manager.TotalUsage] does for some
// days before them. It reads both side by side.
func (m *Manager) CompareUsage(ctx context.Context, who Caller, namespace string, from, to time.Time, before int) (out Usage, total workspace.Usage, err error) {
	w, out, err := m.counted(ctx, who, namespace, from, to)
	if err != nil || m.records == nil {
		return out, total, err
	}
	wrong := make(chan error, 1)
	go func() {
		var err error
		total, err = m.total(ctx, w, from.AddDate(0, 0, -before).Format(time.DateOnly), from.AddDate(0, 0, -1).Format(time.DateOnly))
		wrong <- err
	}()
	err = fill(ctx, w, &out, m.records.Usage)
	return out, total, errors.Join(err, <-wrong)
}

// TotalUsage returns the sum of the counts that [Manager.Usage] returns. Where the store can
// sum them up, it is many times as fast.
func (m *Manager) TotalUsage(ctx context.Context, who Caller, namespace string, from, to time.Time) (total workspace.Usage, err error) {
	w, days, err := m.counted(ctx, who, namespace, from, to)
	if err != nil || m.records == nil {
		return total, err
	}
	return m.total(ctx, w, days.From, days.To)
}

func (m *Manager) total(ctx context.Context, w *workspace.Workspace, from, to string) (total workspace.Usage, err error) {
	if totals, ok := m.records.(workspace.Totals); ok {
		if total, err = totals.Total(ctx, w.ID, from, to); err != nil {
			return total, fmt.Errorf("summing up the usage of workspace %q: %w", w.Namespace, err)
		}
		return total, nil
	}
	rows, err := m.records.Usage(ctx, w.ID, from, to)
	if err != nil {
		return total, fmt.Errorf("reading the usage of workspace %q: %w", w.Namespace, err)
	}
	for _, u := range rows {
		total.Add(u)
	}
	return total, nil
}

// counted returns the workspace whose counts are read, and the days as they are stored.
func (m *Manager) counted(ctx context.Context, who Caller, namespace string, from, to time.Time) (w *workspace.Workspace, out Usage, err error) {
	if err := who.Allow(account.ReadUsage, namespace); err != nil {
		return nil, out, err
	}
	if to.IsZero() {
		to = m.now().UTC()
	}
	if from.IsZero() {
		from = to.AddDate(0, 0, 1-usageDays)
	}
	out = Usage{From: from.Format(time.DateOnly), To: to.Format(time.DateOnly), Rows: []workspace.Usage{}}
	switch {
	case out.To < out.From:
		return nil, out, invalid("from: must not be after to.")
	case from.AddDate(0, 0, MaxUsageDays).Format(time.DateOnly) <= out.To:
		return nil, out, invalid(fmt.Sprintf("from: at most %d days can be read at a time.", MaxUsageDays))
	}
	w, err = m.open(ctx, who, account.ReadUsage, namespace)
	return w, out, err
}

package manage

import (
	"context"
	"fmt"
	"time"

	"github.com/tintype/tintype/workspace"
)

const (
	usageDays    = 30 // of an answer, where the caller names none
	maxUsageDays = 92 // of one answer
)

// Usage is what was counted of a workspace.
type Usage struct {
	From string            `json:"from" doc:"First day of the answer."`
	To   string            `json:"to" doc:"Last day of the answer."`
	Rows []workspace.Usage `json:"usage" nullable:"false" doc:"One row for each day, operation and source that something was counted of, in this order. The source of originals by full URL is empty."`
}

// Usage returns what was counted from one day to another, both included. Days are UTC. Where
// `to` is zero it is today, and where `from` is zero it is 29 days before.
func (m *Manager) Usage(ctx context.Context, who Caller, namespace string, from, to time.Time) (out Usage, err error) {
	if err := who.Allow(Read, namespace); err != nil {
		return out, err
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
		return out, invalid("from: must not be after to.")
	case from.AddDate(0, 0, maxUsageDays).Format(time.DateOnly) <= out.To:
		return out, invalid(fmt.Sprintf("from: the days may be %d at a time.", maxUsageDays))
	}
	w, err := m.open(ctx, who, Read, namespace)
	if err != nil || m.records == nil {
		return out, err
	}
	rows, err := m.records.Usage(ctx, w.ID, out.From, out.To)
	if err != nil {
		return out, fmt.Errorf("reading the usage of workspace %q: %w", namespace, err)
	}
	out.Rows = append(out.Rows, rows...)
	return out, nil
}

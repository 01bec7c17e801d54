package manage

import (
	"context"
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
	From string            `json:"from" doc:"First day of the answer."`
	To   string            `json:"to" doc:"Last day of the answer."`
	Rows []workspace.Usage `json:"usage" nullable:"false" doc:"One row for each day, operation and source with a count, sorted in this order. The source is empty for originals by full URL."`
}

// Usage returns the counts from one day to another, both included, in UTC. A zero `to` is
// today. A zero `from` is 29 days before `to`.
func (m *Manager) Usage(ctx context.Context, who Caller, namespace string, from, to time.Time) (out Usage, err error) {
	if err := who.Allow(account.ReadUsage, namespace); err != nil {
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
	case from.AddDate(0, 0, MaxUsageDays).Format(time.DateOnly) <= out.To:
		return out, invalid(fmt.Sprintf("from: at most %d days can be read at a time.", MaxUsageDays))
	}
	w, err := m.open(ctx, who, account.ReadUsage, namespace)
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

package manage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

const errorDays = 7 // of an answer, if the caller names no day

// NoSource selects errors of no source.
const NoSource = "-"

// An ErrorFilter selects errors of images. The zero value selects those of the last seven
// days.
type ErrorFilter struct {
	From, To time.Time // days, both included, in UTC; a zero To is today, a zero From six days before
	Source   string    // key of a source, or NoSource; empty is any
	Status   int       // 0 is any
	Code     string    // empty is any
}

// Passes reports whether a row has the source, the status and the code.
func (f ErrorFilter) Passes(r workspace.ErrorCount) bool {
	source := f.Source
	if source == NoSource {
		source = ""
	}
	return (f.Source == "" || r.Source == source) && (f.Status == 0 || r.Status == f.Status) && (f.Code == "" || r.Code == f.Code)
}

// ImageErrors holds errors of the images of a workspace.
type ImageErrors struct {
	From string                 `json:"from" doc:"First day of the answer."`
	To   string                 `json:"to" doc:"Last day of the answer."`
	Rows []workspace.ErrorCount `json:"errors" nullable:"false" doc:"One row for each day, source, status and code: the newest day first, and of each day the most frequent first."`
}

// ImageErrors returns which requests for images failed.
func (m *Manager) ImageErrors(ctx context.Context, who Caller, namespace string, f ErrorFilter) (out ImageErrors, err error) {
	if err := who.Allow(account.ReadErrors, namespace); err != nil {
		return out, err
	}
	if f.To.IsZero() {
		f.To = m.now().UTC()
	}
	if f.From.IsZero() {
		f.From = f.To.AddDate(0, 0, 1-errorDays)
	}
	out = ImageErrors{From: f.From.Format(time.DateOnly), To: f.To.Format(time.DateOnly), Rows: []workspace.ErrorCount{}}
	most := int(workspace.ErrorsKept/(24*time.Hour)) + 1 // today and those that are kept
	switch {
	case out.To < out.From:
		return out, invalid("from: must not be after to.")
	case f.From.AddDate(0, 0, most).Format(time.DateOnly) <= out.To:
		return out, invalid(fmt.Sprintf("from: at most %d days can be read at a time.", most))
	}
	if code := fault.Code(f.Code); f.Code != "" && f.Code != workspace.OtherErrors && f.Code != workspace.ClientGone && code.Kind().Code != code {
		return out, invalid("code: is no code of an error: write one such as NOT_FOUND.")
	}
	w, err := m.open(ctx, who, account.ReadErrors, namespace)
	if err != nil || m.records == nil {
		return out, err
	}
	rows, err := m.records.Errors(ctx, w.ID, out.From, out.To)
	if err != nil {
		return out, fmt.Errorf("reading the errors of workspace %q: %w", w.Namespace, err)
	}
	rows = slices.DeleteFunc(rows, func(r workspace.ErrorCount) bool { return !f.Passes(r) })
	out.Rows = append(out.Rows, rows...)
	return out, nil
}

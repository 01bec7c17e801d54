package manage

import (
	"context"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

// A Quota is a limit on the transforms of a day or a month, and how much of it is used.
type Quota struct {
	Window    string    `json:"window" enum:"day,month" doc:"What the limit is on: transforms of a day or of a month, in UTC."`
	Limit     int64     `json:"limit" doc:"At the limit, new images get 429 QUOTA_EXCEEDED. Images in the cache go on being answered."`
	Used      int64     `json:"used" doc:"Transforms since the window began. Some seconds behind."`
	Remaining int64     `json:"remaining"`
	ResetsAt  time.Time `json:"resets_at" doc:"When the next window begins."`
}

// QuotasOf returns the quotas that limits set, the day's first. today and month are the
// transforms so far.
func QuotasOf(l workspace.Limits, today, month int64, now time.Time) (list []Quota) {
	day, first := beginnings(now)
	add := func(window string, most int, used int64, ends time.Time) {
		if most > 0 {
			list = append(list, Quota{window, int64(most), used, max(0, int64(most)-used), ends})
		}
	}
	add("day", l.TransformsPerDay, today, day.AddDate(0, 0, 1))
	add("month", l.TransformsPerMonth, month, first.AddDate(0, 1, 0))
	return list
}

// beginnings returns when the day and the month of a time began, in UTC.
func beginnings(t time.Time) (day, month time.Time) {
	t = t.UTC()
	return t.Truncate(24 * time.Hour), time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// Quotas returns what bounds a workspace, and how much of the limits on days and months is used.
func (m *Manager) Quotas(ctx context.Context, who Caller, namespace string) (b Bounds, list []Quota, err error) {
	w, err := m.open(ctx, who, account.ReadUsage, namespace)
	if err != nil {
		return b, nil, err
	}
	b = m.BoundsOf(w)
	now := m.now()
	var today, since workspace.Usage
	l := b.Limits
	if m.records != nil {
		day, month := beginnings(now)
		if l.TransformsPerDay > 0 {
			if today, err = m.total(ctx, w, day.Format(time.DateOnly), day.Format(time.DateOnly)); err != nil {
				return b, nil, err
			}
		}
		if l.TransformsPerMonth > 0 {
			if since, err = m.total(ctx, w, month.Format(time.DateOnly), day.Format(time.DateOnly)); err != nil {
				return b, nil, err
			}
		}
	}
	return b, QuotasOf(l, today.Transforms, since.Transforms, now), nil
}

package dashboard

import (
	"net/url"
	"strconv"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/server/dashboard/plot"
	"github.com/tintype/tintype/workspace"
)

// A limitField is a field of the page of limits.
type limitField struct {
	Name, Label, Help string
	of                func(*workspace.Limits) *int
}

var limitFields = []limitField{
	{
		"requests_per_minute", "Requests a minute", "Every request for an image counts, also one that the cache answers. Requests above it get 429 until the minute is over.",
		func(l *workspace.Limits) *int { return &l.RequestsPerMinute },
	},
	{
		"transforms_per_minute", "Transforms a minute", "Only new images count. Images that are in the cache go on being answered.",
		func(l *workspace.Limits) *int { return &l.TransformsPerMinute },
	},
	{
		"transforms_per_day", "Transforms a day", "The day begins at 00:00 UTC. The audit log has a line when 80 % are used.",
		func(l *workspace.Limits) *int { return &l.TransformsPerDay },
	},
	{
		"transforms_per_month", "Transforms a month", "The month begins on its first day at 00:00 UTC. The audit log has a line when 80 % are used.",
		func(l *workspace.Limits) *int { return &l.TransformsPerMonth },
	},
}

// A limitsData is what the page of limits shows beside the form.
type limitsData struct {
	Fields []limitField
	Quotas []quota
	Bounds manage.Bounds
	Facts  []planFact // of the plan
	Prices []price
	Units  string    // since the first of the month
	Since  time.Time // the first of the month
	Sale   *sale     // nil where this server sells no plans
}

// A price is what one of an operation costs.
type price struct{ What, Units string }

// operations are what costs units, in the order of the page.
var operations = []struct{ name, what string }{
	{"transform", "An image in a new size or form"}, {"info", "Facts of an image, such as its colours"}, {"placeholder", "A placeholder"}, {"grid", "A grid of images"},
}

// Unset returns what a field says that is empty.
func (d limitsData) Unset(f limitField) string {
	if p := d.Bounds.Plan; p != nil {
		if most := *f.of(&p.Limits); most > 0 {
			return "the plan’s: " + plot.Grouped(int64(most))
		}
	}
	return "no limit"
}

// limits is the page of how much the workspace may do.
func (v *visit) limits() error {
	fields := map[string]string{}
	for _, f := range limitFields {
		fields["limits."+f.Name] = f.Name
	}
	return v.settings(settingsForm{
		template: "limits", after: "/limits", needs: account.UpdateLimits, fields: fields,
		fill: func(w *workspace.Workspace) url.Values {
			values := url.Values{}
			for _, f := range limitFields {
				if n := *f.of(&w.Limits); n != 0 {
					values.Set(f.Name, strconv.Itoa(n))
				}
			}
			return values
		},
		edit: func(w *workspace.Workspace, typed form) error {
			var wrong []workspace.Problem
			for _, f := range limitFields {
				n, ok := typed.number(f.Name)
				if !ok {
					wrong = append(wrong, workspace.Problem{Path: "limits." + f.Name, Message: "must be a whole number such as 10000, or empty for none of its own"})
				}
				*f.of(&w.Limits) = n
			}
			if wrong != nil {
				return &workspace.ValidationError{Problems: wrong}
			}
			return nil
		},
		data: func(v *visit, w *workspace.Workspace) (any, error) {
			d := limitsData{Fields: limitFields, Bounds: v.d.Manage.BoundsOf(w)}
			d.Facts = planFacts(d.Bounds.Plan)
			for _, o := range operations {
				d.Prices = append(d.Prices, price{o.what, d.Bounds.Prices[o.name].String()})
			}
			today := v.d.now().UTC()
			d.Since = firstOfMonth(today)
			total, err := v.d.Manage.TotalUsage(v.r.Context(), v.caller(), v.ns, d.Since, today)
			if err != nil {
				return nil, err
			}
			d.Units = plot.Amount(total.Units.Float())
			if d.Sale, err = v.sale(); err != nil {
				return nil, err
			}
			holds := d.Bounds.Limits
			if holds.TransformsPerDay == 0 && holds.TransformsPerMonth == 0 {
				return d, nil
			}
			u, err := v.d.Manage.Usage(v.r.Context(), v.caller(), v.ns, today, today)
			if err != nil {
				return nil, err
			}
			d.Quotas, err = v.quotas(holds, u.Rows, today)
			return d, err
		},
	})
}

// A quota is a limit on a day's or a month's transforms, and how much of it is used.
type quota struct {
	Window    string // "day" or "month"
	Used, Max int64
	Ends      time.Time // when it starts again
}

// Percent returns how much is used, from 0 to 100.
func (q quota) Percent() int64 { return min(100, q.Used*100/q.Max) }

// Low returns 80 % of the quota.
func (q quota) Low() int64 { return q.Max * 80 / 100 }

// Level returns "low" below 80 %, then "high", and "full" where nothing is left.
func (q quota) Level() string {
	switch {
	case q.Used >= q.Max:
		return "full"
	case q.Used*100 >= q.Max*80:
		return "high"
	}
	return "low"
}

// quotas returns the quotas of a workspace today. The rows are those from a day until today.
func (v *visit) quotas(l workspace.Limits, rows []workspace.Usage, from time.Time) (list []quota, err error) {
	now := v.d.now().UTC()
	first := firstOfMonth(now)
	day, month := now.Format(time.DateOnly), first.Format(time.DateOnly)
	var today, since int64
	for _, u := range rows {
		if u.Day >= month {
			since += u.Transforms
		}
		if u.Day == day {
			today += u.Transforms
		}
	}
	if l.TransformsPerMonth > 0 && first.Before(from) {
		total, err := v.d.Manage.TotalUsage(v.r.Context(), v.caller(), v.ns, first, now)
		if err != nil {
			return nil, err
		}
		since = total.Transforms
	}
	for _, q := range manage.QuotasOf(l, today, since, now) {
		list = append(list, quota{q.Window, q.Used, q.Limit, q.ResetsAt})
	}
	return list, nil
}

func firstOfMonth(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

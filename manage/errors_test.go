package manage_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// TestImageErrors: the errors of some days can be read, by source, status and code.
func TestImageErrors(t *testing.T) {
	now := time.Date(2026, 5, 31, 12, 0, 0, 0, time.UTC)
	_, db := start(t, nil)
	row := func(day, source string, status int, code string, count int64) workspace.ErrorCount {
		return workspace.ErrorCount{Day: day, Source: source, Status: status, Code: code, Count: count, Samples: []workspace.ErrorSample{}}
	}
	today, yesterday, weekAgo := row("2026-05-31", "photos", 404, "NOT_FOUND", 3), row("2026-05-30", "", 403, "SOURCE_NOT_ALLOWED", 2), row("2026-05-24", "photos", 502, "ORIGIN_ERROR", 1)
	other := row("2026-05-30", "", 0, workspace.OtherErrors, 1)
	stored := failed{db, []workspace.ErrorCount{today, yesterday, other, weekAgo}}
	m := manage.New(manage.Config{Store: db, Records: stored, Now: func() time.Time { return now }})
	day := func(s string) time.Time {
		at, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for name, tt := range map[string]struct {
		filter   manage.ErrorFilter
		from, to string
		want     []workspace.ErrorCount
	}{
		"a week":    {manage.ErrorFilter{}, "2026-05-25", "2026-05-31", []workspace.ErrorCount{today, yesterday, other}},
		"yesterday": {manage.ErrorFilter{From: day("2026-05-30"), To: day("2026-05-30")}, "2026-05-30", "2026-05-30", []workspace.ErrorCount{yesterday, other}},
		"until":     {manage.ErrorFilter{To: day("2026-05-24")}, "2026-05-18", "2026-05-24", []workspace.ErrorCount{weekAgo}},
		"source":    {manage.ErrorFilter{From: day("2026-05-01"), Source: "photos"}, "2026-05-01", "2026-05-31", []workspace.ErrorCount{today, weekAgo}},
		"no source": {manage.ErrorFilter{Source: manage.NoSource}, "2026-05-25", "2026-05-31", []workspace.ErrorCount{yesterday, other}},
		"status":    {manage.ErrorFilter{Status: 403}, "2026-05-25", "2026-05-31", []workspace.ErrorCount{yesterday}},
		"code":      {manage.ErrorFilter{Code: "NOT_FOUND", Status: 404, Source: "photos"}, "2026-05-25", "2026-05-31", []workspace.ErrorCount{today}},
		"nothing":   {manage.ErrorFilter{Code: "BLOCKED"}, "2026-05-25", "2026-05-31", []workspace.ErrorCount{}},
	} {
		got, err := m.ImageErrors(t.Context(), manage.Operator, "acme", tt.filter)
		if diff := cmp.Diff(manage.ImageErrors{From: tt.from, To: tt.to, Rows: tt.want}, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	for _, f := range []manage.ErrorFilter{{From: day("2026-06-01")}, {From: day("2026-04-29")}, {Code: "not_found"}} {
		if _, err := m.ImageErrors(t.Context(), manage.Operator, "acme", f); err == nil || fault.OfManaging(err).Code != fault.Validation {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

// failed are records with errors of one workspace.
type failed struct {
	manage.Records
	rows []workspace.ErrorCount
}

func (f failed) Errors(_ context.Context, _, from, to string) ([]workspace.ErrorCount, error) {
	return slices.DeleteFunc(slices.Clone(f.rows), func(r workspace.ErrorCount) bool { return r.Day < from || r.Day > to }), nil
}

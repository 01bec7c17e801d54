package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

func TestUsage(t *testing.T) {
	db := workspacetest.NewMemory()
	today := time.Date(2026, 3, 5, 23, 59, 0, 0, time.UTC)
	s := startOn(t, db, func(c *config) { c.Now = func() time.Time { return today } })
	w := workspace.New("acme")
	if err := db.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	row := func(day, source string) workspace.Usage {
		return workspace.Usage{WorkspaceID: w.ID, Day: day, Operation: "transform", Source: source, Requests: 5, Hits: 3, Transforms: 2, Errors: 1, BytesIn: 9, BytesOut: 8, Units: 1500,
			Countries: map[string]workspace.Part{"DE": {Requests: 4, Units: 1500}}, Keys: map[string]workspace.Part{"k1": {Requests: 1}}}
	}
	var rows []workspace.Usage
	for _, day := range []string{"2026-02-03", "2026-02-04", "2026-03-05", "2026-03-06"} {
		rows = append(rows, row(day, ""), row(day, "photos"))
	}
	if err := db.AddTally(t.Context(), workspace.Tally{ID: "1", Usage: rows}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		query, from, to string
		want            []workspace.Usage
	}{
		{"", "2026-02-04", "2026-03-05", rows[2:6]},
		{"?from=2026-02-03&to=2026-02-03", "2026-02-03", "2026-02-03", rows[0:2]},
		{"?to=2026-02-03", "2026-01-05", "2026-02-03", rows[0:2]},
		{"?from=2026-01-01&to=2026-04-02", "2026-01-01", "2026-04-02", rows},
	} {
		var out struct {
			From, To string
			Units    float64
			Usage    []workspace.Usage
		}
		body := s.do(t, "GET", "/v1/workspaces/acme/usage"+tt.query, "").want(t, 200).body
		if err := json.Unmarshal([]byte(body), &out); err != nil {
			t.Fatal(err)
		}
		if want := `"units":1.5,"countries":{"DE":{"requests":4,"units":1.5}},"keys":{"k1":{"requests":1,"units":0}}}`; !strings.Contains(body, want) || out.Units != 1.5*float64(len(tt.want)) {
			t.Errorf("%s: %v units, want %s in %s", tt.query, out.Units, want, body)
		}
		for i := range out.Usage {
			out.Usage[i].WorkspaceID = w.ID
		}
		if diff := cmp.Diff(tt.want, out.Usage); diff != "" || out.From != tt.from || out.To != tt.to {
			t.Errorf("%s: %s to %s: %s", tt.query, out.From, out.To, diff)
		}
	}
	for query, want := range map[string]string{
		"?from=yesterday":                "from: must be a day",
		"?to=2026-02-30":                 "to: must be a day",
		"?from=2026-02-02&to=2026-02-01": "from: must not be after to",
		"?from=2026-01-01&to=2026-04-03": "from: at most 92 days",
	} {
		if message := s.do(t, "GET", "/v1/workspaces/acme/usage"+query, "").wantError(t, 400, "VALIDATION_ERROR"); !strings.HasPrefix(message, want) {
			t.Errorf("%s: %s", query, message)
		}
	}
	s.do(t, "GET", "/v1/workspaces/nobody/usage", "").wantError(t, 404, "WORKSPACE_NOT_FOUND")
}

// TestGetErrors: the errors of images by day, source, status and code.
func TestGetErrors(t *testing.T) {
	db := workspacetest.NewMemory()
	s := startOn(t, db, nil)
	w := workspace.New("acme")
	if err := db.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	at := time.Now().UTC().Truncate(time.Second)
	today := at.Format(time.DateOnly)
	row := workspace.ErrorCount{
		Day: today, Source: "photos", Status: 404, Code: "NOT_FOUND", Count: 3, FirstSeen: at, LastSeen: at,
		Samples: []workspace.ErrorSample{{Path: "/photos/x.jpg?w=9&h=9", SeenAt: at}},
	}
	full := workspace.ErrorCount{Day: today, Status: 403, Code: "SOURCE_NOT_ALLOWED", Count: 1, FirstSeen: at, LastSeen: at, Samples: []workspace.ErrorSample{}}
	if err := db.PutErrors(t.Context(), workspace.ErrorReport{WorkspaceID: w.ID, Day: today, Part: "a", Rows: []workspace.ErrorCount{row, full}}); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string][]workspace.ErrorCount{
		"": {row, full}, "?from=" + today + "&to=" + today: {row, full}, "?source=photos": {row}, "?source=-": {full}, "?status=403": {full}, "?code=NOT_FOUND": {row},
		"?source=photos&status=403": {}, "?to=2026-01-01": {}, "?code=other": {},
	} {
		var out struct{ Errors []workspace.ErrorCount }
		if err := json.Unmarshal([]byte(s.do(t, "GET", "/v1/workspaces/acme/errors"+query, "").want(t, 200).body), &out); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.Errors); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	for query, want := range map[string]string{
		"?from=yesterday": "from: must be a day", "?to=2026-02-30": "to: must be a day", "?from=2026-02-02&to=2026-02-01": "from: must not be after to",
		"?from=2026-01-01&to=2026-02-02": "from: at most 32 days", "?status=200": "status: ", "?status=x": "status: ", "?code=nope": "code: is no code",
	} {
		if message := s.do(t, "GET", "/v1/workspaces/acme/errors"+query, "").wantError(t, 400, "VALIDATION_ERROR"); !strings.HasPrefix(message, want) {
			t.Errorf("%s: %s", query, message)
		}
	}
	s.do(t, "GET", "/v1/workspaces/nobody/errors", "").wantError(t, 404, "WORKSPACE_NOT_FOUND")
}

// TestQuotas: the limits on a day and a month, how much is used, and when they reset.
func TestQuotas(t *testing.T) {
	db := workspacetest.NewMemory()
	s := startOn(t, db, func(c *config) {
		c.Now = func() time.Time { return time.Date(2026, 2, 28, 23, 59, 0, 0, time.UTC) }
	})
	w := workspace.New("acme")
	if err := db.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	tally := workspace.Tally{ID: "1"}
	for _, day := range []string{"2026-01-31", "2026-02-01", "2026-02-28"} {
		tally.Usage = append(tally.Usage, workspace.Usage{WorkspaceID: w.ID, Day: day, Operation: "transform", Source: "photos", Requests: 90, Transforms: 7})
	}
	if err := db.AddTally(t.Context(), tally); err != nil {
		t.Fatal(err)
	}
	for limits, want := range map[string]string{
		`{}`:                          `[]`,
		`{"requests_per_minute":9}`:   `[]`,
		`{"transforms_per_day":5}`:    `[{"window":"day","limit":5,"used":7,"remaining":0,"resets_at":"2026-03-01T00:00:00Z"}]`,
		`{"transforms_per_month":20}`: `[{"window":"month","limit":20,"used":14,"remaining":6,"resets_at":"2026-03-01T00:00:00Z"}]`,
	} {
		s.do(t, "PATCH", "/v1/workspaces/acme", `{"limits":null}`).want(t, 200)
		s.do(t, "PATCH", "/v1/workspaces/acme", `{"limits":`+limits+`}`).want(t, 200)
		if a := s.do(t, "GET", "/v1/workspaces/acme/limits", "").want(t, 200); !strings.HasSuffix(a.body, `"quotas":`+want+"}\n") {
			t.Errorf("%s: %s", limits, a.body)
		}
	}
}

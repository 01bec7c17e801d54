package workspace_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/workspace"
)

// TestMergeErrors: rows of several servers become one, with the newest samples. What is over
// the bound of a day sums up, and nothing is lost of the count.
func TestMergeErrors(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 5, 1, 12, minute, 0, 0, time.UTC) }
	sample := func(path string, minute int) workspace.ErrorSample {
		return workspace.ErrorSample{Path: path, SeenAt: at(minute)}
	}
	row := func(day string, count int64, first, last int, samples ...workspace.ErrorSample) workspace.ErrorCount {
		return workspace.ErrorCount{Day: day, Source: "photos", Status: 404, Code: "NOT_FOUND", Count: count, FirstSeen: at(first), LastSeen: at(last), Samples: samples}
	}
	got := workspace.MergeErrors([]workspace.ErrorCount{
		row("2026-05-01", 3, 5, 9, sample("/a", 1), sample("/b", 9)),
		row("2026-05-02", 1, 1, 1),
		row("2026-05-01", 4, 2, 7, sample("/a", 7), sample("/c", 6), sample("/d", 5), sample("/e", 4), sample("/f", 3)),
	})
	want := []workspace.ErrorCount{
		row("2026-05-02", 1, 1, 1),
		row("2026-05-01", 7, 2, 9, sample("/b", 9), sample("/a", 7), sample("/c", 6), sample("/d", 5), sample("/e", 4)),
	}
	want[0].Samples = []workspace.ErrorSample{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	var many []workspace.ErrorCount
	for i := range 3 * workspace.MaxErrorRows {
		many = append(many, workspace.ErrorCount{Day: "2026-05-01", Source: fmt.Sprint("s", i), Status: 404, Code: "NOT_FOUND", Count: int64(i + 1), FirstSeen: at(1), LastSeen: at(2), Samples: []workspace.ErrorSample{sample("/x", 1)}})
	}
	many = append(many, workspace.ErrorCount{Day: "2026-05-01", Code: workspace.OtherErrors, Count: 1000, FirstSeen: at(0), LastSeen: at(1)})
	got = workspace.MergeErrors(many)
	var sum, other int64
	for _, r := range got {
		if sum += r.Count; r.Code == workspace.OtherErrors {
			other = r.Count
			if r.Status != 0 || r.Source != "" || len(r.Samples) != 0 || r.FirstSeen != at(0) || r.LastSeen != at(2) {
				t.Errorf("the row of the others: %+v", r)
			}
		}
	}
	if len(got) != workspace.MaxErrorRows || sum != 600*601/2+1000 || other != 401*402/2+1000 {
		t.Errorf("%d rows, %d errors, %d of them others", len(got), sum, other)
	}
}

// TestEncodeErrors: what is stored is read back, and the largest report fits into an item of
// DynamoDB, which has 400 kB.
func TestEncodeErrors(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 123e6, time.UTC)
	var rows []workspace.ErrorCount
	for i := range workspace.MaxErrorRows {
		r := workspace.ErrorCount{Day: "2026-05-01", Source: fmt.Sprintf("%064d", i), Status: 403, Code: "ORIGIN_NOT_ALLOWED", Count: 1 << 40, FirstSeen: at, LastSeen: at.Add(time.Hour)}
		for range workspace.MaxErrorSamples {
			r.Samples = append(r.Samples, workspace.ErrorSample{Path: "/p?" + strings.Repeat("&<", (workspace.MaxErrorPath-3)/2), Origin: strings.Repeat("o", workspace.MaxErrorOrigin), SeenAt: at})
		}
		rows = append(rows, r)
	}
	text, err := workspace.EncodeErrors(rows)
	if err != nil || len(text) > 390_000 {
		t.Fatal(len(text), err)
	}
	got, err := workspace.DecodeErrors("2026-05-01", text)
	if diff := cmp.Diff(rows, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := workspace.DecodeErrors("2026-05-01", "{"); err == nil {
		t.Error("a broken text is read")
	}
}

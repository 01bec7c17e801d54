package dynamodb

import (
	"fmt"
	"testing"
)

// TestSpans: parts have each day once.
func TestSpans(t *testing.T) {
	for days, want := range map[[2]string]string{
		{"2026-05-01", "2026-05-01"}: "[[2026-05-01 2026-05-01]]",
		{"2026-05-01", "2026-05-31"}: "[[2026-05-01 2026-05-31]]",
		{"2026-05-01", "2026-06-01"}: "[[2026-05-01 2026-05-31] [2026-06-01 2026-06-01]]",
		{"2026-01-30", "2026-05-01"}: "[[2026-01-30 2026-03-01] [2026-03-02 2026-04-01] [2026-04-02 2026-05-01]]",
		{"no day", "2026-05-01"}:     "[[no day 2026-05-01]]",
	} {
		if got := fmt.Sprint(spans(days[0], days[1])); got != want {
			t.Errorf("%v: %s, want %s", days, got, want)
		}
	}
	if n := len(spans("0001-01-01", "9999-12-31")); n > 20 {
		t.Errorf("%d parts", n)
	}
}

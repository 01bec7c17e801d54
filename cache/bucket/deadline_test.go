package bucket

import (
	"testing"
	"time"
)

// TestDeadline: a lookup may take four times as long as lookups usually do.
func TestDeadline(t *testing.T) {
	var d deadline
	want := func(least, most time.Duration, when string) {
		t.Helper()
		if got := d.get(); got < least || got > most {
			t.Errorf("%s: %v, want %v to %v", when, got, least, most)
		}
	}
	note := func(n int, took time.Duration, late bool) {
		for range n {
			d.note(took, late)
		}
	}
	want(mostDeadline, mostDeadline, "at first")
	note(100, 20*time.Millisecond, false)
	want(leastDeadline, leastDeadline, "a fast bucket")
	note(300, 100*time.Millisecond, false)
	want(400*time.Millisecond, 400*time.Millisecond, "a slower one")
	note(3, 400*time.Millisecond, true)
	want(mostDeadline, mostDeadline, "after three that were late")
	note(300, 20*time.Millisecond, false)
	want(leastDeadline, leastDeadline, "fast again")
	if d := (&deadline{fixed: time.Minute}); d.get() != time.Minute {
		t.Error("a fixed one changes")
	}
}

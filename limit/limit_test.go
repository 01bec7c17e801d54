package limit_test

import (
	"testing"
	"time"

	"github.com/tintype/tintype/limit"
)

func TestBounds(t *testing.T) {
	at := time.Date(2028, 2, 29, 23, 59, 59, 999, time.FixedZone("", -2*60*60)) // 1 March, 01:59 UTC
	for _, test := range []struct {
		window     limit.Window
		start, end string
	}{
		{limit.Minute, "2028-03-01T01:59:00Z", "2028-03-01T02:00:00Z"},
		{limit.Hour, "2028-03-01T01:00:00Z", "2028-03-01T02:00:00Z"},
		{limit.Day, "2028-03-01T00:00:00Z", "2028-03-02T00:00:00Z"},
		{limit.Month, "2028-03-01T00:00:00Z", "2028-04-01T00:00:00Z"},
	} {
		start, end := test.window.Bounds(at)
		if start.Format(time.RFC3339) != test.start || end.Format(time.RFC3339) != test.end {
			t.Errorf("%s: %v to %v", test.window, start, end)
		}
		if s, e := test.window.Bounds(start); s != start || e != end {
			t.Errorf("%s: its beginning lies in %v to %v", test.window, s, e)
		}
		if s, _ := test.window.Bounds(end); s != end {
			t.Errorf("%s: its end lies in %v", test.window, s)
		}
	}
}

package bucket

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// TestSweepDue: of several servers one sweeps, once a day.
func TestSweepDue(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "seeded")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "seeded")
	backend := s3mem.New()
	if err := backend.CreateBucket("cache"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	var clock time.Duration
	openOne := func() *Cache {
		c, err := Open(Config{
			URL: "s3://cache/a?region=auto&endpoint=" + server.URL, SweepPause: time.Microsecond,
			Clock: func() time.Time { return time.Now().Add(clock) },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close(t.Context()) })
		return c
	}
	sweeps := func(c *Cache) bool {
		before := c.store.requests.n[requestPut][resultOK].Load()
		if err := c.sweepDue(t.Context(), 30*sweepEvery); err != nil {
			t.Fatal(err)
		}
		return c.store.requests.n[requestPut][resultOK].Load() > before
	}
	a, b := openOne(), openOne()
	for _, step := range []struct {
		what  string
		after time.Duration
		c     *Cache
		want  bool
	}{
		{"first", 0, a, true},
		{"the other", 0, b, false},
		{"within a day", 23 * time.Hour, a, false},
		{"after a day", 25 * time.Hour, b, true},
	} {
		clock = step.after
		if got := sweeps(step.c); got != step.want {
			t.Errorf("%s: %v", step.what, got)
		}
	}
}

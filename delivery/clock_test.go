package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// A server whose clock is an hour wrong counts in the windows of the others, so that
// nobody is refused too early or let through too often; and judges signatures by its
// clock with the same skew, so that what lasts for more than an hour longer works
// everywhere.
func TestClockAnHourWrong(t *testing.T) {
	for _, wrong := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(wrong.String(), func(t *testing.T) {
			leases := workspacetest.NewMemory()
			right := newBench(t, func(c *setup) { c.Limiter = limit.New(limit.Config{Leases: leases}) })
			off := newBench(t, func(c *setup) {
				c.Limiter = limit.New(limit.Config{Leases: leases, Now: func() time.Time { return time.Now().Add(wrong) }})
			})
			off.clock.Store(int64(wrong / time.Second))
			secret := signing.NewSecret()
			servers := []*bench{right, off}
			for _, b := range servers {
				b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
					w.ID = "one" // the same workspace on both
					w.Limits.TransformsPerMonth, w.Limits.TransformsPerDay = 40, 30
					w.Sources[0].Private = true
					w.SigningKeys = []signing.Key{{ID: "k", Secret: secret}}
				}))
			}
			signed := func(target string, exp time.Time) string {
				t.Helper()
				url, err := secret.SignUntil(target, exp)
				if err != nil {
					t.Fatal(err)
				}
				return url
			}

			for _, tt := range []struct {
				left     time.Duration // by the server's own clock
				code     string
				seconds  int // max-age told; -1 isn't looked at
				whatever string
			}{
				{10 * time.Minute, "", 600, "valid"},
				{-30 * time.Second, "", 0, "expired within the skew"},
				{-2 * time.Minute, "SIGNATURE_EXPIRED", -1, "expired"},
			} {
				for i, b := range servers {
					w := b.get(signed("/acme/photos/cat.jpg?w=9", b.now().Add(tt.left)))
					if got := code(t, w); got != tt.code {
						t.Errorf("%s, on server %d: %q, want %q", tt.whatever, i, got, tt.code)
					}
					var age int
					if _, err := fmt.Sscanf(w.Header().Get("Cache-Control"), "private, max-age=%d", &age); tt.seconds >= 0 && (err != nil || age > tt.seconds || age < tt.seconds-30) {
						t.Errorf("%s, on server %d: Cache-Control %q", tt.whatever, i, w.Header().Get("Cache-Control"))
					}
				}
			}
			for i, b := range servers {
				if got := code(t, b.get(signed("/acme/photos/cat.jpg?w=9", time.Now().Add(61*time.Minute)))); got != "" {
					t.Errorf("a URL that lasts for longer than the clock is wrong is refused by server %d: %s", i, got)
				}
			}

			// One variant is made on each server by now.
			made, day := 2, time.Now().UTC().Day()
			for n := range 60 {
				b := servers[n%2]
				switch got := code(t, b.get(signed(fmt.Sprintf("/acme/photos/cat.jpg?w=9&v=%d", n), b.now().Add(time.Hour)))); got {
				case "":
					made++
				case "QUOTA_EXCEEDED":
				default:
					t.Fatal(got)
				}
			}
			if made != 30 && time.Now().UTC().Day() == day {
				t.Errorf("two servers made %d variants, want the day's 30", made)
			}
		})
	}
}

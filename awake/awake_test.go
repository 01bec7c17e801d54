package awake

import (
	"testing"
	"testing/synctest"
	"time"
)

// beats beats a clock for some time, as its owner does.
func beats(c *Clock, d time.Duration) {
	for range d / BeatEvery {
		c.Beat()
		time.Sleep(BeatEvery)
	}
	c.Beat()
}

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Clock
		start := c.Now()
		time.Sleep(time.Minute)
		if took := c.Since(start); took != time.Minute {
			t.Errorf("without beats: %v", took)
		}
		c.Beat()
		start = c.Now()
		beats(&c, 10*time.Second)
		time.Sleep(time.Hour) // nobody beats: the process stands still
		if took := c.Since(start); took != 10*time.Second {
			t.Errorf("%v, want 10s", took)
		}
		beats(&c, 5*time.Second)
		time.Sleep(2 * time.Second) // a busy machine
		c.Beat()
		if took := c.Since(start); took != 17*time.Second {
			t.Errorf("%v, want 17s", took)
		}
		if in := time.Until(c.Real(c.Now().Add(time.Second))); in != time.Second {
			t.Errorf("a second from now is in %v", in)
		}
	})
}

func TestTimer(t *testing.T) {
	for _, tt := range []struct {
		name         string
		timer, stood time.Duration
		after        time.Duration // of running
	}{
		{"shorter than a beat", 100 * time.Millisecond, 0, 100 * time.Millisecond},
		{"no whole beats", 10*time.Second + 1, 0, 10*time.Second + 1},
		{"a standstill", 10 * time.Second, time.Hour, 10 * time.Second},
		{"a busy machine", 10 * time.Second, time.Second, 9 * time.Second},
		{"no time", 0, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, stood := time.Now(), time.Duration(0)
				timer := newTimer(tt.timer, func() time.Time {
					if tt.stood > 0 && time.Since(start) >= 3*time.Second {
						stood = tt.stood // this process can't stand still in a test, so only its clock goes on
					}
					return time.Now().Add(stood)
				})
				<-timer.C
				if ran := time.Since(start); ran != tt.after {
					t.Errorf("it ended after %v, want %v", ran, tt.after)
				}
				timer.Stop() // once more does nothing
			})
		})
	}
}

func TestTimerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timer := NewTimer(time.Second)
		time.Sleep(700 * time.Millisecond)
		timer.Stop()
		time.Sleep(time.Hour)
		select {
		case <-timer.C:
			t.Error("it ended after it was stopped")
		default:
		}
	})
}

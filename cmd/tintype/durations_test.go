package main

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "30s": 30 * time.Second, "1h30m": 90 * time.Minute, "-5s": -5 * time.Second, "1.5h": 90 * time.Minute,
		"1d": day, "2w": 14 * day, "1w2d": 9 * day, "1d12h": 36 * time.Hour, "0d": 0, "3650d": 3650 * day,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "1y", "d", "1.5d", "1d1w", "-1d", "1d-2h", "1d1d", "1 d", "999999w", "99999d", "1d999999h", "1M",
		"NaN", "NaNs", "Inf", "infh", "1e3s", "1e400s", "0x10s", "1_0s", "9999999h"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

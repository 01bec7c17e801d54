package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestLogLevel: lines below --log-level aren't written, in either format.
func TestLogLevel(t *testing.T) {
	for level, lines := range map[string]int{"debug": 4, "info": 3, "warn": 2, "error": 1} {
		for _, format := range []string{"json", "text"} {
			var out bytes.Buffer
			log := newLog(format, level, &out)
			log.Debug("a")
			log.Info("a")
			log.Warn("a")
			log.Error("a")
			if n := strings.Count(out.String(), "\n"); n != lines {
				t.Errorf("%s at %s: %d lines, want %d", format, level, n, lines)
			}
		}
	}
}

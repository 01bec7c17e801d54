package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tintype/tintype/delivery"
)

// TestLogLinesAreShort: no part of a request makes a long line in the log.
func TestLogLinesAreShort(t *testing.T) {
	var log bytes.Buffer
	b := newBench(t, func(c *delivery.Config) { c.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
	b.registry.Set(t, b.acme())
	long := strings.Repeat("x", 60_000)
	b.send(long, "/acme/photos/cat.jpg")
	b.send("GET", "/acme/photos/cat.jpg?w=20", "X-Request-Id", long, "User-Agent", long, "X-Forwarded-For", long)
	b.send("GET", "/acme/photos/cat.jpg?w=20&"+long)
	b.send("GET", "/"+long)
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 4 || strings.Count(log.String(), `"method":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",`) != 1 {
		t.Errorf("%d lines: %.1000s", len(lines), log.String())
	}
	for i, line := range lines {
		if len(line) > 1000 {
			t.Error(fmt.Sprint("line ", i, ": "), len(line), line[:1000])
		}
	}
}

package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/limit"
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

// TestRecordNotesTheClient: what a request of the API or of a page has read and transformed counts
// for its client.
func TestRecordNotesTheClient(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/v1/workspaces/acme/images", nil)
	ctx := new(Server).withRecord(r, &delivery.Record{Client: "198.51.100.7"}).Context()
	if got := limit.ClientIn(ctx); got != "198.51.100.7" || RecordOf(ctx).Client != got {
		t.Errorf("the client is %q", got)
	}
}

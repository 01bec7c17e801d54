package server

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/internal/golden"
)

// logFields are the fields of the log line of a request, with their meanings. Those that say
// nothing are left out.
func logFields() [][2]string {
	return [][2]string{
		{"time", "when the answer ended, by RFC 3339"},
		{"level", "INFO, or WARN for a status from 500"},
		{"msg", "request"},
		{"request_id", "the request's X-Request-Id, which the answer has too"},
		{"client", "address of the client; behind --trusted-proxies the one that they name"},
		{"method", "GET, HEAD, …"},
		{"status", "status of the answer; 499: the client did not wait"},
		{"bytes", "bytes of the body that were sent"},
		{"ms", "milliseconds from the end of the request's headers to the end of the answer"},
		{"path", "path of what is no image, without its query"},
		{"endpoint", "transform, info, placeholder or grid"},
		{"workspace", "namespace of the workspace"},
		{"source", "key of the source, for images"},
		{"original", "the original: source and object key, or its URL without query and password"},
		{"options", "the options, in the one way to write them"},
		{"cache", "memory, disk, bucket, peer (another server of the fleet), stale or miss"},
		{"code", "code of the error, see errors.md"},
		{"key", "the API key that was sent, by its id, or the person"},
		{"trace_id", "the trace, where the request is recorded: [tracing.md](tracing.md)"},
		{"error", "the cause of the error, for the operator"},
	}
}

// TestLogFields holds the log lines of requests, and docs/logs.md, to the list of fields.
func TestLogFields(t *testing.T) {
	var log bytes.Buffer
	b := newBench(t, func(c *delivery.Config) { c.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
	b.registry.Set(t, b.acme())
	for _, target := range []string{
		"/acme/photos/cat.jpg?w=20", "/acme/photos/cat.jpg?w=20", "/acme/photos/cat.jpg?w=x", "/acme/photos/none.jpg", "/nobody/a", "/healthz", "/v1/nothing",
		"/acme?src=http://user:secret@127.0.0.1:9/a.jpg?token=hidden&w=20",
	} {
		b.get(target)
	}
	meanings := map[string]string{}
	for _, f := range logFields() {
		meanings[f[0]] = f[1]
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 7 { // the probe isn't logged
		t.Errorf("%d lines: %s", len(lines), log.String())
	}
	seen := map[string]bool{}
	for _, line := range lines {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		for name := range fields {
			seen[name] = true
			if meanings[name] == "" {
				t.Errorf("the field %s has no meaning: %s", name, line)
			}
		}
	}
	for _, name := range []string{"request_id", "client", "method", "status", "bytes", "ms", "path", "endpoint", "workspace", "source", "original", "options", "cache", "code", "error"} {
		if !seen[name] {
			t.Errorf("no line has %s", name)
		}
	}
	if strings.Contains(log.String(), "secret") || strings.Contains(log.String(), "hidden") {
		t.Errorf("a secret: %s", log.String())
	}

	var page strings.Builder
	page.WriteString(`# Logs

<!-- Made from server/logfields_test.go by go test ./server -run TestLogFields -update -->

Tintype writes JSON lines to stderr. This shows what failed, as it happens:

` + "```sh" + `
tintype serve --data /var/lib/tintype 2>&1 | jq -c 'select(.status >= 500) | [.workspace, .original, .code, .error]'
` + "```" + `

` + "`--log-format text`" + ` writes lines for people, ` + "`--log-level`" + ` chooses the least level. Each request has one line, when its answer has ended; probes of health have none. ` + "`--log-sample 100`" + ` logs one of a hundred requests that are answered without an error, and all that fail. Lines are written together, up to a tenth of a second later. No line has a query string, a secret or a header.
The names and meanings of these fields stay. Later versions may add fields.

| field | meaning |
| --- | --- |
`)
	for _, f := range logFields() {
		page.WriteString("| `" + f[0] + "` | " + f[1] + " |\n")
	}
	page.WriteString(`
Other lines say what the server does by itself: ` + "`msg`" + ` is a sentence, ` + "`err`" + ` a cause. Their fields may change.
`)
	golden.File(t, "../docs/logs.md", page.String())
}

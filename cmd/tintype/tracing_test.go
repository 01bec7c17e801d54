//go:build cgo && linux

package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/tintype/tintype/internal/otlp"
)

// TestTracesOfAServer: a real server sends the traces of a miss and of a hit to a collector, the
// last of them when it ends.
func TestTracesOfAServer(t *testing.T) {
	t.Parallel() // it waits more than it computes
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	receiver, data := otlp.Listen(t), t.TempDir()
	p, err := startProcessBy([]string{"env", "OTEL_EXPORTER_OTLP_ENDPOINT=" + receiver.URL, "OTEL_BSP_SCHEDULE_DELAY=600000"}, data, "sqlite",
		"--workers", "1", "--drain", "0s", "--dir", "demo/samples="+samples)
	if err != nil {
		t.Fatal(err)
	}
	p.killAfter(t)
	for range 2 {
		if status, body := fetch(t, p.url+"/demo/samples/dusk.jpg?w=16&utm=hidden"); status != 200 {
			t.Fatal(status, body)
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, p.log.String())
	}
	tree := otlp.Tree(receiver.Spans())
	t.Log("\n" + tree)
	var names []string
	for line := range strings.Lines(tree) {
		name, _, _ := strings.Cut(line, " (")
		names = append(names, name)
	}
	const route = "GET /{workspace}/{source}/{path}"
	want := strings.Join([]string{route, "  cache", "  fetch", "  transform", "    queue", route, "  cache"}, "\n")
	if got := strings.Join(names, "\n"); got != want {
		t.Errorf("the spans are\n%s\nwant\n%s", got, want)
	}
	if strings.Contains(tree, "hidden") || !strings.Contains(tree, "url.path=/demo/samples/dusk.jpg") {
		t.Error("the attributes are wrong")
	}
	if receiver.Resource("service.name") != "tintype" {
		t.Error("the service is", receiver.Resource("service.name"))
	}
	// Lines of the log wait for others.
	until(t, "the log has a trace_id", func() bool { return strings.Contains(p.log.String(), `"trace_id":"`) })
}

package tracing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/internal/otlp"
	"github.com/tintype/tintype/internal/testlog"
)

// TestWanted: traces are sent where the standard variables ask for them, and only there. What
// isn't spoken ends the start.
func TestWanted(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318"
	for _, test := range []struct {
		variables string
		want      bool
		err       string
	}{
		{"", false, ""},
		{"OTEL_SERVICE_NAME=images", false, ""},
		{endpoint, true, ""},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://otel.example/v1/traces", true, ""},
		{"OTEL_TRACES_EXPORTER=otlp", true, ""},
		{endpoint + " OTEL_TRACES_EXPORTER=none", false, ""},
		{endpoint + " OTEL_SDK_DISABLED=true", false, ""},
		{endpoint + " OTEL_TRACES_EXPORTER=jaeger", false, "OTEL_TRACES_EXPORTER"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318", false, "OTEL_EXPORTER_OTLP_ENDPOINT"},
		{endpoint + " OTEL_EXPORTER_OTLP_PROTOCOL=grpc", false, "http/protobuf"},
		{endpoint + " OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", true, ""},
		{endpoint + " OTEL_TRACES_SAMPLER=sometimes", false, "OTEL_TRACES_SAMPLER"},
		{endpoint + " OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=0.1", true, ""},
		{endpoint + " OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=10%", false, "OTEL_TRACES_SAMPLER_ARG"},
		{endpoint + " OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=NaN", false, "OTEL_TRACES_SAMPLER_ARG"},
	} {
		set := map[string]string{}
		for v := range strings.FieldsSeq(test.variables) {
			name, value, _ := strings.Cut(v, "=")
			set[name] = value
		}
		got, err := wanted(func(name string) string { return set[name] })
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%q: %v, %v", test.variables, got, err)
		}
	}
}

// open returns a tracer that sends to a receiver, by the variables that are set besides.
func open(t *testing.T, endpoint string, log *slog.Logger, variables ...string) *Tracer {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	set := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
	for i := 0; i < len(variables); i += 2 {
		t.Setenv(variables[i], variables[i+1])
		set[variables[i]] = variables[i+1]
	}
	tracer, err := Open(t.Context(), func(name string) string { return set[name] }, Config{Version: "v1", Log: log})
	if err != nil || tracer == nil {
		t.Fatal(tracer, err)
	}
	return tracer
}

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0"

func request(traceparent string) *http.Request {
	r := httptest.NewRequest("GET", "https://img.example.com:8443/acme/photos/cat.jpg?w=20&sig=hidden", nil)
	if traceparent != "" {
		r.Header.Set("Traceparent", traceparent)
	}
	return r
}

// TestTracer: a collector gets the spans of a request as a tree.
func TestTracer(t *testing.T) {
	receiver := otlp.Listen(t)
	tracer := open(t, receiver.URL, slog.New(slog.DiscardHandler), "OTEL_RESOURCE_ATTRIBUTES", "service.name=images,deployment.environment.name=test")
	ctx, s := tracer.Request(request(parent+"1"), true)
	_, fetch := StartClient(ctx, "fetch")
	fetch.Fail("timeout")
	fetch.End()
	look := s.Start("cache")
	look.String("tintype.cache", "miss")
	look.String("empty", "")
	look.End()
	s.Route("/{workspace}/{source}/{path}")
	s.Int("http.response.status_code", 200)
	s.End()
	s.End()
	if s.TraceID() != "4bf92f3577b34da6a3ce929d0e0e4736" {
		t.Error("the trace is", s.TraceID())
	}
	_, alone := tracer.Request(request(parent+"1"), false)
	if id := alone.TraceID(); id == "4bf92f3577b34da6a3ce929d0e0e4736" || len(id) != 32 {
		t.Errorf("a stranger decides which trace its request is of: %q", id)
	}
	alone.End()
	if _, s := tracer.Request(request(parent+"0"), true); s != nil {
		t.Error("a request is recorded that a proxy doesn't want to record")
	}
	if err := tracer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := receiver.Spans()
	if len(spans) != 4 {
		t.Fatalf("spans:\n%s", otlp.Tree(spans))
	}
	root := spans[0]
	if root.Name != "GET /{workspace}/{source}/{path}" || root.Kind != "server" || root.Parent != "00f067aa0ba902b7" || root.Failed {
		t.Errorf("%+v", root)
	}
	for key, want := range map[string]string{
		"http.request.method": "GET", "url.scheme": "https", "server.address": "img.example.com", "server.port": "8443", "network.protocol.version": "1.1",
		"http.response.status_code": "200", "http.route": "/{workspace}/{source}/{path}",
	} {
		if root.Attributes[key] != want {
			t.Errorf("%s is %q, want %q", key, root.Attributes[key], want)
		}
	}
	for i, want := range []struct{ name, kind string }{1: {"fetch", "client"}, 2: {"cache", "internal"}} {
		if i > 0 && (spans[i].Name != want.name || spans[i].Kind != want.kind || spans[i].Parent != root.ID || spans[i].Trace != root.Trace) {
			t.Errorf("span %d: %+v", i, spans[i])
		}
	}
	if !spans[1].Failed || spans[1].Attributes["error.type"] != "timeout" || len(spans[2].Attributes) != 1 {
		t.Errorf("attributes:\n%s", otlp.Tree(spans))
	}
	if receiver.Resource("service.name") != "images" || receiver.Resource("service.version") != "v1" || receiver.Resource("deployment.environment.name") != "test" {
		t.Error("the resource is wrong")
	}
	if tree := otlp.Tree(spans); strings.Contains(tree, "hidden") {
		t.Errorf("a query is in it:\n%s", tree)
	}
}

// TestSampler: requests that aren't recorded have no spans, and neither have their parts.
func TestSampler(t *testing.T) {
	tracer := open(t, "http://127.0.0.1:9", slog.New(slog.DiscardHandler), "OTEL_TRACES_SAMPLER", "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG", "0")
	r := request("")
	ctx, s := tracer.Request(r, false)
	if _, part := Start(ctx, "part"); s != nil || part != nil || s.Start("part") != nil || ctx != r.Context() {
		t.Error("a request is recorded")
	}
	if _, s := tracer.Request(request(parent+"1"), true); s == nil {
		t.Error("a request of a trace that is recorded isn't")
	}
	if _, s := tracer.Request(request(parent+"1"), false); s != nil {
		t.Error("a stranger decides that its request is recorded")
	}
}

// TestOff: without variables there is no tracer, and all of its methods do nothing.
func TestOff(t *testing.T) {
	tracer, err := Open(t.Context(), func(string) string { return "" }, Config{})
	if tracer != nil || err != nil {
		t.Fatal(tracer, err)
	}
	r := request(parent + "1")
	if n := testing.AllocsPerRun(100, func() {
		ctx, s := tracer.Request(r, true)
		_, part := Start(ctx, "part")
		part.End()
		s.Start("cache").String("a", "b")
		s.Route("/")
		s.Int("a", 1)
		s.Fail("x")
		s.End()
		if s.TraceID() != "" {
			t.Error("a trace")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if err := tracer.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCollectorAway: a collector that doesn't answer holds nothing up, and fills no log.
func TestCollectorAway(t *testing.T) {
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else it doesn't hear that the client is gone
		<-r.Context().Done()
	}))
	t.Cleanup(hangs.Close)
	// A queue that waited for the one that hangs would do so for 25 minutes.
	for endpoint, timeout := range map[string]string{"http://127.0.0.1:9": "50", hangs.URL: "5000"} {
		var log testlog.Log // a message that is under way is given up after Close
		tracer := open(t, endpoint, slog.New(slog.NewTextHandler(&log, nil)), "OTEL_EXPORTER_OTLP_TIMEOUT", timeout, "OTEL_BSP_SCHEDULE_DELAY", "1", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
		for range 5000 { // more than twice what the queue holds
			_, s := tracer.Request(request(""), false)
			s.End()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_ = tracer.Close(ctx)
		cancel()
		if n := strings.Count(log.String(), "traces can't be sent"); n > 1 {
			t.Errorf("%s: %d lines:\n%s", endpoint, n, log.String())
		}
	}
}

// TestRareLog: errors of the collector are logged once a minute, without the secrets of its URL.
func TestRareLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := &rareLog{log: slog.New(slog.NewTextHandler(&log, nil))}
		bad := fmt.Errorf("traces export: %w", &url.Error{Op: "Post", URL: "https://me:secret@otel.example/v1/traces?token=hidden", Err: errors.New("refused")})
		for range 125 {
			r.Handle(bad)
			time.Sleep(time.Second)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 3 || !strings.Contains(lines[1], "more=59") || !strings.Contains(lines[0], "https://otel.example/v1/traces: refused") {
			t.Errorf("the log is:\n%s", log.String())
		}
		if strings.Contains(log.String(), "secret") || strings.Contains(log.String(), "hidden") {
			t.Errorf("a secret is in it:\n%s", log.String())
		}
	})
}

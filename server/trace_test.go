package server

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/tintype/tintype/accesslog"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/internal/otlp"
	"github.com/tintype/tintype/tracing"
)

// TestTraces: the trace of a miss has the look into the cache, the fetch and the transform, that
// of a hit the cache only. No span holds a query, a signature, or an address of a client.
func TestTraces(t *testing.T) {
	receiver := otlp.Listen(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
	tracer, err := tracing.Open(t.Context(), func(name string) string {
		if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
			return receiver.URL
		}
		return ""
	}, tracing.Config{Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	b.tracer, b.trusted = tracer, []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")} // that of httptest's requests
	b.registry.Set(t, b.acme())
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, target := range []string{
		"/acme/photos/cat.jpg?w=20&utm=hidden", "/acme/photos/cat.jpg?w=20&utm=hidden", "/acme/photos/none.jpg", "/acme?src=" + b.upstream.URL + "/photos/cat.jpg&w=9&sig=hidden",
		"/nobody/photos/secret.jpg?x=hidden", "/v1/workspaces/hidden", "/healthz", "/readyz?x=1",
	} {
		b.get(target, "Traceparent", parent, "X-Forwarded-For", "203.0.113.9", "Authorization", "Bearer hidden", "Cookie", "hidden")
	}
	if err := tracer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := receiver.Spans()
	tree := otlp.Tree(spans)
	var names []string
	for line := range strings.Lines(tree) {
		name, _, _ := strings.Cut(line, " (")
		names = append(names, name)
	}
	want := []string{
		"GET /{workspace}/{source}/{path}", "  cache", "  fetch.queue", "  fetch", "  transform",
		"GET /{workspace}/{source}/{path}", "  cache",
		"GET /{workspace}/{source}/{path}", "  cache", "  fetch.queue", "  fetch",
		"GET /{workspace}/{source}/{path}", "  cache", "  fetch.queue", "  fetch", "  transform", // a URL of the source
		"GET /{workspace}/{path}",
		"GET /v1/{path}",
	}
	if got := strings.Join(names, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the spans are\n%s\nwant\n%s\n%s", got, strings.Join(want, "\n"), tree)
	}
	for _, secret := range []string{"hidden", "203.0.113.9", "127.0.0.1", "secret.jpg", "?"} {
		if strings.Contains(strings.ReplaceAll(tree, "server.address=127.0.0.1", ""), secret) {
			t.Errorf("%q is in it:\n%s", secret, tree)
		}
	}
	for _, s := range spans {
		if s.Trace != "4bf92f3577b34da6a3ce929d0e0e4736" {
			t.Errorf("%s is of another trace", s.Name)
		}
	}
	if len(spans) > 6 {
		first, again, missing := spans[0].Attributes, spans[5].Attributes, spans[7]
		if first["url.path"] != "/acme/photos/cat.jpg" || first["tintype.cache"] != "miss" || again["tintype.cache"] != "memory" || first["tintype.source"] != "photos" || first["http.response.status_code"] != "200" {
			t.Errorf("attributes:\n%s", tree)
		}
		if missing.Failed || missing.Attributes["http.response.status_code"] != "404" || missing.Attributes["tintype.code"] == "" {
			t.Errorf("a missing original: %+v", missing)
		}
	}
}

// BenchmarkHits is a memory hit through the whole handler, without a tracer, with one that
// records nothing, and with one that records all.
func BenchmarkHits(b *testing.B) {
	bb := newBench(b, func(c *delivery.Config) { c.Log = slog.New(slog.NewJSONHandler(io.Discard, nil)) })
	bb.accessLog = accesslog.New(io.Discard)
	bb.registry.Set(b, bb.acme())
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer collector.Close()
	for name, ratio := range map[string]string{"off": "", "none": "0", "all": "1"} {
		b.Run(name, func(b *testing.B) {
			variables := map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": ratio, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL}
			if ratio == "" {
				variables = nil
			}
			for name, value := range variables {
				b.Setenv(name, value)
			}
			tracer, err := tracing.Open(b.Context(), func(name string) string { return variables[name] }, tracing.Config{Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			bb.tracer = tracer
			r := httptest.NewRequest("GET", "/", nil)
			r.RequestURI = "/acme/photos/cat.jpg?w=100&h=80&fit=cover&q=75"
			b.ReportAllocs()
			for b.Loop() {
				bb.handler.ServeHTTP(&nowhere{http.Header{}}, r)
			}
			b.StopTimer()
			_ = tracer.Close(b.Context())
		})
	}
}

// nowhere is a ResponseWriter that keeps nothing.
type nowhere struct{ h http.Header }

func (n *nowhere) Header() http.Header         { return n.h }
func (n *nowhere) WriteHeader(int)             {}
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }

// Package otlp receives traces by OpenTelemetry's protocol, for tests.
//
// For most uses, call [Listen], point OTEL_EXPORTER_OTLP_ENDPOINT at URL, and read Spans.
package otlp

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A Receiver takes traces.
type Receiver struct {
	URL string

	mu       sync.Mutex // guards the fields below
	spans    []Span
	resource map[string]string
	requests int
}

// A Span is one that was received.
type Span struct {
	Trace, ID, Parent string
	Name, Kind        string
	Attributes        map[string]string
	Failed            bool
	Start, End        uint64 // Unix nanoseconds
}

// Listen starts a receiver that ends with the test.
func Listen(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{resource: map[string]string{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var sent collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &sent)
		}
		if err != nil || req.URL.Path != "/v1/traces" || req.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s %s: %v", req.URL, req.Header, err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.take(&sent)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

func (r *Receiver) take(sent *collector.ExportTraceServiceRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	for _, of := range sent.ResourceSpans {
		for key, value := range attributes(of.Resource.Attributes) {
			r.resource[key] = value
		}
		for _, scope := range of.ScopeSpans {
			for _, s := range scope.Spans {
				r.spans = append(r.spans, Span{
					Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
					Name: s.Name, Kind: strings.ToLower(strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_")),
					Attributes: attributes(s.Attributes), Failed: s.Status.GetCode() == trace.Status_STATUS_CODE_ERROR,
					Start: s.StartTimeUnixNano, End: s.EndTimeUnixNano,
				})
			}
		}
	}
}

func attributes(list []*common.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range list {
		switch v := kv.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			m[kv.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			m[kv.Key] = fmt.Sprint(v.IntValue)
		default:
			m[kv.Key] = kv.Value.String()
		}
	}
	return m
}

// Spans returns what was received, by their beginnings.
func (r *Receiver) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.spans)
	slices.SortStableFunc(all, func(a, b Span) int { return cmp.Compare(a.Start, b.Start) })
	return all
}

// Resource returns an attribute of what sends.
func (r *Receiver) Resource(key string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.resource[key]
}

// Tree writes spans as a tree, each with its duration and attributes.
func Tree(spans []Span) string {
	var b strings.Builder
	known := map[string]bool{}
	for _, s := range spans {
		known[s.ID] = true
	}
	var write func(parent Span, depth int)
	line := func(s Span, depth int) {
		fmt.Fprintf(&b, "%s%s (%s, %.1f ms)", strings.Repeat("  ", depth), s.Name, s.Kind, float64(s.End-s.Start)/1e6)
		keys := make([]string, 0, len(s.Attributes))
		for k := range s.Attributes {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			fmt.Fprintf(&b, " %s=%s", k, s.Attributes[k])
		}
		b.WriteByte('\n')
		write(s, depth+1)
	}
	write = func(parent Span, depth int) {
		for _, s := range spans {
			if s.Parent == parent.ID && s.Trace == parent.Trace {
				line(s, depth)
			}
		}
	}
	for _, s := range spans {
		if !known[s.Parent] {
			line(s, 0)
		}
	}
	return b.String()
}

// Package tracing sends traces of requests to a collector, by OpenTelemetry's protocol.
//
// For most uses, call [Open] at start, [Tracer.Request] for each request, and [Start] for the
// parts of its work. Without the variables that ask for traces, the Tracer and all its spans
// are nil. Nil is usable, and costs nothing.
//
// Spans hold no queries, headers, signatures, addresses of clients or texts of errors.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Config configures a Tracer.
type Config struct {
	Version string // of this program
	Log     *slog.Logger
}

// A Tracer records requests. It is safe for concurrent use.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	parents  propagation.TraceContext // of W3C
}

// wanted reports whether the variables of OpenTelemetry ask for traces. Unlike its libraries,
// Tintype sends none without an endpoint. The error names a variable that has no such value.
func wanted(getenv func(string) string) (bool, error) {
	endpoint := ""
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"} {
		v := getenv(name)
		if v == "" {
			continue
		}
		if u, err := url.Parse(v); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return false, fmt.Errorf("%s: must be the URL of a collector, such as http://localhost:4318", name)
		}
		endpoint = v
	}
	switch exporter := getenv("OTEL_TRACES_EXPORTER"); {
	case getenv("OTEL_SDK_DISABLED") == "true", exporter == "none", exporter == "" && endpoint == "":
		return false, nil
	case exporter != "" && exporter != "otlp":
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER: %q is unknown; use otlp or none", exporter)
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if v := getenv(name); v != "" && v != "http/protobuf" {
			return false, fmt.Errorf("%s: %q isn't spoken; use http/protobuf, for which collectors listen on port 4318", name, v)
		}
	}
	samplers := []string{"", "always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}
	sampler := getenv("OTEL_TRACES_SAMPLER")
	if !slices.Contains(samplers, sampler) {
		return false, fmt.Errorf("OTEL_TRACES_SAMPLER: %q is unknown; use parentbased_traceidratio, or another of OpenTelemetry's", sampler)
	}
	if v := getenv("OTEL_TRACES_SAMPLER_ARG"); v != "" {
		if ratio, err := strconv.ParseFloat(v, 64); err != nil || !(ratio >= 0 && ratio <= 1) { // NaN is neither
			return false, errors.New("OTEL_TRACES_SAMPLER_ARG: must be the part of requests to record, from 0 to 1")
		}
	}
	return true, nil
}

// Open returns the tracer that the variables of OpenTelemetry ask for, or nil for none. The
// libraries read the variables of this process themselves; getenv is for those that turn it on.
// Call Close at the end. The collector may be away: spans that find no room are dropped.
func Open(ctx context.Context, getenv func(string) string, c Config) (*Tracer, error) {
	if on, err := wanted(getenv); err != nil || !on {
		return nil, err
	}
	rare := &rareLog{log: c.Log}
	otel.SetErrorHandler(rare)
	otel.SetLogger(logr.FromSlogHandler(slog.DiscardHandler)) // what matters comes to the handler of errors
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	of, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "tintype"), attribute.String("service.version", c.Version)),
		resource.WithFromEnv()) // last, so that it may name the service
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(of))
	return &Tracer{provider: provider, tracer: provider.Tracer("github.com/tintype/tintype", trace.WithInstrumentationVersion(c.Version))}, nil
}

// Close sends what is left, until ctx ends.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	return nil
}

// A Span is a part of a request's work. All methods do nothing on nil. It is safe for
// concurrent use.
type Span struct {
	of     *Tracer
	ctx    context.Context // with the span as the parent of further ones
	span   trace.Span
	method string // of a request
}

type spanKey struct{}

// Request begins the span of a request. trusted says that the peer may decide which trace it is
// of and whether it is recorded (W3C traceparent): anybody else could fill the collector. The
// span is nil, and the context that of the request, where nothing is recorded.
func (t *Tracer) Request(r *http.Request, trusted bool) (context.Context, *Span) {
	if t == nil {
		return r.Context(), nil
	}
	ctx := r.Context()
	if trusted {
		ctx = t.parents.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	method := r.Method
	if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}, method) {
		method = "_OTHER"
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	attrs := []attribute.KeyValue{
		attribute.String("http.request.method", method), attribute.String("url.scheme", scheme),
		attribute.String("network.protocol.version", version(r)),
	}
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	attrs = append(attrs, attribute.String("server.address", host))
	if n, err := strconv.Atoi(port); err == nil {
		attrs = append(attrs, attribute.Int("server.port", n))
	}
	inner, s := t.start(ctx, method, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attrs...))
	if s == nil {
		return r.Context(), nil
	}
	s.method = method
	return inner, s
}

func version(r *http.Request) string {
	if r.ProtoMajor >= 2 {
		return strconv.Itoa(r.ProtoMajor)
	}
	return strconv.Itoa(r.ProtoMajor) + "." + strconv.Itoa(r.ProtoMinor)
}

func (t *Tracer) start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, *Span) {
	inner, span := t.tracer.Start(ctx, name, options...)
	if !span.IsRecording() {
		return ctx, nil
	}
	s := &Span{of: t, span: span}
	s.ctx = context.WithValue(inner, spanKey{}, s)
	return s.ctx, s
}

// Start begins a span within that of ctx. The span is nil where there is none.
func Start(ctx context.Context, name string) (context.Context, *Span) {
	s, _ := ctx.Value(spanKey{}).(*Span)
	if s == nil {
		return ctx, nil
	}
	return s.of.start(ctx, name)
}

// StartClient is Start for a call to another server.
func StartClient(ctx context.Context, name string) (context.Context, *Span) {
	s, _ := ctx.Value(spanKey{}).(*Span)
	if s == nil {
		return ctx, nil
	}
	return s.of.start(ctx, name, trace.WithSpanKind(trace.SpanKindClient))
}

// Start begins a span within s.
func (s *Span) Start(name string) *Span {
	if s == nil {
		return nil
	}
	_, part := s.of.start(s.ctx, name)
	return part
}

// Route names the span of a request by the pattern of its path, of which there must be few.
func (s *Span) Route(route string) {
	if s != nil {
		s.span.SetName(s.method + " " + route)
		s.span.SetAttributes(attribute.String("http.route", route))
	}
}

// String sets an attribute, unless it is empty.
func (s *Span) String(key, value string) {
	if s != nil && value != "" {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// Int sets an attribute.
func (s *Span) Int(key string, value int64) {
	if s != nil {
		s.span.SetAttributes(attribute.Int64(key, value))
	}
}

// Fail says what kind of error ended the span, in a word.
func (s *Span) Fail(kind string) {
	if s != nil {
		s.span.SetStatus(codes.Error, "")
		s.span.SetAttributes(attribute.String("error.type", kind))
	}
}

// End ends the span. Further calls do nothing.
func (s *Span) End() {
	if s != nil {
		s.span.End()
	}
}

// TraceID returns the id of the trace, or nothing.
func (s *Span) TraceID() string {
	if s == nil {
		return ""
	}
	return s.span.SpanContext().TraceID().String()
}

// rareLog logs errors of the exporter at most once a minute. A collector that is away must not
// fill the log.
type rareLog struct {
	log *slog.Logger

	mu     sync.Mutex
	next   time.Time // when one may be logged again
	hidden int       // since the last one
}

// Handle implements [otel.ErrorHandler].
func (r *rareLog) Handle(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Before(r.next) {
		r.hidden++
		return
	}
	r.log.Warn("traces can't be sent: they are dropped until the collector answers", "err", withoutSecrets(err), "more", r.hidden)
	r.next, r.hidden = now.Add(time.Minute), 0
}

// withoutSecrets is the text of an error without the query and the password of a URL.
func withoutSecrets(err error) string {
	var at *url.Error
	if errors.As(err, &at) {
		if u, bad := url.Parse(at.URL); bad == nil {
			u.RawQuery, u.User = "", nil
			return at.Op + " " + u.String() + ": " + at.Err.Error()
		}
		return at.Err.Error()
	}
	return err.Error()
}

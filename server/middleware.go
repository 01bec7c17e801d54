package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
)

// headerNosniff is shared by all answers, so that a hit doesn't allocate it.
var headerNosniff = []string{"nosniff"}

// observe gives every request an id, and logs and counts every answer.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		res := &delivery.Response{ResponseWriter: w, Client: r.Context(), Draining: &s.draining}
		if k, ok := r.Context().Value(connectionKey{}).(*connection); ok && k != nil {
			res.Conn = k
			res.Plain = r.ProtoMajor == 1 && r.TLS == nil && r.ContentLength == 0 && (r.Method == http.MethodGet || r.Method == http.MethodHead)
		}
		full := false
		if k, ok := res.Conn.(*connection); ok && r.ProtoMajor >= 2 {
			if one := k.stream(w); one != nil {
				defer one.end()
				res.ResponseWriter, res.Conn = one, one
			} else {
				full = true
			}
		}
		res.Log.RequestID, res.Log.Client = requestID(r), s.client(r)
		h := w.Header()
		res.Set("X-Request-Id", res.Log.RequestID)
		h["X-Content-Type-Options"] = headerNosniff
		if r.ProtoMajor == 3 {
			res.Draining = nil // it has no Connection header: HTTP3 says GOAWAY
		}
		if r.TLS != nil {
			h["Strict-Transport-Security"] = s.hsts(r.Host)
			if s.altSvc != nil && !s.draining.Load() {
				h["Alt-Svc"] = s.altSvc
			}
		}
		if r.Method != http.MethodGet {
			delete(r.Header, "Range") // it is for GET only (RFC 9110 §14.2)
		}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.log.Error("panic", "request_id", res.Log.RequestID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				if res.Status == 0 {
					res.Fail(fault.New(fault.Internal, "something went wrong on our side: look for the request_id in the server's log"))
				}
			}
			took := time.Since(start)
			traced(res)
			s.metrics.observe(res, took)
			s.access(r, res, start.Add(took), took)
		}()
		if s.tracer != nil {
			r = s.trace(res, r)
		}
		if full {
			res.Fail(&fault.Error{Code: fault.Overloaded, Message: "too many requests are under way; try again in a second", RetryAfter: 1})
			return
		}
		next.ServeHTTP(res, r)
	})
}

// access writes the log line of a request that has ended.
func (s *Server) access(r *http.Request, res *delivery.Response, ended time.Time, took time.Duration) {
	level := slog.LevelInfo
	if res.Status >= 500 {
		level = slog.LevelWarn
	}
	ctx := r.Context()
	if res.Log.Probe || !s.log.Enabled(ctx, level) || res.Status < 400 && !s.sampled() {
		return
	}
	cause := ""
	if res.Log.Cause != nil {
		cause = res.Log.Cause.Error()
	}
	if s.accessLog != nil {
		line := s.accessLog.Line(ended, level, "request")
		fields(line, r, res, took, cause)
		line.End()
		return
	}
	var attrs attributes
	fields(&attrs, r, res, took, cause)
	s.log.LogAttrs(ctx, level, "request", attrs...)
}

// A lineWriter takes the fields of a line of the log.
type lineWriter interface {
	String(key, value string)
	Int(key string, value int64)
	Milliseconds(key string, value time.Duration)
}

// fields writes those of a request. Nothing in it logs, since other lines may wait for this one.
func fields(to lineWriter, r *http.Request, res *delivery.Response, took time.Duration, cause string) {
	l := &res.Log
	to.String("request_id", l.RequestID)
	to.String("client", l.Client)
	to.String("method", r.Method[:min(len(r.Method), maxMethod)])
	to.Int("status", int64(res.Status))
	to.Int("bytes", res.Bytes)
	to.Milliseconds("ms", took)
	some := func(key, value string) {
		if value != "" {
			to.String(key, value)
		}
	}
	some("path", l.Path)
	some("endpoint", l.Operation())
	some("workspace", l.Workspace)
	some("source", l.Source)
	some("original", l.Original)
	some("options", l.Options)
	some("cache", l.Cache)
	some("code", string(l.Code))
	some("key", l.Who.Actor())
	some("trace_id", res.Span.TraceID())
	some("error", cause)
}

// attributes are the fields of a line for slog.
type attributes []slog.Attr

func (a *attributes) String(key, value string) { *a = append(*a, slog.String(key, value)) }

func (a *attributes) Int(key string, value int64) { *a = append(*a, slog.Int64(key, value)) }

func (a *attributes) Milliseconds(key string, value time.Duration) {
	*a = append(*a, slog.Float64(key, float64(value.Microseconds())/1000))
}

// sampled reports whether the log says of a request that was answered without an error.
func (s *Server) sampled() bool {
	return s.accessSample == 1 || s.accessSample > 1 && s.answered.Add(1)%uint64(s.accessSample) == 1
}

// requestID returns the client's X-Request-Id where it is a plain token, or a new id.
func requestID(r *http.Request) string {
	if given := r.Header["X-Request-Id"]; len(given) == 1 && plainToken(given[0]) {
		return given[0]
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	var text [2 * len(b)]byte
	hex.Encode(text[:], b[:])
	return string(text[:])
}

func plainToken(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c != '-' && c != '_' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// Bounds of a request, in bytes.
const (
	maxMethod  = 32 // of what the log says of one; all are tokens, and unknown ones are refused
	maxTarget  = 8 << 10
	maxHeaders = 16 << 10
	// MaxHeaderBytes is for http.Server. It is above our own bounds, so that most oversized
	// requests get our answer and not that of net/http.
	MaxHeaderBytes = 64 << 10
)

// bound refuses oversized requests, and requests from Tintype's own fetches. A workspace
// whose source is this server would otherwise make requests to itself without an end.
func (s *Server) bound(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res := w.(*delivery.Response)
		if len(r.RequestURI) > maxTarget {
			res.Fail(fault.New(fault.URITooLong, "a URL may be 8 KiB long; put options that many images share into a preset"))
			return
		}
		size := len(r.Host)
		for name, values := range r.Header {
			for _, v := range values {
				size += len(name) + len(v) + 4
			}
		}
		if size > maxHeaders {
			res.Fail(fault.New(fault.HeadersTooLarge, "all request headers together may have 16 KiB; send fewer cookies"))
			return
		}
		for _, v := range r.Header["Cdn-Loop"] {
			for id := range strings.SplitSeq(v, ",") {
				id, _, _ = strings.Cut(id, ";")
				if strings.EqualFold(strings.TrimSpace(id), "tintype") {
					res.Fail(fault.New(fault.Forbidden, "this request comes from Tintype itself: a source leads back to it"))
					return
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}

type recordKey struct{}

// withRecord adds the log record to the request's context, where handlers outside this
// package can complete it, and the client for whom their images are read and transformed.
func (s *Server) withRecord(r *http.Request, l *delivery.Record) *http.Request {
	ctx := context.WithValue(r.Context(), recordKey{}, l)
	return r.WithContext(s.clients.WithClient(ctx, l.Client))
}

// RecordOf returns the log record of the request of ctx. Handlers outside this package read
// its id and the client's address, and add the sender.
func RecordOf(ctx context.Context) *delivery.Record {
	if l, ok := ctx.Value(recordKey{}).(*delivery.Record); ok {
		return l
	}
	return &delivery.Record{}
}

// Client returns the address of the client that sent the request of ctx: the address that
// trusted proxies name, or else the peer's. It is for handlers outside this package.
func Client(ctx context.Context) string { return RecordOf(ctx).Client }

package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/cache"
)

// A response is what handlers write to: it notes what the log line and the metrics
// will say.
type response struct {
	http.ResponseWriter
	client   context.Context // ends when the client is gone
	draining *atomic.Bool    // of the server
	status   int
	bytes    int64
	log      record
}

// A record is the part of a log line that handlers know. It holds no secret: no
// query but canonical options, no header, no path of a private address.
type record struct {
	id        string
	path      string // where it is no image's
	workspace string
	original  string
	options   string
	cache     string
	probe     bool             // of health, which is not logged
	who       apikey.Principal // of a key that was sent, also one that is no longer good
	cause     error
	code      Code
	site      *site  // of an image; nil where it is none
	source    string // key of the image's source
}

func (w *response) WriteHeader(status int) {
	w.begin(status)
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(b []byte) (int, error) {
	w.begin(http.StatusOK)
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// begin notes the status of an answer whose headers are about to be sent.
func (w *response) begin(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	if w.draining.Load() {
		w.Header()["Connection"] = headerClose
	}
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// fail answers with what err means to a client.
func (w *response) fail(err error) {
	if errors.Is(err, context.Canceled) && w.client.Err() != nil {
		// The answer is for a client that only stopped sending: net/http's would be an
		// empty 200.
		w.status = statusClientGone
		writeError(w, asError(err))
		return
	}
	if p, ok := errors.AsType[*cache.PanicError](err); ok {
		slog.Error("panic", "request_id", w.log.id, "panic", fmt.Sprint(p.Value), "stack", string(p.Stack))
	}
	e := asError(err)
	w.noteError(e)
	writeError(w, e)
}

func (w *response) noteError(e *Error) {
	w.log.code, w.log.cause = e.Code, e.Cause
	if e.Cause == nil {
		w.log.cause = errors.New(e.Message)
	}
}

// statusClientGone stands in the log for a client that did not wait.
const statusClientGone = 499

func (w *response) noteAsk(a *ask) {
	w.log.original, w.log.options, w.log.source = a.ref.String(), a.canonical, a.ref.sourceName()
}

// noteNamed notes the source that a refused request names, unless more is known of it.
func (w *response) noteNamed(rest, query string) {
	if c := w.log.site; c != nil && w.log.source == "" {
		w.log.source = c.named(rest, strings.TrimPrefix(query, "?"))
	}
}

func (w *response) noteOutcome(o cache.Outcome) {
	switch {
	case o.Tier != "" && o.Stale:
		w.log.cache = "stale"
	case o.Tier != "":
		w.log.cache = o.Tier
	default:
		w.log.cache = "miss"
	}
}

// observe gives every request an id, and logs and counts every answer.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		res := &response{ResponseWriter: w, client: r.Context(), draining: &s.draining, log: record{id: requestID(r)}}
		h := w.Header()
		h["X-Request-Id"] = []string{res.log.id}
		h["X-Content-Type-Options"] = headerNosniff
		if r.Method != http.MethodGet {
			delete(r.Header, "Range") // is for GET alone (RFC 9110 §14.2)
		}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.log.Error("panic", "request_id", res.log.id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				if res.status == 0 {
					res.fail(fail("INTERNAL_ERROR", "something went wrong on our side: the request_id finds it in the server's log"))
				}
			}
			took := time.Since(start)
			s.metrics.observe(res, took)
			s.access(r, res, took)
		}()
		next.ServeHTTP(res, r)
	})
}

// access writes the log line of a request.
func (s *Server) access(r *http.Request, res *response, took time.Duration) {
	level := slog.LevelInfo
	if res.status >= 500 {
		level = slog.LevelWarn
	}
	ctx := r.Context()
	if res.log.probe || !s.log.Enabled(ctx, level) {
		return
	}
	l := &res.log
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs,
		slog.String("request_id", l.id), slog.String("client", s.client(r)), slog.String("method", r.Method),
		slog.Int("status", res.status), slog.Int64("bytes", res.bytes), slog.Float64("ms", float64(took.Microseconds())/1000))
	for _, a := range [...]slog.Attr{
		slog.String("path", l.path), slog.String("workspace", l.workspace), slog.String("original", l.original), slog.String("options", l.options),
		slog.String("cache", l.cache), slog.String("code", string(l.code)),
		slog.String("key", l.who.Actor()),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	if l.cause != nil {
		attrs = append(attrs, slog.String("error", l.cause.Error()))
	}
	s.log.LogAttrs(ctx, level, "request", attrs...)
}

// requestID is the client's X-Request-Id where it is a plain token, else a new one.
func requestID(r *http.Request) string {
	if given := r.Header["X-Request-Id"]; len(given) == 1 && plainToken(given[0]) {
		return given[0]
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
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
	maxTarget  = 8 << 10
	maxHeaders = 16 << 10
	// MaxHeaderBytes is for http.Server: above our own bounds, so that what lies
	// between gets our answers rather than net/http's.
	MaxHeaderBytes = 64 << 10
)

// bound refuses oversized requests, and those that our own fetches make: a
// workspace whose source is this server would ask itself without end.
func (s *Server) bound(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res := w.(*response)
		if len(r.RequestURI) > maxTarget {
			res.fail(fail("URI_TOO_LONG", "a URL may be 8 KiB long; put options that many images share into a preset"))
			return
		}
		size := len(r.Host)
		for name, values := range r.Header {
			for _, v := range values {
				size += len(name) + len(v) + 4
			}
		}
		if size > maxHeaders {
			res.fail(fail("HEADERS_TOO_LARGE", "request headers may be 16 KiB in all; this host's cookies may be what is large"))
			return
		}
		for _, v := range r.Header["Cdn-Loop"] {
			for id := range strings.SplitSeq(v, ",") {
				id, _, _ = strings.Cut(id, ";")
				if strings.EqualFold(strings.TrimSpace(id), "tintype") {
					res.fail(fail("FORBIDDEN", "this request comes from Tintype itself: a source leads back to it"))
					return
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}

type visitorKey struct{}

// A visitor is what handlers outside this package share about a request.
type visitor struct {
	*record
	client string
}

func (s *Server) withVisitor(r *http.Request, rec *record) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), visitorKey{}, visitor{rec, s.client(r)}))
}

// RequestID is the id of the request that ctx belongs to, for handlers outside
// this package.
func RequestID(ctx context.Context) string {
	if v, ok := ctx.Value(visitorKey{}).(visitor); ok {
		return v.id
	}
	return ""
}

// Client is the address of whoever sent the request that ctx belongs to, for who isn't
// handed the request: what trusted proxies say, else the peer.
func Client(ctx context.Context) string {
	v, _ := ctx.Value(visitorKey{}).(visitor)
	return v.client
}

// NoteSender has the log line of the request that ctx belongs to say who sent it, for
// handlers outside this package.
func NoteSender(ctx context.Context, who apikey.Principal) {
	if v, ok := ctx.Value(visitorKey{}).(visitor); ok {
		v.who = who
	}
}

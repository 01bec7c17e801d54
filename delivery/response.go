package delivery

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/tracing"
	"github.com/tintype/tintype/transform"
)

// A Response is an http.ResponseWriter that notes what the log and the metrics say about
// the answer. The server makes one for every request.
type Response struct {
	http.ResponseWriter
	Client   context.Context // ends when the client is gone
	Conn     Conn            // that is answered over; nil is not known
	Draining *atomic.Bool    // whether answers close their connections; nil is no
	// Plain means that Conn is a [Gatherer] of HTTP/1 without TLS, and that the request has no
	// body, so that nothing is sent before the answer's head.
	Plain  bool
	Status int   // 0 until the answer begins
	Bytes  int64 // of the body, so far
	Log    Record
	Span   *tracing.Span // nil is not recorded

	values [8]string // of headers, see Set
	used   int       // of values

	lent cache.Lend // the file that the body is sent from
	part FilePart   // that is sent

	head        *head  // of the answer that is being made; nil is ResponseWriter's
	contentType string // of the answer, where ResponseWriter doesn't know it
}

// Header implements http.ResponseWriter.
func (w *Response) Header() http.Header {
	if w.head != nil {
		return w.head.fields
	}
	return w.ResponseWriter.Header()
}

// Set sets a header to one value. The name is in canonical form. It saves the allocation that
// [http.Header.Set] makes.
func (w *Response) Set(name, value string) {
	if w.used == len(w.values) {
		w.Header()[name] = []string{value}
		return
	}
	w.values[w.used] = value
	w.used++
	w.Header()[name] = w.values[w.used-1 : w.used : w.used]
}

// A Record is what handlers know about a request. It holds no secret: no query but
// canonical options, no header, no path of a private address.
type Record struct {
	RequestID string
	Client    string // address
	Path      string // of what is no image
	Workspace string // namespace
	Source    string // key of the image's source
	Original  string
	Options   string           // canonical
	Cache     string           // what the cache did: memory, disk, bucket, peer, stale, miss; empty is nothing
	Probe     bool             // a probe of health isn't logged
	Who       apikey.Principal // of the key that was sent, also of one that is no longer good
	Code      fault.Code
	Cause     error

	site      *site  // of an image; nil until it is found
	operation string // name of the endpoint that was asked; empty until it is known
}

// Operation returns the name of the endpoint that was asked, or nothing where it isn't known.
func (r *Record) Operation() string { return r.operation }

// Known reports whether the workspace exists.
func (r *Record) Known() bool { return r.site != nil }

// Format returns the format of the answer, such as "jpeg" or "json", or nothing where it is
// neither an image nor facts of one.
func (w *Response) Format() string {
	return string(formatOf[cmp.Or(w.contentType, w.Header().Get("Content-Type"))])
}

var formatOf = func() map[string]transform.Format {
	of := map[string]transform.Format{}
	for _, f := range []transform.Format{transform.JPEG, transform.PNG, transform.WebP, transform.GIF, transform.AVIF, transform.JXL, transform.TIFF, transform.SVG, transform.JSON} {
		of[f.MediaType()] = f
	}
	return of
}()

// StatusClientGone stands in the log for a client that did not wait.
const StatusClientGone = 499

// WriteHeader implements http.ResponseWriter.
func (w *Response) WriteHeader(status int) {
	w.begin(status)
	w.endHead(status)
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *Response) Write(b []byte) (int, error) {
	w.begin(http.StatusOK)
	w.endHead(w.Status)
	n, err := w.ResponseWriter.Write(b)
	w.Bytes += int64(n)
	return n, err
}

// send answers with n bytes, which write writes unless the request is HEAD. The head waits for them.
func (w *Response) send(r *http.Request, status int, n int64, write func()) {
	w.Set("Content-Length", strconv.FormatInt(n, 10))
	if k, ok := w.Conn.(Gatherer); ok {
		k.Gather()
		defer k.Send()
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		write()
	}
}

// begin notes the status of an answer whose headers are about to be sent.
func (w *Response) begin(status int) {
	if w.Status != 0 {
		return
	}
	w.Status = status
	if w.Draining != nil && w.Draining.Load() {
		w.Header()["Connection"] = headerClose
	}
}

// Unwrap is for http.ResponseController.
func (w *Response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Fail answers with what err means to a client.
func (w *Response) Fail(err error) {
	if errors.Is(err, context.Canceled) && w.Client.Err() != nil {
		// The client may only have stopped sending, and net/http's answer would be an
		// empty 200.
		w.Status = StatusClientGone
		w.writeError(fault.Of(err))
		return
	}
	if p, ok := errors.AsType[*cache.PanicError](err); ok {
		slog.Error("panic", "request_id", w.Log.RequestID, "panic", fmt.Sprint(p.Value), "stack", string(p.Stack))
	}
	e := fault.Of(err)
	w.NoteError(e)
	w.writeError(e)
}

// NoteError notes why the answer is an error.
func (w *Response) NoteError(e *fault.Error) {
	w.Log.Code, w.Log.Cause = e.Code, e.Cause
	if e.Cause == nil {
		w.Log.Cause = errors.New(e.Message)
	}
}

// writeError answers with the error envelope.
func (w *Response) writeError(e *fault.Error) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Del("Content-Length")
	h.Del("ETag")
	h.Del("Content-Disposition")
	h.Del("CDN-Cache-Control")
	h.Set("Cache-Control", e.CacheControl())
	e.Headers(h)
	b, err := json.Marshal(e.Envelope(h.Get("X-Request-Id")))
	if err != nil {
		b = nil // strings always marshal
	}
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(e.Status())
	_, _ = w.Write(b)
}

package server

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/tintype/tintype/fault"
)

type (
	// Code and Error are package fault's.
	Code  = fault.Code
	Error = fault.Error
)

func fail(code Code, message string) *Error { return fault.New(code, message) }

// asError says what the client is told about err.
func asError(err error) *Error { return fault.Of(err) }

// writeError answers with the error envelope.
func writeError(w http.ResponseWriter, e *Error) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Del("Content-Length")
	h.Del("ETag")
	h.Del("Content-Disposition")
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

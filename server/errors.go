package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// A Code names a kind of error to clients, for ever.
type Code string

// statuses is the status of every code.
var statuses = map[Code]int{
	"INVALID_OPTION":        http.StatusBadRequest,
	"INVALID_PATH":          http.StatusBadRequest,
	"INVALID_SOURCE":        http.StatusBadRequest,
	"UNAUTHORIZED":          http.StatusUnauthorized,
	"SIGNATURE_INVALID":     http.StatusForbidden,
	"SIGNATURE_EXPIRED":     http.StatusForbidden,
	"SIGNATURE_REQUIRED":    http.StatusUnauthorized,
	"FORBIDDEN":             http.StatusForbidden,
	"ORIGIN_NOT_ALLOWED":    http.StatusForbidden,
	"SOURCE_NOT_ALLOWED":    http.StatusForbidden,
	"ADDRESS_NOT_ALLOWED":   http.StatusForbidden,
	"PRESET_REQUIRED":       http.StatusForbidden,
	"WORKSPACE_NOT_FOUND":   http.StatusNotFound,
	"SOURCE_NOT_FOUND":      http.StatusNotFound,
	"NOT_FOUND":             http.StatusNotFound,
	"METHOD_NOT_ALLOWED":    http.StatusMethodNotAllowed,
	"ORIGINAL_TOO_LARGE":    http.StatusRequestEntityTooLarge,
	"URI_TOO_LONG":          http.StatusRequestURITooLong,
	"RANGE_NOT_SATISFIABLE": http.StatusRequestedRangeNotSatisfiable,
	"UNSUPPORTED_FORMAT":    http.StatusUnsupportedMediaType,
	"IMAGE_CORRUPT":         http.StatusUnprocessableEntity,
	"IMAGE_TOO_LARGE":       http.StatusUnprocessableEntity,
	"HEADERS_TOO_LARGE":     http.StatusRequestHeaderFieldsTooLarge,
	"RATE_LIMITED":          http.StatusTooManyRequests,
	"QUOTA_EXCEEDED":        http.StatusTooManyRequests,
	"INTERNAL_ERROR":        http.StatusInternalServerError,
	"ORIGIN_ERROR":          http.StatusBadGateway,
	"WORKER_FAILED":         http.StatusBadGateway,
	"MARK_UNAVAILABLE":      http.StatusBadGateway,
	"OVERLOADED":            http.StatusServiceUnavailable,
	"ORIGIN_TIMEOUT":        http.StatusGatewayTimeout,
	"TRANSFORM_TIMEOUT":     http.StatusGatewayTimeout,
}

// faults maps the errors that the other packages return to codes. The first row
// that matches counts. Their messages are made to be shown.
var faults = []struct {
	err  error
	code Code
}{
	{transform.ErrMark, "MARK_UNAVAILABLE"}, // before what is wrong with its image
	{workspace.ErrNotFound, "WORKSPACE_NOT_FOUND"},
	{workspace.ErrUnavailable, "OVERLOADED"},
	{signing.ErrRequired, "SIGNATURE_REQUIRED"},
	{signing.ErrInvalid, "SIGNATURE_INVALID"},
	{signing.ErrExpired, "SIGNATURE_EXPIRED"},
	{origin.ErrNotFound, "NOT_FOUND"},
	{origin.ErrTooLarge, "ORIGINAL_TOO_LARGE"},
	{origin.ErrTimeout, "ORIGIN_TIMEOUT"},
	{origin.ErrAddress, "ADDRESS_NOT_ALLOWED"},
	{origin.ErrNotAllowed, "SOURCE_NOT_ALLOWED"},
	{origin.ErrInvalidURL, "INVALID_SOURCE"},
	{origin.ErrInvalidPath, "INVALID_PATH"},
	{origin.ErrUnavailable, "ORIGIN_ERROR"},
	{transform.ErrOverloaded, "OVERLOADED"},
	{transform.ErrTimeout, "TRANSFORM_TIMEOUT"},
	{transform.ErrFailed, "WORKER_FAILED"},
	{transform.ErrUnsupported, "UNSUPPORTED_FORMAT"},
	{transform.ErrTooLarge, "IMAGE_TOO_LARGE"},
	{transform.ErrCorrupt, "IMAGE_CORRUPT"},
	{transform.ErrOutputTooLarge, "INVALID_OPTION"},
}

// An Error is an answer that is no image: what the client is told, and why for
// the log.
type Error struct {
	Code       Code
	Message    string // what went wrong and what to do; safe to show
	RetryAfter int    // seconds; 0 is none
	MaxAge     int    // seconds that the answer may be cached; 0 is no-store
	Cause      error  // for the log only
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }
func (e *Error) Unwrap() error { return e.Cause }

// Status is the HTTP status of the code.
func (e *Error) Status() int { return statuses[e.Code] }

func (e *Error) cacheControl() string {
	if e.MaxAge > 0 {
		return "public, max-age=" + strconv.Itoa(e.MaxAge)
	}
	return "no-store"
}

// aboutOriginal reports whether the code says that an original can't be fetched or
// decoded.
func (c Code) aboutOriginal() bool {
	switch c {
	case "NOT_FOUND", "ORIGINAL_TOO_LARGE", "UNSUPPORTED_FORMAT", "IMAGE_CORRUPT", "IMAGE_TOO_LARGE", "ORIGIN_ERROR", "ORIGIN_TIMEOUT", "TRANSFORM_TIMEOUT", "WORKER_FAILED":
		return true
	}
	return false
}

func fail(code Code, message string) *Error { return &Error{Code: code, Message: message} }

// asError says what the client is told about err.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*transform.OptionError](err); ok {
		return &Error{Code: "INVALID_OPTION", Message: e.Error(), Cause: err}
	}
	if e, ok := errors.AsType[*transform.QueryError](err); ok {
		return &Error{Code: "INVALID_OPTION", Message: e.Error(), Cause: err}
	}
	for _, f := range faults {
		if errors.Is(err, f.err) {
			e := &Error{Code: f.code, Message: err.Error(), Cause: err}
			if f.code == "OVERLOADED" {
				e.RetryAfter = 1
			}
			if f.err == workspace.ErrUnavailable {
				// What a store says of its trouble may name hosts and paths.
				e.Message = "the settings of this workspace can't be read right now; try again in a few seconds"
			}
			return e
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Code: "TRANSFORM_TIMEOUT", Message: "making this variant took too long; ask for a smaller one, or use a smaller original", Cause: err}
	}
	return &Error{Code: "INTERNAL_ERROR", Message: "something went wrong on our side; the request_id finds it in the log", Cause: err}
}

// writeError answers with the error envelope.
func writeError(w http.ResponseWriter, e *Error) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Del("Content-Length")
	h.Del("ETag")
	h.Del("Content-Disposition")
	h.Set("Cache-Control", e.cacheControl())
	if e.Code == "UNAUTHORIZED" {
		h.Set("WWW-Authenticate", "Bearer") // RFC 9110 §11.6.1
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	var body struct {
		Error struct {
			Code      Code   `json:"code"`
			Message   string `json:"message"`
			Status    int    `json:"status"`
			RequestID string `json:"request_id"`
		} `json:"error"`
	}
	body.Error.Code, body.Error.Message, body.Error.Status = e.Code, e.Message, e.Status()
	body.Error.RequestID = h.Get("X-Request-Id")
	b, err := json.Marshal(body)
	if err != nil {
		b = nil // strings always marshal
	}
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(e.Status())
	_, _ = w.Write(b)
}

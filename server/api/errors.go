package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/fault"
)

// Errors that the API returns before it calls package manage.
var (
	errClosed = unauthorized("The management API is closed because the server has no root key. " +
		"Set TINTYPE_ROOT_KEY or TINTYPE_ROOT_KEY_FILE and restart the server.")
	errNoKey = unauthorized("An API key is needed: send the header `Authorization: Bearer KEY`.")

	errKeyInQuery = unauthorized("Keys are not accepted in a query string: send the header `Authorization: Bearer KEY`. " +
		"If the key was a real one, replace it: URLs are kept in logs.")

	errNoRoute = notFound("There is nothing at this path. The routes are listed in /v1/openapi.json.")

	errBodyMissing = invalid("The body is empty: send a JSON object.")
	errBodyBroken  = invalid("The body could not be read to its end. Send the request again.")

	errBodyTooLarge = invalid("The body is larger than 1 MiB, the limit. Send a smaller one.")
)

func unauthorized(message string) *fault.Error { return fault.New(fault.Unauthorized, message) }
func notFound(message string) *fault.Error     { return fault.New(fault.NotFound, message) }
func invalid(message string) *fault.Error      { return fault.New(fault.Validation, message) }
func conflict(message string) *fault.Error     { return fault.New(fault.Conflict, message) }

func errMethod(allowed []string) *fault.Error {
	list := strings.Join(allowed, ", ")
	e := fault.New(fault.MethodNotAllowed, "This path takes "+list+".")
	e.Header = http.Header{"Allow": {list}}
	return e
}

func errContentType(takes string) *fault.Error {
	return fault.New(fault.UnsupportedFormat, "The body must be JSON: send the header `Content-Type: "+takes+"`.")
}

// An errorEnvelope is the body and the headers of an error, as huma needs them.
type errorEnvelope struct {
	fault.ErrorEnvelope
	header http.Header
}

func (e *errorEnvelope) Error() string           { return e.Detail.Message }
func (e *errorEnvelope) GetStatus() int          { return e.Detail.Status }
func (e *errorEnvelope) GetHeaders() http.Header { return e.header }

// huma reads the status and the headers of an error through these interfaces.
var (
	_ huma.StatusError  = (*errorEnvelope)(nil)
	_ huma.HeadersError = (*errorEnvelope)(nil)
)

// answer returns the envelope of an error. It logs a 5xx error with its cause, which the
// client doesn't see.
func (a *api) answer(ctx context.Context, operation string, err error) *errorEnvelope {
	f := fault.OfManaging(err)
	id := a.record(ctx).RequestID
	clientGone := errors.Is(err, context.Canceled) && ctx.Err() != nil
	if f.Status() >= 500 && !clientGone {
		a.log.ErrorContext(ctx, "management API request failed",
			"request_id", id, "operation", operation, "status", f.Status(), "code", f.Code, "err", err)
	}
	header := http.Header{}
	f.Headers(header)
	return &errorEnvelope{f.Envelope(id), header}
}

// fail answers an error in the place of the operation.
func (a *api) fail(ctx huma.Context, err error) {
	e := a.answer(ctx.Context(), "", err)
	for name, values := range e.header {
		for _, v := range values {
			ctx.AppendHeader(name, v)
		}
	}
	ctx.SetHeader("Content-Type", "application/json")
	ctx.SetStatus(e.Detail.Status)
	_ = jsonFormat.Marshal(ctx.BodyWriter(), e.ErrorEnvelope) // strings and numbers always marshal
}

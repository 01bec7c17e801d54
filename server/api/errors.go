package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// What the API refuses by itself.
var (
	errClosed = unauthorized("The management API is closed because the server has no root key. " +
		"Set TINTYPE_ROOT_KEY or TINTYPE_ROOT_KEY_FILE and restart the server.")
	errNoKey = unauthorized("An API key is needed: send the header `Authorization: Bearer KEY`.")

	errKeyInQuery = unauthorized("Keys are not accepted in a query string: send the header `Authorization: Bearer KEY`. " +
		"If the key was a real one, replace it: URLs are kept in logs.")

	errOrphan = unauthorized("The workspace of this API key has been deleted.")

	errNeedsRoot      = forbidden("This needs the root key: an API key of a workspace can't do it.")
	errOtherWorkspace = forbidden("This API key belongs to another workspace.")

	errNoRoute      = notFound("There is nothing at this path. The routes are listed in /v1/openapi.json.")
	errNoPart       = notFound("The workspace has nothing under this name.")
	errNoSigningKey = notFound("There is no signing key under this id.")
	errNoSuchLog    = notFound("No workspace with this id has had the namespace within 400 days. Those that have are in `deleted`, where workspace is left out.")
	errNoExplain    = notFound("This server delivers no images, and can't say what it would do.")

	errBodyMissing = invalid("The body is empty: send a JSON object.")
	errBodyBroken  = invalid("The body could not be read to its end. Send the request again.")

	errBodyTooLarge = invalid("The body is larger than 1 MiB, the limit. Send a smaller one.")
)

func unauthorized(message string) *fault.Error { return fault.New(fault.Unauthorized, message) }
func forbidden(message string) *fault.Error    { return fault.New(fault.Forbidden, message) }
func notFound(message string) *fault.Error     { return fault.New(fault.NotFound, message) }
func invalid(message string) *fault.Error      { return fault.New(fault.Validation, message) }
func conflict(message string) *fault.Error     { return fault.New(fault.Conflict, message) }

func errScope(scope string) *fault.Error {
	return forbidden("This API key doesn't have the scope " + scope + ", which this needs. Scopes are given when a key is made.")
}

func errMethod(allowed []string) *fault.Error {
	list := strings.Join(allowed, ", ")
	e := fault.New(fault.MethodNotAllowed, "This path takes "+list+".")
	e.Header = http.Header{"Allow": {list}}
	return e
}

func errContentType(takes string) *fault.Error {
	return fault.New(fault.UnsupportedFormat, "The body must be JSON: send the header `Content-Type: "+takes+"`.")
}

// faultOf returns what a client of the API is told about err.
func faultOf(err error) *fault.Error {
	if v, ok := errors.AsType[*workspace.ValidationError](err); ok {
		return invalid(sentences(v.Problems))
	}
	for unwritable, what := range map[error]string{workspace.ErrFull: "is full", workspace.ErrReadOnly: "can only be read"} {
		if errors.Is(err, unwritable) {
			return &fault.Error{
				Code:    fault.Overloaded,
				Message: "Nothing was changed, since the disk of the server's database " + what + ". Images are served as before. Try again when the operator has seen to it.",
				Cause:   err, RetryAfter: 5,
			}
		}
	}
	// A time-out of the API is the store's, and it may have come after the write.
	for _, trouble := range []error{workspace.ErrUnavailable, context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, trouble) {
			return &fault.Error{
				Code:    fault.Overloaded,
				Message: "The workspace store can't be reached right now, and it is not certain that a change was made. Try again in a few seconds.",
				Cause:   err, RetryAfter: 5,
			}
		}
	}
	return fault.Of(err)
}

// sentences puts problems one after the other, each with its path.
func sentences(problems []workspace.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		if p.Path != "" {
			b.WriteString(p.Path + ": ")
		}
		b.WriteString(strings.TrimRight(p.Message, "."))
		b.WriteByte('.')
	}
	return cmp.Or(b.String(), "The workspace is not valid.")
}

// An errorEnvelope is the body of every answer that is an error, and its headers, for
// huma.
type errorEnvelope struct {
	fault.ErrorEnvelope
	header http.Header
}

func (e *errorEnvelope) Error() string           { return e.Detail.Message }
func (e *errorEnvelope) GetStatus() int          { return e.Detail.Status }
func (e *errorEnvelope) GetHeaders() http.Header { return e.header }

// huma takes status and headers of an error from these.
var (
	_ huma.StatusError  = (*errorEnvelope)(nil)
	_ huma.HeadersError = (*errorEnvelope)(nil)
)

// answer returns the envelope for an error of the operation, and logs what the
// client isn't told.
func (a *api) answer(ctx context.Context, operation string, err error) *errorEnvelope {
	f := faultOf(err)
	id := a.requestID(ctx)
	clientGone := errors.Is(err, context.Canceled) && ctx.Err() != nil
	if f.Status() >= 500 && !clientGone {
		a.log.ErrorContext(ctx, "management API request failed",
			"request_id", id, "operation", operation, "status", f.Status(), "code", f.Code, "err", err)
	}
	header := http.Header{}
	f.Headers(header)
	return &errorEnvelope{f.Envelope(id), header}
}

// fail answers a request that doesn't reach its operation.
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

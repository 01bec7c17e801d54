package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/workspace"
)

// A refusal is an error in the words that a client is told.
type refusal struct {
	status  int
	code    string
	message string
	header  http.Header // further headers of the answer, or nil
}

func (r *refusal) Error() string { return r.message }

// What the API refuses by itself.
var (
	errClosed = unauthorized("The management API is closed because the server has no root key. " +
		"Set TINTYPE_ROOT_KEY or TINTYPE_ROOT_KEY_FILE and restart the server.")
	errNoKey    = unauthorized("An API key is needed: send the header `Authorization: Bearer KEY`.")
	errWrongKey = unauthorized("The API key is not valid. Check the key after `Bearer` in the Authorization header.")

	errKeyInQuery = unauthorized("Keys are not accepted in a query string: send the header `Authorization: Bearer KEY`. " +
		"If the key was a real one, replace it: URLs are kept in logs.")

	errOrphan     = unauthorized("The workspace of this API key has been deleted.")
	errExpiredKey = unauthorized("This API key has expired. Make another with POST …/api-keys.")
	errRevokedKey = unauthorized("This API key has been revoked. Make another with POST …/api-keys.")

	errNeedsRoot      = forbidden("This needs the root key: an API key of a workspace can't do it.")
	errOtherWorkspace = forbidden("This API key belongs to another workspace.")

	errNoRoute = &refusal{http.StatusNotFound, "NOT_FOUND",
		"There is nothing at this path. The routes are listed in /v1/openapi.json.", nil}

	errNoPart       = &refusal{http.StatusNotFound, "NOT_FOUND", "The workspace has nothing under this name.", nil}
	errNoSigningKey = &refusal{http.StatusNotFound, "NOT_FOUND", "There is no signing key under this id.", nil}
	errNoSuchLog    = &refusal{http.StatusNotFound, "NOT_FOUND", "No workspace with this id has had the namespace within 400 days. Those that have are in `deleted`, where workspace is left out.", nil}
	errNoAPIKey     = refusal{http.StatusNotFound, "NOT_FOUND", "The workspace has no API key under this id.", nil}

	errNoExplain = &refusal{http.StatusNotFound, "NOT_FOUND", "This server delivers no images, and can't say what it would do.", nil}

	errBodyMissing = invalid("The body is empty: send a JSON object.")
	errBodyBroken  = invalid("The body could not be read to its end. Send the request again.")

	errBodyTooLarge = invalid("The body is larger than 1 MiB, the limit. Send a smaller one.")
)

func unauthorized(message string) *refusal {
	return &refusal{http.StatusUnauthorized, "UNAUTHORIZED", message, http.Header{"Www-Authenticate": {"Bearer"}}}
}

func forbidden(message string) *refusal {
	return &refusal{http.StatusForbidden, "FORBIDDEN", message, nil}
}

func errScope(scope string) *refusal {
	return forbidden("This API key doesn't have the scope " + scope + ", which this needs. Scopes are given when a key is made.")
}

func invalid(message string) *refusal {
	return &refusal{http.StatusBadRequest, "VALIDATION_ERROR", message, nil}
}

func conflict(message string) *refusal {
	return &refusal{http.StatusConflict, "CONFLICT", message, nil}
}

func errMethod(allowed []string) *refusal {
	list := strings.Join(allowed, ", ")
	return &refusal{http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED",
		"This path takes " + list + ".", http.Header{"Allow": {list}}}
}

func errContentType(takes string) *refusal {
	return &refusal{http.StatusUnsupportedMediaType, "UNSUPPORTED_FORMAT",
		"The body must be JSON: send the header `Content-Type: " + takes + "`.", nil}
}

// table says how the errors of other packages are answered; the first that
// matches counts. What is in neither the table nor a refusal or a
// ValidationError is answered with errInternal.
var table = []struct {
	err error
	refusal
}{
	{workspace.ErrNotFound, refusal{http.StatusNotFound, "WORKSPACE_NOT_FOUND",
		"There is no workspace under this namespace.", nil}},
	{workspace.ErrExists, *conflict("The namespace is taken: choose another, or change the workspace that has it with PUT or PATCH.")},
	{workspace.ErrDomainTaken, *conflict("A host in domains has been verified for another workspace: leave it out, or remove it there first.")},
	{workspace.ErrConflict, *conflict("The workspace has changed since it was read: GET it again, make the change on what it is now, and send it with that revision.")},
	{apikey.ErrMalformed, *errWrongKey},
	{apikey.ErrChecksum, *errWrongKey},
	{apikey.ErrUnknown, *errWrongKey},
	{apikey.ErrExpired, *errExpiredKey},
	{apikey.ErrRevoked, *errRevokedKey},
	{workspace.ErrKeyNotFound, errNoAPIKey},
	{workspace.ErrUnavailable, overloaded},
	{context.DeadlineExceeded, overloaded},
	{context.Canceled, overloaded},
}

var overloaded = refusal{http.StatusServiceUnavailable, "OVERLOADED",
	"The workspace store can't be reached right now, and it is not certain that a change was made. Try again in a few seconds.",
	http.Header{"Retry-After": {"5"}}}

var errInternal = &refusal{http.StatusInternalServerError, "INTERNAL_ERROR",
	"Something went wrong on the server. It is in the server's log under the request_id.", nil}

// refusalOf returns what a client is told of an error.
func refusalOf(err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	if v, ok := errors.AsType[*workspace.ValidationError](err); ok {
		return invalid(sentences(v.Problems))
	}
	for _, row := range table {
		if errors.Is(err, row.err) {
			return &row.refusal
		}
	}
	return errInternal
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

// An errorEnvelope is the body of every answer that is an error.
type errorEnvelope struct {
	Detail errorDetail `json:"error"`
	header http.Header
}

type errorDetail struct {
	Code      string `json:"code" doc:"What went wrong, for programs. Codes don't change between versions." example:"WORKSPACE_NOT_FOUND"`
	Message   string `json:"message" doc:"What went wrong and what to do, for people. Wording may change."`
	Status    int    `json:"status" doc:"The HTTP status of the answer." example:"404"`
	RequestID string `json:"request_id" doc:"The X-Request-Id of the answer, under which the server logs the request."`
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
	r := refusalOf(err)
	id := a.requestID(ctx)
	if r.status >= 500 && !errors.Is(err, context.Canceled) {
		a.log.ErrorContext(ctx, "management API request failed",
			"request_id", id, "operation", operation, "status", r.status, "code", r.code, "err", err)
	}
	return &errorEnvelope{
		Detail: errorDetail{Code: r.code, Message: r.message, Status: r.status, RequestID: id},
		header: r.header,
	}
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
	_ = jsonFormat.Marshal(ctx.BodyWriter(), e) // an envelope has nothing that can't be encoded
}

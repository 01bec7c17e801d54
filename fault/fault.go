// Package fault has the table of error codes. For each code the table says the HTTP status,
// whether a retry can help, and whether the error is about the original.
//
// For most uses, call [New] to refuse a request, and [Of] to turn an error of another
// package into one for the client. Packages that answer requests only write an [Error].
// [ErrorEnvelope] is its JSON form. docs/errors.md and the enum in the OpenAPI document are
// generated from [All].
//
// To add a code, add a constant and a row of the table.
package fault

import (
	"net/http"
	"strconv"
)

// A Code names a kind of error to clients. Codes never change their meaning.
type Code string

// The codes, as table describes them.
const (
	InvalidOption       Code = "INVALID_OPTION"
	InvalidPath         Code = "INVALID_PATH"
	InvalidSource       Code = "INVALID_SOURCE"
	Validation          Code = "VALIDATION_ERROR"
	Unauthorized        Code = "UNAUTHORIZED"
	SignatureRequired   Code = "SIGNATURE_REQUIRED"
	SignatureInvalid    Code = "SIGNATURE_INVALID"
	SignatureExpired    Code = "SIGNATURE_EXPIRED"
	Forbidden           Code = "FORBIDDEN"
	OriginNotAllowed    Code = "ORIGIN_NOT_ALLOWED"
	SourceNotAllowed    Code = "SOURCE_NOT_ALLOWED"
	AddressNotAllowed   Code = "ADDRESS_NOT_ALLOWED"
	PresetRequired      Code = "PRESET_REQUIRED"
	WorkspaceNotFound   Code = "WORKSPACE_NOT_FOUND"
	SourceNotFound      Code = "SOURCE_NOT_FOUND"
	NotFound            Code = "NOT_FOUND"
	MethodNotAllowed    Code = "METHOD_NOT_ALLOWED"
	Conflict            Code = "CONFLICT"
	OriginalTooLarge    Code = "ORIGINAL_TOO_LARGE"
	URITooLong          Code = "URI_TOO_LONG"
	UnsupportedFormat   Code = "UNSUPPORTED_FORMAT"
	RangeNotSatisfiable Code = "RANGE_NOT_SATISFIABLE"
	ImageCorrupt        Code = "IMAGE_CORRUPT"
	ImageTooLarge       Code = "IMAGE_TOO_LARGE"
	RateLimited         Code = "RATE_LIMITED"
	QuotaExceeded       Code = "QUOTA_EXCEEDED"
	Blocked             Code = "BLOCKED"
	HeadersTooLarge     Code = "HEADERS_TOO_LARGE"
	Internal            Code = "INTERNAL_ERROR"
	OriginError         Code = "ORIGIN_ERROR"
	WorkerFailed        Code = "WORKER_FAILED"
	MarkUnavailable     Code = "MARK_UNAVAILABLE"
	Overloaded          Code = "OVERLOADED"
	OriginTimeout       Code = "ORIGIN_TIMEOUT"
	TransformTimeout    Code = "TRANSFORM_TIMEOUT"
)

// A Kind describes all errors with one code.
type Kind struct {
	Code    Code
	Status  int    // HTTP status of the answer
	Meaning string // what went wrong, for the docs
	Remedy  string // what the client can do about it, for the docs

	// Retry is the value of Retry-After: the seconds after which the same request may
	// succeed. It is 0 where the request must change, or where the Error has a value of its
	// own.
	Retry int

	// Remembered says that the next request would meet the same error. Caches keep it for a
	// minute.
	Remembered bool

	// Original says that the original can't be fetched or decoded. The image of default= is
	// then shown instead.
	Original bool
}

var table = []Kind{
	{Code: InvalidOption, Status: http.StatusBadRequest, Meaning: "An option has an unknown form or a value out of range, or the variant is too large. The message names the limit.", Remedy: "Correct the option that the message names."},
	{Code: InvalidPath, Status: http.StatusBadRequest, Meaning: "The path of the image is not in canonical form.", Remedy: "Write the path without //, . and .. segments."},
	{Code: InvalidSource, Status: http.StatusBadRequest, Meaning: "The request names no image, or names it in a form that can't be read.", Remedy: "Name the image as /SOURCE/PATH or ?src=."},
	{Code: Validation, Status: http.StatusBadRequest, Meaning: "The body or a parameter of an API request is not valid.", Remedy: "Correct the fields that the message names."},
	{Code: Unauthorized, Status: http.StatusUnauthorized, Meaning: "An API key is missing, wrong, expired or revoked.", Remedy: "Send the header Authorization: Bearer KEY with a key that is in force."},
	{Code: SignatureRequired, Status: http.StatusUnauthorized, Meaning: "This image needs a signed URL.", Remedy: "Sign the URL on your server."},
	{Code: SignatureInvalid, Status: http.StatusForbidden, Meaning: "The signature does not match the URL.", Remedy: "Sign the URL exactly as it is sent, with a key that is in force."},
	{Code: SignatureExpired, Status: http.StatusForbidden, Meaning: "The signed URL has expired.", Remedy: "Sign it again with a later exp."},
	{Code: Forbidden, Status: http.StatusForbidden, Meaning: "The key may not do this, a source leads back to Tintype, or tintype dev is asked under a host on which it doesn't listen.", Remedy: "Use a key with the scope, or the host, that the message names."},
	{Code: OriginNotAllowed, Status: http.StatusForbidden, Meaning: "The page that asks is not in the workspace's allowed_origins.", Remedy: "Add the origin to allowed_origins."},
	{Code: SourceNotAllowed, Status: http.StatusForbidden, Meaning: "The workspace doesn't allow images from this URL.", Remedy: "Add its host to allowed_sources."},
	{Code: AddressNotAllowed, Status: http.StatusForbidden, Meaning: "The host of the image is at a private or special address.", Remedy: "Serve the original from a public address; operators open ranges with --allow-cidr."},
	{Code: PresetRequired, Status: http.StatusForbidden, Meaning: "The workspace serves presets only.", Remedy: "Ask with preset=NAME and without the option that the message names."},
	{Code: WorkspaceNotFound, Status: http.StatusNotFound, Meaning: "There is no workspace under this namespace.", Remedy: "Correct the first segment of the path, or the host name."},
	{Code: SourceNotFound, Status: http.StatusNotFound, Meaning: "The workspace has no source under this key.", Remedy: "Correct the source in the URL."},
	{Code: NotFound, Status: http.StatusNotFound, Meaning: "The original, or what an API request names, does not exist.", Remedy: "Correct the path.", Remembered: true, Original: true},
	{Code: MethodNotAllowed, Status: http.StatusMethodNotAllowed, Meaning: "The path doesn't take this method.", Remedy: "Use a method in the header Allow."},
	{Code: Conflict, Status: http.StatusConflict, Meaning: "The settings have changed since they were read, or the name is taken.", Remedy: "Read them again, make the change, and send the result."},
	{Code: OriginalTooLarge, Status: http.StatusRequestEntityTooLarge, Meaning: "The original has more bytes than this server allows.", Remedy: "Use a smaller original; operators set --max-original-bytes.", Original: true},
	{Code: URITooLong, Status: http.StatusRequestURITooLong, Meaning: "The URL is longer than 8 KiB.", Remedy: "Put options that many images share into a preset."},
	{Code: UnsupportedFormat, Status: http.StatusUnsupportedMediaType, Meaning: "The original is not an image in a format that the workspace allows; in the API, the body is not JSON.", Remedy: "Use another format, or allow it in the workspace (allow_svg, allow_tiff).", Remembered: true, Original: true},
	{Code: RangeNotSatisfiable, Status: http.StatusRequestedRangeNotSatisfiable, Meaning: "The range lies outside the image.", Remedy: "Ask within the length that Content-Range names."},
	{Code: ImageCorrupt, Status: http.StatusUnprocessableEntity, Meaning: "The original can't be decoded, or is cut off.", Remedy: "Replace the original.", Remembered: true, Original: true},
	{Code: ImageTooLarge, Status: http.StatusUnprocessableEntity, Meaning: "The original has more pixels or frames than this server allows, or needs more memory than a worker has.", Remedy: "Use a smaller original; operators set --max-pixels, --max-frames and --worker-memory.", Remembered: true, Original: true},
	{Code: RateLimited, Status: http.StatusTooManyRequests, Retry: 1, Meaning: "Too many requests in this minute.", Remedy: "Wait for the seconds in Retry-After."},
	{Code: QuotaExceeded, Status: http.StatusTooManyRequests, Meaning: "The limit of the day or month is used up.", Remedy: "Wait until Retry-After, or raise the limit."},
	{Code: HeadersTooLarge, Status: http.StatusRequestHeaderFieldsTooLarge, Meaning: "The request's headers are larger than 16 KiB.", Remedy: "Send fewer cookies."},
	{Code: Blocked, Status: http.StatusUnavailableForLegalReasons, Meaning: "The workspace's owner has blocked this image, or the moderation refused an upload.", Remedy: "Ask the owner. A block of an image's bytes ends up to a minute after it is lifted.", Remembered: true},
	{Code: Internal, Status: http.StatusInternalServerError, Meaning: "Something went wrong in Tintype.", Remedy: "Look for the request_id in the server's log."},
	{Code: OriginError, Status: http.StatusBadGateway, Meaning: "The server of the original failed or can't be reached.", Remedy: "Look at that server.", Original: true},
	{Code: WorkerFailed, Status: http.StatusBadGateway, Meaning: "A worker process crashed, or was killed, while it made the variant.", Remedy: "Ask for a smaller variant; where every variant fails, replace the original.", Original: true},
	{Code: MarkUnavailable, Status: http.StatusBadGateway, Meaning: "A mark's image can't be fetched, and the variant isn't shown without it.", Remedy: "Look at the image of the mark that the message names."},
	{Code: Overloaded, Status: http.StatusServiceUnavailable, Meaning: "The server is busy, or the store can't be reached.", Remedy: "Try again after the seconds in Retry-After.", Retry: 1},
	{Code: OriginTimeout, Status: http.StatusGatewayTimeout, Meaning: "The server of the original took too long.", Remedy: "Look at that server; operators set --fetch-timeout.", Original: true},
	{Code: TransformTimeout, Status: http.StatusGatewayTimeout, Meaning: "Making the variant took too long.", Remedy: "Ask for a smaller variant or a cheaper format; operators set --transform-timeout.", Original: true},
}

var kinds = func() map[Code]*Kind {
	m := make(map[Code]*Kind, len(table))
	for i := range table {
		m[table[i].Code] = &table[i]
	}
	return m
}()

// All returns the kinds, sorted by status.
func All() []Kind { return append([]Kind(nil), table...) }

// Kind returns the row of the table for the code. For a code that isn't in the table it
// returns that of Internal.
func (c Code) Kind() Kind {
	if k := kinds[c]; k != nil {
		return *k
	}
	return *kinds[Internal]
}

// An Error is an answer to a request that failed: a message for the client, and a cause for
// the log.
type Error struct {
	Code       Code
	Message    string      // what went wrong and what to do; every client may see it
	Header     http.Header // further headers of the answer, or nil
	RetryAfter int         // seconds; 0 is the Retry of the code's kind
	MaxAge     int         // seconds for which caches may keep the answer; 0 is no-store
	Cause      error       // for the log only; may be nil
}

// New returns an error with a code and a message that every client may see.
func New(code Code, message string) *Error { return &Error{Code: code, Message: message} }

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }
func (e *Error) Unwrap() error { return e.Cause }

// Status returns the HTTP status of the answer.
func (e *Error) Status() int { return e.Code.Kind().Status }

// CacheControl returns the value of the header Cache-Control.
func (e *Error) CacheControl() string {
	if e.MaxAge > 0 {
		return "public, max-age=" + strconv.Itoa(e.MaxAge)
	}
	return "no-store"
}

// Headers adds the headers of the answer to h, except Cache-Control.
func (e *Error) Headers(h http.Header) {
	if e.Code == Unauthorized {
		h.Set("WWW-Authenticate", "Bearer") // RFC 9110 §11.6.1
	}
	if seconds := max(e.RetryAfter, e.Code.Kind().Retry); seconds > 0 {
		h.Set("Retry-After", strconv.Itoa(seconds))
	}
	for name, values := range e.Header {
		h[name] = values
	}
}

// An ErrorEnvelope is the JSON body of every error, and its name in the OpenAPI document.
type ErrorEnvelope struct {
	Detail ErrorDetail `json:"error"`
}

// An ErrorDetail is the content of an ErrorEnvelope.
type ErrorDetail struct {
	Code      Code   `json:"code" doc:"What went wrong, for programs. Codes don't change between versions; docs/errors.md lists them." example:"WORKSPACE_NOT_FOUND"`
	Message   string `json:"message" doc:"What went wrong and what to do, for people. Wording may change."`
	Status    int    `json:"status" doc:"The HTTP status of the answer." example:"404"`
	RequestID string `json:"request_id" doc:"The X-Request-Id of the answer, under which the server logs the request."`
}

// Envelope returns the body of the answer. requestID is the id of the request.
func (e *Error) Envelope(requestID string) ErrorEnvelope {
	return ErrorEnvelope{ErrorDetail{e.Code, e.Message, e.Status(), requestID}}
}

// Package fault is the one table of what can go wrong: for each error code its HTTP
// status, whether repeating the request can help, and whether it is about the original.
//
// For most uses, call [New] to refuse a request, and [Of] to find out what a client is
// told about an error that another package returned. The packages that answer requests
// only render an [Error]; [ErrorEnvelope] is its JSON form. docs/errors.md and the enum in the
// OpenAPI document are made from [All].
//
// A new code needs a constant, a row in the table, and nothing else.
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
	HeadersTooLarge     Code = "HEADERS_TOO_LARGE"
	Internal            Code = "INTERNAL_ERROR"
	OriginError         Code = "ORIGIN_ERROR"
	WorkerFailed        Code = "WORKER_FAILED"
	MarkUnavailable     Code = "MARK_UNAVAILABLE"
	Overloaded          Code = "OVERLOADED"
	OriginTimeout       Code = "ORIGIN_TIMEOUT"
	TransformTimeout    Code = "TRANSFORM_TIMEOUT"
)

// A Kind is what is true of every error with one code.
type Kind struct {
	Code    Code
	Status  int    // HTTP status of the answer
	Meaning string // what went wrong, for the docs
	Remedy  string // what the client does about it, for the docs

	// Retry is the number of seconds after which the same request may succeed, for
	// Retry-After. Zero is none: the request needs a change, or the error says itself.
	Retry int

	// Remembered: the next request would meet the same error, so caches keep it for a
	// minute.
	Remembered bool

	// Original: the original can't be fetched or decoded, so that the image that
	// default= names stands in for it.
	Original bool
}

var table = []Kind{
	{Code: InvalidOption, Status: http.StatusBadRequest, Meaning: "An option is unknown in this form, out of range, or too large to be made, by a limit that the message names.", Remedy: "Correct the option that the message names."},
	{Code: InvalidPath, Status: http.StatusBadRequest, Meaning: "The path of the image is not in canonical form.", Remedy: "Write the path without //, . and .. segments."},
	{Code: InvalidSource, Status: http.StatusBadRequest, Meaning: "The request names no image, or names it in a form that can't be read.", Remedy: "Name the image as /SOURCE/PATH or ?src=."},
	{Code: Validation, Status: http.StatusBadRequest, Meaning: "The body or a parameter of an API request is not valid.", Remedy: "Correct the fields that the message names."},
	{Code: Unauthorized, Status: http.StatusUnauthorized, Meaning: "An API key is missing, wrong, expired or revoked.", Remedy: "Send the header Authorization: Bearer KEY with a key that is in force."},
	{Code: SignatureRequired, Status: http.StatusUnauthorized, Meaning: "This image needs a signed URL.", Remedy: "Sign the URL on your server."},
	{Code: SignatureInvalid, Status: http.StatusForbidden, Meaning: "The signature does not match the URL.", Remedy: "Sign the URL exactly as it is sent, with a key that is in force."},
	{Code: SignatureExpired, Status: http.StatusForbidden, Meaning: "The signed URL has ended.", Remedy: "Sign it again with a later exp."},
	{Code: Forbidden, Status: http.StatusForbidden, Meaning: "The key may not do this, or a source leads back to Tintype.", Remedy: "Use a key with the scope that the message names."},
	{Code: OriginNotAllowed, Status: http.StatusForbidden, Meaning: "The page that asks is not in the workspace's allowed_origins.", Remedy: "Add the origin to allowed_origins."},
	{Code: SourceNotAllowed, Status: http.StatusForbidden, Meaning: "The image is where the workspace allows none.", Remedy: "Add its host to allowed_sources."},
	{Code: AddressNotAllowed, Status: http.StatusForbidden, Meaning: "The host of the image is at a private or special address.", Remedy: "Serve the original from a public address; operators open ranges with --allow-cidr."},
	{Code: PresetRequired, Status: http.StatusForbidden, Meaning: "The workspace serves presets only.", Remedy: "Ask with preset=NAME and without the option that the message names."},
	{Code: WorkspaceNotFound, Status: http.StatusNotFound, Meaning: "There is no workspace under this namespace.", Remedy: "Correct the first segment of the path, or the host name."},
	{Code: SourceNotFound, Status: http.StatusNotFound, Meaning: "The workspace has no source under this key.", Remedy: "Correct the source in the URL."},
	{Code: NotFound, Status: http.StatusNotFound, Meaning: "The original, or what an API request names, does not exist.", Remedy: "Correct the path.", Remembered: true, Original: true},
	{Code: MethodNotAllowed, Status: http.StatusMethodNotAllowed, Meaning: "The path takes other methods.", Remedy: "Use one of those in the header Allow."},
	{Code: Conflict, Status: http.StatusConflict, Meaning: "What was to be changed is not what the request was based on, or the name is taken.", Remedy: "Read it again, make the change on what it is now, and send that."},
	{Code: OriginalTooLarge, Status: http.StatusRequestEntityTooLarge, Meaning: "The original has more bytes than this server takes.", Remedy: "Use a smaller original; operators set --max-original-bytes.", Original: true},
	{Code: URITooLong, Status: http.StatusRequestURITooLong, Meaning: "The URL is longer than 8 KiB.", Remedy: "Put options that many images share into a preset."},
	{Code: UnsupportedFormat, Status: http.StatusUnsupportedMediaType, Meaning: "The original is no image in a format that the workspace takes; in the API, the body is not JSON.", Remedy: "Use another format, or let the workspace take it (allow_svg, allow_tiff).", Remembered: true, Original: true},
	{Code: RangeNotSatisfiable, Status: http.StatusRequestedRangeNotSatisfiable, Meaning: "The range lies outside the image.", Remedy: "Ask within the length that Content-Range names."},
	{Code: ImageCorrupt, Status: http.StatusUnprocessableEntity, Meaning: "The original can't be decoded, or is cut off.", Remedy: "Replace the original.", Remembered: true, Original: true},
	{Code: ImageTooLarge, Status: http.StatusUnprocessableEntity, Meaning: "The original has more pixels or frames than this server takes, or takes more memory than a worker has.", Remedy: "Use a smaller original; operators set --max-pixels, --max-frames and --worker-memory.", Remembered: true, Original: true},
	{Code: RateLimited, Status: http.StatusTooManyRequests, Retry: 1, Meaning: "Too many requests in this minute.", Remedy: "Wait as many seconds as Retry-After says."},
	{Code: QuotaExceeded, Status: http.StatusTooManyRequests, Meaning: "The limit of the day or month is used up.", Remedy: "Wait until Retry-After, or raise the limit."},
	{Code: HeadersTooLarge, Status: http.StatusRequestHeaderFieldsTooLarge, Meaning: "The request's headers are larger than 16 KiB.", Remedy: "Send fewer cookies."},
	{Code: Internal, Status: http.StatusInternalServerError, Meaning: "Something went wrong in Tintype.", Remedy: "Look for the request_id in the server's log."},
	{Code: OriginError, Status: http.StatusBadGateway, Meaning: "The server of the original failed or can't be reached.", Remedy: "Look at that server.", Original: true},
	{Code: WorkerFailed, Status: http.StatusBadGateway, Meaning: "Making the variant brought a worker process down.", Remedy: "Ask for a smaller variant; where every variant fails, replace the original.", Original: true},
	{Code: MarkUnavailable, Status: http.StatusBadGateway, Meaning: "A mark's image can't be had, and nothing is shown without it.", Remedy: "Look at the image of the mark that the message names."},
	{Code: Overloaded, Status: http.StatusServiceUnavailable, Meaning: "The server is busy, or the store can't be reached.", Remedy: "Try again after as many seconds as Retry-After says.", Retry: 1},
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

// All returns the kinds in the order of their statuses.
func All() []Kind { return append([]Kind(nil), table...) }

// Kind returns what is true of every error with the code. A code that is not in the
// table is an Internal error.
func (c Code) Kind() Kind {
	if k := kinds[c]; k != nil {
		return *k
	}
	return *kinds[Internal]
}

// An Error is an answer that is no image and no result: what the client is told, and why
// for the log.
type Error struct {
	Code       Code
	Message    string      // what went wrong and what to do; safe to show to anybody
	Header     http.Header // further headers of the answer; nil is none
	RetryAfter int         // seconds; 0 is the Retry of the code's kind
	MaxAge     int         // seconds for which caches may keep the answer; 0 is no-store
	Cause      error       // for the log only; nil is none
}

// New returns an error with a code and a message that is safe to show.
func New(code Code, message string) *Error { return &Error{Code: code, Message: message} }

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }
func (e *Error) Unwrap() error { return e.Cause }

// Status is the HTTP status of the answer.
func (e *Error) Status() int { return e.Code.Kind().Status }

// CacheControl is the header of that name.
func (e *Error) CacheControl() string {
	if e.MaxAge > 0 {
		return "public, max-age=" + strconv.Itoa(e.MaxAge)
	}
	return "no-store"
}

// Headers adds to h what the answer says besides its body, Cache-Control excepted.
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

// An ErrorEnvelope is the JSON body of every error. The OpenAPI document has it under
// this name.
type ErrorEnvelope struct {
	Detail ErrorDetail `json:"error"`
}

// An ErrorDetail is what an ErrorEnvelope holds.
type ErrorDetail struct {
	Code      Code   `json:"code" doc:"What went wrong, for programs. Codes don't change between versions; docs/errors.md lists them." example:"WORKSPACE_NOT_FOUND"`
	Message   string `json:"message" doc:"What went wrong and what to do, for people. Wording may change."`
	Status    int    `json:"status" doc:"The HTTP status of the answer." example:"404"`
	RequestID string `json:"request_id" doc:"The X-Request-Id of the answer, under which the server logs the request."`
}

// Envelope returns the body of the answer to the request with this id.
func (e *Error) Envelope(requestID string) ErrorEnvelope {
	return ErrorEnvelope{ErrorDetail{e.Code, e.Message, e.Status(), requestID}}
}

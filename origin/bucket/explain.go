package bucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tintype/tintype/origin"
)

// explanations are what the owner of a source is told of the errors that S3 gives a
// code (Amazon S3 API Reference, "List of error codes").
var explanations = map[string]string{
	"NoSuchBucket":          "there is no bucket of that name: check bucket, and region, endpoint or account_id",
	"InvalidBucketName":     "there is no bucket of that name: check bucket",
	"InvalidAccessKeyId":    badCredentials,
	"SignatureDoesNotMatch": badCredentials,
	"XAdminUserNotFound":    badCredentials, // VersityGW
	"InvalidSecurity":       badCredentials,
	"InvalidToken":          badCredentials,
	"ExpiredToken":          badCredentials,
	"Unauthorized":          badCredentials, // R2
	"InvalidArgument":       "the bucket refused the request: check access_key_id and secret_access_key",
	"AccountProblem":        "the bucket's account has a problem: ask its provider",
	"AllAccessDisabled":     "access to the bucket is disabled: ask its provider",
	"InvalidObjectState":    "the object is archived: restore it first",
	"RequestTimeTooSkewed":  "the clocks of this server and of the bucket's differ by too much",
	"SlowDown":              "the bucket is asked too often: it says to slow down",
}

const (
	badCredentials = "the bucket refused the credentials: check access_key_id and secret_access_key"
	accessDenied   = "the bucket refused access: allow these credentials to read objects, and to list the bucket, " +
		"without which it says the same of missing ones"
)

// explain says what a failed request means, in an error of package origin that holds
// nothing that the bucket sent but for a short code, and whether to try again.
func explain(ctx context.Context, err error, have origin.Validators) (_ error, again bool) {
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &answer) || answer.Response == nil || answer.Response.Response == nil || answer.HTTPStatusCode() == 0 {
		if ctx.Err() != nil || errors.As(err, new(*smithyhttp.RequestSendError)) {
			failed := origin.Failure(ctx, err)
			return failed, !errors.Is(failed, origin.ErrAddress)
		}
		// No request was made: no credentials were found, or the settings allow none.
		return unavailable("no request to the bucket could be made: check its settings and credentials"), false
	}
	status, code := answer.HTTPStatusCode(), errorCode(err)
	again = status >= 500 || status == http.StatusTooManyRequests || code == "RequestTimeout"
	// The code comes first, since stores that speak S3 differ in the statuses they give.
	if reason, known := explanations[code]; known {
		return unavailable(reason), again
	}
	switch {
	case status == http.StatusNotModified && have != origin.Validators{}:
		return origin.ErrNotModified, false
	case status == http.StatusNotFound && isMissing(code), status == http.StatusGone, code == "KeyTooLongError":
		return origin.ErrNotFound, false
	case status >= 300 && status < 400, code == "AuthorizationHeaderMalformed":
		if region := answer.Response.Header.Get("X-Amz-Bucket-Region"); isRegion(region) {
			return unavailable("the bucket is in another region: set region to " + region), false
		}
		return unavailable("the bucket is in another region or at another endpoint: check region and endpoint"), false
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return unavailable(accessDenied), false
	case code != "":
		return unavailable(fmt.Sprintf("the bucket answered with status %d (%s)", status, code)), again
	}
	return unavailable(fmt.Sprintf("the bucket answered with status %d", status)), again
}

// isMissing reports whether the code of a 404 says that the object is missing, and not
// something else that the request needs. HTTP itself has no code.
func isMissing(code string) bool {
	switch code {
	case "", "NoSuchKey", "NoSuchVersion", "NotFound", "NoSuchObject", "ObjectNotFound", "FileNotFound":
		return true
	}
	return false
}

func unavailable(reason string) error {
	return fmt.Errorf("%w: %s", origin.ErrUnavailable, reason)
}

// errorCode is the code that the bucket gave the error, if it reads like one of S3 and
// can be shown.
func errorCode(err error) string {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return ""
	}
	code := api.ErrorCode()
	for i := range len(code) {
		if c := code[i] | 0x20; c < 'a' || c > 'z' {
			return ""
		}
	}
	if len(code) > 64 || code == "UnknownError" { // the SDK's, for none
		return ""
	}
	return code
}

// isRegion reports whether s reads like a region, and can be shown.
func isRegion(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return 0 < len(s) && len(s) <= 32
}

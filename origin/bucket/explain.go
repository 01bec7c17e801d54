package bucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tintype/tintype/awsenv"
	"github.com/tintype/tintype/origin"
)

// explanations are messages for the owner of a source, by S3's error code (Amazon S3 API
// Reference, "List of error codes").
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
	"SlowDown":              "the bucket gets too many requests, and says to slow down",
}

const (
	noAmbient      = "this server found no credentials of its own for the bucket: set access_key_id and secret_access_key of the source, or give the server a profile or a role of AWS"
	badCredentials = "the bucket refused the credentials: check access_key_id and secret_access_key"
	accessDenied   = "the bucket refused access: allow these credentials to read objects and to list the bucket " +
		"(without the right to list, a missing object is refused too)"
)

// explain returns the error of package origin for a failed request, and whether to retry. Of
// the bucket's answer the error holds only the status and a short code.
func explain(ctx context.Context, err error, have origin.Validators) (_ error, again bool) {
	if errors.Is(err, awsenv.ErrNoCredentials) && ctx.Err() == nil {
		return unavailable(noAmbient), false
	}
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &answer) || answer.Response == nil || answer.Response.Response == nil || answer.HTTPStatusCode() == 0 {
		if ctx.Err() != nil || errors.As(err, new(*smithyhttp.RequestSendError)) {
			failed := origin.Failure(ctx, err)
			return failed, !errors.Is(failed, origin.ErrAddress)
		}
		// The SDK made no request, since it found no credentials or can't use the settings.
		return unavailable("no request to the bucket could be made: check its settings and credentials"), false
	}
	status, code := answer.HTTPStatusCode(), errorCode(err)
	again = status >= 500 || status == http.StatusTooManyRequests || code == "RequestTimeout"
	// Check the code first, since stores that speak S3 differ in their statuses.
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

// isMissing reports whether the code of a 404 says that the object is missing. Other codes
// say that something else is missing, such as the bucket. A plain 404 has no code.
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

// errorCode returns the bucket's error code, if it looks like one of S3. Clients may see it.
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
	if len(code) > 64 || code == "UnknownError" { // the SDK's code where there is none
		return ""
	}
	return code
}

// isRegion reports whether s looks like a region. Clients may see it.
func isRegion(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return 0 < len(s) && len(s) <= 32
}

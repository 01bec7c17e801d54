package bucket

import (
	"io"
	"net/http"

	"github.com/aws/smithy-go/middleware"
)

// maxErrorBody is how much of an error's body is read, in bytes. The SDK would read
// all of it, and an endpoint can be anybody's.
const maxErrorBody = 64 << 10

// A sender makes the SDK's requests those of Tintype. It follows no redirects: a
// signature is for one host.
type sender struct {
	transport http.RoundTripper
	userAgent string
}

func newSender(transport http.RoundTripper, userAgent string) sender {
	if userAgent == "" {
		userAgent = "Tintype"
	}
	return sender{transport, userAgent}
}

// Do sends a signed request, with what isn't signed: proxies on the way may change it.
func (s sender) Do(r *http.Request) (*http.Response, error) {
	r.Header.Set("User-Agent", s.userAgent) // the SDK's tells versions of everything
	r.Header.Set("Accept-Encoding", "identity")
	r.Header.Set("CDN-Loop", "tintype") // RFC 8586
	resp, err := s.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxErrorBody), resp.Body}
	}
	return resp, nil
}

// unsigned keeps the SDK from signing Accept-Encoding, which front ends of some stores
// rewrite before they verify.
var unsigned = []func(*middleware.Stack) error{func(s *middleware.Stack) error {
	_, err := s.Finalize.Remove("DisableAcceptEncodingGzip")
	return err
}}

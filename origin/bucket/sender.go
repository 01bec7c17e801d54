package bucket

import (
	"io"
	"net/http"

	"github.com/aws/smithy-go/middleware"
)

// maxErrorBody bounds the body of an error, in bytes. The SDK would read all of it, and
// owners can name any endpoint.
const maxErrorBody = 64 << 10

// A sender sends the SDK's requests with Tintype's headers. It follows no redirects, since a
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

// Do sends a signed request. It adds headers that aren't signed, since proxies may change
// them.
func (s sender) Do(r *http.Request) (*http.Response, error) {
	r.Header.Set("User-Agent", s.userAgent) // the SDK's value would tell all versions
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

// unsigned keeps the SDK from signing Accept-Encoding, since the front ends of some stores
// rewrite it before they verify the signature.
var unsigned = []func(*middleware.Stack) error{func(s *middleware.Stack) error {
	_, err := s.Finalize.Remove("DisableAcceptEncodingGzip")
	return err
}}

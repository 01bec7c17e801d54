package origin

import (
	"context"
	"net/http"
)

// An HTTPSource is the originals below one URL of a web server. Its fields are not
// changed once it is in use.
type HTTPSource struct {
	HTTP   *HTTP
	Base   URL         // its path, a canonical one, is in front of every key; a query is ignored
	Header http.Header // sent to Base's scheme, host and port only; may be nil

	// Redirect is asked before a redirect is followed, as Request.Redirect.
	Redirect func(URL) error
}

var _ Source = (*HTTPSource)(nil)

// URL is where the original of a key is: below Base, in the one spelling that
// EscapePath gives. The error wraps ErrInvalidPath or ErrInvalidURL.
func (s *HTTPSource) URL(key Key) (URL, error) {
	return s.Base.Below(key)
}

// Fetch implements Source.
func (s *HTTPSource) Fetch(ctx context.Context, key Key, have Validators) (*Object, error) {
	u, err := s.URL(key)
	if err != nil {
		return nil, err
	}
	return s.HTTP.Get(ctx, Request{URL: u, Header: s.Header, Have: have, Redirect: s.Redirect})
}

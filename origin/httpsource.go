package origin

import (
	"context"
	"net/http"
)

// An HTTPSource fetches the originals below one URL of a web server. Its fields must not
// change after the first use.
type HTTPSource struct {
	HTTP   *HTTP
	Base   URL         // every key is below its path, which must be canonical; its query is ignored
	Header http.Header // sent to Base's scheme, host and port only; may be nil

	// Redirect is called before each redirect, as Request.Redirect says.
	Redirect func(URL) error
}

var _ Source = (*HTTPSource)(nil)

// URL returns the URL of a key below Base, as [URL.Below] writes it. The error wraps
// ErrInvalidPath or ErrInvalidURL.
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

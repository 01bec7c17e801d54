package delivery

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// A sender is who a request for an image comes from. The zero value is anybody.
type sender struct {
	apikey.Principal
	// err is why the key doesn't count, where the request may go on without one.
	err error
}

// known reports whether a key says who it is.
func (s sender) known() bool { return s.Kind != "" }

// withPrincipal returns the request with its principal in the context, where there is one.
func (s sender) withPrincipal(r *http.Request) *http.Request {
	if !s.known() {
		return r
	}
	return r.WithContext(s.context(r.Context()))
}

// context returns a context with the principal, where there is one.
func (s sender) context(ctx context.Context) context.Context {
	if !s.known() {
		return ctx
	}
	return apikey.WithPrincipal(ctx, s.Principal)
}

// sender judges the key that a request carries, whatever the request asks for. A key that
// is not valid here is refused even where no key is needed: otherwise its owner would
// believe that it works. Two things count as no key: what has not the shape of one, since
// the header may be meant for somebody else, and a key that can't be looked up while the
// store is down.
func (s *Service) sender(w *Response, r *http.Request, c *site) (sender, error) {
	key, ok := apikey.Bearer(r.Header)
	if !ok || s.auth == nil {
		return sender{}, nil
	}
	who, err := s.auth.Authenticate(r.Context(), key)
	w.Log.Who = who
	switch {
	case errors.Is(err, apikey.ErrMalformed):
		return sender{err: unauthorized("the key after Bearer is no API key")}, nil
	case errors.Is(err, workspace.ErrUnavailable) && !isTest(key):
		return sender{err: err}, nil
	case errors.Is(err, apikey.ErrChecksum), errors.Is(err, apikey.ErrUnknown):
		return sender{}, unauthorized("there is no such API key: check the key after Bearer")
	case errors.Is(err, apikey.ErrRevoked), errors.Is(err, apikey.ErrExpired):
		w.Log.Who, _ = apikey.Holder(err)
		return sender{}, unauthorized(err.Error())
	case err != nil:
		return sender{}, err
	case who.Kind == apikey.Key && who.Namespace != c.Namespace:
		return sender{}, fault.New(fault.Forbidden, "this API key belongs to another workspace")
	case who.Kind == apikey.Key && who.WorkspaceID != c.ID:
		return sender{}, unauthorized("the workspace of this API key has been deleted")
	case !who.May(apikey.Read, c.ID):
		return sender{}, fault.New(fault.Forbidden, "this API key doesn't have the scope read, which images need")
	}
	return sender{Principal: who}, nil
}

func unauthorized(message string) *fault.Error { return fault.New(fault.Unauthorized, message) }

var errKeyInURL = unauthorized("API keys are not accepted in a URL: send the header Authorization: Bearer KEY. If the key was a real one, replace it, since URLs are kept in logs")

// RefuseRootKey returns an error if a raw path or query contains a root key, so that no log
// gets it. [parseQuery] does so for API keys.
func (s *Service) RefuseRootKey(path, query string) error {
	if s.auth.RootInURL(path, query) {
		return errKeyInURL
	}
	return nil
}

func isTest(key string) bool {
	secret, err := apikey.Parse(key)
	return err == nil && secret.Test()
}

// parseQuery is transform.ParseQuery, and refuses API keys, since URLs end up in logs.
func parseQuery(raw string) (transform.Query, error) {
	q, err := transform.ParseQuery(raw)
	if err != nil {
		return nil, err
	}
	for _, p := range q {
		if apikey.Within(p.Name) || apikey.Within(p.Value) {
			return nil, errKeyInURL
		}
	}
	return q, nil
}

// longestRight is how long clients may keep an image that a key without an end opened.
const longestRight = 365 * 24 * time.Hour

// bearer is the access that a key gives. It ends with the key.
func (s *Service) bearer(who sender, private bool) access {
	a := access{private: private, bearer: true, limited: true, left: longestRight}
	if !who.ExpiresAt.IsZero() {
		a.left = max(min(a.left, who.ExpiresAt.Sub(s.clock())), 0)
	}
	if who.Test {
		a.test = who.KeyID
	}
	return a
}

// accountKey counts a request that carried a key, and notes in the access log that this
// client address used the key. It does so once an hour, since there are many images.
func (s *Service) accountKey(w *Response, r *http.Request) {
	who := w.Log.Who
	if who.Kind != apikey.Key {
		return
	}
	if s.usage != nil {
		s.usage.CountKey(who.WorkspaceID, who.KeyID, w.Status >= 400)
	}
	if s.journal != nil {
		s.journal.NoteHourly(workspace.AuditEntry{
			WorkspaceID: who.WorkspaceID, Actor: who.Actor(), Action: r.Method + " images", Target: w.Log.Workspace,
			Status: w.Status, IP: w.Log.Client, UserAgent: r.UserAgent(), Time: s.clock().UTC().Truncate(time.Microsecond),
		})
	}
}

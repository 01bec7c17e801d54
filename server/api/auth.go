package api

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// bearer is the name of the security scheme in the OpenAPI document.
const bearer = "bearer"

// What an operation needs, as its Security says: OpenAPI 3.1 lists roles beside a
// scheme that isn't OAuth's. Every operation has one of these.
var (
	public     = []map[string][]string{}                                 // nothing
	needsRoot  = []map[string][]string{{bearer: {string(apikey.Root)}}}  // the root key
	needsRead  = []map[string][]string{{bearer: {string(apikey.Read)}}}  // a key of the workspace with this scope, or the root key
	needsWrite = []map[string][]string{{bearer: {string(apikey.Write)}}} // the same
)

// keyParameters are query parameters in which clients of other APIs send keys.
var keyParameters = []string{"key", "api_key", "token", "access_token"}

// refuseKeyInQuery refuses a request whose query names or holds a key, since a URL is
// kept in logs, histories and Referer headers (RFC 6750 §5.3).
func (a *api) refuseKeyInQuery(ctx huma.Context, next func(huma.Context)) {
	u := ctx.URL()
	// By hand, since url.ParseQuery drops pairs around a ";" and bad escapes.
	for pair := range strings.FieldsFuncSeq(u.RawQuery, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if plain, err := url.QueryUnescape(value); err == nil {
			value = plain
		}
		if slices.Contains(keyParameters, strings.ToLower(name)) || apikey.Within(name) || apikey.Within(value) {
			a.fail(ctx, errKeyInQuery)
			return
		}
	}
	next(ctx)
}

// authenticate finds out who sends the request, lets it through where that principal
// may do what the operation needs, and puts the principal into its context.
func (a *api) authenticate(ctx huma.Context, next func(huma.Context)) {
	need := ctx.Operation().Security
	if need != nil && len(need) == 0 {
		next(ctx)
		return
	}
	r, _ := humago.Unwrap(ctx)
	key, ok := apikey.Bearer(r.Header)
	if !ok {
		a.fail(ctx, a.orClosed(errNoKey))
		return
	}
	who, err := a.identify(ctx.Context(), key)
	if err != nil {
		if holder, ok := apikey.Holder(err); ok {
			visitOf(ctx.Context()).who = holder
		}
		a.fail(ctx, a.orClosed(err))
		return
	}
	visitOf(ctx.Context()).who = who
	if !a.admit(ctx, who) {
		return
	}
	if err := allow(who, need, ctx.Param("ns")); err != nil {
		a.fail(ctx, err)
		return
	}
	next(huma.WithContext(ctx, apikey.WithPrincipal(ctx.Context(), who)))
}

// identify says whose key it is. A key counts for as long as its workspace is there.
func (a *api) identify(ctx context.Context, key string) (apikey.Principal, error) {
	who, err := a.auth.Authenticate(ctx, key)
	if err != nil || who.Kind != apikey.Key {
		return who, err
	}
	w, err := a.store.Get(ctx, who.Namespace)
	switch {
	case errors.Is(err, workspace.ErrNotFound):
		return who, errOrphan
	case err != nil:
		return who, fmt.Errorf("reading the workspace of an API key: %w", err)
	case w.ID != who.WorkspaceID:
		return who, errOrphan
	}
	return who, nil
}

// allow says whether who may do what the operation needs, in the workspace of its path
// if there is one. Another workspace is refused alike whether it exists or not.
func allow(who apikey.Principal, need []map[string][]string, namespace string) error {
	if who.Kind == apikey.Root || need == nil { // nil: there is no such route, and nothing to be refused
		return nil
	}
	switch role := need[0][bearer][0]; {
	case role == string(apikey.Root):
		return errNeedsRoot
	case who.Namespace != namespace:
		return errOtherWorkspace
	case !who.May(apikey.Scope(role), who.WorkspaceID):
		return errScope(role)
	}
	return nil
}

// orClosed is err, or what to do about it where there is no root key yet.
func (a *api) orClosed(err error) error {
	if !a.auth.HasRoot() && fault.OfManaging(err).Code == errClosed.Code {
		return errClosed
	}
	return err
}

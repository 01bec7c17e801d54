package api

import (
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
)

// bearer is the name of the security scheme in the OpenAPI document.
const bearer = "bearer"

// What an operation needs, as its Security says: OpenAPI 3.1 lists roles beside a
// scheme that isn't OAuth's. Every operation has one of these.
var (
	public     = []map[string][]string{}                                 // nothing
	needsRoot  = []map[string][]string{{bearer: {string(manage.Root)}}}  // the root key
	needsRead  = []map[string][]string{{bearer: {string(manage.Read)}}}  // a key of the workspace with this scope, or the root key
	needsWrite = []map[string][]string{{bearer: {string(manage.Write)}}} // the same
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
	who, err := a.manage.Identify(ctx.Context(), key)
	if err != nil {
		if holder, ok := apikey.Holder(err); ok {
			visitOf(ctx.Context()).Principal = holder
		}
		a.fail(ctx, a.orClosed(err))
		return
	}
	visitOf(ctx.Context()).Principal = who
	if !a.admit(ctx, who) {
		return
	}
	if need != nil { // nil: there is no such route, and nothing to be refused
		if err := caller(ctx.Context()).Allow(manage.Right(need[0][bearer][0]), ctx.Param("ns")); err != nil {
			a.fail(ctx, err)
			return
		}
	}
	next(huma.WithContext(ctx, apikey.WithPrincipal(ctx.Context(), who)))
}

// orClosed is err, or what to do about it where there is no root key yet.
func (a *api) orClosed(err error) error {
	if !a.manage.HasRoot() && fault.OfManaging(err).Code == errClosed.Code {
		return errClosed
	}
	return err
}

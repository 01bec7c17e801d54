package api

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
)

// bearer is the name of the security scheme in the OpenAPI document.
const bearer = "bearer"

// anybody is the action of operations that need no key.
const anybody account.Action = ""

// security returns the Security of an operation. It names the scope of API keys that the
// action needs, or root where no API key may. OpenAPI 3.1 allows such names for schemes
// other than OAuth too.
func security(action account.Action) []map[string][]string {
	if action == anybody {
		return []map[string][]string{}
	}
	need := string(action.Right().Scope)
	if need == string(account.AnyKey) {
		return []map[string][]string{{bearer: {}}}
	}
	return []map[string][]string{{bearer: {cmp.Or(need, string(apikey.Root))}}}
}

// actionOf returns the action of an operation. known is false for an unknown route.
func actionOf(op *huma.Operation) (action account.Action, known bool) {
	action, known = op.Metadata["action"].(account.Action)
	return action, known
}

// keyParameters are query parameters in which clients of other APIs send keys.
var keyParameters = []string{"key", "api_key", "token", "access_token"}

// refuseKeyInQuery refuses a request whose query contains a key or one of keyParameters,
// since logs, histories and Referer headers keep URLs (RFC 6750 §5.3).
func (a *api) refuseKeyInQuery(ctx huma.Context, next func(huma.Context)) {
	u := ctx.URL()
	// url.ParseQuery would drop pairs that contain a ";" or a bad escape.
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

// authenticate identifies the principal of the request and puts it into the context. It
// refuses the request if the principal may not do the action of the operation.
func (a *api) authenticate(ctx huma.Context, next func(huma.Context)) {
	action, known := actionOf(ctx.Operation())
	if known && action == anybody {
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
	if known { // the answer of an unknown route is 404 for every key
		if err := caller(ctx.Context()).Allow(action, ctx.Param("ns")); err != nil {
			a.fail(ctx, err)
			return
		}
		if namespace := ctx.Param("ns"); namespace != "" {
			for name, values := range a.quota(ctx.Context(), namespace) {
				ctx.SetHeader(name, values[0])
			}
		}
	}
	next(huma.WithContext(ctx, apikey.WithPrincipal(ctx.Context(), who)))
}

// orClosed returns errClosed in the place of err if the server has no root key and err says
// that the caller is not authenticated.
func (a *api) orClosed(err error) error {
	if !a.manage.HasRoot() && fault.OfManaging(err).Code == errClosed.Code {
		return errClosed
	}
	return err
}

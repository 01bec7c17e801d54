package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// bearer is the name of the security scheme in the OpenAPI document.
const bearer = "bearer"

// public is the Security of operations that need no key.
var public = []map[string][]string{}

// keyParameters are query parameters in which clients of other APIs send keys.
var keyParameters = []string{"key", "api_key", "token", "access_token"}

// refuseKeyInQuery refuses a request whose query names a key, since a URL is kept
// in logs, histories and Referer headers (RFC 6750 §5.3).
func (a *api) refuseKeyInQuery(ctx huma.Context, next func(huma.Context)) {
	u := ctx.URL()
	// By hand, since url.ParseQuery drops pairs around a ";" and bad escapes.
	for pair := range strings.FieldsFuncSeq(u.RawQuery, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if slices.Contains(keyParameters, strings.ToLower(name)) {
			a.fail(ctx, errKeyInQuery)
			return
		}
	}
	next(ctx)
}

// authenticate lets a request through that carries the root key, or whose
// operation is public.
func (a *api) authenticate(ctx huma.Context, next func(huma.Context)) {
	if op := ctx.Operation(); op.Security != nil && len(op.Security) == 0 {
		next(ctx)
		return
	}
	if a.closed {
		a.fail(ctx, errClosed)
		return
	}
	r, _ := humago.Unwrap(ctx)
	key, ok := bearerKey(r.Header.Values("Authorization"))
	if !ok {
		a.fail(ctx, errNoKey)
		return
	}
	// Digests have one length, so that comparing them tells nothing of the key's.
	sum := sha256.Sum256([]byte(key))
	if subtle.ConstantTimeCompare(sum[:], a.rootKey[:]) != 1 {
		a.fail(ctx, errWrongKey)
		return
	}
	next(ctx)
}

// bearerKey returns the key in the values of the Authorization header, of which
// there must be one (RFC 6750 §2.1; the scheme's case doesn't matter, RFC 9110
// §11.1).
func bearerKey(values []string) (key string, ok bool) {
	if len(values) != 1 {
		return "", false
	}
	scheme, key, _ := strings.Cut(values[0], " ")
	key = strings.Trim(key, " ")
	return key, strings.EqualFold(scheme, "Bearer") && key != ""
}

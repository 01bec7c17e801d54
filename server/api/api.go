// Package api is the management API under /v1, for owners' tools, for the
// dashboard and for `tintype apply`.
//
// [New] returns the handler. Every answer is JSON; every refusal is the envelope
// of one table (errors.go). Each resource has a file of its own, and routes.go
// lists them all. What a workspace may hold is package workspace's to judge, and
// where it lives is the Store's; this package only speaks HTTP.
//
// The OpenAPI document is made from the same Go declarations that serve the
// requests. huma finds the operations and describes them; bodies are left to
// [workspace.Decode], which is strict, so that an API call and a file for
// `tintype apply` are judged alike.
package api

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
)

// Config is what the API needs from its surroundings.
type Config struct {
	// Manage does what requests ask for. Required.
	Manage *manage.Manager

	// Store is where workspaces are read and written. Required. The server gives
	// its cached.Store, so that a write is answered only when the delivery of
	// this process sees it.
	Store workspace.Store

	// Uncached is the store beneath the cache of Store, for reads: an edit is to
	// start from what the store has, also where the change of another node has not
	// reached the cache yet. Nil reads from Store.
	Uncached workspace.Store

	// DirSources returns the keys of the dir sources that this process adds to a
	// namespace, which marks and presets may refer to. Nil is none.
	DirSources func(namespace string) []string

	// LendsCredentials says that buckets may be without credentials, and are read with
	// those of the process.
	LendsCredentials bool

	// Auth says whose key a request carries. Nil knows no key, which closes the API:
	// every call that needs one is answered 401.
	Auth *apikey.Authenticator

	// Records is where API keys, the audit log, counts, domains, and the answers to
	// requests with an Idempotency-Key are kept. Nil keeps none.
	Records Records

	// Usage counts the requests of API keys, and Journal is the access log of the API.
	// Nil is none.
	Usage   *usage.Recorder
	Journal *usage.Journal

	// FindPurge says what a URL that is to be purged stands for, and the Cache-Tags
	// of it. Its errors are shown, unless they wrap workspace.ErrNotFound or
	// workspace.ErrUnavailable. Nil refuses URLs.
	FindPurge func(ctx context.Context, namespace, url string) ([]workspace.Purge, []string, error)

	// TellPurge is told of every purge before it is stored, with the Cache-Tags of what is
	// purged; what it returns is called when that has been tried. Neither may wait. Where
	// the store fails, the purge may have been made or not. Nil is nobody.
	TellPurge func(namespace string, tags []string) (release func())

	// Resolver is asked for the records that verify domains. Nil is the system's.
	Resolver Resolver

	// Limiter holds API keys to their limit. Nil sets none.
	Limiter *limit.Limiter

	// Client returns the address of whoever sends the request of a context, for the
	// audit log. Nil leaves it empty.
	Client func(context.Context) string

	// Explain says what would become of a request for an image: delivery.Service.Explain.
	// Nil explains nothing.
	Explain func(ctx context.Context, target, accept, origin string) (delivery.Explanation, error)

	// NoteSender is told who sends the request of a context, for the server's log. Nil is
	// told nothing.
	NoteSender func(context.Context, apikey.Principal)

	// Now is the clock; nil is time.Now.
	Now func() time.Time

	// BaseDomain is that of host-form URLs, which may be given to be signed. Empty is
	// none.
	BaseDomain string

	// Log receives the causes of 5xx answers, which clients are not shown. Nil
	// logs nothing.
	Log *slog.Logger

	// Metrics is where the figures of purges are registered. Nil registers none.
	Metrics prometheus.Registerer

	// Version of Tintype, for the OpenAPI document. Empty is "dev".
	Version string

	// RequestID returns the id under which the request of a context is logged, for
	// the request_id of errors. Nil leaves request_id empty.
	RequestID func(context.Context) string
}

// Records is what a store keeps beside workspaces, as far as the API needs it.
type Records interface {
	workspace.APIKeys
	workspace.AuditLog
	workspace.Replays
	workspace.Counters
	workspace.Domains
	workspace.Deletions
}

// New returns the handler of everything under /v1/. It panics if c.Store is nil.
// The handler is safe for concurrent use.
func New(c Config) http.Handler {
	if c.Store == nil {
		panic("api: Config.Store is nil")
	}
	return newAPI(c)
}

// newAPI is New, but that without a store it is only good for describing itself.
func newAPI(c Config) *api {
	a := &api{
		manage:     c.Manage,
		store:      c.Store,
		reads:      c.Uncached,
		dirSources: c.DirSources,
		baseDomain: strings.ToLower(strings.Trim(c.BaseDomain, ".")),
		log:        c.Log,
		requestID:  c.RequestID,
		auth:       c.Auth,
		records:    c.Records,
		usage:      c.Usage,
		journal:    c.Journal,
		findPurge:  c.FindPurge,
		tellPurge:  c.TellPurge,
		limiter:    c.Limiter,
		resolver:   c.Resolver,
		client:     c.Client,
		explain:    c.Explain,
		noteSender: c.NoteSender,
		now:        c.Now,
		metrics:    newMetrics(c.Metrics),
		mux:        http.NewServeMux(),
	}
	if a.reads == nil {
		a.reads = a.store
	}
	if a.dirSources == nil {
		a.dirSources = func(string) []string { return nil }
	}
	if a.auth == nil {
		a.auth = apikey.NewAuthenticator(apikey.AuthenticatorConfig{})
	}
	if a.resolver == nil {
		a.resolver = net.DefaultResolver
	}
	if a.client == nil {
		a.client = func(context.Context) string { return "" }
	}
	if a.explain == nil {
		a.explain = func(context.Context, string, string, string) (delivery.Explanation, error) {
			return delivery.Explanation{}, errNoExplain
		}
	}
	if a.noteSender == nil {
		a.noteSender = func(context.Context, apikey.Principal) {}
	}
	if a.now == nil {
		a.now = time.Now
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.requestID == nil {
		a.requestID = func(context.Context) string { return "" }
	}

	// Built by hand instead of with huma.DefaultConfig, which would put $schema
	// into bodies, add Link headers and serve pages that load outside scripts.
	a.huma = humago.New(a.mux, huma.Config{
		OpenAPI:       describe(cmp.Or(c.Version, "dev")),
		Formats:       map[string]huma.Format{"application/json": jsonFormat},
		DefaultFormat: "application/json",
	})
	a.huma.UseMiddleware(a.middleware()...)
	a.routes()
	a.document = render(a.huma.OpenAPI())
	a.page, a.pagePolicy = page(a.huma.OpenAPI())
	return a
}

// api is the handler. Its fields don't change after New.
type api struct {
	manage     *manage.Manager
	store      workspace.Store // for writes
	reads      workspace.Store
	dirSources func(namespace string) []string
	baseDomain string
	log        *slog.Logger
	requestID  func(context.Context) string
	auth       *apikey.Authenticator
	records    Records // nil is none
	findPurge  func(ctx context.Context, namespace, url string) ([]workspace.Purge, []string, error)
	tellPurge  func(namespace string, tags []string) (release func())
	limiter    *limit.Limiter
	resolver   Resolver
	usage      *usage.Recorder // nil is none
	journal    *usage.Journal  // nil is none
	client     func(context.Context) string
	explain    func(ctx context.Context, target, accept, origin string) (delivery.Explanation, error)
	noteSender func(context.Context, apikey.Principal)
	now        func() time.Time
	metrics    *metrics
	mux        *http.ServeMux
	huma       huma.API
	document   []byte // OpenAPI, as served
	page       []byte // the same for people
	pagePolicy string // Content-Security-Policy of the page
}

// middleware is what every request passes before its operation, in this order.
// Requests for unknown routes and methods pass it too.
func (a *api) middleware() huma.Middlewares {
	return huma.Middlewares{
		harden,             // first, so that the refusals of the others carry the headers
		a.account,          // before anything is refused, since that is logged too
		a.refuseKeyInQuery, // before the header is looked at: a right header doesn't make the leak good
		a.authenticate,     // before anything is read, the body included
		a.idempotency,      // last, since it keeps the answers of those who may ask, and reads bodies
	}
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := a.mux.Handler(r); pattern == "" || !canonical(r) {
		a.serveUnknown(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// canonical tells whether ServeMux would route the request as it stands. It
// redirects other paths to their clean form, query and all.
func canonical(r *http.Request) bool {
	p := r.URL.EscapedPath()
	return path.Clean(p) == p
}

// serveUnknown answers requests that no operation matches, in the place of
// ServeMux, whose answers are plain text.
func (a *api) serveUnknown(w http.ResponseWriter, r *http.Request) {
	err := errNoRoute
	if allowed := a.allowedMethods(r); len(allowed) > 0 {
		err = errMethod(allowed)
	}
	a.huma.Middlewares().Handler(func(ctx huma.Context) {
		a.fail(ctx, err)
	})(humago.NewContext(&huma.Operation{}, r, w))
}

func (a *api) allowedMethods(r *http.Request) []string {
	if !canonical(r) {
		return nil
	}
	var allowed []string
	for _, method := range []string{
		http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodPost, http.MethodPut,
	} {
		if _, pattern := a.mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host}); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	return allowed
}

// harden sets the headers that every answer carries.
func harden(ctx huma.Context, next func(huma.Context)) {
	ctx.SetHeader("Cache-Control", "no-store")
	ctx.SetHeader("X-Content-Type-Options", "nosniff")
	next(ctx)
}

// handle registers an operation. An error that h returns is answered as the table
// in errors.go says.
//
// Inputs hold strings, types made from strings, and a [body], none of which huma
// itself finds fault with: what it refused would be answered in its own format,
// which only a package variable of huma's could change.
func handle[In, Out any](a *api, op huma.Operation, h func(context.Context, *In) (*Out, error)) {
	if op.Security == nil {
		panic("api: " + op.OperationID + " doesn't say which key it needs")
	}
	op.SkipValidateParams = true
	if op.Method == http.MethodPost {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: idempotencyKey, In: "header", Schema: &huma.Schema{Type: huma.TypeString},
			Description: "A text of your own, such as a UUID: the same request sent again with it within 24 hours is answered as the first was, and not done again.",
		})
	}
	describeAnswers(&op)

	// huma reads and judges a body whose description it sees when it registers.
	described := op.RequestBody
	if described != nil {
		op.RequestBody = &huma.RequestBody{}
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *In) (*Out, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, a.answer(ctx, op.Method+" "+op.Path, err)
		}
		return out, nil
	})
	if described != nil {
		*op.RequestBody = *described
	}
}

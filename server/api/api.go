// Package api is the management API under /v1, for owners' tools and the dashboard.
//
// For most uses, call [New], which returns the handler. Every answer is JSON, and every
// error is the envelope of package fault. Each resource has its own file; routes.go lists
// them. This package only speaks HTTP: an operation decodes its request, calls one method
// of [manage.Manager], and encodes the result.
//
// The OpenAPI document is made from the same Go declarations that serve the requests. huma
// routes requests and describes the operations. [workspace.Decode] reads the bodies instead
// of huma, so that an API call and a file for `tintype apply` follow the same strict rules.
package api

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"path"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
)

// Config configures the API.
type Config struct {
	// Manage does what requests ask for, and identifies callers. Required.
	Manage *manage.Manager

	// Replays keeps the answers to requests with an Idempotency-Key. Nil keeps none.
	Replays workspace.Replays

	// Usage counts the requests of API keys. Nil counts nothing.
	Usage *usage.Recorder

	// Journal is the access log of the API. Nil logs nothing.
	Journal *usage.Journal

	// Limiter counts the requests of each API key and refuses those above the limit. Nil
	// refuses none.
	Limiter *limit.Limiter

	// Quota returns headers that say what is left of a workspace's quotas, from memory:
	// delivery.Service.Quota. Nil returns none.
	Quota func(ctx context.Context, namespace string) http.Header

	// Watch counts what alerts are about. Nil counts nothing.
	Watch *alert.Watch

	// Record returns the line of the server's log for the request of a context:
	// server.RecordOf. The API reads the request's id and the client's address there, and
	// notes who sent it. Nil leaves them empty.
	Record func(context.Context) *delivery.Record

	// Log receives the causes of 5xx answers. Clients don't see them. Nil logs nothing.
	Log *slog.Logger

	// Version of Tintype, for the OpenAPI document. Empty is "dev".
	Version string
}

// New returns the handler of everything under /v1/. It panics if c.Manage is nil.
// The handler is safe for concurrent use.
func New(c Config) http.Handler {
	if c.Manage == nil {
		panic("api: Config.Manage is nil")
	}
	return newAPI(c)
}

// newAPI is New for a c.Manage that may be nil. Without a Manager the API can only
// describe itself.
func newAPI(c Config) *api {
	a := &api{
		manage:  c.Manage,
		replays: c.Replays,
		usage:   c.Usage,
		journal: c.Journal,
		limiter: c.Limiter,
		quota:   c.Quota,
		watch:   c.Watch,
		record:  c.Record,
		log:     c.Log,
		mux:     http.NewServeMux(),
	}
	if a.quota == nil {
		a.quota = func(context.Context, string) http.Header { return nil }
	}
	if a.record == nil {
		a.record = func(context.Context) *delivery.Record { return &delivery.Record{} }
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}

	// huma.DefaultConfig would put $schema into bodies, add Link headers and serve pages
	// that load scripts of other hosts.
	a.huma = humago.New(a.mux, huma.Config{
		OpenAPI:       describe(cmp.Or(c.Version, "dev")),
		Formats:       map[string]huma.Format{"application/json": jsonFormat},
		DefaultFormat: "application/json",
	})
	a.huma.UseMiddleware(a.middleware()...)
	a.routes()
	a.documents = sync.OnceValue(func() documents {
		d := documents{openAPI: render(a.huma.OpenAPI())}
		d.page, d.pagePolicy = page(a.huma.OpenAPI())
		return d
	})
	return a
}

// api is the handler. Its fields don't change after New.
type api struct {
	manage    *manage.Manager
	replays   workspace.Replays // nil keeps no answers
	usage     *usage.Recorder   // nil counts nothing
	journal   *usage.Journal    // nil logs nothing
	limiter   *limit.Limiter    // nil refuses nothing
	quota     func(ctx context.Context, namespace string) http.Header
	watch     *alert.Watch // nil counts nothing
	record    func(context.Context) *delivery.Record
	log       *slog.Logger
	mux       *http.ServeMux
	huma      huma.API
	documents func() documents // made once, at the first call
}

// documents describe the API.
type documents struct {
	openAPI    []byte // JSON
	page       []byte // the reference page, HTML
	pagePolicy string // Content-Security-Policy of the page
}

// middleware lists what every request passes before its operation, in this order.
// Requests for unknown routes and methods pass it too.
func (a *api) middleware() huma.Middlewares {
	return huma.Middlewares{
		harden,             // first: errors of the others carry its headers too
		a.account,          // before the refusals: it logs and counts them too
		a.refuseKeyInQuery, // before authenticate: a key in the URL has leaked, whatever the header holds
		a.authenticate,     // before anything reads the body
		a.idempotency,      // last: it reads the body, and keeps only answers to allowed callers
	}
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := a.mux.Handler(r); pattern == "" || !canonical(r) {
		a.serveUnknown(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// canonical reports whether the path is clean. ServeMux redirects other paths to their
// clean form, with the query.
func canonical(r *http.Request) bool {
	p := r.URL.EscapedPath()
	return path.Clean(p) == p
}

// serveUnknown answers requests that no operation matches. ServeMux would answer them in
// plain text.
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

// streams is the key in an operation's Metadata that says that the operation reads the body
// itself, which may be larger than maxBody.
const streams = "streams"

// handle registers an operation, for callers who may do the action. [api.answer] turns an error of h into the answer.
//
// Inputs hold only strings, types made from strings, and a [body], because huma accepts any
// value of these. If huma refused a value, it would answer in its own format, which only a
// package variable of huma could change.
func handle[In, Out any](a *api, action account.Action, op huma.Operation, h func(context.Context, *In) (*Out, error)) {
	streaming := op.Metadata[streams] != nil
	op.Security, op.Metadata = security(action), map[string]any{"action": action, streams: streaming}
	op.SkipValidateParams = true
	if op.Method == http.MethodPost && !streaming {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: idempotencyKey, In: "header", Schema: &huma.Schema{Type: huma.TypeString},
			Description: "A text of your choice, such as a UUID. Send it again with the same request within 24 hours, and you get the first answer. Nothing is done twice.",
		})
	}
	describeAnswers(&op)

	// huma reads and validates every body that is described when the operation is
	// registered. The description is added afterwards.
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

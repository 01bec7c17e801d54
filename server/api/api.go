// Package api is the management API under /v1, for owners' tools, for the
// dashboard and for `tintype apply`.
//
// For most uses, call [New], which returns the handler. Every answer is JSON, and every
// refusal is the envelope of package fault. Each resource has a file of its own, and
// routes.go names them all. This package only speaks HTTP: an operation decodes its
// request, calls the method of [manage.Manager] for it, and renders what that returns.
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
	"net/http"
	"path"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
)

// Config is what the API needs from its surroundings.
type Config struct {
	// Manage does what requests ask for, and knows who sends them. Required.
	Manage *manage.Manager

	// Replays keeps the answers to requests with an Idempotency-Key. Nil keeps none.
	Replays workspace.Replays

	// Usage counts the requests of API keys, and Journal is the access log of the API.
	// Nil is none.
	Usage   *usage.Recorder
	Journal *usage.Journal

	// Limiter holds API keys to their limit. Nil sets none.
	Limiter *limit.Limiter

	// Record returns what the server's log says of the request of a context: server.RecordOf.
	// The API reads the request's id and the client's address there, and notes who sent it.
	// Nil leaves them empty.
	Record func(context.Context) *delivery.Record

	// Log receives the causes of 5xx answers, which clients are not shown. Nil
	// logs nothing.
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

// newAPI is New, but that without a Manager it is only good for describing itself.
func newAPI(c Config) *api {
	a := &api{
		manage:  c.Manage,
		replays: c.Replays,
		usage:   c.Usage,
		journal: c.Journal,
		limiter: c.Limiter,
		record:  c.Record,
		log:     c.Log,
		mux:     http.NewServeMux(),
	}
	if a.record == nil {
		a.record = func(context.Context) *delivery.Record { return &delivery.Record{} }
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
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
	replays   workspace.Replays // nil is none
	usage     *usage.Recorder   // nil is none
	journal   *usage.Journal    // nil is none
	limiter   *limit.Limiter    // nil is none
	record    func(context.Context) *delivery.Record
	log       *slog.Logger
	mux       *http.ServeMux
	huma      huma.API
	documents func() documents // made at the first request for one
}

// documents describe the API.
type documents struct {
	openAPI    []byte // as served
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

// Package dashboard answers the web pages under /app, with which owners and their teams
// manage workspaces. Everything that it does, it does by package manage, as the API under
// /v1 does.
//
// For most uses, call [New] and give the Dashboard to the server. A page is a row of the
// table of routes, a method that collects its data, and a template of the same name. Pages
// work without scripts. A form that changes a workspace first shows what it would change:
// see visit.change.
package dashboard

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// Config has the parts and settings of a [Dashboard]. All fields are required, except for
// those that say what nil means.
type Config struct {
	Manage    *manage.Manager
	People    *account.People
	Codec     *workspace.Codec // seals what is typed between two pages of a form; nil makes one, which other processes can't read
	PublicURL *url.URL         // of this server, for links in pages; nil takes the request's host, on loopback
	Watch     *alert.Watch     // counts what alerts are about; nil counts nothing
	Log       *slog.Logger
	Now       func() time.Time // nil is time.Now
}

// A Dashboard answers requests for /app and what is below it. It is safe for concurrent use.
type Dashboard struct {
	Config
	mux     *http.ServeMux
	signing *limit.Limiter               // of what people have signed on the playground
	settled *lru.Cache[string, struct{}] // workspaces, by ID, whose first steps are all done
}

// mostSettled is how many workspaces a Dashboard knows whose first steps are all done.
const mostSettled = 4096

// New returns a Dashboard.
func New(c Config) *Dashboard {
	if c.Codec == nil {
		c.Codec, _ = workspace.NewCodec(workspace.NewSecretKey()) // a new key is valid
	}
	settled, err := lru.New[string, struct{}](mostSettled)
	if err != nil {
		panic(err) // only a size that isn't positive
	}
	d := &Dashboard{Config: c, mux: http.NewServeMux(), signing: limit.New(limit.Config{Log: c.Log, Now: c.Now}), settled: settled}
	for _, r := range routes {
		d.mux.Handle(r.pattern, d.handle(r))
	}
	for _, other := range []string{"/app", "/app/"} {
		d.mux.Handle(other, d.handle(route{open: true, page: (*visit).nothingHere}))
	}
	return d
}

func (d *Dashboard) now() time.Time {
	if d.Now == nil {
		return time.Now()
	}
	return d.Now()
}

// ServeHTTP implements http.Handler.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", csp)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	crossOrigin.Handler(d.mux).ServeHTTP(w, r)
}

// csp lets pages load their own files and images of this host, and send forms to this host.
// blob: and data: are for previews that scripts and helpers make.
const csp = "default-src 'none'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// crossOrigin refuses writes that another site's page sends.
var crossOrigin = func() *http.CrossOriginProtection {
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{w: w, r: r}
		v.fail(fault.New(fault.Forbidden, "This form was sent by a page of another site. Open the page here and send it again."))
	}))
	return p
}()

// handle returns the handler of a route.
func (d *Dashboard) handle(route route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{d: d, w: w, r: r, ns: r.PathValue("ns"), route: route}
		err := v.enter()
		if err == nil {
			err = route.page(v)
		}
		v.watch(err)
		if err != nil {
			v.fail(err)
		}
	})
}

// maxForm is the largest body of a form, in bytes. Allowlists of 200 patterns fit.
const maxForm = 1 << 20

// A visit is one request for a page.
type visit struct {
	d     *Dashboard
	w     http.ResponseWriter
	r     *http.Request
	route route
	ns    string // namespace in the path; empty where the page is of no workspace

	who  account.Visitor
	role account.Role // in the workspace; an operator has account.Operator
	seen *workspace.Workspace
	sent *sentForm // once the form is read
}

// A sentForm is the form of a POST, or why it can't be read.
type sentForm struct {
	values url.Values
	err    error
}

// enter finds out who visits, and refuses those who may not.
func (v *visit) enter() error {
	if !v.route.files {
		v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	}
	if token := v.cookie(sessionCookie); token != "" {
		who, err := v.d.People.Visitor(v.r.Context(), token)
		if err != nil && !errors.Is(err, account.ErrNoSession) {
			return err
		}
		v.who = who
	}
	if v.route.open {
		return nil
	}
	if v.who.ID == "" {
		return errSignIn
	}
	if v.ns == "" {
		return nil
	}
	caller := v.caller()
	v.role = caller.Role
	if log, ok := v.w.(*delivery.Response); ok {
		log.Log.Workspace = v.ns
	}
	return caller.Allow(v.route.needs, v.ns)
}

// errSignIn sends the visitor to the page that signs in, and back afterwards.
var errSignIn = fault.New(fault.Unauthorized, "Sign in first.")

// caller returns the visitor for calls of package manage, with the visitor's role in the
// workspace of the page.
func (v *visit) caller() manage.Caller { return v.callerIn(v.ns) }

func (v *visit) callerIn(namespace string) manage.Caller {
	c := manage.Caller{UserAgent: v.r.UserAgent()}
	if log, ok := v.w.(*delivery.Response); ok {
		c.IP = log.Log.Client
	}
	c.Kind, c.Email, c.Namespace = apikey.Person, v.who.Email, namespace
	if v.who.Operator {
		c.Role = account.Operator
		return c
	}
	var latest time.Time // a workspace of this namespace may have been deleted before, and its members not yet
	for _, m := range v.who.Members {
		if m.Namespace == namespace && !m.Since.Before(latest) {
			c.Role, c.WorkspaceID, latest = m.Role, m.WorkspaceID, m.Since
		}
	}
	return c
}

// workspace returns the workspace of the page, as it was when the visit first asked. It is
// shared by all who ask, so nobody may modify it.
func (v *visit) workspace() (*workspace.Workspace, error) {
	if v.seen == nil {
		w, err := v.d.Manage.Workspace(v.r.Context(), v.caller(), v.ns)
		if err != nil {
			return nil, err
		}
		v.seen = w
	}
	return v.seen, nil
}

// may reports whether the visitor may do an action in the workspace of the page.
func (v *visit) may(action account.Action) bool { return v.caller().Allow(action, v.ns) == nil }

// form returns the fields of a POST. They are the same for all who ask.
func (v *visit) form() (form, error) {
	if v.sent == nil {
		v.sent = &sentForm{}
		if v.r.ParseForm() != nil {
			v.sent.err = fault.New(fault.Validation, "The form can't be read. It may be larger than 1 MiB.")
		} else if v.sent.values = v.r.PostForm; v.sent.values.Get(keptField) != "" {
			v.sent.values, v.sent.err = v.kept(v.sent.values.Get(keptField))
		}
	}
	return form{Values: v.sent.values}, v.sent.err
}

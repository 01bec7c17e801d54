package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// A visit collects what the access log says about a request.
type visit struct {
	manage.Caller        // its Principal is the zero value until authenticate sets it
	about         string // ID of the workspace that the request concerns; empty until it is known
}

type visitKey struct{}

// visitOf returns the visit of a request's context.
func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{}
}

// caller returns who sent the request of a context.
func caller(ctx context.Context) manage.Caller { return visitOf(ctx).Caller }

// account counts requests with an API key, and writes requests with a known key to an
// access log. A request with an API key goes to the log of the key's workspace, whatever it
// asks for. A request with a root key goes to the log of the workspace that it concerns, or
// to the operator's log.
func (a *api) account(ctx huma.Context, next func(huma.Context)) {
	r, _ := humago.Unwrap(ctx)
	record := a.record(r.Context())
	v := &visit{Caller: manage.Caller{IP: record.Client, UserAgent: r.UserAgent()}}
	v.About = func(id string) { v.about = id }
	ctx = huma.WithContext(ctx, context.WithValue(ctx.Context(), visitKey{}, v))
	next(ctx)
	record.Who = v.Principal
	a.alert(ctx, v)

	id, status := v.WorkspaceID, ctx.Status()
	switch v.Kind {
	case apikey.Key:
		if a.usage != nil {
			a.usage.CountKey(id, v.KeyID, status >= 400)
		}
	case apikey.Root:
		id = a.aboutOf(ctx, v)
	default:
		return
	}
	if a.journal == nil {
		return
	}
	note := a.journal.Note
	if status == http.StatusTooManyRequests || status == http.StatusUnauthorized { // nothing else bounds these
		note = a.journal.CountHourly
	}
	note(workspace.AuditEntry{
		WorkspaceID: id, Actor: v.Actor(), Action: strings.TrimSpace(r.Method + " " + ctx.Operation().Path), Target: r.URL.Path,
		Status: status, IP: v.IP, UserAgent: v.UserAgent,
	})
}

// alert counts the request for alerts: who sent it, from where, and whether it was refused.
func (a *api) alert(ctx huma.Context, v *visit) {
	if a.watch == nil || v.Kind != apikey.Key && v.Kind != "" {
		return
	}
	r, _ := humago.Unwrap(ctx)
	status, what := ctx.Status(), r.Method+" "+r.URL.Path
	if v.Kind == apikey.Key {
		a.watch.Act(v.WorkspaceID, v.Namespace, v.Actor())
		a.watch.UseKey(v.WorkspaceID, v.Namespace, v.KeyID, v.IP)
		if status == http.StatusUnauthorized || status == http.StatusForbidden {
			a.watch.Deny(v.WorkspaceID, v.Namespace, v.Actor(), status, what, v.IP)
		}
		return
	}
	// A key that nobody has. Requests without a key come from everybody who opens the URL.
	if _, ok := apikey.Bearer(r.Header); !ok || status != http.StatusUnauthorized {
		return
	}
	if namespace := ctx.Param("ns"); namespace != "" {
		if id := a.manage.WorkspaceID(ctx.Context(), namespace); id != "" {
			a.watch.Deny(id, namespace, "unknown", status, what, v.IP)
		}
	}
}

// aboutOf returns the ID of the log for a request with a root key.
func (a *api) aboutOf(ctx huma.Context, v *visit) string {
	if v.about != "" {
		return v.about
	}
	// The request was refused before anything read the workspace.
	if id := a.manage.WorkspaceID(ctx.Context(), ctx.Param("ns")); id != "" {
		return id
	}
	return workspace.OperatorLog
}

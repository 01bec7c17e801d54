package api

import (
	"context"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// A visit is what is known of a request while it is answered.
type visit struct {
	manage.Caller        // its Principal is the zero value until it is known
	about         string // ID of the workspace that it is about; empty until it is known
}

type visitKey struct{}

// visitOf returns the visit of a request's context.
func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{}
}

// caller is who sent the request of a context, for package manage.
func caller(ctx context.Context) manage.Caller { return visitOf(ctx).Caller }

// account counts requests with an API key, and notes requests of a known key in an
// access log: of API keys in that of their workspace, whatever they ask for; of a root
// key in that of the workspace that they are about, or, where there is none, in the
// operator's.
func (a *api) account(ctx huma.Context, next func(huma.Context)) {
	r, _ := humago.Unwrap(ctx)
	record := a.record(r.Context())
	v := &visit{Caller: manage.Caller{IP: record.Client, UserAgent: r.UserAgent()}}
	v.About = func(id string) { v.about = id }
	ctx = huma.WithContext(ctx, context.WithValue(ctx.Context(), visitKey{}, v))
	next(ctx)
	record.Who = v.Principal

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
	if a.journal != nil {
		a.journal.Note(workspace.AuditEntry{
			WorkspaceID: id, Actor: v.Actor(), Action: strings.TrimSpace(r.Method + " " + ctx.Operation().Path), Target: r.URL.Path,
			Status: status, IP: v.IP, UserAgent: v.UserAgent,
		})
	}
}

// aboutOf is under which ID a request of a root key is noted.
func (a *api) aboutOf(ctx huma.Context, v *visit) string {
	if v.about != "" {
		return v.about
	}
	// Where it was refused before anybody read it.
	if id := a.manage.WorkspaceID(ctx.Context(), ctx.Param("ns")); id != "" {
		return id
	}
	return workspace.OperatorLog
}

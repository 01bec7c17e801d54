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
	who       apikey.Principal // the zero value until it is known
	about     string           // ID of the workspace that it is about; empty until it is known
	ip        string
	userAgent string
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
func caller(ctx context.Context) manage.Caller {
	v := visitOf(ctx)
	return manage.Caller{Principal: v.who, IP: v.ip, UserAgent: v.userAgent, About: func(id string) { v.about = id }}
}

// account counts requests with an API key, and notes requests of a known key in an
// access log: of API keys in that of their workspace, whatever they ask for; of a root
// key in that of the workspace that they are about, or, where there is none, in the
// operator's.
func (a *api) account(ctx huma.Context, next func(huma.Context)) {
	r, _ := humago.Unwrap(ctx)
	v := &visit{ip: a.client(r.Context()), userAgent: r.UserAgent()}
	ctx = huma.WithContext(ctx, context.WithValue(ctx.Context(), visitKey{}, v))
	next(ctx)
	a.noteSender(r.Context(), v.who)

	id, status := v.who.WorkspaceID, ctx.Status()
	switch v.who.Kind {
	case apikey.Key:
		if a.usage != nil {
			a.usage.CountKey(id, v.who.KeyID, status >= 400)
		}
	case apikey.Root:
		id = a.aboutOf(ctx, v)
	default:
		return
	}
	if a.journal != nil {
		e := v.entry(strings.TrimSpace(r.Method+" "+ctx.Operation().Path), r.URL.Path)
		e.WorkspaceID, e.Status = id, status
		a.journal.Note(e)
	}
}

// aboutOf is under which ID a request of a root key is noted.
func (a *api) aboutOf(ctx huma.Context, v *visit) string {
	if v.about != "" {
		return v.about
	}
	if namespace := ctx.Param("ns"); workspace.ValidNamespace(namespace) { // refused before anybody read it
		if w, err := a.store.Get(ctx.Context(), namespace); err == nil { // from memory, as a rule
			return w.ID
		}
	}
	return workspace.OperatorLog
}

// entry begins an entry of a log about what the visitor does.
func (v *visit) entry(action, target string) workspace.AuditEntry {
	return workspace.AuditEntry{
		Actor: v.who.Actor(), Action: action, Target: target, IP: v.ip, UserAgent: v.userAgent,
	}
}

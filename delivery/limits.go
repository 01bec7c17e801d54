package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
)

// siteLimits are the compiled limits of a workspace. Where there are none, requests aren't
// counted.
type siteLimits struct {
	plan       *workspace.Limits // that bound the workspace's own; nil bound nothing
	requests   []limit.Limit
	transforms []limit.Limit // the narrowest window last
}

// limitsOf returns the limits that hold for a workspace now. They are compiled again where its
// plan has other limits than before.
func (s *Service) limitsOf(c *site) *siteLimits {
	var plan *workspace.Limits
	if c.Plan != "" && s.plans != nil {
		plan = s.plans(c.Plan)
	}
	l := c.limits.Load()
	if l == nil || l.plan != plan {
		if c.Plan != "" && plan == nil {
			s.log.Warn("the plan of a workspace is unknown: only its own limits hold", "workspace", c.Namespace, "plan", c.Plan)
		}
		l = compileLimits(c.Workspace, plan)
		c.limits.Store(l)
	}
	return l
}

func compileLimits(w *workspace.Workspace, plan *workspace.Limits) *siteLimits {
	l, limits := &siteLimits{plan: plan}, w.Limits
	if plan != nil {
		limits = limits.Lower(*plan)
	}
	add := func(list *[]limit.Limit, what string, window limit.Window, most int, warns bool) {
		if most <= 0 {
			return
		}
		lim := limit.Limit{Key: w.ID + "/" + what + "/" + string(window), Window: window, Max: int64(most)}
		if warns {
			lim.Warn = (lim.Max*warnAt + 99) / 100
		}
		*list = append(*list, lim)
	}
	add(&l.requests, "requests", limit.Minute, limits.RequestsPerMinute, false)
	add(&l.transforms, "transforms", limit.Month, limits.TransformsPerMonth, true)
	add(&l.transforms, "transforms", limit.Day, limits.TransformsPerDay, true)
	add(&l.transforms, "transforms", limit.Minute, limits.TransformsPerMinute, false)
	return l
}

// warnAt is the percentage of a day's or a month's transforms at which owners are warned.
const warnAt = 80

// testTransforms is how many transforms a day a test key may ask for.
const testTransforms = 100

// AdmitClient counts a request, whatever it is for, in the limit of the client's address.
func (s *Service) AdmitClient(ctx context.Context, client string) error {
	if s.clientRequests <= 0 {
		return nil
	}
	return s.take(ctx, s.clients, "this address may send", "requests",
		limit.Limit{Key: limit.Client(client), Window: limit.Minute, Max: int64(s.clientRequests)})
}

// admit counts a request for an image in the workspace's limit.
func (s *Service) admit(ctx context.Context, c *site) error {
	l := s.limitsOf(c)
	if len(l.requests) == 0 {
		return nil
	}
	return s.take(ctx, s.limiter, "this workspace may answer", "requests", l.requests...)
}

// take takes one from each limit. Where one is used up, the error says which.
func (s *Service) take(ctx context.Context, from *limit.Limiter, who, what string, limits ...limit.Limit) error {
	d, err := from.Take(ctx, limits...)
	if err != nil || d.OK {
		return err
	}
	return s.refuse(d, who, what)
}

func (s *Service) refuse(d limit.Decision, who, what string) error {
	s.metrics.refused.WithLabelValues(what, string(d.Limit.Window)).Inc()
	code, seconds := fault.RateLimited, int(math.Ceil(d.Reset.Seconds()))
	if d.Limit.Window != limit.Minute {
		code = fault.QuotaExceeded
	}
	return &fault.Error{
		Code: code, RetryAfter: seconds,
		Message: fmt.Sprintf("%s %d %s a %s; try again in %s", who, d.Limit.Max, what, d.Limit.Window, (time.Duration(seconds) * time.Second).String()),
	}
}

// spend counts a transform before it is made. Call undo where the transform fails, so that
// it costs nothing.
func (s *Service) spend(ctx context.Context, c *site) (undo func(), err error) {
	limits, who := s.limitsOf(c).transforms, "this workspace may make"
	if p, ok := apikey.PrincipalOf(ctx); ok && p.Test {
		who = "this test key may make"
		limits = []limit.Limit{{Key: p.WorkspaceID + "/keys/" + p.KeyID + "/transforms", Window: limit.Day, Max: testTransforms}}
	}
	if len(limits) == 0 {
		return func() {}, nil
	}
	d, err := s.limiter.Take(ctx, limits...)
	if err != nil {
		return nil, err
	}
	if !d.OK {
		return nil, s.refuse(d, who, "transforms")
	}
	return d.Undo, nil
}

// LimitWarnings say in the log, a metric and the workspace's audit log that most of a
// limit is used. They are safe for concurrent use.
type LimitWarnings struct {
	audit  workspace.AuditLog
	log    *slog.Logger
	total  prometheus.Counter
	behind sync.WaitGroup // entries that are being written
}

// NewLimitWarnings returns warnings that go to an audit log; nil is none. Where r is nil
// there is no metric. Close them before the audit log.
func NewLimitWarnings(audit workspace.AuditLog, r prometheus.Registerer, log *slog.Logger) *LimitWarnings {
	w := &LimitWarnings{audit: audit, log: log, total: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tintype_limit_warnings_total", Help: "Days and months of workspaces in which 80 % of a limit came to be used.",
	})}
	if r != nil {
		r.MustRegister(w.total)
	}
	return w
}

// Warn is for [limit.Config]. It doesn't wait.
func (w *LimitWarnings) Warn(l limit.Limit, used int64) {
	id, what, _ := strings.Cut(l.Key, "/")
	w.total.Inc()
	w.log.Warn("most of a workspace's limit is used", "workspace_id", id, "limit", what, "used", used, "of", l.Max)
	if w.audit == nil {
		return
	}
	w.behind.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := w.audit.AppendAudit(ctx, workspace.AuditEntry{
			WorkspaceID: id, Actor: "tintype", Action: "limit.warning", Target: what,
			After: fmt.Appendf(nil, `{"used":%d,"limit":%d}`, used, l.Max),
		})
		if err != nil {
			w.log.Error("a warning of a limit could not be written to the audit log", "workspace_id", id, "limit", what, "err", err)
		}
	})
}

// Close waits, until ctx ends, for entries that are being written.
func (w *LimitWarnings) Close(ctx context.Context) error {
	written := make(chan struct{})
	go func() {
		w.behind.Wait()
		close(written)
	}()
	select {
	case <-written:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

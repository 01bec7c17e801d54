package server

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
)

// siteLimits are the limits of a workspace, ready to be taken from. Without any, a
// request isn't counted.
type siteLimits struct {
	requests   []limit.Limit
	transforms []limit.Limit // the narrowest window last
}

func compileLimits(w *workspace.Workspace) (l siteLimits) {
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
	add(&l.requests, "requests", limit.Minute, w.Limits.RequestsPerMinute, false)
	add(&l.transforms, "transforms", limit.Month, w.Limits.TransformsPerMonth, true)
	add(&l.transforms, "transforms", limit.Day, w.Limits.TransformsPerDay, true)
	add(&l.transforms, "transforms", limit.Minute, w.Limits.TransformsPerMinute, false)
	return l
}

// warnAt is how many percent of a day's or a month's transforms are worth a warning.
const warnAt = 80

// testTransforms is how many transforms a day a test key may ask for.
const testTransforms = 100

// admitClient counts a request in the limit of the client's address.
func (s *Server) admitClient(ctx context.Context, client string) error {
	if s.clientRequests <= 0 {
		return nil
	}
	return s.take(ctx, s.clients, "this address may send", "requests",
		limit.Limit{Key: clientKey(client), Window: limit.Minute, Max: int64(s.clientRequests)})
}

// clientKey is what a client is counted under: its address, or the network of an IPv6
// address, of which everybody has as many addresses as they like (RFC 6177).
func clientKey(client string) string {
	addr, err := netip.ParseAddr(client)
	if err != nil || addr.Is4() {
		return client
	}
	network, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return client
	}
	return network.String()
}

// admit counts a request for an image in the workspace's limit.
func (s *Server) admit(ctx context.Context, c *site) error {
	if len(c.limits.requests) == 0 {
		return nil
	}
	return s.take(ctx, s.limiter, "this workspace may answer", "requests", c.limits.requests...)
}

// take takes from limits, or says in words which of them refuses.
func (s *Server) take(ctx context.Context, from *limit.Limiter, who, what string, limits ...limit.Limit) error {
	d, err := from.Take(ctx, limits...)
	if err != nil || d.OK {
		return err
	}
	return s.refuse(d, who, what)
}

func (s *Server) refuse(d limit.Decision, who, what string) error {
	s.metrics.refused.WithLabelValues(what, string(d.Limit.Window)).Inc()
	code, seconds := Code("RATE_LIMITED"), int(math.Ceil(d.Reset.Seconds()))
	if d.Limit.Window != limit.Minute {
		code = "QUOTA_EXCEEDED"
	}
	return &Error{
		Code: code, RetryAfter: seconds,
		Message: fmt.Sprintf("%s %d %s a %s; try again in %s", who, d.Limit.Max, what, d.Limit.Window, (time.Duration(seconds) * time.Second).String()),
	}
}

// spend counts a transform that is about to be made. Where it comes to nothing, what
// it cost is given back with undo.
func (s *Server) spend(ctx context.Context, c *site) (undo func(), err error) {
	limits, who := c.limits.transforms, "this workspace may make"
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

// WarnOfLimit says in the log, a metric and the workspace's audit log that most of a
// limit is used. It doesn't wait. Give it to the [limit.Limiter] of the Config.
func (s *Server) WarnOfLimit(l limit.Limit, used int64) {
	id, what, _ := strings.Cut(l.Key, "/")
	s.metrics.warnings.Inc()
	s.log.Warn("most of a workspace's limit is used", "workspace_id", id, "limit", what, "used", used, "of", l.Max)
	if s.auditLog == nil {
		return
	}
	s.behind.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := s.auditLog.AppendAudit(ctx, workspace.AuditEntry{
			WorkspaceID: id, Actor: "tintype", Action: "limit.warning", Target: what,
			After: fmt.Appendf(nil, `{"used":%d,"limit":%d}`, used, l.Max),
		})
		if err != nil {
			s.log.Error("a warning of a limit could not be written to the audit log", "workspace_id", id, "limit", what, "err", err)
		}
	})
}

package delivery

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tintype/tintype/limit"
)

// Quota returns the headers that say how many transforms of the day and of the month a workspace
// may make, how many are left and when the next ones begin:
//
//	X-Quota-Limit: day=1000, month=10000
//	X-Quota-Remaining: day=940, month=8800
//	X-Quota-Reset: day=1764547200, month=1764547200
//
// Values are dictionaries (RFC 9651 §3.2), and times Unix seconds. What is left is what this
// server knows; a limit of which it knows nothing is left out. Nil is no header.
func (s *Service) Quota(ctx context.Context, namespace string) http.Header {
	c, err := s.site(ctx, namespace)
	if err != nil {
		return nil
	}
	return s.quotaOf(c)
}

// tellQuota sets the headers of quotas, where the workspace wants them on images. They are of
// this moment, so no cached entry has them.
func (s *Service) tellQuota(h http.Header, c *site) {
	if c == nil || !c.QuotaHeaders {
		return
	}
	maps.Copy(h, s.quotaOf(c))
	if shown := h["Access-Control-Expose-Headers"]; len(shown) > 0 {
		h["Access-Control-Expose-Headers"] = append(slices.Clone(shown), "X-Quota-Limit, X-Quota-Remaining, X-Quota-Reset")
	}
}

// UsedQuotas returns how much of its transforms of the day and of the month a workspace may still
// make, as far as this server knows. It asks no store.
func (s *Service) UsedQuotas(ctx context.Context, namespace string) []limit.Decision {
	c, err := s.site(ctx, namespace)
	if err != nil {
		return nil
	}
	return s.limiter.Peek(s.limitsOf(c).transforms...)
}

func (s *Service) quotaOf(c *site) http.Header {
	var most, left, reset string
	now := s.clock()
	for _, window := range []limit.Window{limit.Day, limit.Month} {
		for _, lim := range s.limitsOf(c).transforms {
			if lim.Window != window {
				continue
			}
			for _, d := range s.limiter.Peek(lim) {
				if most != "" {
					most, left, reset = most+", ", left+", ", reset+", "
				}
				name := string(window) + "="
				most += name + strconv.FormatInt(lim.Max, 10)
				left += name + strconv.FormatInt(d.Remaining, 10)
				reset += name + strconv.FormatInt(now.Add(d.Reset).Round(time.Second).Unix(), 10)
			}
		}
	}
	if most == "" {
		return nil
	}
	return http.Header{"X-Quota-Limit": {most}, "X-Quota-Remaining": {left}, "X-Quota-Reset": {reset}}
}

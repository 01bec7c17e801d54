package api

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/limit"
)

// admit counts a request of an API key, of which the workspace's plan allows so many a minute,
// and answers 429 and returns false if it is above the
// limit. Every answer to an API key has the X-RateLimit headers.
func (a *api) admit(ctx huma.Context, who apikey.Principal) bool {
	if who.Kind != apikey.Key || a.limiter == nil {
		return true
	}
	most := a.manage.KeyRequests(ctx.Context(), who)
	d, err := a.limiter.Take(ctx.Context(), limit.Limit{
		Key: who.WorkspaceID + "/keys/" + who.KeyID + "/requests", Window: limit.Minute, Max: int64(most),
	})
	if err != nil {
		a.fail(ctx, err)
		return false
	}
	seconds := strconv.Itoa(wholeSeconds(d.Reset))
	ctx.SetHeader("X-RateLimit-Limit", strconv.Itoa(most))
	ctx.SetHeader("X-RateLimit-Remaining", strconv.FormatInt(d.Remaining, 10))
	// Windows end at whole seconds.
	ctx.SetHeader("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(d.Reset).Round(time.Second).Unix(), 10))
	if !d.OK {
		a.fail(ctx, &fault.Error{
			Code:       fault.RateLimited,
			Message:    fmt.Sprintf("This API key may send %d requests a minute. Try again in %s seconds.", most, seconds),
			RetryAfter: wholeSeconds(d.Reset),
		})
	}
	return d.OK
}

// wholeSeconds rounds up, so that a client that waits this long has waited long enough.
func wholeSeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

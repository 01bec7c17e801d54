// Package limit bounds how often something may be done in a window of time.
//
// For most uses, call [New] and then [Limiter.Take] before each action. Take reports whether
// the action is within its limits.
//
// Servers share a limit through a counter in a store. A server doesn't ask the store for
// every request: it takes a batch of tokens with [Leases], spends them from memory, and
// gives unused tokens back. The caller chooses the limits and words the refusals.
package limit

import (
	"context"
	"fmt"
	"time"
)

// A Window is a span of time in which a limit counts: a minute, hour, day or month of UTC.
type Window string

// The windows.
const (
	Minute Window = "minute"
	Hour   Window = "hour"
	Day    Window = "day"
	Month  Window = "month"
)

// Bounds returns the start and the end of the window that contains t. The end is the start
// of the next window. Bounds panics where w isn't one of the constants.
func (w Window) Bounds(t time.Time) (start, end time.Time) {
	t = t.UTC()
	switch w {
	case Minute:
		start = t.Truncate(time.Minute)
		return start, start.Add(time.Minute)
	case Hour:
		start = t.Truncate(time.Hour)
		return start, start.Add(time.Hour)
	case Day:
		start = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(0, 0, 1)
	case Month:
		start = time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(0, 1, 0)
	}
	panic(fmt.Sprintf("limit: %q is no window", string(w)))
}

// A Request asks for tokens of a limit.
type Request struct {
	Key    string // what is limited, such as "acme-id/transforms"; 1 to 512 bytes
	Window Window
	Max    int64 // tokens of all servers together in one window; 0 or less is none
	Want   int64 // tokens asked for; 0 only reads the count
}

// A Grant is the answer to a Request.
type Grant struct {
	Granted int64         // 0 to Want
	Used    int64         // tokens taken in this window, with these
	Start   time.Time     // start of the window, by the store's clock
	Ends    time.Duration // time from now to the end of the window
}

// Leases hands out tokens. It is safe for concurrent use, also by several processes. Errors
// wrap workspace.ErrUnavailable, or are those of the context. After an error the caller must
// not spend tokens, even though the store may have counted them.
type Leases interface {
	// Lease takes up to Want tokens of the current window, but not more than Max leaves. All
	// grants of one window together never exceed the largest Max. The store's clock decides
	// which window is current, so that a server with a wrong clock counts in the same one.
	Lease(ctx context.Context, r Request) (Grant, error)
	// Return gives back unused tokens of a grant. It does nothing after the end of the
	// grant's window.
	Return(ctx context.Context, r Request, g Grant, unused int64) error
}

// Package limit is about how much may be done in a span of time.
//
// [Limiter] is what to ask: [Limiter.Take] says whether one thing more may be done
// under some limits. A limit that several servers share is a counter in a store. A
// server doesn't ask the store for every request: it takes a batch of tokens with
// [Leases], spends them from memory, and gives back what it didn't need. What is
// limited, how much of it there may be and what a refusal looks like is left to others.
package limit

import (
	"context"
	"fmt"
	"time"
)

// A Window is a span of time in which a limit counts. Windows follow each other
// without a gap: every minute, hour, day or month of UTC is one.
type Window string

// The windows.
const (
	Minute Window = "minute"
	Hour   Window = "hour"
	Day    Window = "day"
	Month  Window = "month"
)

// Bounds returns the beginning of the window that t lies in, and its end, which is
// the beginning of the next. It panics for what is no Window.
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
	Max    int64 // tokens that all servers together get in one window; 0 or less is none
	Want   int64 // tokens asked for; 0 only looks at what is used
}

// A Grant is the answer to a Request.
type Grant struct {
	Granted int64         // 0 to Want
	Used    int64         // tokens that are taken of this window, these included
	Start   time.Time     // of the window that they count in, by the store's clock
	Ends    time.Duration // from now to the end of the window
}

// Leases hands out tokens. It is safe for concurrent use, by several processes too.
// Errors wrap workspace.ErrUnavailable, or are the context's: then nothing may be
// spent, though tokens may have been taken.
type Leases interface {
	// Lease takes up to Want tokens of the current window, or what is left of Max.
	// The tokens granted in one window never add up to more than the largest Max.
	// Which window is current is the store's to say, so that a server whose clock is
	// wrong doesn't count in another one than the rest.
	Lease(ctx context.Context, r Request) (Grant, error)
	// Return gives back unused tokens of a grant. Where its window is over this does
	// nothing.
	Return(ctx context.Context, r Request, g Grant, unused int64) error
}

package usage

import (
	"context"
	"time"
)

// run calls flush every interval and whenever full says so, until the context ends. An
// error of flush is flush's to log, and what it kept is for the next time.
func run(ctx context.Context, every time.Duration, full <-chan struct{}, flush func(context.Context) error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-full:
		case <-ctx.Done():
			return
		}
		_ = flush(ctx)
	}
}

// drain calls flush until it succeeds, or the context ends: then it returns flush's
// last error.
func drain(ctx context.Context, flush func(context.Context) error) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := flush(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

package usage

import (
	"context"
	"time"
)

// run calls flush every interval, and at each signal of full, until the context ends. flush
// must log its errors, and keep the rest for the next call.
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

// drain calls flush until it succeeds or the context ends. It returns flush's last error.
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

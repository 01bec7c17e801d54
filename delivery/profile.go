package delivery

import (
	"context"
	"runtime/pprof"
)

// label has profiles name what this goroutine works for, and goroutines that it starts, until
// unlabel is called.
func label(ctx context.Context, workspace, endpoint string) (labelled context.Context, unlabel func()) {
	ctx = pprof.WithLabels(ctx, pprof.Labels("workspace", workspace, "endpoint", endpoint))
	pprof.SetGoroutineLabels(ctx)
	return ctx, func() { pprof.SetGoroutineLabels(context.Background()) }
}

// unlabelled runs f without the labels of ctx. Goroutines that f starts may work for others
// later, such as those of connections to origins.
func unlabelled(ctx context.Context, f func()) {
	pprof.SetGoroutineLabels(context.Background())
	defer pprof.SetGoroutineLabels(ctx)
	f()
}

//go:build cgo

package main

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/debug"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/vips"
)

// hasZygote means that package vips is in this program, and with it a zygote for workers.
const hasZygote = runtime.GOOS == "linux"

func newEngine(log *slog.Logger) (transform.Engine, error) {
	if err := vips.Start(vips.Config{Logger: log}); err != nil {
		return nil, err
	}
	return vips.New(), nil
}

// newWorkerEngine is newEngine for a sandboxed process, which can't load anything later.
func newWorkerEngine(log *slog.Logger) (transform.Engine, error) {
	engine, err := newEngine(log)
	if err == nil {
		vips.Warm(context.Background())
		vips.ForgetProgram()
	}
	return engine, err
}

// giveBack gives memory back to the system that only the start needed.
func giveBack() {
	debug.FreeOSMemory()
	vips.ForgetProgram()
}

func engineVersion() string { return vips.Version() }

func jpegEncoder() string { return vips.JPEGEncoder() }

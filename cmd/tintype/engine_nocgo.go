//go:build !cgo

package main

import (
	"errors"
	"log/slog"
	"runtime/debug"

	"github.com/tintype/tintype/transform"
)

const hasZygote = false

func newEngine(*slog.Logger) (transform.Engine, error) {
	return nil, errors.New("this tintype was built without libvips and can't transform: build it with CGO_ENABLED=1")
}

func newWorkerEngine(log *slog.Logger) (transform.Engine, error) { return newEngine(log) }

func giveBack() { debug.FreeOSMemory() }

func engineVersion() string { return "missing" }

func jpegEncoder() string { return "missing" }

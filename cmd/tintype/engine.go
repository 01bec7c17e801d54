//go:build cgo

package main

import (
	"log/slog"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/vips"
)

func newEngine(log *slog.Logger) (transform.Engine, error) {
	if err := vips.Start(vips.Config{Logger: log}); err != nil {
		return nil, err
	}
	return vips.New(), nil
}

func engineVersion() string { return vips.Version() }

//go:build !linux

package worker

import (
	"errors"
	"runtime"
)

// lockIn reports all layers but limits as missing.
func lockIn(Sandbox) ready {
	err := errors.New("not on " + runtime.GOOS)
	return ready{
		Layers:  []string{layerLimits},
		Missing: []string{missing(layerNoNewPrivs, err), missing(layerSeccomp, err), missing(layerLandlock, err), missing(layerMemfd, err)},
	}
}

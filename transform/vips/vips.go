//go:build cgo

// Package vips is Tintype's engine. It runs a [transform.Job] with libvips, and is the only
// package that uses libvips and govips.
//
// For most uses, call [Start] once in a process, then [New], then [Engine.Transform] for
// each job. Transform runs its steps in a fixed order, and each step has its own file:
//
//	load.go      opens the original with the loader of its format
//	svg.go       … or draws an SVG at the final size
//	trim.go      before that, finds the border to remove
//	face.go      … and the faces to keep
//	colour.go    converts to 8-bit sRGB, grey or CMYK, and at the end to sRGB; coded.go HDR
//	reduce.go    cuts out the region, resizes and crops it, all frames at once: see reduce.c,
//	             and kernels.c for its inner loops in SIMD. JPEGs are decoded there too, each
//	             plane by itself: see planes.c. What looks best is mixed in linear light: see
//	             light.c. Drops an alpha that is opaque
//	animate.go   runs the steps that read neighbouring pixels, without mixing frames
//	resize.go    … cuts out the region and resizes it where reduce doesn't
//	crop.go      … crops by the plan or by the content
//	orient.go    … EXIF orientation, rotation and mirroring at once
//	slant.go     … or rotates by any angle
//	effects.go   … blurs, sharpens, pixelates
//	tone.go      brightness, contrast, and other changes of single pixels
//	pad.go       the background behind and around the picture
//	round.go     rounded corners
//	mark.go      the marks on top
//	metadata.go  the metadata of the output
//	encode.go    the bytes of the output; avif.go, jpeg.go, jxl.go, png.go and
//	             webp.go for these formats
//	smaller.go   … the smaller of two formats
//	auto.go      … whose quality is to be found: predicted from detail.go and predict.go, then
//	             checked with score.c on what again.c decodes
//
// facts.go has the tasks that make no variant: what an original's pixels and metadata say,
// and pictures of hashes.
//
// libvips evaluates lazily: most steps only describe work, which libvips does in encode or
// in a step that needs the whole picture. Decoders read originals from top to bottom and
// don't hold them whole. See materialise for the exceptions.
//
// A worker starts from a zygote that is warm: see warm.go and zygote.c. forget.go gives back what
// only a start needed.
//
// [transform.Options.Plan] computes the geometry, and [header.Read] reads the original's
// header before libvips sees it. The process around the engine handles crashes, and
// deadlines that a decoder ignores.
package vips

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"

	govips "github.com/davidbyttow/govips/v2/vips"
)

// Config configures libvips in this process.
type Config struct {
	// Threads is the number of threads of libvips for one image. 0 is 1, which gives the
	// most images a second with one image per core.
	Threads int
	// Logger gets the warnings of libvips, and its other messages at debug level. nil is
	// slog's default logger at the time of Start.
	Logger *slog.Logger
}

// started is global because libvips is: it starts once in a process, and can't start again
// after it was stopped.
var started struct {
	sync.Mutex // guards the rest
	done       bool
	err        error
}

// Start starts libvips. It blocks the loaders of untrusted formats, disables the operation
// cache and temporary files, and makes glibc return memory early. It sets environment
// variables for libvips. Only the first call has an effect. Later calls return its result.
// It is safe for concurrent use.
func Start(c Config) error {
	started.Lock()
	defer started.Unlock()
	if !started.done {
		started.done, started.err = true, start(c)
	}
	return started.err
}

func start(c Config) error {
	logger := c.Logger
	if logger == nil {
		logger = slog.Default()
	}
	verbosity := govips.LogLevelWarning
	if logger.Enabled(context.Background(), slog.LevelDebug) {
		verbosity = govips.LogLevelDebug
	}
	govips.LoggingSettings(func(domain string, level govips.LogLevel, message string) {
		logger.Log(context.Background(), slogLevel(level, message), message, "component", domain)
	}, verbosity)

	for name, value := range map[string]string{
		"VIPS_BLOCK_UNTRUSTED": "1",
		// libvips writes larger decoded images to a file.
		"VIPS_DISC_THRESHOLD": "1024g",
	} {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("start libvips: %w", err)
		}
	}
	returnMemory()
	// The zeros disable the cache. govips doesn't replace them by the defaults of libvips.
	err := govips.Startup(&govips.Config{
		ConcurrencyLevel: max(c.Threads, 1),
		MaxCacheSize:     0,
		MaxCacheMem:      0,
		MaxCacheFiles:    0,
	})
	if err != nil {
		return fmt.Errorf("start libvips: %w", err)
	}
	for _, format := range []govips.ImageType{
		govips.ImageTypeJPEG, govips.ImageTypePNG, govips.ImageTypeGIF, govips.ImageTypeWEBP, govips.ImageTypeHEIF,
	} {
		if !govips.IsTypeSupported(format) {
			return fmt.Errorf("libvips %s was built without support for %s: install the libvips of a distribution", govips.Version, govips.ImageTypes[format])
		}
	}
	return nil
}

var errNotStarted = errors.New("libvips is not running: vips.Start has not been called, or failed")

func running() bool {
	started.Lock()
	defer started.Unlock()
	return started.done && started.err == nil
}

// slogLevel returns the slog level of a message. Nothing is above a warning, since libvips
// also reports damage of an image as an error, which the client gets. Messages about
// healthy images are for debugging: most AVIFs have colour information that libvips
// ignores, and JPEGs can have small flaws that browsers ignore too.
func slogLevel(level govips.LogLevel, message string) slog.Level {
	well := message == "" || strings.HasSuffix(message, "ignoring nclx profile") ||
		strings.HasPrefix(message, "read gave ") || strings.HasPrefix(message, "VipsJpeg: ") || strings.HasPrefix(message, "error in tile ")
	if level <= govips.LogLevelWarning && !well {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// Version returns the version of libvips, such as "8.16.1".
func Version() string { return govips.Version }

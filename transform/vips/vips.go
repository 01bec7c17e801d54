//go:build cgo

// Package vips is Tintype's engine: it carries out a [transform.Job] with
// libvips, and is the only package that knows libvips and govips.
//
// Call [Start] once in a process, then [New]. [Engine.Transform] reads as the
// list of its steps, in a fixed order; each step is in a file of its own:
//
//	load.go      open the original with the loader that its header calls for
//	svg.go       … or draw it at the size that is needed
//	trim.go      find the border to leave out, before that
//	colour.go    everything becomes 8-bit sRGB, grey or CMYK, and sRGB in the end
//	reduce.go    cut the region out, resize and crop it, of all frames at once
//	animate.go   what looks at more than one pixel, such that no frame sees another
//	resize.go    … cut the region out and resize it where reduce doesn't
//	crop.go      … keep a part, chosen by the plan or by what is in the picture
//	orient.go    … EXIF orientation, rotation and mirroring in one go
//	effects.go   … blur, sharpen, pixelate
//	tone.go      brightness, contrast, and what else changes one pixel at a time
//	pad.go       the background under and around the picture
//	mark.go      the marks on top of it
//	metadata.go  what an output carries besides pixels
//	encode.go    the output's bytes; avif.go, jxl.go and webp.go what is particular to those
//
// libvips evaluates lazily: until encode, or a step that has to see the whole
// picture, a step only describes work. Originals are read from top to bottom
// and never held decoded; see materialise for the exceptions.
//
// The geometry is not computed here but in [transform.Options.Plan], and what an
// original is has been decided by [header.Read] before libvips sees it.
// Deadlines that a decoder ignores, and crashes, are for the process around the
// engine.
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

// Config is how libvips runs in this process.
type Config struct {
	// Threads that libvips may use inside one image; 0 is 1, which with one
	// image a core gives the most images a second.
	Threads int
	// Logger gets libvips's warnings, and its chatter at debug level; nil is
	// slog's default logger at the time of Start.
	Logger *slog.Logger
}

// started is process-wide because libvips is: it can be started once, and not
// again after it was stopped.
var started struct {
	sync.Mutex // guards the rest
	done       bool
	err        error
}

// Start starts libvips with loaders of untrusted formats blocked, without
// operation cache, and such that it never writes a temporary file. It sets the
// environment variables that libvips reads these from, and has glibc return
// memory early. The first call decides;
// later ones return what it returned. It is safe for concurrent use.
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
		// Decoded images above this size would go to a file instead of memory.
		"VIPS_DISC_THRESHOLD": "1024g",
	} {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("start libvips: %w", err)
		}
	}
	returnMemory()
	// govips takes a field that is not set as 0, not as libvips's default: here
	// no cached operation, byte or file.
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

// slogLevel puts GLib's levels on slog's scale. libvips reports what is wrong
// with an image both as a warning and as an error that a request is answered
// with, so nothing is above a warning here. What it says of images that come out well
// is for debugging: of any AVIF that says its colours, which is most of them, that it
// doesn't heed how; and what a JPEG has that browsers pass over.
func slogLevel(level govips.LogLevel, message string) slog.Level {
	well := message == "" || strings.HasSuffix(message, "ignoring nclx profile") ||
		strings.HasPrefix(message, "read gave ") || strings.HasPrefix(message, "VipsJpeg: ") || strings.HasPrefix(message, "error in tile ")
	if level <= govips.LogLevelWarning && !well {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// Version is libvips's version, such as "8.16.1".
func Version() string { return govips.Version }

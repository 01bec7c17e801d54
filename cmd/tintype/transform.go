package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
)

// transformCmd makes one variant of a file.
type transformCmd struct {
	Input   string `arg:"" help:"The original; - is standard input."`
	Options string `arg:"" optional:"" help:"Options as in a URL, such as 'w=400&format=webp'; mark names a file."`
	Output  string `short:"o" required:"" placeholder:"FILE" help:"Where the variant goes; - is standard output. Its ending says the format where the options don't."`
}

// Run writes the whole variant, or nothing.
func (c *transformCmd) Run(ctx context.Context, std stdio) error {
	q, err := transform.ParseQuery(c.Options)
	if err != nil {
		return err
	}
	if err := onlyOptions(q); err != nil {
		return err
	}
	o, err := transform.Parse(transform.Defaults(), q)
	if err != nil {
		return err
	}
	if o.Format == transform.Auto {
		if o.Format, err = formatOf(c.Output); err != nil {
			return err
		}
	}
	original, err := readInput(c.Input)
	if err != nil {
		return err
	}
	h, err := header.Read(original)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Input, err)
	}
	limits := transform.DefaultLimits()
	if err := limits.Check(h); err != nil {
		return fmt.Errorf("%s: %w", c.Input, err)
	}
	plan, err := o.Plan(h.Upright())
	if err != nil {
		return err
	}
	format := o.OutputFormat(h, plan, 0, limits)
	frames := 1
	if o.Animated(h, format) {
		frames = h.Frames
	}
	if err := o.CheckOutput(plan, format, frames, limits); err != nil {
		return err
	}
	engine, err := newEngine(slog.New(slog.NewTextHandler(std.stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		return err
	}
	marks, err := readMark(o.Mark, limits)
	if err != nil {
		return err
	}
	image, err := engine.Transform(ctx, transform.Job{
		Originals: []transform.Original{{Body: original, Header: h}}, Options: o, Format: format, Limits: limits, Marks: marks,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", c.Input, err)
	}
	if c.Output == "-" {
		_, err = std.stdout.Write(image.Data)
		return err
	}
	if err := writeFile(c.Output, image.Data); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.stderr, "%s: %s, %d×%d, %d bytes (was %s, %d×%d, %d bytes)\n", c.Output,
		image.Format, image.Width, image.Height, len(image.Data), h.Format, h.Upright().W, h.Upright().H, len(original))
	return err
}

// readMark returns the mark of the options, if they name one. Here its name is that of a
// file.
func readMark(m transform.Mark, limits transform.Limits) ([]transform.MarkImage, error) {
	if m.Name == "" {
		return nil, nil
	}
	if strings.Contains(m.Name, "://") {
		return nil, fmt.Errorf("mark %s: here a mark is a file of this machine, not a URL", m.Name)
	}
	image, err := readInput(m.Name)
	if err != nil {
		return nil, fmt.Errorf("mark: %w; here a mark is a file of this machine", err)
	}
	h, err := header.Read(image)
	if err == nil {
		err = limits.Check(h)
	}
	if err != nil {
		return nil, fmt.Errorf("mark %s: %w", m.Name, err)
	}
	return []transform.MarkImage{{Image: image, Header: h, Hash: sha256.Sum256(image), Mark: m}}, nil
}

// onlyOptions refuses parameters that aren't options. In a URL they may belong to another
// program, but here they are mistakes.
func onlyOptions(q transform.Query) error {
	for _, p := range q {
		known := slices.ContainsFunc(transform.Vocabulary(), func(d transform.OptionDoc) bool {
			return d.Name == p.Name || slices.Contains(d.Aliases, p.Name)
		})
		if !known || p.Name == "preset" {
			return fmt.Errorf("%s is not an option; docs/options.md lists the options", p.Name)
		}
	}
	return nil
}

// formatOf returns the format of a file name's ending.
func formatOf(name string) (transform.Format, error) {
	switch ext := strings.ToLower(filepath.Ext(name)); ext {
	case ".jpg", ".jpeg":
		return transform.JPEG, nil
	case ".tif":
		return transform.TIFF, nil
	case ".png", ".gif", ".webp", ".avif", ".tiff", ".jxl":
		return transform.Format(ext[1:]), nil
	case "":
		return transform.SameAsOriginal, nil
	default:
		return "", fmt.Errorf("-o %s: no format for the ending %s; use .jpg, .png, .gif, .webp, .avif, .tiff or .jxl, or say format=…", name, ext)
	}
}

// maxInput bounds the input, in bytes, since /dev/zero has no end.
const maxInput = 1 << 30

func readInput(name string) ([]byte, error) {
	in := os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err == nil && len(b) > maxInput {
		err = fmt.Errorf("%s: is larger than 1 GiB", name)
	}
	return b, err
}

// writeFile writes the whole file or nothing.
func writeFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".tintype-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

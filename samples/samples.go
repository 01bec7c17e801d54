// Package samples draws images: landscapes like photographs, a chart, a logo with soft
// edges, an animation. They are the originals of the demo, and the test images of other
// packages.
//
// For most uses, call [Write] to fill a folder with files. The other functions return images
// of any size, at least one pixel. All are safe for concurrent use.
//
// Code computes every image, so that none needs a licence or a download. The same arguments
// give the same pixels on the same kind of processor.
package samples

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// jpegQuality is the quality of the photographs, 1–100. It is high, like that of originals.
const jpegQuality = 90

// files are the files of Write.
var files = []struct {
	name   string
	encode func(io.Writer) error
}{
	{"dusk.jpg", func(w io.Writer) error { return encodeJPEG(w, SceneSeed(2400, 1600, Dusk)) }},
	{"noon.jpg", func(w io.Writer) error { return encodeJPEG(w, SceneSeed(2400, 1600, Noon)) }},
	{"night.jpg", func(w io.Writer) error { return encodeJPEG(w, SceneSeed(2400, 1600, Night)) }},
	{"balloon.jpg", func(w io.Writer) error { return encodeJPEG(w, Portrait(1600, 2400)) }},
	{"chart.png", func(w io.Writer) error { return png.Encode(w, Chart(1600, 1000)) }},
	{"logo.png", func(w io.Writer) error { return png.Encode(w, Logo(800, 800)) }},
	{"orbit.gif", func(w io.Writer) error { return gif.EncodeAll(w, Animation(480, 320, 36)) }},
}

func encodeJPEG(w io.Writer, m image.Image) error {
	return jpeg.Encode(w, m, &jpeg.Options{Quality: jpegQuality})
}

// Write writes the demo's originals into a folder, which it makes where there is none. They
// are dusk.jpg, noon.jpg and night.jpg (2400×1600 pixels), balloon.jpg (1600×2400),
// chart.png (1600×1000), logo.png (800×800, transparent) and orbit.gif (480×320, 36 frames).
// Write doesn't change files that exist. After an error there is no half file.
func Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder of samples: %w", err)
	}
	for _, f := range files {
		name := filepath.Join(dir, f.name)
		if _, err := os.Lstat(name); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("looking for a sample: %w", err)
		}
		var b bytes.Buffer
		if err := f.encode(&b); err != nil {
			return fmt.Errorf("drawing %s: %w", f.name, err)
		}
		if err := writeFile(name, b.Bytes()); err != nil {
			return fmt.Errorf("writing a sample: %w", err)
		}
	}
	return nil
}

// writeFile writes a temporary file beside name, and renames it.
func writeFile(name string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".sample-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

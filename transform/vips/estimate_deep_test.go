//go:build cgo && linux

package vips_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"hash/crc32"
	"image"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/worker"
)

// deepOriginals are pictures of noise with more than 8 bits a sample, or in CMYK.
func deepOriginals(t *testing.T, width, height int) map[string][]byte {
	t.Helper()
	noise := make([]byte, 8*width*height) // four samples of 16 bits each
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(noise)
	rect := image.Rect(0, 0, width, height)
	alpha := &image.NRGBA64{Pix: noise, Stride: 8 * width, Rect: rect}
	opaque := image.NewRGBA64(rect)
	copy(opaque.Pix, noise)
	for i := 6; i < len(opaque.Pix); i += 8 {
		opaque.Pix[i], opaque.Pix[i+1] = 255, 255
	}
	le := binary.LittleEndian
	floats := make([]byte, 0, 16*width*height)
	for range 4 * width * height {
		floats = le.AppendUint32(floats, math.Float32bits(rand.Float32()))
	}
	samples := func(n int, bits uint16) []uint16 { return slices.Repeat([]uint16{bits}, n) }
	stored := func(w tiffWriter) []byte {
		w.order, w.width, w.height = le, width, height
		size := 0
		for _, bits := range w.bits {
			size += int(bits) / 8
		}
		w.data = noise
		if w.format == 3 {
			w.data = floats
		}
		w.data = w.data[:size*width*height]
		return w.bytes()
	}
	alpha8 := image.NewNRGBA(rect)
	copy(alpha8.Pix, noise)
	made := map[string][]byte{
		"png8a":      pngBytes(t, alpha8),
		"png16":      pngBytes(t, opaque),
		"png16a":     pngBytes(t, alpha),
		"png16grey":  pngBytes(t, &image.Gray16{Pix: noise[:2*width*height], Stride: 2 * width, Rect: rect}),
		"png16i":     interlacedPNG(noise, width, height, 2, 6),
		"png16ai":    interlacedPNG(noise, width, height, 6, 8),
		"tiff16":     stored(tiffWriter{photometric: 2, bits: samples(3, 16)}),
		"tiff16a":    stored(tiffWriter{photometric: 2, bits: samples(4, 16), extra: []uint16{2}}),
		"tiff16grey": stored(tiffWriter{photometric: 1, bits: samples(1, 16)}),
		"tifffloat":  stored(tiffWriter{photometric: 2, bits: samples(3, 32), format: 3}),
		"tifffloata": stored(tiffWriter{photometric: 2, bits: samples(4, 32), format: 3, extra: []uint16{2}}),
		"tiffcmyk":   stored(tiffWriter{photometric: 5, bits: samples(4, 8)}),
		"tiffcmyk16": stored(tiffWriter{photometric: 5, bits: samples(4, 16)}),
		"tiffcmyka":  stored(tiffWriter{photometric: 5, bits: samples(5, 8), extra: []uint16{2}}),
	}
	return made
}

// interlacedPNG is an interlaced PNG (PNG 3rd edition, §8.1) of 16 bits a sample, with pixels
// of so many bytes, whose content is noise.
func interlacedPNG(noise []byte, width, height int, kind byte, pixel int) []byte {
	var data bytes.Buffer
	z, _ := zlib.NewWriterLevel(&data, zlib.BestSpeed)
	for _, p := range [][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}} {
		across := (width - p[0] + p[2] - 1) / p[2]
		for y := p[1]; y < height && across > 0; y += p[3] {
			_, _ = z.Write([]byte{0})
			_, _ = z.Write(noise[y*pixel : y*pixel+across*pixel])
		}
	}
	_ = z.Close()
	out := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(name string, data []byte) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
		from := len(out)
		out = append(append(out, name...), data...)
		out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[from:]))
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(width)), uint32(height))
	chunk("IHDR", append(head, 16, kind, 0, 0, 1))
	chunk("IDAT", data.Bytes())
	chunk("IEND", nil)
	return out
}

// TestEstimateDeep is TestEstimate for originals of more than 8 bits a sample, and in CMYK.
func TestEstimateDeep(t *testing.T) {
	width, height, soaking := 1152, 864, os.Getenv("SOAK") != ""
	if soaking {
		width, height = 4608, 3456
	}
	p, err := worker.Start(t.Context(), worker.Config{
		Command: []string{os.Args[0], workerCommand}, Workers: 1, Queue: 10, Timeout: 10 * time.Minute, Memory: -1, Budget: 1 << 50, RecycleJobs: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	made := deepOriginals(t, width, height)
	for _, name := range slices.Sorted(maps.Keys(made)) {
		// Reduced much, a picture with alpha takes the most.
		queries := []string{"w=64"}
		if soaking {
			queries = []string{"w=64", "w=200", "w=1600", "", "rotate=90"}
		}
		for _, query := range queries {
			j := job(t, made[name], query, transform.JPEG)
			j.Limits = transform.Limits{}
			peak := peakOf(t, p, func() {
				if _, err := p.Transform(t.Context(), j); err != nil {
					t.Errorf("%s?%s: %v", name, query, err)
				}
			})
			estimate := worker.Estimate(&j)
			t.Logf("%-14s %-10s peak %5d MB, estimate %5d MB, body %d MB", name, query, peak/1e6, estimate/1e6, len(made[name])/1e6)
			if peak > estimate {
				t.Errorf("%s?%s: it took %d MB, estimated were %d MB", name, query, peak/1e6, estimate/1e6)
			}
			if most := 4*peak + 80e6 + 2*int64(len(made[name])); estimate > most && strings.HasPrefix(name, "png") {
				t.Errorf("%s?%s: it took %d MB, estimated were as many as %d MB", name, query, peak/1e6, estimate/1e6)
			}
		}
	}
}

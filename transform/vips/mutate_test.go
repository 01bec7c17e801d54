//go:build cgo

package vips_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"hash/crc32"
	"image"
	"image/gif"
	"image/png"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
)

var (
	mutations    = flag.Int("mutations", 2000, "how many mutated images TestMutations puts through the workers")
	mutationSeed = flag.Uint64("mutation-seed", 1, "which ones")
)

// A seed is a small sound image to mutate.
type seed struct {
	name string
	file []byte
}

// seeds are images of every format and flavour that can be written here.
func seeds(t testing.TB) []seed {
	var all []seed
	add := func(name string, file []byte) {
		if len(file) > 0 {
			all = append(all, seed{name, file})
		}
	}
	rgb := toNRGBA(samples.Scene(48, 40))
	rgba := toNRGBA(samples.Logo(40, 40))
	grey := image.NewGray(image.Rect(0, 0, 33, 17))
	deep := image.NewNRGBA64(image.Rect(0, 0, 24, 20))
	for i := range grey.Pix {
		grey.Pix[i] = byte(i * 7)
	}
	for i := range deep.Pix {
		deep.Pix[i] = byte(i * 13)
	}

	jpeg := jpegBytes(t, rgb)
	add("jpeg", jpeg)
	add("jpeg grey", jpegBytes(t, grey))
	add("jpeg with exif", withSegments(jpeg, exif(6)))
	add("jpeg progressive", run(t, jpeg, "progressive", transform.JPEG).Data)
	add("png", pngBytes(t, rgb))
	add("png rgba", pngBytes(t, rgba))
	add("png deep", pngBytes(t, deep))
	add("png grey", pngBytes(t, grey))
	add("png palette", pngBytes(t, greys(20, 20)))
	add("gif", gifBytes(t, greys(32, 24)))
	var animation bytes.Buffer
	if err := gif.EncodeAll(&animation, samples.Animation(32, 24, 5)); err != nil {
		t.Fatal(err)
	}
	add("gif animated", animation.Bytes())
	add("webp", run(t, jpeg, "", transform.WebP).Data)
	add("webp rgba", run(t, pngBytes(t, rgba), "", transform.WebP).Data)
	add("webp lossless", run(t, pngBytes(t, rgba), "lossless", transform.WebP).Data)
	add("webp animated", run(t, animation.Bytes(), "", transform.WebP).Data)
	add("webp with exif", run(t, withSegments(jpeg, exif(6)), "metadata=keep", transform.WebP).Data)
	add("avif", run(t, jpeg, "", transform.AVIF).Data)
	add("avif rgba", run(t, pngBytes(t, rgba), "", transform.AVIF).Data)
	for _, name := range []string{"arithmetic.jpg", "arithmetic-progressive.jpg"} {
		file, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		add(name, file)
	}
	avif := run(t, pngBytes(t, rgba), "", transform.AVIF).Data
	add("avif, alpha without a size", takeApart(t, avif).without(1, "ispe").late(irot(1), imir(1)).file())
	ten, err := os.ReadFile("testdata/ten-bits.avif")
	if err != nil {
		t.Fatal(err)
	}
	add("avif of ten bits, mirrored", takeApart(t, ten).turn(false, clap(20, 20), imir(1)).file())
	add("jpeg with a gain map", ultraHDR(jpeg, jpegBytes(t, grey)))

	for _, s := range []struct {
		name   string
		encode func(*govips.ImageRef) ([]byte, *govips.ImageMetadata, error)
	}{
		{"png interlaced", func(m *govips.ImageRef) ([]byte, *govips.ImageMetadata, error) {
			return m.ExportPng(&govips.PngExportParams{Compression: 6, Interlace: true})
		}},
		{"tiff", func(m *govips.ImageRef) ([]byte, *govips.ImageMetadata, error) {
			return m.ExportTiff(&govips.TiffExportParams{Compression: govips.TiffCompressionNone})
		}},
		{"tiff lzw", func(m *govips.ImageRef) ([]byte, *govips.ImageMetadata, error) {
			return m.ExportTiff(&govips.TiffExportParams{Compression: govips.TiffCompressionLzw, Predictor: govips.TiffPredictorHorizontal})
		}},
		{"tiff jpeg, tiled", func(m *govips.ImageRef) ([]byte, *govips.ImageMetadata, error) {
			return m.ExportTiff(&govips.TiffExportParams{Compression: govips.TiffCompressionJpeg, Quality: 80, Tile: true, TileWidth: 16, TileHeight: 16})
		}},
		// These two are blocked, or lack their encoder, in some places.
		{"jxl", func(m *govips.ImageRef) ([]byte, *govips.ImageMetadata, error) {
			return m.ExportJxl(&govips.JxlExportParams{Effort: 3, Distance: 1, Quality: 80})
		}},
		{"heic", func(m *govips.ImageRef) ([]byte, *govips.ImageMetadata, error) {
			return m.ExportHeif(&govips.HeifExportParams{Quality: 60, Bitdepth: 8})
		}},
	} {
		m, err := govips.NewImageFromBuffer(pngBytes(t, rgb))
		if err != nil {
			t.Fatal(err)
		}
		file, _, err := s.encode(m)
		m.Close()
		if err == nil {
			add(s.name, file)
		}
	}
	add("jxl headers", []byte("\xff\x0a\x50\x4b\x24\x00\x01\x5a\x5a\x5a\x5a\x5a"))
	add("svg", svg(`<title>x</title><defs><linearGradient id="a"><stop stop-color="red"/><stop offset="1"/></linearGradient></defs>`+
		`<g opacity=".5"><rect width="30" height="20" fill="url(#a)"/><use href="#t" x="3"/></g><text id="t" y="20">text</text>`))
	add("svg with a style", svg(`<style>.a{fill:url(#p);stroke:red}</style><pattern id="p" width="4" height="4" patternUnits="userSpaceOnUse"><circle r="2"/></pattern>`+
		`<path class="a" d="M0 0L30 0 15 25z"/><filter id="f"><feGaussianBlur stdDeviation="2"/></filter><circle filter="url(#f)" cx="9" cy="9" r="5"/>`))
	return all
}

// A mutant is an image made from the seeds by some mutations, and what to make of
// it. The same number and seed always give the same.
type mutant struct {
	base    int // among the seeds
	steps   []mutation
	mend    bool // checksums and lengths that a decoder stops at
	options string
	format  transform.Format
}

// A mutation is one change to a file; what a, b and c mean depends on the kind.
type mutation struct {
	kind    int
	a, b, c uint64
}

func newMutant(seed uint64, number, seeds int) mutant {
	r := rand.New(rand.NewPCG(seed, uint64(number)))
	m := mutant{base: r.IntN(seeds), mend: r.IntN(3) > 0}
	for range 1 + r.IntN(3) {
		m.steps = append(m.steps, mutation{r.IntN(20), r.Uint64(), r.Uint64(), r.Uint64()})
	}
	m.options = mutantOptions[r.IntN(len(mutantOptions))]
	m.format = mutantFormats[r.IntN(len(mutantFormats))]
	return m
}

var mutantOptions = []string{
	"", "w=20", "w=20&h=20&fit=cover", "w=30&h=10&fit=squeeze", "h=90&fit=contain", "w=40&h=40&fit=pad&bg=red",
	"rotate=90&w=25", "rotate=270&flip=h", "flip=v&w=9", "rect=2,2,10,10", "rect=10%25,10%25,50%25,50%25&w=60",
	"w=16&h=16&fit=cover&gravity=attention", "w=16&h=9&fit=cover&gravity=entropy", "w=12&h=12&fit=crop&fp-x=0.1&fp-y=0.9&fp-z=3",
	"pad=3&bg=00ff0080", "metadata=keep", "metadata=copyright&w=30", "anim=0", "lossless", "progressive&q=30", "w=1", "w=3&h=64&fit=squeeze",
	"trim=10", "blur=3&w=20", "sharpen=5", "brightness=1.4&contrast=0.8", "saturation=2&gamma=1.5", "grayscale", "sepia&invert", "pixelate=5",
}

// AVIF is rare since it takes ten times as long as the others.
var mutantFormats = slices.Concat(
	slices.Repeat([]transform.Format{transform.JPEG, transform.PNG, transform.WebP}, 8),
	[]transform.Format{transform.GIF, transform.GIF, transform.AVIF})

// file applies the mutations for which keep is true; nil keeps all.
func (m mutant) file(seeds []seed, keep []bool) []byte {
	b := slices.Clone(seeds[m.base].file)
	for i, s := range m.steps {
		if keep == nil || keep[i] {
			b = s.apply(b, seeds)
		}
		if len(b) == 0 || len(b) > 1<<20 {
			break
		}
	}
	if m.mend {
		mend(b)
	}
	return b
}

// interesting are values that lengths, counts and sizes go wrong at.
var interesting = []uint32{0, 1, 2, 3, 7, 8, 16, 64, 127, 128, 255, 256, 1000, 32767, 32768, 65535, 65536, 1 << 24, 1<<31 - 1, 1 << 31, 1<<32 - 1}

func (s mutation) apply(b []byte, seeds []seed) []byte {
	at := int(s.a % uint64(len(b)))
	if s.c>>60 < 3 { // headers are where it hurts
		at = int(s.a % uint64(min(len(b), 64)))
	}
	n := 1 + int(s.b%uint64(min(len(b)-at, 64)))
	switch s.kind {
	case 0, 1, 2, 3, 4: // flip a bit
		b[at] ^= 1 << (s.b % 8)
	case 5, 6, 7: // set a byte
		b[at] = byte(s.b)
	case 8, 9: // set a number, either way round
		v := interesting[s.b%uint64(len(interesting))]
		put := []func([]byte){
			func(b []byte) { binary.LittleEndian.PutUint16(b, uint16(v)) }, func(b []byte) { binary.BigEndian.PutUint16(b, uint16(v)) },
			func(b []byte) { binary.LittleEndian.PutUint32(b, v) }, func(b []byte) { binary.BigEndian.PutUint32(b, v) },
		}[s.c%4]
		if at+4 <= len(b) {
			put(b[at:])
		}
	case 10: // cut off
		b = b[:max(at, 1)]
	case 11: // take out
		b = slices.Delete(b, at, at+n)
	case 12, 13: // repeat a range
		b = slices.Insert(b, at, slices.Repeat(b[at:at+n], 1+int(s.c%40))...)
	case 14: // move a range
		piece := slices.Clone(b[at : at+n])
		b = slices.Delete(b, at, at+n)
		b = slices.Insert(b, int(s.c%uint64(len(b)+1)), piece...)
	case 15: // go on with another file
		other := seeds[s.b%uint64(len(seeds))].file
		b = slices.Concat(b[:at], other[s.c%uint64(len(other)):])
	case 16, 17, 18, 19: // add to a number
		b[at] += byte(s.b%35) - 17
	}
	return b
}

// mend puts checksums and total lengths right, without which most mutants would
// get no further than the first look.
func mend(b []byte) {
	switch header.Sniff(b) {
	case transform.PNG:
		for i := 8; i+12 <= len(b); {
			n := int(binary.BigEndian.Uint32(b[i:]))
			if n > len(b)-i-12 {
				return
			}
			binary.BigEndian.PutUint32(b[i+8+n:], crc32.ChecksumIEEE(b[i+4:i+8+n]))
			i += 12 + n
		}
	case transform.WebP:
		binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8)&^1)
	case transform.JPEG:
		copy(b[len(b)-2:], "\xff\xd9")
	}
}

func TestMutantsAreTheSameAgain(t *testing.T) {
	corpus := []seed{{"png", pngBytes(t, quadrants(8, 8))}, {"gif", []byte("GIF89a and more")}, {"text", []byte(strings.Repeat("x", 300))}}
	for n := range 500 {
		a, b := newMutant(7, n, len(corpus)), newMutant(7, n, len(corpus))
		if !bytes.Equal(a.file(corpus, nil), b.file(corpus, nil)) || a.options != b.options {
			t.Fatalf("mutant %d is not the same twice", n)
		}
	}
	if _, err := png.Decode(bytes.NewReader(corpus[0].file)); err != nil {
		t.Errorf("a seed was written to: %v", err)
	}
}

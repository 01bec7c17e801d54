package header

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/internal/cputime"
	"github.com/tintype/tintype/transform"
)

// A headerCase is a file, and what Read makes of it: a Header or an error.
type headerCase struct {
	name string
	file []byte
	want transform.Header
	err  error
}

func headerCases(t testing.TB) []headerCase {
	return slices.Concat(
		jpegCases(t), pngCases(t), gifCases(t), webpCases(), heifCases(), tiffCases(), jxlCases(), svgCases(),
		[]headerCase{
			{name: "html", file: []byte("<!doctype html>"), err: transform.ErrUnsupported},
			{name: "nothing", err: transform.ErrUnsupported},
		})
}

func TestRead(t *testing.T) {
	for _, c := range headerCases(t) {
		t.Run(c.name, func(t *testing.T) {
			got, err := Read(c.file)
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if c.err == transform.ErrCorrupt && errors.Is(err, transform.ErrTruncated) {
				t.Fatalf("error %v, want one that lasts", err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if err == nil {
				checkMended(t, c.file, got)
				checkDetails(t, c.file, got)
			}
		})
	}
}

// A file that was cut off is an error wherever that can be told, and otherwise
// says nothing that the whole file doesn't.
func TestReadOfPrefixes(t *testing.T) {
	for _, c := range headerCases(t) {
		t.Run(c.name, func(t *testing.T) {
			// Every byte of what is small.
			step := 1
			if len(c.file) > 4096 {
				step = 1 + len(c.file)/(1<<20/len(c.file)+4)
			}
			for n := 0; n < len(c.file); n += step {
				got, err := Read(c.file[:n:n])
				if err == nil {
					checkPlausible(t, got)
				}
				if err == nil && c.err == nil && got.Width*got.Height > c.want.Width*c.want.Height {
					t.Fatalf("the first %d bytes: %+v, the whole: %+v", n, got, c.want)
				}
			}
		})
	}
}

// Cutting the last byte off is what a broken transfer does least. A GIF may lack
// its last.
func TestReadTruncated(t *testing.T) {
	for _, c := range headerCases(t) {
		if c.err != nil || c.want.Format == transform.GIF || strings.HasSuffix(c.name, "with trailing bytes") {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if _, err := Read(c.file[:len(c.file)-1]); !errors.Is(err, transform.ErrTruncated) {
				t.Errorf("error %v, want ErrTruncated", err)
			}
		})
	}
}

func checkPlausible(t *testing.T, h transform.Header) {
	t.Helper()
	if h.Width < 1 || h.Height < 1 || h.Width > math.MaxInt32 || h.Height > math.MaxInt32 ||
		h.Frames < 1 || h.Orientation < 1 || h.Orientation > 8 || h.Bands < 0 || h.Bands > 7 || h.Bits < 0 ||
		h.Format.MediaType() == "" {
		t.Errorf("implausible header %+v", h)
	}
}

// checkMended checks that a mended file is the same picture, and needs no more mending.
func checkMended(t *testing.T, b []byte, h transform.Header) {
	t.Helper()
	mended := Mend(b, h)
	got, err := Read(mended)
	if err != nil {
		t.Fatalf("mended: %v", err)
	}
	want := h
	if h.Format == transform.AVIF || h.Format == transform.HEIC {
		want.Orientation = 1 // what is to be turned has been taken out
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mended:\n%s", diff)
	}
	if again := Mend(mended, got); len(mended) != len(b) || &again[0] != &mended[0] {
		t.Errorf("%d bytes are mended to %d, and again", len(b), len(mended))
	}
}

func FuzzRead(f *testing.F) {
	for _, c := range headerCases(f) {
		if len(c.file) < 64<<10 {
			f.Add(c.file)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		h, err := Read(b)
		if !bytes.Equal(b, before) {
			t.Error("the original was written to")
		}
		if err == nil {
			checkPlausible(t, h)
			_ = transform.DefaultLimits().Check(h)
			if h.Format == transform.JXL {
				deep, err := Read(DeepJXL(b))
				if err != nil || deep != h {
					t.Errorf("made deep: %+v, %v, want %+v", deep, err, h)
				}
			}
			checkMended(t, b, h)
			checkDetails(t, b, h)
			if !bytes.Equal(b, before) {
				t.Error("the original was written to")
			}
			return
		}
		if h != (transform.Header{}) {
			t.Errorf("a header %+v along with error %v", h, err)
		}
		if !errors.Is(err, transform.ErrUnsupported) && !errors.Is(err, transform.ErrCorrupt) && !errors.Is(err, transform.ErrTooLarge) {
			t.Errorf("an error of no kind: %v", err)
		}
	})
}

// Each of these is small and costs seconds or gigabytes to decode.
func TestBombs(t *testing.T) {
	frames := func(n int, size uint16) []gifFrame {
		return slices.Repeat([]gifFrame{{w: size, h: size}}, n)
	}
	tests := []struct {
		name string
		file []byte
		want error
	}{
		{"jpeg 64250²", jpegFile(0xc0, 64250, 64250, 3), transform.ErrTooLarge},
		{"jpeg 35584×18696", jpegFile(0xc2, 35584, 18696, 3), transform.ErrTooLarge},
		{"jpeg of 1,000 scans", jpegScans(0xc2, 1000), transform.ErrTooLarge},
		{"large jpeg of 40 scans", slices.Concat(jpegStart, jpegFrame(0xc2, 8, 8000, 8000, 3), slices.Repeat(jpegScan(3), 40), jpegEnd), transform.ErrTooLarge},
		{"png 20000²", pngFile(20000, 20000, 8, 6, 0), transform.ErrTooLarge},
		{"png 2³¹−1 × 1", pngFile(math.MaxInt32, 1, 8, 0, 0), transform.ErrTooLarge},
		{"png (2³¹−1)²", pngFile(math.MaxInt32, math.MaxInt32, 16, 6, 1), transform.ErrTooLarge},
		{"gif of 100,000 frames", gifFile(1, 1, frames(100_000, 1)...), transform.ErrTooLarge},
		{"gif 1×1 with 1,000 frames of 8000²", gifFile(1, 1, frames(1000, 8000)...), transform.ErrTooLarge},
		{"gif with huge frames after a small one", gifFile(1, 1, append(frames(1, 1), frames(999, 8000)...)...), transform.ErrCorrupt},
		{"webp of 200 frames of 16383²", webpAnimation(16383, 16383, 200), transform.ErrTooLarge},
		{"webp whose small frame holds a huge picture", webpFile(webpVP8X(0x02, 10, 10), webpANMF(0, 0, 10, 10, webpVP8(16383, 16383))), transform.ErrCorrupt},
		{"tiff of 65,535 bands", tiffFile(binary.LittleEndian, tiffPage(4, 4, tagSamples, 65535)), transform.ErrCorrupt},
		{"tiff whose directories go round", tiffLoop(), transform.ErrCorrupt},
		{"tiff of 60,000 pages", tiffPages(60_000), transform.ErrTooLarge},
		{"tiff with a huge tile", tiffFile(binary.BigEndian, tiffPage(4, 4, tagTileWidth, 1<<20)), transform.ErrCorrupt},
		{"avif 100000²", heifFile(heifImage{codec: "av01", w: 100_000, h: 100_000}), transform.ErrTooLarge},
		{"heic of 65,280 tiles", heifFile(heifImage{codec: "hvc1", w: 1 << 20, h: 255 << 12, rows: 255, columns: 256, tile: 4096}), transform.ErrTooLarge},
		{"heic of more tiles than fit", heifFile(heifImage{codec: "hvc1", w: 512, h: 512, rows: 16, columns: 16, tile: 512}), transform.ErrCorrupt},
		{"avif with a huge alpha channel", heifFile(heifImage{codec: "av01", w: 8, h: 8, alpha: 30_000}), transform.ErrCorrupt},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var h transform.Header
			var err error
			took := cputime.Best(cputime.Enough, func() {
				if h, err = Read(test.file); err == nil {
					err = transform.DefaultLimits().Check(h)
				}
			})
			if !errors.Is(err, test.want) {
				t.Errorf("%+v: error %v, want %v", h, err, test.want)
			}
			if took > cputime.Enough {
				t.Errorf("took %v", took)
			}
		})
	}
}

// 25 MiB of whatever costs each reader most.
func BenchmarkRead(b *testing.B) {
	const size = 25 << 20
	fill := func(start []byte, unit string) []byte {
		return append(start, bytes.Repeat([]byte(unit), (size-len(start))/len(unit))...)
	}
	jpeg := jpegFile(0xc0, 100, 100, 3)
	scan := jpeg[:len(jpeg)-2]
	photo := strings.Repeat("entropy coded data ", 13) + "\xff\x00"
	gif := gifFile(4, 4, gifFrame{w: 4, h: 4})
	for name, file := range map[string][]byte{
		"jpeg":               append(fill(slices.Clip(scan), photo), 0xff, 0xd9),
		"jpeg, all stuffing": append(fill(slices.Clip(scan), "\xff\x00"), 0xff, 0xd9),
		"jpeg, all segments": fill(slices.Clip(scan), "\xff\xfe\x00\x02"),
		"png, empty chunks":  fill(pngFile(4, 4, 8, 2, 0)[:33], "\x00\x00\x00\x00tEXtCRC4"),
		"gif, tiny blocks":   fill(slices.Clip(gif[:len(gif)-1]), "!\xfe\x01a\x00"),
		"webp, empty frames": webpFile(webpVP8X(2, 9, 9), fill(nil, string(webpANMF(0, 0, 9, 9, webpVP8(9, 9))))),
		"tiff":               tiffFile(binary.BigEndian, tiffPage(4, 4)),
		"avif":               heifFile(heifImage{codec: "av01", w: 8, h: 8}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Read(file)
			}
		})
	}
}

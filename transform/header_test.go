package transform

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A headerCase is a file, and what ReadHeader makes of it: a Header or an error.
type headerCase struct {
	name string
	file []byte
	want Header
	err  error
}

func headerCases(t testing.TB) []headerCase {
	return slices.Concat(
		jpegCases(t), pngCases(t), gifCases(t), webpCases(), heifCases(), tiffCases(), jxlCases(), svgCases(),
		[]headerCase{
			{name: "html", file: []byte("<!doctype html>"), err: ErrUnsupported},
			{name: "nothing", err: ErrUnsupported},
		})
}

func TestReadHeader(t *testing.T) {
	for _, c := range headerCases(t) {
		t.Run(c.name, func(t *testing.T) {
			got, err := ReadHeader(c.file)
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if c.err == ErrCorrupt && errors.Is(err, ErrTruncated) {
				t.Fatalf("error %v, want one that lasts", err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if err == nil {
				checkMended(t, c.file, got)
			}
		})
	}
}

// A file that was cut off is an error wherever that can be told, and otherwise
// says nothing that the whole file doesn't.
func TestReadHeaderOfPrefixes(t *testing.T) {
	for _, c := range headerCases(t) {
		t.Run(c.name, func(t *testing.T) {
			// Every byte of what is small.
			step := 1
			if len(c.file) > 4096 {
				step = 1 + len(c.file)/(1<<20/len(c.file)+4)
			}
			for n := 0; n < len(c.file); n += step {
				got, err := ReadHeader(c.file[:n:n])
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
func TestReadHeaderTruncated(t *testing.T) {
	for _, c := range headerCases(t) {
		if c.err != nil || c.want.Format == GIF || strings.HasSuffix(c.name, "with trailing bytes") {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if _, err := ReadHeader(c.file[:len(c.file)-1]); !errors.Is(err, ErrTruncated) {
				t.Errorf("error %v, want ErrTruncated", err)
			}
		})
	}
}

func checkPlausible(t *testing.T, h Header) {
	t.Helper()
	if h.Width < 1 || h.Height < 1 || h.Width > math.MaxInt32 || h.Height > math.MaxInt32 ||
		h.Frames < 1 || h.Orientation < 1 || h.Orientation > 8 || h.Bands < 0 || h.Bands > 7 || h.Bits < 0 ||
		h.Format.MediaType() == "" {
		t.Errorf("implausible header %+v", h)
	}
}

// checkMended checks that a mended file is the same picture, and needs no more mending.
func checkMended(t *testing.T, b []byte, h Header) {
	t.Helper()
	mended := Mend(b, h)
	got, err := ReadHeader(mended)
	if err != nil {
		t.Fatalf("mended: %v", err)
	}
	want := h
	if h.Format == AVIF || h.Format == HEIC {
		want.Orientation = 1 // what is to be turned has been taken out
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mended:\n%s", diff)
	}
	if again := Mend(mended, got); len(mended) != len(b) || &again[0] != &mended[0] {
		t.Errorf("%d bytes are mended to %d, and again", len(b), len(mended))
	}
}

func FuzzReadHeader(f *testing.F) {
	for _, c := range headerCases(f) {
		if len(c.file) < 64<<10 {
			f.Add(c.file)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		h, err := ReadHeader(b)
		if !bytes.Equal(b, before) {
			t.Error("the original was written to")
		}
		if err == nil {
			checkPlausible(t, h)
			_ = DefaultLimits().Check(h)
			if h.Format == JXL {
				deep, err := ReadHeader(DeepJXL(b))
				if err != nil || deep != h {
					t.Errorf("made deep: %+v, %v, want %+v", deep, err, h)
				}
			}
			checkMended(t, b, h)
			if !bytes.Equal(b, before) {
				t.Error("the original was written to")
			}
			return
		}
		if h != (Header{}) {
			t.Errorf("a header %+v along with error %v", h, err)
		}
		if !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooLarge) {
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
		{"jpeg 64250²", jpegFile(0xc0, 64250, 64250, 3), ErrTooLarge},
		{"jpeg 35584×18696", jpegFile(0xc2, 35584, 18696, 3), ErrTooLarge},
		{"jpeg of 1,000 scans", jpegScans(0xc2, 1000), ErrTooLarge},
		{"large jpeg of 40 scans", slices.Concat(jpegStart, jpegFrame(0xc2, 8, 8000, 8000, 3), slices.Repeat(jpegScan(3), 40), jpegEnd), ErrTooLarge},
		{"png 20000²", pngFile(20000, 20000, 8, 6, 0), ErrTooLarge},
		{"png 2³¹−1 × 1", pngFile(math.MaxInt32, 1, 8, 0, 0), ErrTooLarge},
		{"png (2³¹−1)²", pngFile(math.MaxInt32, math.MaxInt32, 16, 6, 1), ErrTooLarge},
		{"gif of 100,000 frames", gifFile(1, 1, frames(100_000, 1)...), ErrTooLarge},
		{"gif 1×1 with 1,000 frames of 8000²", gifFile(1, 1, frames(1000, 8000)...), ErrTooLarge},
		{"gif with huge frames after a small one", gifFile(1, 1, append(frames(1, 1), frames(999, 8000)...)...), ErrCorrupt},
		{"webp of 200 frames of 16383²", webpAnimation(16383, 16383, 200), ErrTooLarge},
		{"webp whose small frame holds a huge picture", webpFile(webpVP8X(0x02, 10, 10), webpANMF(0, 0, 10, 10, webpVP8(16383, 16383))), ErrCorrupt},
		{"tiff of 65,535 bands", tiffFile(binary.LittleEndian, tiffPage(4, 4, tagSamples, 65535)), ErrCorrupt},
		{"tiff whose directories go round", tiffLoop(), ErrCorrupt},
		{"tiff of 60,000 pages", tiffPages(60_000), ErrTooLarge},
		{"tiff with a huge tile", tiffFile(binary.BigEndian, tiffPage(4, 4, tagTileWidth, 1<<20)), ErrCorrupt},
		{"avif 100000²", heifFile(heifImage{codec: "av01", w: 100_000, h: 100_000}), ErrTooLarge},
		{"heic of 65,280 tiles", heifFile(heifImage{codec: "hvc1", w: 1 << 20, h: 255 << 12, rows: 255, columns: 256, tile: 4096}), ErrTooLarge},
		{"heic of more tiles than fit", heifFile(heifImage{codec: "hvc1", w: 512, h: 512, rows: 16, columns: 16, tile: 512}), ErrCorrupt},
		{"avif with a huge alpha channel", heifFile(heifImage{codec: "av01", w: 8, h: 8, alpha: 30_000}), ErrCorrupt},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var h Header
			var err error
			took := fastest(func() {
				if h, err = ReadHeader(test.file); err == nil {
					err = DefaultLimits().Check(h)
				}
			}, mostTime)
			if !errors.Is(err, test.want) {
				t.Errorf("%+v: error %v, want %v", h, err, test.want)
			}
			if took > mostTime {
				t.Errorf("took %v", took)
			}
		})
	}
}

// fastest is the processor time that f takes at best: a machine that is busy with
// other things must not fail a test.
func fastest(f func(), enough time.Duration) time.Duration {
	now := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			panic(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	best := time.Hour
	for range 5 {
		start := now()
		f()
		if best = min(best, now()-start); best <= enough {
			break
		}
	}
	return best
}

// 25 MiB of whatever costs each reader most.
func BenchmarkReadHeader(b *testing.B) {
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
				_, _ = ReadHeader(file)
			}
		})
	}
}

func TestLimitsCheck(t *testing.T) {
	header := func(w, h, frames int) Header { return Header{Format: GIF, Width: w, Height: h, Frames: frames} }
	tests := []struct {
		name   string
		limits Limits
		header Header
		want   string // "" is no error
	}{
		{"at every limit", Limits{FramePixels: 100, TotalPixels: 500, Frames: 5, Edge: 10}, header(10, 10, 5), ""},
		{"frame pixels", DefaultLimits(), header(35584, 18696, 1), "image is too large: 35584×18696 pixels is over the limit of 64 megapixels a frame"},
		{"edge", DefaultLimits(), header(40000, 10, 1), "image is too large: 40000×10 pixels is over the limit of 32768 pixels an edge"},
		{"upright edge", Limits{Edge: 9}, header(1, 10, 1), "image is too large: 1×10 pixels is over the limit of 9 pixels an edge"},
		{"frames", DefaultLimits(), header(1, 1, 1001), "image is too large: 1001 frames is over the limit of 1000"},
		{"total pixels", Limits{TotalPixels: 2_500_000}, header(1000, 1000, 3), "image is too large: 3 frames of 1000×1000 pixels are over the limit of 2.5 megapixels in all"},
		{"no overflow", Limits{TotalPixels: math.MaxInt}, header(math.MaxInt32, math.MaxInt32, math.MaxInt32), "image is too large: 2147483647 frames of 2147483647×2147483647 pixels are over the limit of 9223372036854.775 megapixels in all"},
		{"no limits", Limits{}, header(math.MaxInt32, math.MaxInt32, math.MaxInt32), ""},
		{"pages of a tiff", DefaultLimits(), Header{Format: TIFF, Width: 4000, Height: 4000, Frames: 500}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.limits.Check(test.header)
			if test.want == "" {
				if err != nil {
					t.Errorf("error %v, want none", err)
				}
				return
			}
			if !errors.Is(err, ErrTooLarge) || err.Error() != test.want {
				t.Errorf("error %v\nwant  %s", err, test.want)
			}
		})
	}
}

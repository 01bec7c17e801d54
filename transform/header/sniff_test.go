package header

import (
	"strings"
	"testing"

	"github.com/tintype/tintype/transform"
)

var sniffTests = []struct {
	name, start string
	want        transform.Format
}{
	{"jpeg", "\xff\xd8\xff\xe0", transform.JPEG},
	{"jpeg without a second marker", "\xff\xd8\x00", ""},
	{"png", "\x89PNG\r\n\x1a\n", transform.PNG},
	{"png with newlines changed by a transfer", "\x89PNG\n\x1a\n\x00", ""},
	{"gif 87a", "GIF87a", transform.GIF},
	{"gif 89a", "GIF89a", transform.GIF},
	{"gif of no known version", "GIF90a", ""},
	{"webp", "RIFF\x04\x00\x00\x00WEBPVP8 ", transform.WebP},
	{"another RIFF", "RIFF\x04\x00\x00\x00WAVEfmt ", ""},
	{"avif", "\x00\x00\x00\x18ftypavif\x00\x00\x00\x00", transform.AVIF},
	{"avif sequence", "\x00\x00\x00\x18ftypavis\x00\x00\x00\x00", transform.AVIF},
	{"avif by a compatible brand", "\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avifmiaf", transform.AVIF},
	{"heic", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", transform.HEIC},
	{"heic, 10 bits", "\x00\x00\x00\x18ftypheix\x00\x00\x00\x00", transform.HEIC},
	{"heic by a compatible brand", "\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heic", transform.HEIC},
	{"heic sequence by a compatible brand", "\x00\x00\x00\x18ftypmsf1\x00\x00\x00\x00msf1heic", transform.HEIC},
	{"brand after the file type box", "\x00\x00\x00\x14ftypmif1\x00\x00\x00\x00mif1heic", ""},
	{"mp4", "\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isomavif", ""},
	{"tiff, little-endian", "II*\x00\x08\x00\x00\x00", transform.TIFF},
	{"tiff, big-endian", "MM\x00*\x00\x00\x00\x08", transform.TIFF},
	{"bigtiff", "II+\x00\x08\x00\x00\x00", ""},
	{"jxl codestream", "\xff\x0a\x00", transform.JXL},
	{"jxl container", "\x00\x00\x00\x0cJXL \r\n\x87\n", transform.JXL},
	{"svg", `<svg xmlns="http://www.w3.org/2000/svg">`, transform.SVG},
	{"svg in every wrapping", "\ufeff \r\n\t<?xml version=\"1.0\"?>\n<!-- <html> -->\n<!DOCTYPE svg PUBLIC \"a>b\" [<!ENTITY x \">\">]>\n<svg/>", transform.SVG},
	{"svg far down", strings.Repeat(" ", 4096) + "<svg>", ""},
	{"svg as the start of a name", "<svgs>", ""},
	{"svg within html", "<html><svg></svg></html>", ""},
	{"svg in an open comment", "<!-- <svg>", ""},
	{"svg in an open doctype", "<!DOCTYPE svg [ <svg>", ""},
	{"compressed svg", "\x1f\x8b\x08\x00", ""},
	{"html", "<!DOCTYPE html><html>", ""},
	{"pdf", "%PDF-1.7", ""},
	{"eps", "%!PS-Adobe-3.0 EPSF-3.0", ""},
	{"mvg", "push graphic-context\nviewbox 0 0 640 480", ""},
	{"bmp", "BM\x00\x00", ""},
	{"pnm", "P6 1 1 255 ", ""},
	{"text", "hello", ""},
	{"empty", "", ""},
}

func TestSniff(t *testing.T) {
	for _, test := range sniffTests {
		t.Run(test.name, func(t *testing.T) {
			if got := Sniff([]byte(test.start)); got != test.want {
				t.Errorf("Sniff = %q, want %q", got, test.want)
			}
		})
	}
}

func FuzzSniff(f *testing.F) {
	for _, test := range sniffTests {
		f.Add([]byte(test.start))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got := Sniff(b)
		if longer := Sniff(append(b[:len(b):len(b)], "\x00<svg>"...)); got != "" && longer != got {
			t.Errorf("%q by itself, %q with more after it", got, longer)
		}
	})
}

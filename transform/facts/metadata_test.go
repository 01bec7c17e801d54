package facts

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/transform"
)

// withXMP is a JPEG with an XMP packet.
func withXMP(attributes string) []byte {
	xmp := "http://ns.adobe.com/xap/1.0/\x00" +
		`<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" ` +
		attributes + `/></rdf:RDF></x:xmpmeta>`
	n := len(xmp) + 2
	return append(append([]byte{0xff, 0xd8, 0xff, 0xe1, byte(n >> 8), byte(n)}, xmp...), 0xff, 0xda, 0, 2, 0xff, 0xd9)
}

func TestReadMetadata(t *testing.T) {
	m, err := ReadMetadata(withXMP(`dc:format="image/jpeg" dc:title="a&#x9;&#xA0;b"`), transform.JPEG)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"Format": "image/jpeg", "Title": "a\t\u00a0b"}, m.XMP); diff != "" {
		t.Error(diff)
	}
	if len(m.EXIF) > 0 || len(m.IPTC) > 0 || m.GPS != nil {
		t.Errorf("%+v", m)
	}
	// Formats that aren't read, and what is no file at all.
	for f, body := range map[transform.Format]string{transform.GIF: "GIF89a", transform.JPEG: "", transform.PNG: "\x89PNG", transform.AVIF: "\x00", transform.TIFF: "II*", transform.JXL: "\xff\x0a", transform.SVG: "<svg/>"} {
		m, err := ReadMetadata([]byte(body), f)
		if err != nil || m.EXIF == nil || m.IPTC == nil || m.XMP == nil {
			t.Errorf("%s: %+v, %v", f, m, err)
		}
	}
}

// TestMetadataIsBounded: a file with thousands of fields, or with very long ones, has the
// first of them.
func TestMetadataIsBounded(t *testing.T) {
	var many strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&many, `dc:f%d="%s" `, i, strings.Repeat("x", 20))
	}
	for name, attributes := range map[string]string{"many": many.String(), "long": `dc:title="` + strings.Repeat("y", 40000) + `"`} {
		m, err := ReadMetadata(withXMP(attributes), transform.JPEG)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(m)
		if err != nil || len(b) > 2*mostText || len(m.XMP) > mostFields || len(m.XMP) == 0 {
			t.Errorf("%s: %d fields, %d bytes, %v", name, len(m.XMP), len(b), err)
		}
		if got, err := ParseMetadata(b); err != nil || !cmp.Equal(got, m) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGPS(t *testing.T) {
	altitude := -12.5
	for name, c := range map[string]struct {
		fields map[string]any
		want   *GPS
	}{
		"north east": {map[string]any{"GPSLatitude": 48.85, "GPSLongitude": 2.35}, &GPS{48.85, 2.35, nil}},
		"south west": {map[string]any{"GPSLatitude": 33.0, "GPSLatitudeRef": "S", "GPSLongitude": 70.5, "GPSLongitudeRef": "West"}, &GPS{-33, -70.5, nil}},
		"below the sea": {map[string]any{"GPSLatitude": 31.5, "GPSLongitude": 35.5, "GPSAltitude": 12.5, "GPSAltitudeRef": uint8(1)},
			&GPS{31.5, 35.5, &altitude}},
		"nowhere":   {map[string]any{"GPSLatitude": 91.0, "GPSLongitude": 2.0}, nil},
		"no number": {map[string]any{"GPSLatitude": math.NaN(), "GPSLongitude": 2.0}, nil},
		"half":      {map[string]any{"GPSLatitude": 1.0}, nil},
		"texts":     {map[string]any{"GPSLatitude": "1", "GPSLongitude": "2"}, nil},
	} {
		if diff := cmp.Diff(c.want, gpsOf(c.fields)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestParseMetadata(t *testing.T) {
	for _, bad := range []string{"", "[]", `{"exif":{"a":{"b":1}}}`, `{"exif":{"a\u0000":1}}`, `{"exif":{"a":null}}`, `{"gps":{"latitude":100,"longitude":0}}`} {
		if m, err := ParseMetadata([]byte(bad)); err == nil {
			t.Errorf("%s: %+v", bad, m)
		}
	}
	if m, err := ParseMetadata([]byte(`{}`)); err != nil || m.EXIF == nil {
		t.Errorf("%+v, %v", m, err)
	}
}

// FuzzReadMetadata: whatever a file says, it comes back from a worker as it was.
func FuzzReadMetadata(f *testing.F) {
	f.Add(withXMP(`dc:title="x"`), uint8(0))
	for _, name := range []string{"ten-bits.avif", "logo.png", "arithmetic.jpg"} {
		b, err := os.ReadFile("../vips/testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint8(len(name)))
	}
	formats := []transform.Format{transform.JPEG, transform.PNG, transform.WebP, transform.TIFF, transform.AVIF, transform.HEIC}
	f.Fuzz(func(t *testing.T, body []byte, format uint8) {
		m, err := ReadMetadata(body, formats[int(format)%len(formats)])
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(m)
		if err != nil || len(b) > 1<<20 {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		if _, err := ParseMetadata(b); err != nil {
			t.Errorf("%s: %v", b, err)
		}
	})
}

// Blocks of EXIF and XMP are read as in a file.
func TestReadBlocks(t *testing.T) {
	tiff := []byte("II*\x00\x08\x00\x00\x00\x01\x00" + // one field
		"\x3b\x01\x02\x00\x04\x00\x00\x00Ann\x00" + "\x00\x00\x00\x00") // Artist
	file := string(withXMP(`dc:format="image/jxl"`))
	packet, _, _ := strings.Cut(file[strings.Index(file, "<x:"):], "\xff\xda")
	for _, tt := range []struct{ exif, xmp string }{
		{string(tiff), packet}, {string(tiff), ""}, {"", packet}, {"", ""}, {string(tiff) + "\x00", packet},
		{"II*", packet}, {string(tiff[:20]), ""}, {strings.Repeat("x", 70000), ""},
	} {
		m, err := ReadBlocks([]byte(tt.exif), []byte(tt.xmp))
		artist, format := m.EXIF["Artist"], m.XMP["Format"]
		if err != nil || len(tt.exif) >= len(tiff) && tt.exif[0] == 'I' && artist != "Ann" || tt.xmp != "" && len(tt.exif) != 3 && format != "image/jxl" {
			t.Errorf("%.40q, %.40q: %+v, %v", tt.exif, tt.xmp, m, err)
		}
	}
}

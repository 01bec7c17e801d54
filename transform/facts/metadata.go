package facts

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bep/imagemeta"

	"github.com/tintype/tintype/transform"
)

// Metadata are the metadata fields of a file. A value is a text, a number, or a list of
// these. Names are those of ExifTool.
type Metadata struct {
	EXIF map[string]any `json:"exif"`
	IPTC map[string]any `json:"iptc"`
	XMP  map[string]any `json:"xmp"`
	GPS  *GPS           `json:"gps"`
}

// A GPS is the place where a picture was taken, in degrees and metres.
type GPS struct {
	Latitude  float64  `json:"latitude"`
	Longitude float64  `json:"longitude"`
	Altitude  *float64 `json:"altitude"`
}

// Limits of metadata. Files with more are not photographs, or are attacks.
const (
	mostFields  = 1000
	longestText = 4096      // bytes
	longestList = 64        // values
	mostText    = 256 << 10 // bytes of all names and values
)

var metadataFormats = map[transform.Format]imagemeta.ImageFormat{
	transform.JPEG: imagemeta.JPEG, transform.PNG: imagemeta.PNG, transform.WebP: imagemeta.WebP, transform.TIFF: imagemeta.TIFF,
	transform.AVIF: imagemeta.AVIF, transform.HEIC: imagemeta.HEIF,
}

// ReadMetadata reads the EXIF, IPTC and XMP of a file. If a part is damaged, it returns the
// fields before the damage. It doesn't read GIF and SVG. For JPEG XL, call [ReadBlocks]. It
// skips binary fields, such as maker notes and previews.
//
// Only workers call it, since it parses untrusted data with a library.
func ReadMetadata(body []byte, f transform.Format) (Metadata, error) {
	m := Metadata{EXIF: map[string]any{}, IPTC: map[string]any{}, XMP: map[string]any{}}
	format, ok := metadataFormats[f]
	if !ok {
		return m, nil
	}
	fields, room := 0, mostText
	add := func(to map[string]any, name string, value any) error {
		v, size, ok := plainValue(value)
		if name = cleanText(name); !ok || name == "" {
			return nil
		}
		if fields++; fields > mostFields {
			return imagemeta.ErrStopWalking
		}
		if room -= size + len(name); room < 0 {
			return imagemeta.ErrStopWalking
		}
		to[name] = v
		return nil
	}
	gps := map[string]any{}
	// The error means that a part is damaged. The rest has been read.
	_, _ = imagemeta.Decode(imagemeta.Options{
		R: bytes.NewReader(body), ImageFormat: format, Sources: imagemeta.EXIF | imagemeta.IPTC | imagemeta.XMP,
		HandleTag: func(tag imagemeta.TagInfo) error {
			switch tag.Source {
			case imagemeta.EXIF:
				if strings.HasPrefix(tag.Tag, "GPS") {
					gps[tag.Tag] = tag.Value
				}
				if strings.HasPrefix(tag.Tag, imagemeta.UnknownPrefix) {
					return nil
				}
				return add(m.EXIF, tag.Tag, tag.Value)
			case imagemeta.IPTC:
				return add(m.IPTC, tag.Tag, tag.Value)
			case imagemeta.XMP:
				return add(m.XMP, tag.Tag, tag.Value)
			}
			return nil
		},
	})
	m.GPS = gpsOf(gps)
	return m, nil
}

// ReadBlocks is ReadMetadata for an EXIF block and an XMP packet that the caller has found in a
// file, such as a JPEG XL. Each may be empty.
func ReadBlocks(exif, xmp []byte) (Metadata, error) {
	// The library reads files only. A WebP has both blocks as they are (RFC 9649 §2.7.1.5).
	webp := []byte("RIFF\x00\x00\x00\x00WEBP")
	for _, chunk := range [...]struct {
		name string
		data []byte
	}{{"EXIF", exif}, {"XMP ", xmp}} {
		if len(chunk.data) > 0 {
			webp = append(webp, chunk.name...)
			webp = binary.LittleEndian.AppendUint32(webp, uint32(len(chunk.data)))
			webp = append(webp, chunk.data...)
		}
	}
	return ReadMetadata(webp, transform.WebP)
}

// gpsOf returns the place from the GPS fields, or nil.
func gpsOf(fields map[string]any) *GPS {
	latitude, ok := number(fields["GPSLatitude"])
	longitude, ok2 := number(fields["GPSLongitude"])
	if !ok || !ok2 {
		return nil
	}
	is := func(name, letter string) bool {
		s, _ := fields[name].(string)
		return strings.HasPrefix(strings.ToUpper(s), letter)
	}
	if is("GPSLatitudeRef", "S") {
		latitude = -math.Abs(latitude)
	}
	if is("GPSLongitudeRef", "W") {
		longitude = -math.Abs(longitude)
	}
	if math.Abs(latitude) > 90 || math.Abs(longitude) > 180 {
		return nil
	}
	g := &GPS{Latitude: rounded6(latitude), Longitude: rounded6(longitude)}
	if altitude, ok := number(fields["GPSAltitude"]); ok {
		if below, ok := number(fields["GPSAltitudeRef"]); ok && below == 1 {
			altitude = -altitude
		}
		altitude = rounded6(altitude)
		g.Altitude = &altitude
	}
	return g
}

// rounded6 rounds to six decimals. In degrees, that is a tenth of a metre.
func rounded6(f float64) float64 { return math.Round(f*1e6) / 1e6 }

func number(v any) (float64, bool) {
	p, _, ok := plainValue(v)
	f, isNumber := p.(float64)
	return f, ok && isNumber
}

// plainValue returns a value as a text, a number or a list of these, and its approximate
// length in JSON. ok is false for other values.
func plainValue(v any) (plain any, size int, ok bool) {
	switch v := v.(type) {
	case nil, []byte:
		return nil, 0, false
	case string:
		s := cleanText(v)
		return s, len(s) + 2, s != ""
	case interface{ Float64() float64 }:
		return plainNumber(v.Float64())
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Bool:
		return r.Bool(), 5, true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return float64(r.Int()), 12, true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return float64(r.Uint()), 12, true
	case reflect.Float32, reflect.Float64:
		return plainNumber(r.Float())
	case reflect.Slice, reflect.Array:
		if r.Len() > longestList || r.Type().Elem().Kind() == reflect.Uint8 {
			return nil, 0, false
		}
		list := []any{}
		for i := range r.Len() {
			element, n, ok := plainValue(r.Index(i).Interface())
			if _, nested := element.([]any); !ok || nested {
				continue
			}
			list, size = append(list, element), size+n+1
		}
		return list, size + 2, len(list) > 0
	}
	if s, isText := v.(fmt.Stringer); isText {
		return plainValue(s.String())
	}
	return nil, 0, false
}

// plainNumber rounds to ten digits, which hides that degrees are sums of fractions.
func plainNumber(f float64) (plain any, size int, ok bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, 0, false
	}
	f, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 10, 64), 64)
	return f, 12, err == nil
}

// cleanText returns a text that can be shown: valid UTF-8, without control characters, and
// without padding.
func cleanText(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), longestText)], "")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r < 0x20, r >= 0x7f && r < 0xa0, r == utf8.RuneError:
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// ParseMetadata decodes metadata from JSON and checks them, like [Parse].
func ParseMetadata(data []byte) (m Metadata, err error) {
	if err := json.Unmarshal(data, &m); err != nil {
		return Metadata{}, fmt.Errorf("%w: %v", errFacts, err)
	}
	for _, part := range []*map[string]any{&m.EXIF, &m.IPTC, &m.XMP} {
		if *part == nil {
			*part = map[string]any{}
		}
		for name, v := range *part {
			if _, _, ok := plainValue(v); !ok || cleanText(name) != name {
				return Metadata{}, fmt.Errorf("%w: a field that is none", errFacts)
			}
		}
	}
	if g := m.GPS; g != nil && (math.Abs(g.Latitude) > 90 || math.Abs(g.Longitude) > 180) {
		return Metadata{}, fmt.Errorf("%w: a place that is none", errFacts)
	}
	return m, nil
}

package samples

import "encoding/binary"

// Artist and Copyright are texts of [WithOrientation]. Tests look for them in outputs.
const (
	Artist    = "Tintype Sample Artist"
	Copyright = "Copyright Tintype Samples"
)

// WithOrientation returns a JPEG with an EXIF segment before its other segments. The segment
// has an orientation (1–8), [Artist], [Copyright] and a place (GPS latitude 52° 31′ 12″
// north). The input must start with an SOI marker, and isn't changed.
func WithOrientation(jpeg []byte, orientation int) []byte {
	exif := exifBlock(uint16(orientation))
	out := make([]byte, 0, len(jpeg)+len(exif)+4)
	out = append(out, jpeg[:2]...)
	out = append(out, 0xff, 0xe1)
	out = binary.BigEndian.AppendUint16(out, uint16(len(exif)+2))
	out = append(out, exif...)
	return append(out, jpeg[2:]...)
}

// exifBlock returns a little-endian TIFF structure (CIPA DC-008 §4.5): a directory, a GPS
// directory, and the values that don't fit into them.
func exifBlock(orientation uint16) []byte {
	const (
		ascii, short, long, rational = 2, 3, 4, 5

		entries    = 4
		gpsEntries = 2
		start      = 8
		gpsStart   = start + 2 + 12*entries + 4
		values     = gpsStart + 2 + 12*gpsEntries + 4
	)
	artist, copyright := Artist+"\x00", Copyright+"\x00"
	le := binary.LittleEndian
	b := []byte("Exif\x00\x00II*\x00")
	b = le.AppendUint32(b, start)
	entry := func(tag, kind uint16, count int, value uint32) {
		b = le.AppendUint16(b, tag)
		b = le.AppendUint16(b, kind)
		b = le.AppendUint32(b, uint32(count))
		b = le.AppendUint32(b, value)
	}
	b = le.AppendUint16(b, entries)
	entry(0x0112, short, 1, uint32(orientation))
	entry(0x013b, ascii, len(artist), values)
	entry(0x8298, ascii, len(copyright), uint32(values+len(artist)))
	entry(0x8825, long, 1, gpsStart)
	b = le.AppendUint32(b, 0)

	b = le.AppendUint16(b, gpsEntries)
	entry(0x0001, ascii, 2, 'N')
	entry(0x0002, rational, 3, uint32(values+len(artist)+len(copyright)))
	b = le.AppendUint32(b, 0)

	b = append(b, artist...)
	b = append(b, copyright...)
	for _, v := range [...]uint32{52, 1, 31, 1, 12, 1} {
		b = le.AppendUint32(b, v)
	}
	return b
}

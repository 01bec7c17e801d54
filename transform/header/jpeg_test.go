package header

import (
	"bytes"
	"encoding/binary"
	"image"
	imagecolor "image/color"
	"image/jpeg"
	"slices"
	"testing"

	"github.com/tintype/tintype/transform"
)

func jpegSegment(marker byte, data ...byte) []byte {
	return append([]byte{0xff, marker, byte((len(data) + 2) >> 8), byte(len(data) + 2)}, data...)
}

func jpegFrame(marker byte, precision byte, w, h uint16, channels int) []byte {
	data := []byte{precision, byte(h >> 8), byte(h), byte(w >> 8), byte(w), byte(channels)}
	for i := range channels {
		data = append(data, byte(i+1), 0x11, 0)
	}
	return jpegSegment(marker, data...)
}

func jpegScan(channels byte) []byte {
	return append(jpegSegment(0xda, channels, 1, 0, 0, 63, 0), 0x12, 0xff, 0x00, 0xff, 0xd0, 0x34, 0x56)
}

var (
	jpegStart = []byte{0xff, 0xd8}
	jpegEnd   = []byte{0xff, 0xd9}
)

// jpegFile is the least that has the structure of a JPEG.
func jpegFile(sof byte, w, h uint16, channels int) []byte {
	return slices.Concat(jpegStart, jpegFrame(sof, 8, w, h, channels), jpegScan(byte(channels)), jpegEnd)
}

func jpegScans(sof byte, n int) []byte {
	return slices.Concat(jpegStart, jpegFrame(sof, 8, 64, 48, 3), slices.Repeat(jpegScan(3), n), jpegEnd)
}

// exifBlock holds an orientation and, before it, an entry that is not understood.
func exifBlock(order binary.ByteOrder, orientation uint16) []byte {
	b := []byte("II*\x00\x00\x00\x00\x08")
	if order == binary.BigEndian {
		b = []byte("MM\x00*\x00\x00\x00\x08")
	}
	order.PutUint32(b[4:], 8)
	u16 := func(v uint16) { b, _ = binary.Append(b, order, v) }
	u32 := func(v uint32) { b, _ = binary.Append(b, order, v) }
	u16(2)
	u16(270) // description: out of bounds
	u16(2)
	u32(0xffffffff)
	u32(0xfffffff0)
	u16(tagOrientation)
	u16(tiffShort)
	u32(1)
	u16(orientation)
	u16(0)
	u32(0)
	return b
}

func jpegCases(t testing.TB) []headerCase {
	encode := func(m image.Image) []byte {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, m, nil); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	rgb := image.NewRGBA(image.Rect(0, 0, 31, 17))
	for i := range rgb.Pix {
		rgb.Pix[i] = byte(i * i)
	}
	grey := image.NewGray(image.Rect(0, 0, 5, 9))
	grey.SetGray(1, 1, imagecolor.Gray{200})

	plain := transform.Header{Format: transform.JPEG, Width: 64, Height: 48, Orientation: 1, Frames: 1, Bands: 3, Bits: 8}
	with := func(change func(*transform.Header)) transform.Header {
		h := plain
		change(&h)
		return h
	}
	progressive := with(func(h *transform.Header) { h.Interlaced = true })
	frame := jpegFrame(0xc0, 8, 64, 48, 3)
	scan := jpegScan(3)
	withExif := func(exif []byte) []byte {
		return slices.Concat(jpegStart, jpegSegment(0xe1, append([]byte(exifPrefix), exif...)...), frame, scan, jpegEnd)
	}
	upside := with(func(h *transform.Header) { h.Orientation = 6 })
	little, big := exifBlock(binary.LittleEndian, 6), exifBlock(binary.BigEndian, 6)

	return []headerCase{
		{name: "jpeg by Go", file: encode(rgb), want: transform.Header{Format: transform.JPEG, Width: 31, Height: 17, Orientation: 1, Frames: 1, Bands: 3, Bits: 8}},
		{name: "grey jpeg by Go", file: encode(grey), want: transform.Header{Format: transform.JPEG, Width: 5, Height: 9, Orientation: 1, Frames: 1, Bands: 1, Bits: 8}},
		{name: "jpeg", file: jpegFile(0xc0, 64, 48, 3), want: plain},
		{name: "extended jpeg", file: jpegFile(0xc1, 64, 48, 3), want: plain},
		{name: "progressive jpeg", file: jpegFile(0xc2, 64, 48, 3), want: progressive},
		{name: "arithmetic jpeg", file: jpegFile(0xc9, 64, 48, 3), want: plain},
		{name: "progressive arithmetic jpeg", file: jpegFile(0xca, 64, 48, 3), want: progressive},
		{name: "progressive jpeg of 10 scans", file: jpegScans(0xc2, 10), want: progressive},
		{name: "baseline jpeg of separate scans", file: slices.Concat(jpegStart, frame, jpegScan(1), jpegScan(1), jpegScan(1), jpegEnd), want: progressive},
		{name: "cmyk jpeg", file: jpegFile(0xc0, 64, 48, 4), want: with(func(h *transform.Header) { h.Bands = 4 })},
		{name: "jpeg with fill bytes and junk", file: slices.Concat(jpegStart, []byte{0xff, 0xff}, frame, []byte("junk"), scan, []byte{0xff}, jpegEnd), want: plain},
		{name: "jpeg with trailing bytes", file: append(jpegFile(0xc0, 64, 48, 3), "\xff\xd8\xff video"...), want: plain},
		{name: "jpeg with a thumbnail", file: slices.Concat(jpegStart, jpegSegment(0xe1, jpegFile(0xc0, 8, 8, 3)...), frame, scan, jpegEnd), want: plain},

		{name: "jpeg turned, little-endian", file: withExif(little), want: upside},
		{name: "jpeg turned, big-endian", file: withExif(big), want: upside},
		{name: "jpeg with the first of two exif blocks", file: slices.Concat(jpegStart,
			jpegSegment(0xe1, append([]byte(exifPrefix), little...)...), jpegSegment(0xe1, append([]byte(exifPrefix), exifBlock(binary.LittleEndian, 3)...)...), frame, scan, jpegEnd), want: upside},
		{name: "jpeg with orientation 9", file: withExif(exifBlock(binary.LittleEndian, 9)), want: plain},
		{name: "jpeg with exif that is cut off", file: withExif(little[:24]), want: plain},
		{name: "jpeg with exif of no order", file: withExif([]byte("XX*\x00\x08\x00\x00\x00")), want: plain},
		{name: "jpeg with exif out of bounds", file: withExif([]byte("II*\x00\xff\xff\xff\xff")), want: plain},
		{name: "jpeg with empty exif", file: withExif(nil), want: plain},

		{name: "jpeg of 12 bits", file: slices.Concat(jpegStart, jpegFrame(0xc1, 12, 64, 48, 3), scan, jpegEnd), err: transform.ErrUnsupported},
		{name: "lossless jpeg", file: jpegFile(0xc3, 64, 48, 3), err: transform.ErrUnsupported},
		{name: "lossless arithmetic jpeg", file: jpegFile(0xcb, 64, 48, 3), err: transform.ErrUnsupported},
		{name: "jpeg of 2 channels", file: jpegFile(0xc0, 64, 48, 2), err: transform.ErrUnsupported},
		{name: "jpeg without width", file: jpegFile(0xc0, 0, 48, 3), err: transform.ErrCorrupt},
		{name: "jpeg without height", file: jpegFile(0xc0, 64, 0, 3), err: transform.ErrCorrupt},
		{name: "jpeg of two frames", file: slices.Concat(jpegStart, frame, frame, scan, jpegEnd), err: transform.ErrCorrupt},
		{name: "jpeg within a jpeg", file: slices.Concat(jpegStart, frame, jpegStart, scan, jpegEnd), err: transform.ErrCorrupt},
		{name: "jpeg without a scan", file: slices.Concat(jpegStart, frame, jpegEnd), err: transform.ErrCorrupt},
		{name: "jpeg without a frame", file: slices.Concat(jpegStart, scan, jpegEnd), err: transform.ErrCorrupt},
		{name: "jpeg with a segment of length 1", file: slices.Concat(jpegStart, []byte{0xff, 0xe0, 0, 1}, frame, scan, jpegEnd), err: transform.ErrCorrupt},
		{name: "jpeg with a short frame header", file: slices.Concat(jpegStart, jpegSegment(0xc0, 8, 0, 1), scan, jpegEnd), err: transform.ErrCorrupt},
		{name: "jpeg with a long frame header", file: slices.Concat(jpegStart, jpegSegment(0xc0, 8, 0, 1, 0, 1, 1, 1, 0x11, 0, 0), scan, jpegEnd), err: transform.ErrCorrupt},
		{name: "jpeg with impossible sampling", file: slices.Concat(jpegStart, jpegSegment(0xc0, 8, 0, 1, 0, 1, 1, 1, 0x50, 0), scan, jpegEnd), err: transform.ErrCorrupt},
		{name: "jpeg without an end", file: slices.Concat(jpegStart, frame, scan), err: transform.ErrTruncated},
		{name: "jpeg whose end is only in a table", file: slices.Concat(jpegStart, frame, scan, jpegSegment(0xc4, 0xff, 0xd9)), err: transform.ErrTruncated},
	}
}

func TestNextMarker(t *testing.T) {
	// Every kind of filler at every distance from a word's border.
	for _, filler := range []string{"a", "\xff\x00", "\xff\xd3", "\xff", "\x00", "\xfe\xff\x00", "\x7f\x80"} {
		for n := range 80 {
			b := bytes.Repeat([]byte(filler), n)
			if got := nextMarker(b, 0); got != len(b) {
				t.Errorf("%q × %d: marker at %d", filler, n, got)
			}
			for _, marker := range []byte{0x01, 0xc0, 0xcf, 0xd8, 0xd9, 0xfe} {
				if got := nextMarker(append(b[:len(b):len(b)], 0xff, marker, 0xff, 0xd9), 0); got != len(b) {
					t.Errorf("%q × %d, then marker %x at %d", filler, n, marker, got)
				}
			}
		}
	}
}

//go:build cgo

package vips

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"slices"
	"testing"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

// fill kinds of fuzzedPicture: what follows when the fuzzer's pixels end.
const (
	again  = iota // the same pixels
	ramp          // the same pixels, brighter each time
	last          // the last one
	hashed        // noise
	fills
)

// fuzzedPicture returns the bytes of a picture that begins with the fuzzer's pixels.
func fuzzedPicture(width, height, bands int, fill uint8, pixels []byte) []byte {
	b := make([]byte, width*height*bands)
	used := len(pixels) / bands * bands
	noise := uint32(2166136261)
	for i := range b {
		switch {
		case used == 0:
		case i < used:
			b[i] = pixels[i]
		case fill%fills == again:
			b[i] = pixels[i%used]
		case fill%fills == ramp:
			b[i] = pixels[i%used] + uint8(i/used)
		case fill%fills == last:
			b[i] = b[i-bands]
		default:
			noise = noise*1664525 + 1013904223
			b[i] = uint8(noise>>24) ^ pixels[i%used]
		}
	}
	return b
}

// written is the picture in a file of an encoder of ours, and what libvips decodes from it.
func written(t *testing.T, pixels []byte, width, height, bands int, task task, encode func(*task, *frame) ([]byte, error)) (file, decoded []byte) {
	t.Helper()
	space := govips.InterpretationSRGB
	if bands < 3 {
		space = govips.InterpretationBW
	}
	source, err := govips.NewImageFromMemory(pixels, width, height, bands, govips.BandFormatUchar, space)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	task.strip = true
	file, err = encode(&task, &frame{source})
	if err != nil {
		t.Fatal(err)
	}
	again, err := govips.NewImageFromBuffer(file)
	if err != nil {
		t.Fatalf("libvips: %v", err)
	}
	defer again.Close()
	if again.Width() != width || again.Height() != height || again.Bands() != bands {
		t.Fatalf("libvips reads %d×%d of %d bands, want %d×%d of %d", again.Width(), again.Height(), again.Bands(), width, height, bands)
	}
	decoded, err = again.ToBytes()
	if err != nil {
		t.Fatalf("libvips: %v", err)
	}
	return file, decoded
}

// FuzzPNGFile: image/png and libvips read back every pixel of what pngfile.c writes, which is
// no larger than deflate without compression.
func FuzzPNGFile(f *testing.F) {
	for _, bands := range []uint8{0, 1, 2, 3} {
		for fill := range uint8(fills) {
			f.Add(uint16(40), uint16(33), bands, fill, []byte("\x00\x10\xff\x80\x7f\x01\xfe\x33\x90\x21\x44\xaa"))
		}
	}
	f.Add(uint16(0), uint16(0), uint8(3), uint8(last), []byte{})
	f.Add(uint16(0), uint16(399), uint8(2), uint8(hashed), []byte{1, 2, 3})
	f.Add(uint16(399), uint16(0), uint8(0), uint8(ramp), []byte{255})
	f.Fuzz(func(t *testing.T, w, h uint16, b, fill uint8, start []byte) {
		width, height, bands := 1+int(w)%400, 1+int(h)%400, 1+int(b)%4
		pixels := fuzzedPicture(width, height, bands, fill, start)
		file, decoded := written(t, pixels, width, height, bands, task{}, (*task).encodePNG)
		if !bytes.Equal(decoded, pixels) {
			t.Error("libvips reads other pixels")
		}
		// Rows, the heads of stored blocks of at least 5,000 bytes, chunks.
		if most := (width*bands+1)*height*1001/1000 + 100; len(file) > most {
			t.Errorf("%d bytes, want at most %d", len(file), most)
		}
		m, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if m.Bounds() != image.Rect(0, 0, width, height) {
			t.Fatalf("image/png reads a picture of %v", m.Bounds())
		}
		for i := 0; i < len(pixels); i += bands {
			p := pixels[i : i+bands]
			want := color.NRGBA{p[0], p[0], p[0], 255}
			if bands > 2 {
				want.G, want.B = p[1], p[2]
			}
			if bands%2 == 0 {
				want.A = p[bands-1]
			}
			x, y := i/bands%width, i/bands/width
			var got color.NRGBA
			switch c := m.At(x, y).(type) { // without a conversion, which loses colour where alpha is low
			case color.NRGBA:
				got = c
			case color.RGBA:
				got = color.NRGBA(c)
			case color.Gray:
				got = color.NRGBA{c.Y, c.Y, c.Y, 255}
			}
			if got != want {
				t.Fatalf("image/png reads %v at %d, %d, want %v", got, x, y, want)
			}
		}
	})
}

// FuzzPNGRead: pngread.c and libvips see the same pixels in a PNG whose rows are the fuzzer's,
// each with a filter of its choice. Of what it damages, pngread.c reads nothing that libvips
// reads in another way.
func FuzzPNGRead(f *testing.F) {
	for _, bands := range []uint8{0, 1, 2, 3} {
		for fill := range uint8(fills) {
			f.Add(uint16(40), uint16(33), bands, fill, []byte("\x00\x10\xff\x80\x7f\x01\xfe\x33\x90\x21\x44\xaa"), []byte("\x04\x03\x02\x01\x00\x04\x04\x03"), uint32(0))
		}
	}
	f.Add(uint16(0), uint16(0), uint8(2), uint8(hashed), []byte{1, 2, 3}, []byte{4}, uint32(0))
	f.Add(uint16(0), uint16(99), uint8(3), uint8(hashed), []byte{1, 2, 3}, []byte{4, 3}, uint32(7))
	f.Add(uint16(99), uint16(0), uint8(0), uint8(ramp), []byte{255}, []byte{}, uint32(0))
	f.Add(uint16(9), uint16(9), uint8(2), uint8(ramp), []byte{3, 2, 1}, []byte{1, 5}, uint32(0))
	for damage := uint32(1); damage < 300; damage += 7 {
		f.Add(uint16(12), uint16(12), uint8(2), uint8(hashed), []byte{3, 2, 1}, []byte{1, 2, 3, 4}, damage<<8|damage%255)
	}
	f.Fuzz(func(t *testing.T, w, h uint16, b, fill uint8, start, filters []byte, damage uint32) {
		width, height, bands := 1+int(w)%100, 1+int(h)%100, 1+int(b)%4
		sound := damage == 0
		rows := fuzzedPicture(1+width*bands, height, 1, fill, start)
		for y := range height {
			row := rows[y*(1+width*bands):]
			row[0] %= 5
			if y < len(filters) {
				row[0] = filters[y] % 6
				sound = sound && filters[y]%6 < 5
			}
		}
		file := pngFile(t, width, height, bands, rows, 1+int(w)*3)
		if damage != 0 {
			file[int(damage>>8)%len(file)] ^= uint8(max(damage&0xff, 1))
		}
		params := govips.NewImportParams()
		params.FailOnError.Set(true)
		ours, err := govips.LoadImageFromBuffer(file, params)
		if err != nil {
			return
		}
		defer ours.Close()
		theirs, err := govips.LoadImageFromBuffer(file, params)
		if err != nil {
			t.Fatal(err)
		}
		defer theirs.Close()
		before := vipsImage(ours)
		(&task{region: image.Rect(0, 0, width, height), header: transform.Header{Height: height}}).decodePNG(ours, file)
		if vipsImage(ours) == before {
			if sound {
				t.Fatal("left to libvips")
			}
			return
		}
		got, err := ours.ToBytes()
		if err != nil {
			t.Fatal(err)
		}
		want, err := theirs.ToBytes()
		if err != nil {
			if sound {
				t.Fatal(err)
			}
			return // libvips also looks at what follows the pixels
		}
		if !bytes.Equal(got, want) {
			t.Error("libvips reads other pixels")
		}
	})
}

// pngFile is a PNG of filtered rows, in IDAT chunks of so many bytes.
func pngFile(t *testing.T, width, height, bands int, rows []byte, chunk int) []byte {
	t.Helper()
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	if _, err := z.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	file := []byte("\x89PNG\r\n\x1a\n")
	add := func(kind string, data []byte) {
		file = binary.BigEndian.AppendUint32(file, uint32(len(data)))
		begin := len(file)
		file = append(append(file, kind...), data...)
		file = binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(file[begin:]))
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(width)), uint32(height))
	add("IHDR", append(head, 8, []uint8{0, 4, 2, 6}[bands-1], 0, 0, 0))
	for part := range slices.Chunk(packed.Bytes(), chunk) {
		add("IDAT", part)
	}
	add("IEND", nil)
	return file
}

// FuzzJPEGFile: image/jpeg and libvips read what jpegfile.c writes, and see the levels of the
// picture at quality 100, where steps are 1.
func FuzzJPEGFile(f *testing.F) {
	for fill := range uint8(fills) {
		for _, quality := range []uint8{0, 79, 99} {
			f.Add(uint16(40), uint16(33), fill&1, quality, fill&2, fill, []byte("\x00\x10\xff\x80\x7f\x01\xfe\x33\x90"))
		}
	}
	f.Add(uint16(0), uint16(0), uint8(1), uint8(99), uint8(0), uint8(last), []byte{})
	f.Add(uint16(0), uint16(299), uint8(0), uint8(49), uint8(3), uint8(hashed), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, w, h uint16, b, q, flags, fill uint8, start []byte) {
		width, height, bands, quality := 1+int(w)%300, 1+int(h)%300, 1+2*int(b%2), 1+int(q)%100
		pixels := fuzzedPicture(width, height, bands, fill, start)
		job := task{quality: quality, full: quality >= fullFromQuality || flags&1 != 0, job: transform.Job{Options: transform.Options{Progressive: flags&2 != 0}}}
		file, decoded := written(t, pixels, width, height, bands, job, (*task).encodeJPEG)
		m, err := jpeg.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if m.Bounds() != image.Rect(0, 0, width, height) {
			t.Fatalf("image/jpeg reads a picture of %v", m.Bounds())
		}
		if quality < 100 {
			return
		}
		const tolerance = 8 // of rounding each frequency, and colours
		for i := range pixels {
			x, y := i/bands%width, i/bands/width
			r, g, b, _ := m.At(x, y).RGBA()
			got := [3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)}[i%bands]
			if d := max(distance(pixels[i], got), distance(pixels[i], decoded[i])); d > tolerance {
				t.Fatalf("level %d at %d, %d is %d for image/jpeg, and %d for libvips", pixels[i], x, y, got, decoded[i])
			}
		}
	})
}

func distance(a, b uint8) int { return max(int(a)-int(b), int(b)-int(a)) }

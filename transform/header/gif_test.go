package header

import (
	"bytes"
	"image"
	imagecolor "image/color"
	"image/gif"
	"slices"
	"testing"

	"github.com/tintype/tintype/transform"
)

type gifFrame struct {
	x, y, w, h uint16
	flags      byte
}

// gifFile assembles a GIF without extensions.
func gifFile(w, h uint16, frames ...gifFrame) []byte {
	b := append([]byte("GIF89a"), byte(w), byte(w>>8), byte(h), byte(h>>8), 0x80, 0, 0, 0, 0, 0, 255, 255, 255)
	for _, f := range frames {
		b = append(b, 0x2c, byte(f.x), byte(f.x>>8), byte(f.y), byte(f.y>>8), byte(f.w), byte(f.w>>8), byte(f.h), byte(f.h>>8), f.flags)
		if f.flags&0x80 != 0 {
			b = append(b, make([]byte, gifPalette(f.flags))...)
		}
		b = append(b, 2, 2, 0x4c, 0x01, 0)
	}
	return append(b, 0x3b)
}

func gifCases(t testing.TB) []headerCase {
	encode := func(transparent bool, rects ...image.Rectangle) []byte {
		g := gif.GIF{Config: image.Config{Width: 40, Height: 30}}
		palette := imagecolor.Palette{imagecolor.Black, imagecolor.White}
		if transparent {
			palette[1] = imagecolor.Transparent
		}
		for _, r := range rects {
			g.Image = append(g.Image, image.NewPaletted(r, palette))
			g.Delay = append(g.Delay, 5)
		}
		var b bytes.Buffer
		if err := gif.EncodeAll(&b, &g); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	whole := image.Rect(0, 0, 40, 30)
	header := func(w, h, frames int) transform.Header {
		return transform.Header{Format: transform.GIF, Width: w, Height: h, Orientation: 1, Frames: frames, Bands: 3, Bits: 8}
	}
	alpha, interlaced := header(40, 30, 2), header(4, 4, 1)
	alpha.Alpha, alpha.Bands = true, 4
	interlaced.Interlaced = true

	one := gifFile(4, 4, gifFrame{w: 4, h: 4})
	open := one[:len(one)-1]
	return []headerCase{
		{name: "gif by Go", file: encode(false, whole), want: header(40, 30, 1)},
		{name: "gif by Go, animated", file: encode(false, whole, image.Rect(3, 3, 9, 9), whole), want: header(40, 30, 3)},
		{name: "gif by Go, transparent", file: encode(true, whole, whole), want: alpha},
		{name: "gif", file: one, want: header(4, 4, 1)},
		{name: "gif with local palettes", file: gifFile(4, 4, gifFrame{w: 4, h: 4, flags: 0x87}, gifFrame{w: 4, h: 4, flags: 0x80}), want: header(4, 4, 2)},
		{name: "interlaced gif", file: gifFile(4, 4, gifFrame{w: 4, h: 4, flags: 0x40}), want: interlaced},
		{name: "gif with a comment", file: slices.Concat(open, []byte("!\xfe\x05hello\x00;")), want: header(4, 4, 1)},
		{name: "gif without a trailer", file: open, want: header(4, 4, 1)},
		{name: "gif with junk in place of the trailer", file: slices.Concat(open, []byte{0, 0, 0}), want: header(4, 4, 1)},
		{name: "gif 1×1 over a larger frame", file: gifFile(1, 1, gifFrame{x: 5, y: 6, w: 800, h: 700}), want: header(805, 706, 1)},
		{name: "gif of a monitor's size", file: gifFile(640, 480, gifFrame{w: 10, h: 20}), want: header(10, 20, 1)},
		{name: "gif of a wall's size", file: gifFile(3000, 100, gifFrame{w: 10, h: 20}), want: header(10, 20, 1)},
		{name: "gif without a size", file: gifFile(0, 0, gifFrame{w: 10, h: 20}), want: header(10, 20, 1)},
		{name: "gif whose later frame is clipped", file: gifFile(30, 30, gifFrame{w: 10, h: 10}, gifFrame{x: 25, y: 25, w: 10, h: 10}), want: header(30, 30, 2)},

		{name: "gif whose later frame is far larger", file: gifFile(30, 30, gifFrame{w: 10, h: 10}, gifFrame{w: 61, h: 1}), err: transform.ErrCorrupt},
		{name: "gif without frames", file: gifFile(4, 4), err: transform.ErrCorrupt},
		{name: "gif with junk in place of its first frame", file: slices.Concat(one[:19], []byte{0, 0, 0}, one[19:]), err: transform.ErrCorrupt},
		{name: "gif with a frame's data in place of its first frame", file: slices.Concat(one[:19], one[29:]), err: transform.ErrCorrupt},
		{name: "gif that doesn't announce its palette", file: slices.Concat(one[:10], []byte{0}, one[11:]), err: transform.ErrCorrupt},
		{name: "gif with junk behind an extension", file: slices.Concat(one[:19], []byte("!\xfe\x05hello\x00\xf1"), one[19:]), err: transform.ErrCorrupt},
		{name: "page that begins like a gif", file: []byte("GIF89a<html>\r\n\t<b>né</b>"), err: transform.ErrUnsupported},
		{name: "script with a comma where a gif's frame begins", file: []byte("GIF89a=[1,2,3,4,5];alert(1)"), err: transform.ErrUnsupported},
		{name: "script that begins like a gif", file: []byte("GIF89a/*\x00\x00\x00\x00\x00*/=1;alert(1)"), err: transform.ErrUnsupported},
		{name: "gif cut off in its header", file: []byte("GIF89a\x01\x00\x01"), err: transform.ErrTruncated},
		{name: "gif cut off in its palette", file: []byte("GIF89a\x01\x00\x01\x00\x87\x00\x00rgbrgb"), err: transform.ErrTruncated},
		{name: "gif cut off in its only frame", file: open[:len(open)-1], err: transform.ErrTruncated},
		{name: "gif cut off in its second frame", file: slices.Concat(open, open[19:len(open)-2]), err: transform.ErrTruncated},
		{name: "gif cut off in an extension", file: slices.Concat(open, []byte("!\xfe\x05hel")), err: transform.ErrTruncated},
	}
}

package header

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/tintype/tintype/transform"
)

// A heifImage says what heifFile assembles. Zero fields are left out.
type heifImage struct {
	codec         string // av01 or hvc1
	w, h          uint32
	rotate        byte      // irot: counter-clockwise quarter turns
	crop          [2]uint32 // clap
	alpha         uint32    // edge of the alpha picture
	urn           string    // of the alpha picture; empty is that of alpha
	bits          int       // 8, 10 or 12
	grey          bool
	rows, columns int    // of a grid
	tile          uint32 // edge
	wide          bool   // 32-bit item IDs and 16-bit property indices
	major         string // brand
	extent        uint64 // what the primary item's length is said to be
	open          bool   // the last box extends to the end of the file
	kind          string // item type, where not codec or grid
	config, data  []byte // that the codec's description ends with; the coded picture
	profile       int    // bytes of a colour profile
	nclx          []int  // coded colours: primaries and transfer function
	peak          int    // cd/m² of its brightest pixel
	late          bool   // the size follows what turns the picture
	unsized       bool   // the alpha picture says its depth instead of its size
	brands        string // besides the major one
}

func isoBox(kind string, parts ...[]byte) []byte {
	data := slices.Concat(parts...)
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)+8))
	return append(append(b, kind...), data...)
}

func isoFullBox(kind string, version byte, flags uint32, parts ...[]byte) []byte {
	return isoBox(kind, append([][]byte{be32(uint32(version)<<24 | flags)}, parts...)...)
}

func be16(v ...int) (b []byte) {
	for _, n := range v {
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	}
	return b
}

func be32(v ...uint32) (b []byte) {
	for _, n := range v {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// heifFile assembles items 1 (the primary), 2 (alpha) and from 10 on the tiles.
func heifFile(m heifImage) []byte {
	version := byte(0)
	id := func(n int) []byte { return be16(n) }
	if m.wide {
		version = 1
		id = func(n int) []byte { return be32(uint32(n)) }
	}
	major := m.major
	if major == "" {
		major = map[string]string{"av01": "avif", "hvc1": "heic"}[m.codec]
	}
	tiles := m.rows * m.columns

	// Properties, in the order of their indices.
	var properties [][]byte
	property := func(b []byte) int {
		properties = append(properties, b)
		return len(properties)
	}
	codec := property(map[string][]byte{
		"av01": isoBox("av1C", []byte{0x81, 0, heifAV1Flags(m), 0}, m.config),
		"hvc1": isoBox("hvcC", append(make([]byte, 16), 0xfc|heifChroma(m), 0xf8|byte(max(m.bits, 8)-8), 0xf8, 0, 0, 3), hevcArrays(m)),
	}[m.codec])
	primary := []int{codec, property(isoFullBox("ispe", 0, 0, be32(m.w, m.h)))}
	if m.nclx != nil {
		primary = append(primary, property(isoBox("colr", []byte("nclx"), be16(m.nclx...), []byte{0, 9, 0x80})))
	}
	if m.peak > 0 {
		primary = append(primary, property(isoBox("clli", be16(m.peak, 0))))
	}
	if m.profile > 0 {
		primary = append(primary, property(isoBox("colr", []byte("prof"), make([]byte, m.profile))))
	}
	if m.crop != [2]uint32{} {
		primary = append(primary, property(isoBox("clap", be32(m.crop[0], 1, m.crop[1], 1, 0, 1, 0, 1))))
	}
	if m.rotate != 0 {
		primary = append(primary, property(isoBox("irot", []byte{m.rotate})), property(isoBox("imir", []byte{1})))
	}
	if m.late {
		primary = append(primary[2:], primary[:2]...)
	}
	associations := [][]byte{heifAssociation(id(1), m.wide, primary)}
	if m.alpha != 0 {
		urn := m.urn
		if urn == "" {
			urn = auxAlpha
		}
		size := isoFullBox("ispe", 0, 0, be32(m.alpha, m.alpha))
		if m.unsized {
			size = isoFullBox("pixi", 0, 0, []byte{1, 8})
		}
		associations = append(associations, heifAssociation(id(2), m.wide, []int{
			codec, property(size), property(isoFullBox("auxC", 0, 0, append([]byte(urn), 0))),
		}))
	}
	if tiles > 0 {
		size := property(isoFullBox("ispe", 0, 0, be32(m.tile, m.tile)))
		for i := range min(tiles, 100) { // the others share what is known of them
			associations = append(associations, heifAssociation(id(10+i), m.wide, []int{codec, size}))
		}
	}

	infe := func(n int, kind string) []byte {
		return isoFullBox("infe", 2+version, 0, id(n), be16(0), []byte(kind), []byte{0})
	}
	kind := m.codec
	if tiles > 0 {
		kind = "grid"
	}
	if m.kind != "" {
		kind = m.kind
	}
	infos := [][]byte{infe(1, kind)}
	if m.alpha != 0 {
		infos = append(infos, infe(2, m.codec))
	}
	count := be16(len(infos))
	if m.wide {
		count = be32(uint32(len(infos)))
	}
	iinf := isoFullBox("iinf", version, 0, append([][]byte{count}, infos...)...)

	var references [][]byte
	if m.alpha != 0 {
		references = append(references, isoBox("auxl", id(2), be16(1), id(1)))
	}
	if tiles > 0 {
		to := [][]byte{id(1), be16(tiles)}
		if tiles > 0xffff {
			to = [][]byte{id(1), be16(0xffff)}
			tiles = 0xffff
		}
		for i := range tiles {
			to = append(to, id(10+i%50_000))
		}
		references = append(references, isoBox("dimg", to...))
	}
	iref := isoFullBox("iref", version, 0, references...)

	data := []byte("coded picture")
	if m.data != nil {
		data = m.data
	}
	if m.rows > 0 {
		data = append([]byte{0, 1, byte(m.rows - 1), byte(m.columns - 1)}, be32(m.w, m.h)...)
	}
	brands := cmp.Or(m.brands, "mif1miaf"+map[string]string{"av01": "avif", "hvc1": "heic"}[m.codec])
	ftyp := isoBox("ftyp", []byte(major), be32(0), []byte(brands))
	build := func(offset uint32) (file, mdat []byte) {
		length := uint32(len(data))
		if m.extent != 0 {
			length = uint32(m.extent)
		}
		var items []byte
		if m.wide {
			items = slices.Concat(be32(1), id(1), be16(0, 0, 1), be32(offset, length))
		} else {
			items = slices.Concat(be16(1, 1, 0, 1), be32(offset, length))
		}
		iloc := isoFullBox("iloc", 2*version, 0, be16(0x4400), items)
		meta := isoFullBox("meta", 0, 0,
			isoFullBox("hdlr", 0, 0, be32(0), []byte("pict"), make([]byte, 13)),
			isoFullBox("pitm", version, 0, id(1)), iloc, iinf, iref,
			isoBox("iprp", isoBox("ipco", properties...),
				isoFullBox("ipma", version, uint32(version), append([][]byte{be32(uint32(len(associations)))}, associations...)...)))
		mdat = isoBox("mdat", data)
		if m.open {
			copy(mdat, be32(0))
		}
		return slices.Concat(ftyp, meta), mdat
	}
	head, _ := build(0)
	head, mdat := build(uint32(len(head) + 8))
	return append(head, mdat...)
}

func heifAssociation(id []byte, wide bool, properties []int) []byte {
	b := append(slices.Clone(id), byte(len(properties)))
	for _, p := range properties {
		if wide {
			b = append(b, be16(0x8000|p)...)
		} else {
			b = append(b, 0x80|byte(p))
		}
	}
	return b
}

func heifAV1Flags(m heifImage) byte {
	flags := map[int]byte{10: 0x40, 12: 0x60}[m.bits]
	if m.grey {
		flags |= 0x10
	}
	return flags
}

func heifChroma(m heifImage) byte {
	if m.grey {
		return 0
	}
	return 1
}

// hevcArrays is the end of a hvcC box: no parameter sets but those of config.
func hevcArrays(m heifImage) []byte {
	if m.config == nil {
		return []byte{0}
	}
	return m.config
}

func heifCases() []headerCase {
	header := func(f transform.Format, w, h, bands, bits int) transform.Header {
		return transform.Header{Format: f, Width: w, Height: h, Orientation: 1, Frames: 1, Bands: bands, Bits: bits, Alpha: bands == 2 || bands == 4}
	}
	av1 := heifImage{codec: "av01", w: 40, h: 30}
	hevc := heifImage{codec: "hvc1", w: 40, h: 30}
	with := func(m heifImage, change func(*heifImage)) []byte {
		change(&m)
		return heifFile(m)
	}
	mirrored, cropped := header(transform.AVIF, 40, 30, 4, 10), header(transform.AVIF, 21, 11, 3, 10)
	mirrored.Orientation, cropped.Orientation = 7, 7
	plainAVIF := header(transform.AVIF, 40, 30, 3, 8)
	coded := func(primaries, transfer, peak int) transform.Header {
		h := header(transform.AVIF, 40, 30, 3, 8)
		h.Coding = transform.Coding{Primaries: primaries, Transfer: transfer, Peak: peak}
		return h
	}
	plain := heifFile(av1)
	large := slices.Concat(be32(1), []byte("free"), be32(0, 20), be32(0)) // with a 64-bit size
	replace := func(old, new string) []byte {
		b := slices.Clone(plain)
		i := slices.Index(windows(b), old)
		copy(b[i:], new)
		return b
	}
	return []headerCase{
		{name: "avif of HDR", file: with(av1, func(m *heifImage) { m.nclx, m.peak = []int{9, 16}, 4000 }), want: coded(9, 16, 4000)},
		{name: "heic of HLG", file: with(hevc, func(m *heifImage) { m.nclx = []int{9, 18} }), want: func() transform.Header { h := coded(9, 18, 0); h.Format = transform.HEIC; return h }()},
		{name: "avif of Display P3", file: with(av1, func(m *heifImage) { m.nclx, m.peak = []int{12, 13}, 203 }), want: coded(12, 13, 0)},
		{name: "avif of sRGB", file: with(av1, func(m *heifImage) { m.nclx = []int{1, 13} }), want: plainAVIF},
		{name: "avif of unknown primaries", file: with(av1, func(m *heifImage) { m.nclx = []int{7, 16} }), want: plainAVIF},
		{name: "avif of HDR with a profile", file: with(av1, func(m *heifImage) { m.nclx, m.profile = []int{9, 16}, 100 }), want: plainAVIF},
		{name: "avif", file: plain, want: header(transform.AVIF, 40, 30, 3, 8)},
		{name: "avif with wide numbers", file: with(av1, func(m *heifImage) { m.wide, m.alpha = true, 30 }), want: header(transform.AVIF, 40, 30, 4, 8)},
		{name: "avif sequence with a still", file: with(av1, func(m *heifImage) { m.major = "avis" }), want: header(transform.AVIF, 40, 30, 3, 8)},
		{name: "avif of 10 bits", file: with(av1, func(m *heifImage) { m.bits = 10 }), want: header(transform.AVIF, 40, 30, 3, 10)},
		{name: "avif of 12 bits", file: with(av1, func(m *heifImage) { m.bits = 12 }), want: header(transform.AVIF, 40, 30, 3, 12)},
		{name: "grey avif", file: with(av1, func(m *heifImage) { m.grey = true }), want: header(transform.AVIF, 40, 30, 1, 8)},
		{name: "grey avif with alpha", file: with(av1, func(m *heifImage) { m.grey, m.alpha = true, 30 }), want: header(transform.AVIF, 40, 30, 2, 8)},
		{name: "avif with alpha", file: with(av1, func(m *heifImage) { m.alpha = 20 }), want: header(transform.AVIF, 40, 30, 4, 8)},
		{name: "avif with a depth map", file: with(av1, func(m *heifImage) { m.alpha, m.urn = 20, "urn:mpeg:mpegB:cicp:systems:auxiliary:depth" }), want: header(transform.AVIF, 40, 30, 3, 8)},
		{name: "turned avif", file: with(av1, func(m *heifImage) { m.rotate = 3 }), want: header(transform.AVIF, 30, 40, 3, 8)},
		{name: "avif upside down", file: with(av1, func(m *heifImage) { m.rotate = 2 }), want: header(transform.AVIF, 40, 30, 3, 8)},
		{name: "cropped and turned avif", file: with(av1, func(m *heifImage) { m.crop, m.rotate = [2]uint32{21, 11}, 1 }), want: header(transform.AVIF, 11, 21, 3, 8)},
		{name: "avif turned before it says its size", file: with(av1, func(m *heifImage) { m.rotate, m.late = 1, true }), want: header(transform.AVIF, 30, 40, 3, 8)},
		{name: "avif cropped before it says its size", file: with(av1, func(m *heifImage) { m.crop, m.late, m.wide = [2]uint32{21, 11}, true, true }), want: header(transform.AVIF, 21, 11, 3, 8)},
		{name: "avif of 10 bits, turned and mirrored", file: with(av1, func(m *heifImage) { m.rotate, m.bits, m.alpha = 1, 10, 30 }), want: mirrored},
		{name: "avif of 10 bits, cropped, turned and mirrored", file: with(av1, func(m *heifImage) { m.rotate, m.bits, m.crop, m.late = 1, 10, [2]uint32{21, 11}, true }), want: cropped},
		{name: "avif with alpha of no size", file: with(av1, func(m *heifImage) { m.alpha, m.unsized = 30, true }), want: header(transform.AVIF, 40, 30, 4, 8)},
		{name: "avif of a sequence's brands", file: with(av1, func(m *heifImage) { m.major, m.brands = "avis", "avismsf1" }), want: header(transform.AVIF, 40, 30, 3, 8)},
		{name: "avif to the end of the file", file: with(av1, func(m *heifImage) { m.open = true }), want: header(transform.AVIF, 40, 30, 3, 8)},
		{name: "avif with a large box", file: append(slices.Clone(plain), large...), want: header(transform.AVIF, 40, 30, 3, 8)},
		{name: "avif in a grid", file: with(av1, func(m *heifImage) { m.rows, m.columns, m.tile = 2, 2, 20 }), want: header(transform.AVIF, 40, 30, 3, 8)},
		{name: "heic", file: heifFile(hevc), want: header(transform.HEIC, 40, 30, 3, 8)},
		{name: "heic of 10 bits", file: with(hevc, func(m *heifImage) { m.bits = 10 }), want: header(transform.HEIC, 40, 30, 3, 10)},
		{name: "heic by a compatible brand", file: with(hevc, func(m *heifImage) { m.major = "mif1" }), want: header(transform.HEIC, 40, 30, 3, 8)},
		{name: "heic with Apple's alpha", file: with(hevc, func(m *heifImage) { m.alpha, m.urn = 30, auxAlphaHEVC }), want: header(transform.HEIC, 40, 30, 4, 8)},
		{name: "heic under AVIF's brand", file: with(hevc, func(m *heifImage) { m.major = "avif" }), want: header(transform.HEIC, 40, 30, 3, 8)},
		{name: "turned heic of a telephone", file: heifFile(heifImage{codec: "hvc1", w: 4032, h: 3024, rows: 6, columns: 8, tile: 512, rotate: 3}), want: header(transform.HEIC, 3024, 4032, 3, 8)},

		{name: "avif without width", file: with(av1, func(m *heifImage) { m.w = 0 }), err: transform.ErrCorrupt},
		{name: "avif of width 2³¹", file: with(av1, func(m *heifImage) { m.w = 1 << 31 }), err: transform.ErrCorrupt},
		{name: "avif cropped to more", file: with(av1, func(m *heifImage) { m.crop = [2]uint32{41, 30} }), err: transform.ErrCorrupt},
		{name: "avif without tiles", file: with(av1, func(m *heifImage) { m.kind = "grid" }), err: transform.ErrCorrupt},
		{name: "avif with unknown coding", file: with(av1, func(m *heifImage) { m.kind = "iovl" }), err: transform.ErrUnsupported},
		{name: "avif without a codec", file: replace("av1C", "free"), err: transform.ErrCorrupt},
		{name: "avif without an item list", file: replace("iinf", "free"), err: transform.ErrCorrupt},
		{name: "avif without a primary item", file: replace("infe", "free"), err: transform.ErrCorrupt},
		{name: "avif without a size", file: replace("ispe", "free"), err: transform.ErrCorrupt},
		{name: "avif without a meta box", file: replace("meta", "free"), err: transform.ErrTruncated},
		{name: "avif sequence without a still", file: replace("meta", "moov"), err: transform.ErrUnsupported},
		{name: "avif sequence without a main picture", file: append(replace("pitm", "free"), isoBox("moov")...), err: transform.ErrUnsupported},
		{name: "avif without a main picture", file: replace("pitm", "free"), err: transform.ErrCorrupt},
		{name: "avif with alpha of no size at all", file: windowed(with(av1, func(m *heifImage) { m.alpha = 20 }), "ispe", 2, "free"), err: transform.ErrCorrupt},
		{name: "avif with data past the end", file: with(av1, func(m *heifImage) { m.extent = 14 }), err: transform.ErrTruncated},
		{name: "avif with very much data", file: with(av1, func(m *heifImage) { m.extent = 0xffffffff }), err: transform.ErrTruncated},
	}
}

// windowed replaces the nth occurrence of four bytes, from 1.
func windowed(b []byte, old string, n int, by string) []byte {
	for i, w := range windows(b) {
		if w == old {
			if n--; n == 0 {
				copy(b[i:], by)
			}
		}
	}
	return b
}

// windows are the four bytes at each index of b.
func windows(b []byte) []string {
	w := make([]string, len(b)-3)
	for i := range w {
		w[i] = string(b[i : i+4])
	}
	return w
}

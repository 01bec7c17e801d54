//go:build cgo

package vips_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"os"
	"slices"
	"testing"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/vips"
)

// A heif is an AVIF taken apart, to be put together as other writers do it. Item i has
// the number i+1; the first is the primary one.
type heif struct {
	brands     string // the major one first
	items      []heifItem
	references []heifReference
	open       bool // the meta box holds the pictures and extends to the end of the file
}

type heifItem struct {
	kind       string
	properties []heifProperty
	data       []byte // items with equal data share it
}

type heifProperty struct {
	box       []byte
	essential bool
}

type heifReference struct {
	kind string
	from int
	to   []int
}

func isoBox(kind string, parts ...[]byte) []byte {
	data := slices.Concat(parts...)
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)+8))
	return append(append(b, kind...), data...)
}

func be16(v ...int) (b []byte) {
	for _, n := range v {
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	}
	return b
}

func be32(v ...int) (b []byte) {
	for _, n := range v {
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	return b
}

// eachBox calls f with the boxes in b: their kind, their content and all of them.
func eachBox(b []byte, f func(kind string, data, whole []byte)) {
	for len(b) >= 8 {
		n := int(binary.BigEndian.Uint32(b))
		f(string(b[4:8]), b[8:n], b[:n])
		b = b[n:]
	}
}

// takeApart reads an AVIF of libheif or libavif: 16-bit numbers, one extent an
// item, one byte an index.
func takeApart(t testing.TB, file []byte) *heif {
	t.Helper()
	u16 := func(b []byte, i int) int { return int(binary.BigEndian.Uint16(b[i:])) }
	h := &heif{brands: string(file[8:12]) + string(file[16:binary.BigEndian.Uint32(file)])}
	var properties [][]byte
	var iloc, ipma []byte
	var meta func(kind string, data, whole []byte)
	meta = func(kind string, data, whole []byte) {
		switch kind {
		case "meta", "iref":
			eachBox(data[4:], meta)
		case "iinf":
			eachBox(data[6:], func(_ string, infe, _ []byte) { h.items = append(h.items, heifItem{kind: string(infe[8:12])}) })
		case "iprp", "ipco":
			eachBox(data, meta)
		case "iloc":
			iloc = data
		case "ipma":
			ipma = data
		case "auxl":
			h.references = append(h.references, heifReference{kind, u16(data, 0), []int{u16(data, 4)}})
		case "hdlr", "pitm", "ftyp", "mdat":
		default:
			properties = append(properties, whole)
		}
	}
	eachBox(file, meta)
	based := int(iloc[5] >> 4) // bytes of a base that offsets are counted from
	for i, n := 8, 0; n < u16(iloc, 6); n++ {
		item, base := &h.items[u16(iloc, i)-1], 0
		i += 4
		if based > 0 {
			base = int(binary.BigEndian.Uint32(iloc[i+based-4:]))
		}
		i += based + 2
		item.data = file[base+int(binary.BigEndian.Uint32(iloc[i:])):][:binary.BigEndian.Uint32(iloc[i+4:])]
		i += 8
	}
	for i, n := 8, 0; n < u16(ipma, 6); n++ {
		item := &h.items[u16(ipma, i)-1]
		for _, index := range ipma[i+3:][:ipma[i+2]] {
			item.properties = append(item.properties, heifProperty{properties[index&0x7f-1], index&0x80 != 0})
		}
		i += 3 + int(ipma[i+2])
	}
	return h
}

func (h *heif) file() []byte {
	build := func(start int) []byte {
		var iloc, infe, ipco, ipma, iref, data []byte
		shared := map[string]int{}
		for i, item := range h.items {
			at, known := shared[string(item.data)]
			if !known {
				at = len(data)
				shared[string(item.data)] = at
				data = append(data, item.data...)
			}
			within := 0
			if h.open {
				within = 1
			}
			iloc = append(iloc, slices.Concat(be16(i+1, within, 0, 1), be32(start+at, len(item.data)))...)
			infe = append(infe, isoBox("infe", be32(2<<24), be16(i+1, 0), []byte(item.kind+"\x00"))...)
			ipma = append(ipma, append(be16(i+1), byte(len(item.properties)))...)
			for _, p := range item.properties {
				n, at := byte(0), 0
				eachBox(ipco, func(_ string, _, whole []byte) {
					if at++; string(whole) == string(p.box) {
						n = byte(at)
					}
				})
				if n == 0 {
					ipco, n = append(ipco, p.box...), byte(at+1)
				}
				if p.essential {
					n |= 0x80
				}
				ipma = append(ipma, n)
			}
		}
		for _, r := range h.references {
			iref = append(iref, isoBox(r.kind, be16(r.from, len(r.to)), be16(r.to...))...)
		}
		ftyp := isoBox("ftyp", []byte(h.brands[:4]), be32(0), []byte(h.brands[4:]))
		parts := [][]byte{
			be32(0), isoBox("hdlr", be32(0, 0), []byte("pict"), make([]byte, 13)), isoBox("pitm", be32(0), be16(1)),
			isoBox("iloc", be32(1<<24), be16(0x4400, len(h.items)), iloc), isoBox("iinf", be32(0), be16(len(h.items)), infe),
			isoBox("iref", be32(0), iref), isoBox("iprp", isoBox("ipco", ipco), isoBox("ipma", be32(0, len(h.items)), ipma)),
		}
		if h.open {
			meta := isoBox("meta", append(parts, isoBox("idat", data))...)
			copy(meta, be32(0))
			return append(ftyp, meta...)
		}
		return slices.Concat(ftyp, isoBox("meta", parts...), isoBox("mdat", data))
	}
	if h.open {
		return build(0)
	}
	total, seen := 0, map[string]bool{}
	for _, item := range h.items {
		if !seen[string(item.data)] {
			seen[string(item.data)] = true
			total += len(item.data)
		}
	}
	return build(len(build(0)) - total)
}

func (p heifProperty) kind() string { return string(p.box[4:8]) }

// turn adds to the primary item what turns it.
func (h *heif) turn(essential bool, boxes ...[]byte) *heif {
	p := &h.items[0].properties
	for _, b := range boxes {
		*p = append(*p, heifProperty{b, essential})
	}
	return h
}

// late has what turns the primary item come before what describes it.
func (h *heif) late(boxes ...[]byte) *heif {
	described := h.items[0].properties
	h.items[0].properties = nil
	h.turn(true, boxes...)
	h.items[0].properties = append(h.items[0].properties, described...)
	return h
}

func (h *heif) without(item int, kind string) *heif {
	p := &h.items[item].properties
	*p = slices.DeleteFunc(*p, func(p heifProperty) bool { return p.kind() == kind })
	return h
}

func irot(quarters byte) []byte { return isoBox("irot", []byte{quarters}) }
func imir(axis byte) []byte     { return isoBox("imir", []byte{axis}) }

// clap keeps w×h pixels in the middle.
func clap(w, h int) []byte { return isoBox("clap", be32(w, 1, h, 1, 0, 1, 0, 1)) }

// AVIFs that libheif refuses, or reads differently, and browsers show. Each has to look
// like one that libheif reads as it is.
func TestAVIFsOfOtherWriters(t *testing.T) {
	eight := original(t, scene(64, 48, false), transform.AVIF)
	alpha := original(t, scene(64, 48, true), transform.AVIF)
	ten, err := os.ReadFile("testdata/ten-bits.avif")
	if err != nil {
		t.Fatal(err)
	}
	of := func(file []byte) *heif { return takeApart(t, file) }
	with := func(h *heif, change func(*heif)) *heif {
		change(h)
		return h
	}
	type pair struct {
		name       string
		odd, plain *heif
		within     float64
	}
	cases := []pair{
		{"as it was", of(eight), of(eight), 0},
		{"with alpha, as it was", of(alpha), of(alpha), 0},
		{"turned before its size", of(eight).late(irot(1)), of(eight).turn(true, irot(1)), 0},
		{"turned and mirrored before its size", of(eight).late(irot(3), imir(0)), of(eight).turn(true, irot(3), imir(0)), 0},
		{"cropped before its size", of(eight).late(clap(32, 20), irot(1)), of(eight).turn(true, clap(32, 20), irot(1)), 0},
		{"transforms not essential", of(eight).turn(false, clap(32, 20), irot(1), imir(1)), of(eight).turn(true, clap(32, 20), irot(1), imir(1)), 0},
		{"alpha turned before its size", of(alpha).late(irot(1)), of(alpha).turn(true, irot(1)), 0},
		{"alpha without a size", of(alpha).without(1, "ispe"), of(alpha), 0},
		{"alpha without a size, turned", of(alpha).without(1, "ispe").turn(true, irot(3)), of(alpha).turn(true, irot(3)), 0},
		{"meta box to the end of the file", with(of(alpha), func(h *heif) { h.open = true }), of(alpha), 0},
		{"brands of sequences", with(of(eight), func(h *heif) { h.brands = "avis" + "avismsf1MA1B" }), of(eight), 0},
		{"gain map", with(of(alpha), func(h *heif) {
			h.brands += "tmap"
			small := of(original(t, scene(16, 12, false), transform.AVIF)).items[0]
			h.items = append(h.items, heifItem{kind: "tmap", properties: h.items[0].properties[2:3], data: make([]byte, 62)}, small)
			h.references = append(h.references, heifReference{"dimg", 3, []int{1, 4}})
		}), of(alpha), 0},
		{"gain map as an auxiliary picture", with(of(alpha), func(h *heif) {
			small := of(original(t, scene(16, 12, false), transform.AVIF)).items[0]
			small.properties = append(small.properties, heifProperty{isoBox("auxC", be32(0), []byte("urn:com:apple:photo:2020:aux:hdrgainmap\x00")), true})
			h.items = append(h.items, small)
			h.references = append(h.references, heifReference{"auxl", 3, []int{1}})
		}), of(alpha), 0},
	}
	for quarters := range byte(4) {
		for axis := range byte(2) {
			name := fmt.Sprintf("ten bits, irot %d, imir %d", quarters, axis)
			cases = append(cases,
				pair{name, of(ten).turn(true, irot(quarters), imir(axis)), of(eight).turn(true, irot(quarters), imir(axis)), 4},
				pair{name + ", the other way round", of(ten).late(imir(axis), irot(quarters)), of(eight).turn(true, imir(axis), irot(quarters)), 4},
				pair{name + ", cropped", of(ten).turn(false, clap(32, 20), irot(quarters), imir(axis)), of(eight).turn(true, clap(32, 20), irot(quarters), imir(axis)), 4})
		}
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			odd, plain := c.odd.file(), c.plain.file()
			before := slices.Clone(odd)
			for _, query := range []string{"", "w=24", "rect=0,0,50%25,50%25&rotate=90&bg=white"} {
				got, err := serve(t, odd, query, transform.PNG)
				if err != nil {
					t.Fatalf("%q: %v", query, err)
				}
				want := decode(t, run(t, plain, query, transform.PNG).Data)
				if d := difference(t, decode(t, got.Data), want); d > c.within {
					t.Errorf("%q: differs by %.2f levels", query, d)
				}
			}
			if !slices.Equal(odd, before) {
				t.Error("the original has changed")
			}
			for _, n := range []int{len(odd) - 1, len(odd) / 2, 40} {
				if _, err := serve(t, odd[:n], "", transform.PNG); !errors.Is(err, transform.ErrCorrupt) {
					t.Errorf("the first %d bytes of %d: %v", n, len(odd), err)
				}
			}
		})
	}
}

// Tiles that are alike share their data, as avifenc has it: there are more tiles than
// the file has bytes for.
func TestTilesThatAreAlike(t *testing.T) {
	const edge, rows, columns = 64, 5, 6
	drawn := scene(edge, edge, false)
	grid := takeApart(t, original(t, drawn, transform.AVIF))
	tile := grid.items[0]
	size := heifProperty{isoBox("ispe", be32(0, columns*edge, rows*edge)), false}
	grid.items = []heifItem{{kind: "grid", properties: []heifProperty{size}, data: append([]byte{0, 0, rows - 1, columns - 1}, be16(columns*edge, rows*edge)...)}}
	var tiles []int
	for range rows * columns {
		grid.items = append(grid.items, tile)
		tiles = append(tiles, len(grid.items))
	}
	grid.references = []heifReference{{"dimg", 1, tiles}}
	file := grid.file()
	if shared := rows * columns * len(tile.data); shared <= 2*len(file) {
		t.Fatalf("%d bytes of tiles in a file of %d", shared, len(file))
	}
	got, err := serve(t, file, "", transform.PNG)
	if err != nil {
		t.Fatal(err)
	}
	want := image.NewNRGBA(image.Rect(0, 0, columns*edge, rows*edge))
	for i := range rows * columns {
		draw.Draw(want, image.Rect(0, 0, edge, edge).Add(image.Pt(i%columns, i/columns).Mul(edge)), drawn, image.Point{}, draw.Src)
	}
	if d := difference(t, decode(t, got.Data), want); d > 5 {
		t.Errorf("differs by %.2f levels", d)
	}
}

// An AVIF that was mended is passed on as it came, where it is kept at all.
func TestMendedIsKeptAsItCame(t *testing.T) {
	file := takeApart(t, original(t, image.NewNRGBA(image.Rect(0, 0, 64, 48)), transform.AVIF)).late(irot(2)).file()
	j := job(t, file, "metadata=keep&q=100", transform.AVIF)
	out, err := vips.New().Transform(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Data) >= len(file) && !slices.Equal(out.Data, file) {
		t.Errorf("%d bytes, which aren't the original's %d", len(out.Data), len(file))
	}
}

package header

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/tintype/tintype/transform"
)

// Mend returns an AVIF or HEIC file with header h in a form that libheif reads correctly.
// Other decoders accept these files, but some versions of libheif refuse them or read them
// differently. It makes these changes:
//
//   - A meta box that extends to the end of the file gets its size.
//   - A file with brands of sequences only gets the brand of still pictures.
//   - The size of a picture comes before its transformations in the list of properties.
//   - An alpha picture without a size gets the size of the primary picture, where its coded
//     size fits.
//   - The mirroring of a picture of more than 8 bits is removed. h.Orientation has it.
//
// Mend returns b itself where nothing changes, and for all other formats. It never writes
// to b.
func Mend(b []byte, h transform.Header) []byte {
	if h.Format != transform.AVIF && h.Format != transform.HEIC {
		return b
	}
	look := heif{file: b}
	if _, err := look.read(); err != nil || !look.odd {
		return b
	}
	f := heif{file: slices.Clone(b), mend: true}
	if _, err := f.read(); err != nil {
		return b
	}
	return f.file
}

// mendSize sets the size of a box at the start of b. A size of 0 means up to the end.
func (f *heif) mendSize(b []byte) {
	if binary.BigEndian.Uint32(b) != 0 || len(b) > math.MaxUint32 {
		return
	}
	f.odd = true
	if f.mend {
		binary.BigEndian.PutUint32(b, uint32(len(b)))
	}
}

// mendBrands changes the content of a file type box: major brand, version, other brands.
// Where all brands are of sequences, it replaces them by those of still pictures.
func (f *heif) mendBrands(ftyp []byte) {
	still := map[string]string{"msf1": "mif1", "avis": "avif", "hevc": "heic", "hevx": "heix"}
	var sequences [][]byte
	for i := 0; i+4 <= len(ftyp); i += 4 {
		switch brand := ftyp[i : i+4]; {
		case i == 4: // version
		case still[string(brand)] != "":
			sequences = append(sequences, brand)
		case i > 0 && slices.Contains([]string{"mif1", "avif", "heic", "heix"}, string(brand)):
			return
		}
	}
	if len(sequences) == 0 {
		return
	}
	f.odd = true
	if f.mend {
		for _, brand := range sequences {
			copy(brand, still[string(brand)])
		}
	}
}

// mendOrder moves the transformations of a picture, and removed properties, after all
// others. libheif may stop at them.
func (f *heif) mendOrder(indices []byte, indexSize int) {
	var first, then []byte
	ordered := true
	for i := 0; i+indexSize <= len(indices); i += indexSize {
		n := propertyIndex(indices[i:], indexSize)
		if n == 0 || n <= len(f.properties) && transforms(f.properties[n-1]) {
			then = append(then, indices[i:i+indexSize]...)
			continue
		}
		ordered = ordered && then == nil
		first = append(first, indices[i:i+indexSize]...)
	}
	if ordered {
		return
	}
	f.odd = true
	if f.mend {
		copy(indices[copy(indices, first):], then)
	}
}

// sizeAlpha gives alpha pictures without a size the size property of the primary item,
// where their coded size fits. Its index replaces the index of a property that no decoder
// needs.
func (f *heif) sizeAlpha() error {
	for _, a := range f.associations {
		if a.ofPrimary || a.item.width > 0 {
			continue
		}
		it := a.item
		it.width, it.height = f.primaryItem.width, f.primaryItem.height
		if it.codec == "" || it.width == 0 {
			return corrupt("the alpha channel has no size")
		}
		if err := it.checkCoded(a.extents); err != nil {
			return err
		}
		if !f.replaceProperty(a, f.primaryItem.sizeIndex) {
			return corrupt("the alpha channel has no size")
		}
		f.alpha = it.union(f.alpha)
	}
	return nil
}

// replaceProperty replaces a property that no decoder needs by property n.
func (f *heif) replaceProperty(a association, n int) bool {
	if a.indexSize == 1 && n > 0x7f {
		return false
	}
	for i := 0; i+a.indexSize <= len(a.indices); i += a.indexSize {
		old := propertyIndex(a.indices[i:], a.indexSize)
		if old == 0 || !f.properties[old-1].is("pixi") && !f.properties[old-1].is("pasp") && !f.properties[old-1].is("colr") {
			continue
		}
		f.odd = true
		if f.mend {
			f.setProperty(a, i, n)
		}
		return true
	}
	return false
}

// setProperty writes the index of a property that decoders needn't support.
func (f *heif) setProperty(a association, at, n int) {
	if a.indexSize == 2 {
		binary.BigEndian.PutUint16(a.indices[at:], uint16(n))
	} else {
		a.indices[at] = byte(n)
	}
}

// takeTurnOut removes the rotation and mirroring of a picture of more than 8 bits that is
// mirrored, since libheif before 1.16 doesn't mirror it. They must be the last
// transformations.
func (f *heif) takeTurnOut() {
	bits := f.primaryItem.bits
	if f.grid {
		bits = f.tile.bits
	}
	turns := f.primaryItem.turns
	for len(turns) > 0 && turns[0].is("clap") {
		turns = turns[1:]
	}
	isMirror := func(p box) bool { return p.is("imir") }
	isCrop := func(p box) bool { return p.is("clap") }
	if bits <= 8 || !slices.ContainsFunc(turns, isMirror) || slices.ContainsFunc(turns, isCrop) {
		return
	}
	f.odd = true
	f.orientation = 1
	for _, p := range turns {
		f.orientation = turned(f.orientation, p)
	}
	if !f.mend {
		return
	}
	for _, a := range f.associations {
		for i := 0; i+a.indexSize <= len(a.indices); i += a.indexSize {
			n := propertyIndex(a.indices[i:], a.indexSize)
			if n > 0 && transforms(f.properties[n-1]) && !f.properties[n-1].is("clap") {
				f.setProperty(a, i, 0)
			}
		}
	}
}

// turned returns the EXIF orientation for an orientation followed by the transformation p
// (ISO/IEC 23008-12 §6.5.10, §6.5.12).
func turned(orientation int, p box) int {
	quarter := [...]int{1: 8, 2: 5, 3: 6, 4: 7, 5: 4, 6: 1, 7: 2, 8: 3} // anticlockwise
	mirror := [...]int{1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5, 7: 8, 8: 7}  // left to right
	if p.is("irot") {
		for range p.data[0] & 3 {
			orientation = quarter[orientation]
		}
		return orientation
	}
	orientation = mirror[orientation]
	if p.data[0]&1 == 0 { // top to bottom
		orientation = quarter[quarter[orientation]]
	}
	return orientation
}

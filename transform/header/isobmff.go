package header

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/tintype/tintype/transform"
)

const (
	// maxProperties bounds the item properties of an AVIF or HEIC file. Cameras write
	// about a dozen.
	maxProperties = 4096

	maxItems = 10_000 // a picture of 48 megapixels has some 200 tiles

	auxAlpha     = "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"
	auxAlphaHEVC = "urn:mpeg:hevc:2015:auxid:1"
	auxAlphaAVC  = "urn:mpeg:avc:2015:auxid:1"
)

// isobmffHeader reads the primary item of an AVIF or HEIC file (ISO/IEC 23008-12 in the
// boxes of ISO/IEC 14496-12). The size is the size after cropping and rotation, since
// decoders apply these properties. So Orientation is 1, unless [Mend] removes the rotation.
// In an image sequence it reads the still picture.
func isobmffHeader(b []byte) (transform.Header, error) {
	f := heif{file: b}
	return f.read()
}

func (f *heif) read() (transform.Header, error) {
	if err := f.findBoxes(); err != nil {
		return transform.Header{}, err
	}
	kind, err := f.readItems()
	if err != nil {
		return transform.Header{}, err
	}
	h := transform.Header{Orientation: 1, Frames: 1, Bands: 3, Bits: 8}
	switch string(kind) {
	case "av01", "hvc1":
	case "grid":
		f.grid = true
	case "":
		return h, corrupt("the primary picture is missing")
	default:
		return h, unsupported("pictures coded as %q", kind)
	}
	if err := f.readReferences(); err != nil {
		return h, err
	}
	if err := f.readExtents(); err != nil {
		return h, err
	}
	if err := f.readAssociations(); err != nil {
		return h, err
	}
	f.takeTurnOut()
	return f.header(h)
}

// A heif reads a HEIF file. Its boxes are slices of file without their headers. A missing
// box is nil.
type heif struct {
	file    []byte
	primary uint32

	iinf, iref, iloc, idat, iprp []byte
	properties                   []box // of ipco; indices of associations begin at 1

	grid        bool   // the primary item has tiles
	primaryData []byte // its first extent
	tiles, aux  itemSet
	exif        itemSet
	described   itemSet             // decoded items whose properties have been read
	extents     map[uint16][][]byte // of decoded items
	tileCount   int

	primaryItem item
	tile        item // the largest width and height of all tiles
	alpha       item // the largest width and height of all alpha pictures; width 0 without any

	odd          bool          // Mend changes the file
	mend         bool          // apply these changes to file
	associations []association // of the primary item and of alpha pictures
	orientation  int           // EXIF orientation of the removed rotation, or 0
}

// An association lists the properties of an item.
type association struct {
	item      item
	ofPrimary bool
	extents   [][]byte
	indices   []byte // a slice of file
	indexSize int    // bytes of an index
}

// An item has the values of a picture's properties.
type item struct {
	width, height uint32 // ispe
	sizeIndex     int    // of the ispe property
	final         [2]int // after clap and irot
	turns         []box  // clap, irot and imir, in order
	bits          int
	grey, alpha   bool
	coloured      bool // it says what its colours are: by a profile, or by coding
	coding        transform.Coding
	peak          int // cd/m²
	codec         string
	config        []byte // of the codec
}

// An itemSet holds 16-bit item IDs. Larger IDs are refused.
type itemSet [1 << 16 / 64]uint64

func (s *itemSet) add(id uint16)      { s[id/64] |= 1 << (id % 64) }
func (s *itemSet) has(id uint32) bool { return id <= math.MaxUint16 && s[id/64]>>(id%64)&1 != 0 }

// findBoxes finds the boxes of the file and of its first meta box.
func (f *heif) findBoxes() error {
	var meta []byte
	sequence := false
	for rest := f.file; len(rest) >= 8; {
		bx, after, ok := nextBox(rest)
		if !ok {
			return truncated("the image ends within a box")
		}
		if bx.is("meta") && meta == nil {
			meta = bx.data
			f.mendSize(rest)
		}
		if bx.is("ftyp") {
			f.mendBrands(bx.data)
		}
		sequence = sequence || bx.is("moov")
		rest = after
	}
	if meta == nil {
		if sequence {
			return unsupported("an image sequence without a still picture")
		}
		// A file without it is probably cut off before it.
		return truncated("the image has no description of its pictures")
	}
	_, rest, ok := fullBox(meta)
	var pitm []byte
	for ok && len(rest) >= 8 {
		var bx box
		if bx, rest, ok = nextBox(rest); !ok {
			break
		}
		switch string(bx.kind) {
		case "pitm":
			pitm = bx.data
		case "iinf":
			f.iinf = bx.data
		case "iref":
			f.iref = bx.data
		case "iloc":
			f.iloc = bx.data
		case "idat":
			f.idat = bx.data
		case "iprp":
			f.iprp = bx.data
		}
	}
	if !ok {
		return corrupt("the image's description is broken")
	}
	if pitm == nil && sequence {
		return unsupported("an image sequence without a still picture")
	}
	if pitm == nil || f.iinf == nil || f.iloc == nil || f.iprp == nil {
		return corrupt("the image's description is not complete")
	}
	head, data, ok := fullBox(pitm)
	r := reader{data, ok}
	f.primary = r.id(head.version >= 1)
	if !r.ok || f.primary > math.MaxUint16 {
		return corrupt("the image does not say which picture is the main one")
	}
	return f.findProperties()
}

func (f *heif) findProperties() error {
	for rest := f.iprp; len(rest) >= 8; {
		bx, after, ok := nextBox(rest)
		if !ok {
			return corrupt("the image's properties are broken")
		}
		rest = after
		if !bx.is("ipco") {
			continue
		}
		for props := bx.data; len(props) >= 8; {
			if len(f.properties) == maxProperties {
				return corrupt("the image has more than %d properties", maxProperties)
			}
			var property box
			if property, props, ok = nextBox(props); !ok {
				return corrupt("the image's properties are broken")
			}
			if property.is("colr") {
				if err := checkICC(len(property.data)); err != nil {
					return err
				}
			}
			f.properties = append(f.properties, property)
		}
	}
	return nil
}

// readItems finds the items with EXIF, and returns the four characters of the primary
// item's coding.
func (f *heif) readItems() (coding []byte, err error) {
	head, data, ok := fullBox(f.iinf)
	r := reader{data, ok}
	r.id(head.version >= 1) // the number of items
	for n := 0; r.ok && len(r.rest) >= 8; n++ {
		if n == maxItems {
			return nil, tooLarge("the image has more than %d items", maxItems)
		}
		var bx box
		if bx, r.rest, r.ok = nextBox(r.rest); !r.ok || !bx.is("infe") {
			continue
		}
		head, data, ok := fullBox(bx.data)
		e := reader{data, ok}
		if head.version < 2 {
			continue
		}
		id := e.id(head.version >= 3)
		e.take(2) // protection
		kind := e.take(4)
		switch {
		case id == f.primary && coding == nil:
			coding = kind
		case string(kind) == "Exif" && id <= math.MaxUint16:
			f.exif.add(uint16(id))
		}
	}
	return coding, nil
}

// readExtents finds the bytes of all items, and checks that they lie within the file. It
// refuses data that many items share, since a decoder copies it for each item.
func (f *heif) readExtents() error {
	// Writers let equal tiles share their data, such as those of a plain sky.
	const overlap, alike = 2, 16 << 20 // times the file; bytes
	left := max(overlap*uint64(len(f.file)), alike)
	f.extents = map[uint16][][]byte{}
	head, data, ok := fullBox(f.iloc)
	r := reader{data, ok}
	sizes := r.uint(2)
	offsetSize, lengthSize, baseSize, indexSize := int(sizes>>12), int(sizes>>8&15), int(sizes>>4&15), int(sizes&15)
	if head.version == 0 {
		indexSize = 0
	}
	for _, n := range [...]int{offsetSize, lengthSize, baseSize, indexSize} {
		if n != 0 && n != 4 && n != 8 {
			return corrupt("the image's table of contents is broken")
		}
	}
	for count := r.id(head.version >= 2); count > 0 && r.ok; count-- {
		id := r.id(head.version >= 2)
		var within uint64 // 0: the file, 1: idat, 2: another item
		if head.version >= 1 {
			within = r.uint(2) & 15
		}
		r.take(2) // data reference
		base := r.uint(baseSize)
		extents := r.uint(2)
		if offsetSize+lengthSize+indexSize == 0 {
			extents = min(extents, 1) // without sizes they are all the same
		}
		for ; extents > 0 && r.ok; extents-- {
			r.take(indexSize)
			offset, length := r.uint(offsetSize), r.uint(lengthSize)
			if !r.ok {
				break
			}
			if within > 1 {
				continue
			}
			data := f.file
			if within == 1 {
				data = f.idat
			}
			limit := uint64(len(data))
			if base > limit || offset > limit-base || length > limit-base-offset {
				return truncated("the image ends within its data")
			}
			if length > left {
				return corrupt("the image uses the same data for many of its pictures")
			}
			left -= length
			data = data[base+offset:][:length]
			switch {
			case f.decodes(id):
				f.extents[uint16(id)] = append(f.extents[uint16(id)], data)
			case f.exif.has(id):
				if err := checkEXIF(int(length)); err != nil {
					return err
				}
			}
			if id == f.primary && f.primaryData == nil {
				f.primaryData = data
			}
		}
	}
	if !r.ok {
		return corrupt("the image's table of contents is broken")
	}
	if len(f.primaryData) == 0 {
		return corrupt("the primary picture has no data")
	}
	return nil
}

// decodes reports whether a decoder decodes the item for the primary item.
func (f *heif) decodes(id uint32) bool {
	return id == f.primary || f.tiles.has(id) || f.aux.has(id)
}

// readReferences finds the tiles and the auxiliary pictures of the primary item.
func (f *heif) readReferences() error {
	if f.iref == nil {
		return nil
	}
	head, rest, ok := fullBox(f.iref)
	wide := head.version >= 1
	for ok && len(rest) >= 8 {
		var bx box
		if bx, rest, ok = nextBox(rest); !ok {
			break
		}
		r := reader{bx.data, true}
		from := r.id(wide)
		for n := r.uint(2); n > 0 && r.ok; n-- {
			to := r.id(wide)
			switch {
			case from > math.MaxUint16 || to > math.MaxUint16:
				return unsupported("images of more than 65,535 items")
			case bx.is("auxl") && to == f.primary && r.ok:
				f.aux.add(uint16(from))
			case bx.is("dimg") && from == f.primary && r.ok:
				f.tiles.add(uint16(to))
				f.tileCount++
			}
		}
		if !r.ok {
			ok = false
		}
	}
	if !ok {
		return corrupt("the image's references are broken")
	}
	return nil
}

// readAssociations reads the properties of the primary item, its tiles and its alpha
// pictures.
func (f *heif) readAssociations() error {
	for rest := f.iprp; len(rest) >= 8; {
		bx, after, ok := nextBox(rest)
		if !ok {
			return corrupt("the image's properties are broken")
		}
		rest = after
		if !bx.is("ipma") {
			continue
		}
		head, data, ok := fullBox(bx.data)
		r := reader{data, ok}
		indexSize := 1 + int(head.flags&1)
		for entries := r.uint(4); entries > 0 && r.ok; entries-- {
			id := r.id(head.version >= 1)
			indices := r.take(int(r.uint(1)) * indexSize)
			if !r.ok {
				break
			}
			if !f.decodes(id) {
				continue
			}
			if f.described.has(id) {
				return corrupt("the properties of a picture are said twice")
			}
			f.described.add(uint16(id))
			it, err := f.item(indices, indexSize)
			if err != nil {
				return err
			}
			extents := f.extents[uint16(id)]
			if id == f.primary || it.alpha {
				f.associations = append(f.associations, association{it, id == f.primary, extents, indices, indexSize})
			}
			if it.alpha && it.width == 0 {
				continue // see sizeAlpha
			}
			if err := it.checkCoded(extents); err != nil {
				return err
			}
			switch {
			case id == f.primary:
				f.primaryItem = it
			case f.tiles.has(id):
				f.tile = it.union(f.tile)
			case it.alpha:
				f.alpha = it.union(f.alpha)
			}
		}
		if !r.ok {
			return corrupt("the image's properties are broken")
		}
	}
	return f.sizeAlpha()
}

// union returns i with the larger width and height of i and j.
func (i item) union(j item) item {
	i.width, i.height = max(i.width, j.width), max(i.height, j.height)
	return i
}

// item reads the properties with these indices: first those of the coded picture, then
// transformations in order.
func (f *heif) item(indices []byte, indexSize int) (item, error) {
	it := item{bits: 8}
	f.mendOrder(indices, indexSize)
	for _, transforming := range []bool{false, true} {
		for i := 0; i+indexSize <= len(indices); i += indexSize {
			n := propertyIndex(indices[i:], indexSize)
			if n > len(f.properties) {
				return it, corrupt("a picture has a property that is missing")
			}
			if n == 0 || transforms(f.properties[n-1]) != transforming {
				continue
			}
			p := f.properties[n-1]
			if !it.apply(string(p.kind), p.data) {
				return it, corrupt("a property of a picture is broken")
			}
			if p.is("ispe") {
				it.sizeIndex = n
			}
			if transforming {
				it.turns = append(it.turns, p)
			}
		}
	}
	return it, nil
}

// propertyIndex returns the first of some indices. The top bit of an index means that a
// decoder must support the property.
func propertyIndex(indices []byte, indexSize int) int {
	n := int(indices[0] & 0x7f)
	if indexSize == 2 {
		n = n<<8 | int(indices[1])
	}
	return n
}

func transforms(p box) bool { return p.is("clap") || p.is("irot") || p.is("imir") }

// apply applies a property. It reports false for a malformed one.
func (i *item) apply(kind string, data []byte) bool {
	switch kind {
	case "ispe":
		_, data, ok := fullBox(data)
		r := reader{data, ok}
		w, h := r.uint(4), r.uint(4)
		if w == 0 || h == 0 || w > math.MaxInt32 || h > math.MaxInt32 {
			return false
		}
		i.width, i.height = uint32(w), uint32(h)
		i.final = [2]int{int(w), int(h)}
		return r.ok
	case "clap":
		r := reader{data, true}
		w, wd, h, hd := r.uint(4), r.uint(4), r.uint(4), r.uint(4)
		if !r.ok || wd == 0 || hd == 0 {
			return false
		}
		w, h = (w+wd/2)/wd, (h+hd/2)/hd
		if w == 0 || h == 0 || w > uint64(i.final[0]) || h > uint64(i.final[1]) {
			return false
		}
		i.final = [2]int{int(w), int(h)}
	case "irot":
		if len(data) < 1 {
			return false
		}
		if data[0]&1 != 0 {
			i.final[0], i.final[1] = i.final[1], i.final[0]
		}
	case "imir":
		return len(data) >= 1
	case "pixi":
		_, data, ok := fullBox(data)
		if !ok || len(data) < 2 {
			return false
		}
		i.bits = int(data[1])
	case "av1C":
		if len(data) < 4 {
			return false
		}
		if i.config != nil {
			return false
		}
		i.codec, i.config = "av01", data
		i.grey = data[2]&0x10 != 0
		switch data[2] & 0x60 {
		case 0x60:
			i.bits = 12
		case 0x40:
			i.bits = 10
		}
	case "hvcC":
		if len(data) < 23 {
			return false
		}
		if i.config != nil {
			return false
		}
		i.codec, i.config = "hvc1", data
		i.grey = data[16]&3 == 0
		i.bits = 8 + int(data[17]&7)
	case "colr":
		i.setColours(data)
	case "clli":
		r := reader{data, true}
		i.peak = int(r.uint(2))
	case "auxC":
		_, data, ok := fullBox(data)
		urn, _, _ := bytes.Cut(data, []byte{0})
		i.alpha = ok && (string(urn) == auxAlpha || string(urn) == auxAlphaHEVC || string(urn) == auxAlphaAVC)
	}
	return true
}

// setColours reads a colr property (ISO/IEC 14496-12 §12.1.5). A profile precedes a coding.
func (i *item) setColours(data []byte) {
	r := reader{data, true}
	switch string(r.take(4)) {
	case "prof", "rICC":
		i.coloured, i.coding = true, transform.Coding{}
	case "nclx":
		if primaries, transfer := r.uint(2), r.uint(2); r.ok && !i.coloured {
			i.coloured, i.coding = true, codingOf(primaries, transfer)
		}
	}
}

// checkCoded compares the size in an item's properties with the size in its coded picture,
// which the decoder uses.
func (i item) checkCoded(extents [][]byte) error {
	check := func(c codedSize) error {
		if !c.within(i.width, i.height) {
			return corrupt("a picture is coded as %d×%d pixels, but said to be %d×%d", c.width, c.height, i.width, i.height)
		}
		return nil
	}
	var data []byte
	if len(extents) == 1 {
		data = extents[0]
	} else {
		data = slices.Concat(extents...)
	}
	switch i.codec {
	case "av01":
		if err := eachAV1Sequence(i.config[4:], check); err != nil {
			return err
		}
		return eachAV1Sequence(data, check)
	case "hvc1":
		if err := eachHEVCSequence(i.config, check); err != nil {
			return err
		}
		return eachHEVCSequenceInBand(data, 1+int(i.config[21]&3), check)
	}
	return nil
}

// header makes the header.
func (f *heif) header(h transform.Header) (transform.Header, error) {
	p := f.primaryItem
	if p.width == 0 {
		return h, corrupt("the primary picture has no size")
	}
	coded := p
	if f.grid {
		if err := f.checkGrid(); err != nil {
			return h, err
		}
		coded = f.tile
	}
	switch coded.codec {
	case "av01":
		h.Format = transform.AVIF
	case "hvc1":
		h.Format = transform.HEIC
	default:
		return h, corrupt("the primary picture does not say how it is coded")
	}
	if f.alpha.width > p.width || f.alpha.height > p.height {
		return h, corrupt("the alpha channel is larger than the picture")
	}
	h.Width, h.Height = p.final[0], p.final[1]
	if f.orientation > 0 {
		h.Orientation = f.orientation
		if h.Orientation >= 5 { // Width and Height are from before the rotation
			h.Width, h.Height = h.Height, h.Width
		}
	}
	h.Bits = coded.bits
	if coded.grey {
		h.Bands = 1
	}
	setAlpha(&h, f.alpha.width > 0)
	h.Coding = p.coding
	if !p.coloured {
		h.Coding = coded.coding
	}
	if h.Coding.HDR() {
		h.Coding.Peak = max(p.peak, coded.peak)
	}
	return h, nil
}

// checkGrid checks the description of a grid (ISO/IEC 23008-12 §6.6.2.3) against the size
// of the picture. It refuses tiles with many more pixels than the picture.
func (f *heif) checkGrid() error {
	r := reader{f.primaryData, true}
	r.take(1) // version
	wide := r.uint(1)&1 != 0
	rows, columns := r.uint(1)+1, r.uint(1)+1
	width, height := r.id(wide), r.id(wide)
	p, t := f.primaryItem, f.tile
	switch {
	case !r.ok || rows*columns != uint64(f.tileCount) || width != p.width || height != p.height:
		return corrupt("the grid that the picture is made of is broken")
	case t.width == 0 || t.width > max(width, maxTileEdge) || t.height > max(height, maxTileEdge),
		(columns-1)*uint64(t.width) >= uint64(width) || (rows-1)*uint64(t.height) >= uint64(height):
		return corrupt("the tiles of the picture do not fit it")
	}
	return nil
}

// A box is a box of ISO/IEC 14496-12 §4.2.
type box struct{ kind, data []byte }

func (b box) is(kind string) bool { return string(b.kind) == kind }

// nextBox returns the first box of b and the rest. b has at least 8 bytes.
func nextBox(b []byte) (bx box, rest []byte, ok bool) {
	size, head := uint64(binary.BigEndian.Uint32(b)), uint64(8)
	switch size {
	case 0: // it reaches to the end
		size = uint64(len(b))
	case 1:
		if len(b) < 16 {
			return box{}, nil, false
		}
		size, head = binary.BigEndian.Uint64(b[8:]), 16
	}
	if size < head || size > uint64(len(b)) {
		return box{}, nil, false
	}
	return box{kind: b[4:8], data: b[head:size]}, b[size:], true
}

type boxHead struct {
	version byte
	flags   uint32
}

// fullBox returns the version and flags of a box (§4.2) and the rest.
func fullBox(data []byte) (boxHead, []byte, bool) {
	if len(data) < 4 {
		return boxHead{}, nil, false
	}
	v := binary.BigEndian.Uint32(data)
	return boxHead{byte(v >> 24), v & 0xffffff}, data[4:], true
}

// A reader reads big-endian numbers. Past the end it sets ok to false and reads zeros.
type reader struct {
	rest []byte
	ok   bool
}

func (r *reader) take(n int) []byte {
	if !r.ok || n > len(r.rest) {
		r.ok = false
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// uint reads a number of n bytes, at most 8.
func (r *reader) uint(n int) (v uint64) {
	for _, c := range r.take(n) {
		v = v<<8 | uint64(c)
	}
	return v
}

// id reads a number of 4 bytes where wide is set, and otherwise of 2.
func (r *reader) id(wide bool) uint32 {
	if wide {
		return uint32(r.uint(4))
	}
	return uint32(r.uint(2))
}

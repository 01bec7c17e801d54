package header

// A codedSize is the size in the header of a coded picture.
type codedSize struct{ width, height uint64 }

// within reports whether the size is at least w×h, and larger only by the padding to whole
// blocks.
func (c codedSize) within(w, h uint32) bool {
	const block = 64
	return c.width >= uint64(w) && c.height >= uint64(h) && c.width < uint64(w)+block && c.height < uint64(h)+block
}

// eachAV1Sequence calls f with the size of each sequence header among the OBUs of b (AV1
// §5.3), and returns the error of f. It returns nil for malformed OBUs, which the decoder
// reports.
func eachAV1Sequence(b []byte, f func(codedSize) error) error {
	const sequenceHeader = 1
	for len(b) > 0 {
		head := b[0]
		n := 1
		if head&0x04 != 0 { // extension
			n++
		}
		if head&0x02 == 0 { // without a size it reaches to the end
			b = b[min(n, len(b)):]
			if head>>3&15 == sequenceHeader {
				return f(av1SequenceSize(b))
			}
			return nil
		}
		size, used := leb128(b[min(n, len(b)):])
		n += used
		if used == 0 || size > uint64(len(b)-n) {
			return nil
		}
		if head>>3&15 == sequenceHeader {
			if err := f(av1SequenceSize(b[n : n+int(size)])); err != nil {
				return err
			}
		}
		b = b[n+int(size):]
	}
	return nil
}

// leb128 reads a number (AV1 §4.10.5) and its length. The length is 0 without a number.
func leb128(b []byte) (v uint64, n int) {
	for i, c := range b[:min(len(b), 8)] {
		v |= uint64(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			return v, i + 1
		}
	}
	return 0, 0
}

// av1SequenceSize reads the largest size of a sequence header OBU (§5.5.1).
func av1SequenceSize(b []byte) codedSize {
	r := bitReader{b: b}
	r.skip(3 + 1)   // profile, still picture
	if r.u(1) > 0 { // reduced
		r.skip(5) // level
	} else {
		delayBits, hasDecoderModel := 0, false
		if r.u(1) > 0 { // timing
			r.skip(32 + 32)
			if r.u(1) > 0 {
				r.ue()
			}
			if hasDecoderModel = r.u(1) > 0; hasDecoderModel {
				delayBits = int(r.u(5)) + 1
				r.skip(32 + 5 + 5)
			}
		}
		hasDelay := r.u(1) > 0
		for range r.u(5) + 1 { // operating points
			r.skip(12)
			if r.u(5) > 7 {
				r.skip(1) // tier
			}
			if hasDecoderModel && r.u(1) > 0 {
				r.skip(2*delayBits + 1)
			}
			if hasDelay && r.u(1) > 0 {
				r.skip(4)
			}
		}
	}
	widthBits, heightBits := int(r.u(4))+1, int(r.u(4))+1
	return codedSize{width: r.u(widthBits) + 1, height: r.u(heightBits) + 1}
}

// A bitReader reads numbers, highest bit first. Past the end it reads zeros.
type bitReader struct {
	b []byte
	i int // in bits
}

func (r *bitReader) skip(n int) { r.i += n }

func (r *bitReader) u(n int) (v uint64) {
	for range n {
		v <<= 1
		if at := r.i / 8; at < len(r.b) {
			v |= uint64(r.b[at] >> (7 - r.i%8) & 1)
		}
		r.i++
	}
	return v
}

// ue reads a number in Exp-Golomb code: uvlc of AV1, and ue(v) of HEVC.
func (r *bitReader) ue() uint64 {
	zeros := 0
	for zeros < 32 && r.u(1) == 0 {
		zeros++
	}
	return 1<<zeros - 1 + r.u(zeros)
}

package header

const hevcSPS = 33 // NAL unit type of a sequence parameter set

// eachHEVCSequence calls f with the size of each sequence parameter set of a decoder
// configuration (hvcC, ISO/IEC 14496-15 §8.3.3), and returns the error of f. It stops at
// malformed data.
func eachHEVCSequence(hvcC []byte, f func(codedSize) error) error {
	r := reader{hvcC, true}
	r.take(22)
	for arrays := r.uint(1); arrays > 0; arrays-- {
		kind := r.uint(1) & 0x3f
		for units := r.uint(2); units > 0; units-- {
			unit := r.take(int(r.uint(2)))
			if !r.ok {
				return nil
			}
			if kind == hevcSPS || isHEVCSPS(unit) {
				if err := f(hevcSequenceSize(unit)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// eachHEVCSequenceInBand does the same for the units of a coded picture. Before each unit
// is its length in lengthSize bytes.
func eachHEVCSequenceInBand(b []byte, lengthSize int, f func(codedSize) error) error {
	for r := (reader{b, true}); len(r.rest) > 0; {
		unit := r.take(int(r.uint(lengthSize)))
		if !r.ok {
			return nil
		}
		if isHEVCSPS(unit) {
			if err := f(hevcSequenceSize(unit)); err != nil {
				return err
			}
		}
	}
	return nil
}

func isHEVCSPS(unit []byte) bool { return len(unit) > 2 && unit[0]>>1&0x3f == hevcSPS }

// hevcSequenceSize reads the size in a sequence parameter set (ITU-T H.265 §7.3.2.2),
// before cropping.
func hevcSequenceSize(unit []byte) codedSize {
	const most = 256 // bytes; the size is among the first 120
	head := make([]byte, 0, most)
	for i, c := range unit[min(2, len(unit)):] {
		if len(head) == most {
			break
		}
		at := i + 2
		if c == 3 && at >= 4 && unit[at-1] == 0 && unit[at-2] == 0 {
			continue // an emulation prevention byte
		}
		head = append(head, c)
	}
	r := bitReader{b: head}
	r.skip(4) // video parameter set
	sublayers := int(r.u(3))
	r.skip(1)
	r.skip(2 + 1 + 5 + 32 + 48 + 8) // profile, tier and level
	var present [8][2]bool
	for i := range sublayers {
		present[i] = [2]bool{r.u(1) > 0, r.u(1) > 0}
	}
	if sublayers > 0 {
		r.skip(2 * (8 - sublayers))
	}
	for _, p := range present {
		if p[0] {
			r.skip(88)
		}
		if p[1] {
			r.skip(8)
		}
	}
	r.ue()           // id
	if r.ue() == 3 { // chroma 4:4:4
		r.skip(1)
	}
	width := r.ue()
	return codedSize{width, r.ue()}
}

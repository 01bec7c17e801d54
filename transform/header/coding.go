package header

import "github.com/tintype/tintype/transform"

// Transfer functions of ITU-T H.273. Those of video look nearly like the one of sRGB.
const (
	transferBT709, transferUnknown, transferBT601 = 1, 2, 6
	transferLinear, transferSRGB                  = 8, 13
	transferBT2020, transferBT2020Deep            = 14, 15
)

// codingOf returns what an engine has to convert: HDR, and colours beyond sRGB. It is zero
// for all else, which decoders and browsers take for sRGB.
func codingOf(primaries, transfer uint64) transform.Coding {
	c := transform.Coding{Primaries: int(primaries), Transfer: int(transfer)}
	switch c.Primaries {
	case transform.PrimariesBT709:
		if c.HDR() {
			return c
		}
	case transform.PrimariesBT2020, transform.PrimariesP3:
		switch c.Transfer {
		case transform.TransferPQ, transform.TransferHLG,
			transferUnknown, transferSRGB, transferBT709, transferBT601, transferBT2020, transferBT2020Deep:
			return c
		}
	}
	return transform.Coding{}
}

// codedColors returns the name for primaries and a transfer function, or "".
func codedColors(primaries, transfer uint64) string {
	switch {
	case transfer == transferLinear:
		return ""
	case transfer == transform.TransferPQ && primaries == transform.PrimariesBT2020:
		return "BT.2020 PQ"
	case transfer == transform.TransferHLG && primaries == transform.PrimariesBT2020:
		return "BT.2020 HLG"
	case transfer == transform.TransferPQ && primaries == transform.PrimariesP3:
		return "Display P3 PQ"
	case primaries == transform.PrimariesP3:
		return "Display P3"
	case primaries == transform.PrimariesBT2020:
		return "BT.2020"
	case primaries == transform.PrimariesBT709 && transfer == transferSRGB:
		return "sRGB"
	}
	return ""
}

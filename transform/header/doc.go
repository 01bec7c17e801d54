// Package header reads what the file of an original says about it before any
// decoder sees it: format, size, orientation, frames, alpha. It decodes no pixels
// and needs no C library. Its input is not trusted: it refuses files that are
// broken, and files that are built to exhaust a decoder.
//
// For most uses, call [Read], and hold the result against the limits with
// [transform.Limits.Check]. [Sniff] names the format by the first bytes alone.
//
// What else needs the structure of a file is here too: [Mend] and [DeepJXL] rewrite
// what libheif and libjxl would read differently, [Strip] removes metadata and keeps
// the pixels as they are, and [ParseColorProfile] reads ICC profiles. Decoding is left
// to an engine.
package header

// Package header reads the header of an original before any decoder sees it: format, size,
// orientation, frames and alpha. It decodes no pixels and needs no C library. It doesn't
// trust its input: it refuses damaged files, and files that are built to exhaust a decoder.
//
// For most uses, call [Read], and check the result with [transform.Limits.Check]. [Sniff]
// returns the format by the first bytes alone.
//
// Other functions that need the structure of a file are here too. [Mend] and [DeepJXL]
// rewrite files that libheif and libjxl would read wrongly. [Strip] removes metadata and
// keeps the pixels. [ParseColorProfile] reads ICC profiles. Decoding is left to an engine.
package header

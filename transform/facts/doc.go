// Package facts computes facts about the pixels of an image: its BlurHash and ThumbHash,
// its colours and its palette. It also draws the picture of such a hash.
//
// For most uses, call [Look] with a small picture of the image, or [Draw] with a drawing.
// Only workers call these, since the main process reads no pixels. The main process checks
// a worker's result with [Parse], and hashes in URLs with [ParseBlurHash] and
// [ParseThumbHash].
//
// The package decodes and encodes no files.
package facts

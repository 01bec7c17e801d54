// Package facts tells what the pixels of an image say of it: its BlurHash and ThumbHash, its
// colours and its palette. It also draws the picture that such a hash stands for.
//
// For most uses, call [Look] with a small picture of the image, and [Draw] with a drawing.
// The main process calls neither, since it reads no pixels: it checks with [Parse] what a
// worker found, and with [ParseBlurHash] and [ParseThumbHash] what a URL says.
//
// The package decodes and encodes no files.
package facts

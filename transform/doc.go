// Package transform says what a variant is: the options a URL may carry, their
// canonical form, the geometry they imply, the output format that a client can
// have, and what an original's header says about it. It decodes no pixels and
// needs no C library; an [Engine] (transform/vips, later a sandboxed worker)
// does the work that a [Job] describes.
//
// Start with [ParseQuery] and [Parse]; [Options.String] is the canonical form
// that variants are cached under; [ReadHeader] judges an original before any
// decoder sees it; [Options.Plan] turns a size and options into a geometry.
//
// Fetching originals, caching variants and workspace rules are left to others.
package transform

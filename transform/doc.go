// Package transform says what a variant is: the options that a URL may carry, their
// canonical form, the geometry that follows from them, and the output format that a
// client can have. It decodes no pixels and needs no C library.
//
// For most uses, call [ParseQuery] and [Parse]. [Options.String] is the canonical form
// that variants are cached under. [Options.Plan] turns a size and options into a
// geometry. An [Engine] (transform/vips, or transform/worker around it) does the work
// that a [Job] describes.
//
// The types that engines and header readers share are here: [Header], [Format],
// [Limits] and the errors. Package transform/header reads a [Header] from a file.
// Fetching originals, caching variants and the rules of workspaces are left to others.
package transform

// Package transform defines variants: the options of URLs, their canonical form, the
// geometry that they result in, and the choice of the output format. It decodes no pixels
// and needs no C library.
//
// For most uses, call [ParseQuery], then [Parse]. [Options.String] returns the canonical
// form, which caches use. [Options.Plan] computes the geometry for an image size. An
// [Engine] (transform/vips, or transform/worker around it) makes the variant of a [Job].
//
// Engines and header readers share the types of this package: [Header], [Format], [Limits]
// and the errors. Package transform/header reads a [Header] from a file. Other packages
// fetch originals, cache variants and apply the rules of workspaces.
package transform

// Package svg reads the size of an SVG, and refuses SVGs that reach out of the file
// or that are built to exhaust a renderer. It renders nothing.
//
// For most uses, call header.Read (transform/header), which calls [Read] where the file
// is an SVG. It is a package of its own since it is as large as the readers of four other
// formats, with a scanner for XML and a reader for style sheets that nothing else needs.
package svg

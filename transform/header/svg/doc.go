// Package svg reads the size of an SVG. It refuses SVGs that refer to something outside the
// file, and those that are too costly to render. It renders nothing.
//
// For most uses, call header.Read (transform/header), which calls [Read] for an SVG. This
// is a separate package because it is as large as the readers of four other formats: it has
// its own scanner for XML and its own reader for style sheets.
package svg

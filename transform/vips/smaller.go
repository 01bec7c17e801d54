//go:build cgo

package vips

// #cgo pkg-config: vips
// #include "pngfile.h"
import "C"

import (
	"context"

	"github.com/tintype/tintype/transform"
)

// alwaysTried is the number of pixels up to which WebP is tried beside AVIF, whose headers
// are longer by 200 bytes.
const alwaysTried = 128 * 128

// encodeSmaller writes the picture as AVIF, and where WebP is often smaller at the same look
// also as WebP: small pictures and drawings. It returns the smaller file.
func (t *task) encodeSmaller(ctx context.Context, picture *frame) ([]byte, transform.Format, error) {
	if err := t.materialise(ctx, picture); err != nil {
		return nil, "", err
	}
	avif, err := t.encodeFormat(ctx, picture)
	format := t.job.Format
	small := t.plan.Output.W*t.plan.Output.H <= alwaysTried
	if err != nil || !small && C.tintype_drawn(vipsImage(picture.ImageRef)) == 0 {
		return avif, format, err
	}
	found := t.found
	t.job.Format = transform.WebP
	defer func() { t.job.Format = format }()
	webp, err := t.encodeFormat(ctx, picture)
	if err == nil && len(webp) < len(avif) {
		return webp, transform.WebP, nil
	}
	t.found = found
	return avif, format, err
}

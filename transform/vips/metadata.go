package vips

import (
	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

// copyrightFields are what metadata=copyright keeps, as libvips names EXIF fields.
var copyrightFields = []string{"exif-ifd0-Copyright", "exif-ifd0-Artist"}

// setMetadata leaves on the picture what the output is to carry. The pixels are
// upright by now, so that an orientation would turn them twice.
func (t *task) setMetadata(picture *govips.ImageRef) error {
	if t.job.Options.Metadata == transform.MetadataKeep {
		if picture.Orientation() > 1 {
			if err := picture.SetOrientation(1); err != nil {
				return fault("metadata", err)
			}
		}
		return nil
	}
	var keep []string
	if t.job.Options.Metadata == transform.MetadataCopyright {
		keep = copyrightFields
	}
	if err := removeMetadata(picture, keep); err != nil {
		return fault("metadata", err)
	}
	if err := picture.RemoveOrientation(); err != nil {
		return fault("metadata", err)
	}
	return nil
}

// removeMetadata removes all fields but keep and what describes an animation.
// govips sees the first 256 fields only, which EXIF alone can fill.
func removeMetadata(picture *govips.ImageRef, keep []string) error {
	for before := -1; ; {
		if err := picture.RemoveMetadata(keep...); err != nil {
			return err
		}
		left := len(picture.GetFields())
		if left == before || left < 64 {
			return nil
		}
		before = left
	}
}

// strips reports whether the encoder is told to write no metadata at all.
func (t *task) strips(picture *govips.ImageRef) bool {
	switch t.job.Options.Metadata {
	case transform.MetadataKeep:
		return false
	case transform.MetadataCopyright:
		for _, field := range copyrightFields {
			if picture.GetString(field) != "" {
				return false
			}
		}
	}
	return true
}

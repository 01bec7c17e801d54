//go:build cgo

package vips

import (
	"context"
	"encoding/binary"
	"strings"

	"github.com/tintype/tintype/transform"
)

// exifField is libvips's name of the field with the whole EXIF block.
const exifField = "exif-data"

// copyrightTags are the EXIF tags that metadata=copyright keeps: texts of the first
// directory, by number and libvips's name.
var copyrightTags = []struct {
	number uint16
	field  string
}{
	{0x013b, "exif-ifd0-Artist"},
	{0x8298, "exif-ifd0-Copyright"},
}

// setMetadata keeps the metadata of the output and removes the rest. It also removes the
// orientation, since the pixels are already upright.
func (t *task) setMetadata(_ context.Context, picture *frame) error {
	if t.job.Options.Metadata == transform.MetadataKeep {
		if picture.Orientation() > 1 {
			if err := picture.SetOrientation(1); err != nil {
				return fault("metadata", err)
			}
		}
		return nil
	}
	var rights []byte
	if t.job.Options.Metadata == transform.MetadataCopyright {
		rights = copyrightEXIF(picture)
	}
	if err := removeMetadata(picture); err != nil {
		return fault("metadata", err)
	}
	if err := picture.RemoveOrientation(); err != nil {
		return fault("metadata", err)
	}
	picture.SetBlob(exifField, rights) // does nothing for nil
	t.strip = rights == nil
	return nil
}

// removeMetadata removes all fields except those of an animation. It loops, since govips
// sees only the first 256 fields, and EXIF alone can have more.
func removeMetadata(picture *frame) error {
	for before := -1; ; {
		if err := picture.RemoveMetadata(); err != nil {
			return err
		}
		left := len(picture.GetFields())
		if left == before || left < 64 {
			return nil
		}
		before = left
	}
}

// copyrightEXIF returns an EXIF block with the picture's artist and copyright, or nil where
// it has neither.
func copyrightEXIF(picture *frame) []byte {
	type entry struct {
		number uint16
		text   string
	}
	var entries []entry
	for _, tag := range copyrightTags {
		// libvips adds the type and the length: "text (text, ASCII, 5 …)".
		value := picture.GetString(tag.field)
		if end := strings.LastIndex(value, " ("); end >= 0 {
			value = value[:end]
		}
		if value != "" {
			entries = append(entries, entry{tag.number, value + "\x00"})
		}
	}
	if entries == nil {
		return nil
	}

	const typeASCII, entrySize, inline = 2, 12, 4
	le := binary.LittleEndian
	tiff := []byte("II*\x00\x08\x00\x00\x00") // TIFF 6.0: the first directory is at 8
	tiff = le.AppendUint16(tiff, uint16(len(entries)))
	textsAt := len(tiff) + entrySize*len(entries) + 4
	var texts []byte
	for _, e := range entries {
		tiff = le.AppendUint16(tiff, e.number)
		tiff = le.AppendUint16(tiff, typeASCII)
		tiff = le.AppendUint32(tiff, uint32(len(e.text)))
		if len(e.text) <= inline {
			tiff = append(tiff, (e.text + "\x00\x00\x00")[:inline]...)
			continue
		}
		tiff = le.AppendUint32(tiff, uint32(textsAt+len(texts)))
		texts = append(texts, e.text...)
	}
	tiff = le.AppendUint32(tiff, 0) // no further directory
	return append(append([]byte("Exif\x00\x00"), tiff...), texts...)
}

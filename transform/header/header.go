package header

import (
	"fmt"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header/svg"
)

// Read reads the container of an image without decoding pixels. It supports jpeg, png, gif,
// webp, avif, heic, tiff, jxl and svg. Its errors wrap
//
//   - [transform.ErrUnsupported] where b has another format, or is of a kind that Tintype
//     doesn't decode, such as lossless JPEG or an SVG that refers to another file;
//   - [transform.ErrTruncated] where the structure needs more bytes than b has;
//   - [transform.ErrCorrupt] where the structure contradicts itself;
//   - [transform.ErrTooLarge] where decoding would cost far more than the length of b suggests.
//
// The header may still exceed limits: see [transform.Limits.Check].
//
// The time is linear in len(b), milliseconds for 25 MiB. Read keeps nothing of b. It is
// safe for concurrent use.
func Read(b []byte) (transform.Header, error) {
	format := Sniff(b)
	var h transform.Header
	var err error
	switch format {
	case transform.JPEG:
		h, err = jpegHeader(b)
	case transform.PNG:
		h, err = pngHeader(b)
	case transform.GIF:
		h, err = gifHeader(b)
	case transform.WebP:
		h, err = webpHeader(b)
	case transform.AVIF, transform.HEIC:
		h, err = isobmffHeader(b)
	case transform.TIFF:
		h, err = tiffHeader(b)
	case transform.JXL:
		h, err = jxlHeader(b)
	case transform.SVG:
		h, err = svg.Read(b, pictureInSVG)
	default:
		err = unsupported("the content is no image in a known format")
	}
	if err != nil {
		return transform.Header{}, err
	}
	if h.Format == "" {
		h.Format = format
	}
	return h, nil
}

// pictureInSVG reads the header of a picture within an SVG.
func pictureInSVG(b []byte) (transform.Header, error) {
	if f := Sniff(b); f != transform.PNG && f != transform.JPEG {
		return transform.Header{}, unsupported("the SVG holds a picture that is neither a PNG nor a JPEG")
	}
	return Read(b)
}

func unsupported(format string, args ...any) error {
	return detailed(transform.ErrUnsupported, format, args)
}
func corrupt(format string, args ...any) error { return detailed(transform.ErrCorrupt, format, args) }
func truncated(format string, args ...any) error {
	return detailed(transform.ErrTruncated, format, args)
}
func tooLarge(format string, args ...any) error { return detailed(transform.ErrTooLarge, format, args) }

func detailed(err error, format string, args []any) error {
	return fmt.Errorf("%w: %s", err, fmt.Sprintf(format, args...))
}

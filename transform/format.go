package transform

// A Format is an image format. Its text is the value of the format option.
type Format string

const (
	Auto           Format = "auto"     // what the client accepts; only as an option
	SameAsOriginal Format = "original" // the original's own; only as an option
	JPEG           Format = "jpeg"
	PNG            Format = "png"
	GIF            Format = "gif"
	WebP           Format = "webp"
	AVIF           Format = "avif"
	TIFF           Format = "tiff"
	JXL            Format = "jxl"
	HEIC           Format = "heic" // originals only
	SVG            Format = "svg"  // originals only
	JSON           Format = "json" // of tasks that make no picture; not an option
)

// MediaType returns the Content-Type of the format, such as "image/jpeg". It is empty for
// Auto and SameAsOriginal.
func (f Format) MediaType() string {
	switch f {
	case SVG:
		return "image/svg+xml"
	case JSON:
		return "application/json"
	case Auto, SameAsOriginal, "":
		return ""
	}
	return "image/" + string(f)
}

// Alpha reports whether the format can hold transparency.
func (f Format) Alpha() bool { return f != JPEG }

// Animated reports whether Tintype writes animations in this format.
func (f Format) Animated() bool { return f == GIF || f == WebP }

// maxScaled is the maximum side of an image in libvips (VIPS_MAX_COORD).
const maxScaled = 10_000_000

// longestSide returns the maximum side in this format, in pixels.
func (f Format) longestSide() int {
	switch f {
	case JPEG:
		return 65500 // JPEG_MAX_DIMENSION of libjpeg
	case WebP:
		return 16383 // WEBP_MAX_DIMENSION of libwebp
	case AVIF:
		return 16384 // the widest of AV1 level 6 (AV1 Annex A.3)
	case GIF:
		return 65535
	}
	return maxScaled
}

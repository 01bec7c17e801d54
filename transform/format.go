package transform

// A Format is an image format, named as the format option names it.
type Format string

const (
	Auto           Format = "auto"     // what the client accepts; an option only
	SameAsOriginal Format = "original" // the original's own; an option only
	JPEG           Format = "jpeg"
	PNG            Format = "png"
	GIF            Format = "gif"
	WebP           Format = "webp"
	AVIF           Format = "avif"
	TIFF           Format = "tiff"
	JXL            Format = "jxl"
	HEIC           Format = "heic" // originals only
	SVG            Format = "svg"  // originals only
)

// MediaType is the Content-Type of the format, such as "image/jpeg"; empty for
// Auto and SameAsOriginal.
func (f Format) MediaType() string {
	switch f {
	case SVG:
		return "image/svg+xml"
	case Auto, SameAsOriginal, "":
		return ""
	}
	return "image/" + string(f)
}

// Alpha reports whether the format can hold transparency.
func (f Format) Alpha() bool { return f != JPEG }

// Animated reports whether Tintype writes animations in this format.
func (f Format) Animated() bool { return f == GIF || f == WebP }

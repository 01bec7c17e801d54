package worker

import "github.com/tintype/tintype/transform"

// What decoders and encoders hold per pixel, in bytes, where they need the whole
// picture. Measured with libvips 8.14 and rounded up.
const (
	perPixelProgressive = 6  // JPEG coefficients, 16 bits each
	perPixelWhole       = 8  // pixels, and what a decoder makes them from
	perPixelAVIF        = 24 // encoder
	perPixelJXL         = 40
	perPixelLossless    = 24 // WebP's lossless encoder
	perPixelEncoded     = 8  // pixels and what another encoder makes of them
	perRow              = 512
	base                = 8 << 20 // what any job takes
)

// Estimate is how much memory a job is expected to take at its peak, in bytes: known
// before anything is decoded, too high rather than too low.
func Estimate(job *transform.Job) int64 {
	h := job.Header
	in, bytes := int64(h.Width)*int64(h.Height), int64(base)
	bytes += 2 * int64(len(job.Original))
	for _, m := range job.Marks {
		bytes += int64(len(m.Image)) + 4*int64(m.Header.Width)*int64(m.Header.Height)
	}

	depth := int64(1)
	if h.Bits > 8 {
		depth = 2
	}
	// Read from top to bottom: some rows at a time.
	decoding := int64(h.Width) * perRow * depth
	switch h.Format {
	case transform.JPEG:
		if h.Interlaced {
			decoding += in * perPixelProgressive
		}
	case transform.PNG:
		if h.Interlaced {
			decoding += in * 4 * depth
		}
	case transform.GIF, transform.WebP, transform.AVIF, transform.HEIC, transform.TIFF:
		decoding += in * perPixelWhole * depth
	case transform.JXL:
		decoding += in * 2 * perPixelWhole
	}
	bytes += decoding

	frames := int64(1)
	if job.Options.Animated(h, job.Format) {
		frames = int64(h.Frames)
	}
	plan, err := job.Options.Plan(h.Upright())
	if err != nil {
		return bytes // the engine will say so
	}
	out := int64(plan.Output.W) * int64(plan.Output.H)
	bytes += encoding(job, out, frames)
	// Steps that have to see all of a picture at once.
	o := job.Options
	if plan.Smart || o.Trim >= 0 || o.Rotate != 0 || o.Flip != transform.FlipNone || h.Orientation > 1 || o.Blur > 0 || o.Sharpen > 0 {
		bytes += 4 * int64(plan.Scaled.W) * int64(plan.Scaled.H) * min(frames, 2)
	}
	return bytes
}

// encoding is what an encoder takes for pictures of so many pixels.
func encoding(job *transform.Job, pixels, frames int64) int64 {
	switch job.Format {
	case transform.AVIF:
		return pixels * perPixelAVIF
	case transform.JXL:
		return pixels * perPixelJXL
	case transform.WebP:
		if job.Options.Lossless {
			return pixels * perPixelLossless
		}
		return pixels * perPixelEncoded * min(frames, 3)
	case transform.GIF:
		return pixels * perPixelEncoded * min(frames, 3)
	}
	return pixels * perPixelEncoded
}

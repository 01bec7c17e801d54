package worker

import (
	"math"

	"github.com/tintype/tintype/transform"
)

// Memory of decoders, steps and encoders, in bytes per pixel unless the name says otherwise.
// The values were measured with noise, which needs the most, and libvips 8.14 and 8.16, and
// rounded up. TestEstimate of transform/vips measures them again.
const (
	base   = 8 << 20 // for each job
	perRow = 1024    // for each pixel of a row, of the original and of the output

	// Decoders that hold the whole picture.
	perPixelProgressive = 6 // JPEG coefficients, 16 bits each
	perPixelInterlaced  = 4 // PNG
	perPixelPNGIn       = 4
	mostPNGRead         = 16 << 20 // bytes: TINTYPE_PNG_MOST_READ in pngread.h
	perPixelWebP        = 16
	perPixelGIF         = 12 // for one frame
	perPixelTIFF        = 8  // in one strip or in tiles
	perPixelAVIFIn      = 11
	perPixelJXLIn       = 16 // more where later frames refer to earlier ones; the header doesn't show this
	perPixelSVG         = 9  // drawn

	// Strips of pictures with alpha as they are reduced.
	perStrip          = 60 // rows of the output
	perPixelWeighed   = 10
	perPixelWeighed16 = 22
	perPixelWeighed32 = 70

	// Encoders, with the picture that they encode.
	perPixelJPEG      = 8 // coefficients, for optimised Huffman codes
	perPixelPNG       = 12
	perPixelPNGFile   = 30      // up to mostPNGFile pixels, of which the engine has whole files
	mostPNGFile       = 4 << 20 // with three bytes a pixel: TINTYPE_PNG_MOST in pngfile.h
	perPixelTIFFOut   = 14
	perPixelAVIF      = 40
	perPixelAVIFAlpha = 56
	perPixelEffort    = 100 // AVIF up to transform.MostEffort
	perPixelJXL       = 108
	perPixelJXLAlpha  = 125
	perPixelLossy     = 16 // WebP
	perPixelLossless  = 48 // lossless, or with alpha, which is always lossless
	perPixelStill     = 30 // GIF

	// Encoders of animations: for one frame, and for all frames.
	perFrameWebP    = 60
	perFrameGIF     = 48
	perFramesWebP   = 3
	perFramesExact  = 7 // lossless
	perFramesGIF    = 3
	perPixelMark    = 8
	perPixelDrawing = 14 // a drawing, once as it is computed and once as libvips has it, with what the encoder copies of it
	perPixelEntropy = 40 // of a transparent picture whose part with the most entropy is looked for
	perPixelChecked = 10 // a picture whose quality is to be found, and what it is decoded to again
	perPixelAgain   = 50 // what a decoder of AVIF or JPEG XL keeps beside that, and the allocator of the encodings before
	perPixelPicture = 5  // a picture that a step or an encoder holds whole: up to five bands
)

// Estimate returns the expected peak memory of a job, in bytes, before anything is decoded.
// It is too high rather than too low. It counts the decoders of all originals at the same
// time.
func Estimate(job *transform.Job) int64 {
	n := needOf(job)
	return n.fixed + int64(min(n.each*n.pixels, math.MaxInt64/4))
}

// A need is the expected memory of a job, in bytes.
type need struct {
	fixed  int64
	each   float64 // for each pixel of the output
	pixels float64 // pixels of the output in all frames; trim makes fewer
}

func needOf(job *transform.Job) (n need) {
	h := job.Header()
	decoders := int64(0)
	for i := range job.Originals {
		if job.Task != transform.TaskMetadata {
			decoders += decoding(job, job.Originals[i].Header)
		}
		n.fixed += 2 * int64(len(job.Originals[i].Body))
	}
	for i, m := range job.Marks { // marks are decoded one after the other, before the originals
		drawn := markJob(job, i)
		decoders = max(decoders, decoding(&drawn, m.Header))
		n.fixed += int64(len(m.Image))
		if plan, err := drawn.Options.Plan(m.Header.Upright()); err == nil {
			n.fixed += perPixelMark * int64(plan.Output.W) * int64(plan.Output.H)
		}
	}
	if job.Grid != nil {
		return gridNeed(job, n)
	}
	n.fixed += base + decoders
	if job.Drawing != nil {
		out := job.Drawing.Output
		n.pixels = float64(out.W) * float64(out.H)
		n.fixed += int64(out.W) * perRow
		n.each = perPixelDrawing + encoding(job, job.Drawing.Alpha, 1, n.pixels)
		return n
	}
	plan, err := job.Options.Plan(h.Upright())
	if err != nil {
		return n // the engine returns this error
	}
	frames := framesOf(job)
	n.pixels = float64(plan.Output.W) * float64(plan.Output.H) * float64(frames)
	n.fixed += int64(plan.Output.W+max(plan.Scaled.W, plan.Inner.W)) * perRow
	n.each = encoding(job, transparent(job, plan), float64(frames), n.pixels)
	// Steps that need the whole picture.
	o := job.Options
	if plan.Smart && o.Gravity == transform.GravityEntropy && (h.Alpha || plan.Inner != (transform.Size{})) {
		n.each += perPixelEntropy * float64(plan.Scaled.W) * float64(plan.Scaled.H) / max(n.pixels, 1)
	}
	if plan.Inner != (transform.Size{}) {
		n.each += perPixelPicture * float64(plan.Inner.W) * float64(plan.Inner.H) * float64(frames) / max(n.pixels, 1)
	}
	if plan.Smart || o.Rotate != 0 || o.Flip != transform.FlipNone || h.Orientation > 1 || o.Pixelate > 1 {
		scaled := float64(plan.Scaled.W) * float64(plan.Scaled.H) * float64(frames)
		n.each += perPixelPicture * scaled / max(n.pixels, 1)
	}
	return n
}

// gridNeed returns the memory for a grid. n has the bytes of its originals and of its marks.
// Its cells are drawn one after the other, and kept until all are laid on the output.
func gridNeed(job *transform.Job, n need) need {
	cells, _ := job.Cells()
	most := int64(0)
	for i := range cells {
		cell := needOf(&cells[i])
		most = max(most, cell.fixed+int64(min(perPixelPicture*cell.pixels, math.MaxInt64/8)))
	}
	out := job.Grid.Size
	n.fixed += base + most + int64(out.W)*perRow
	n.pixels = float64(out.W) * float64(out.H)
	n.each = perPixelMark + encoding(job, gridAlpha(job), 1, n.pixels)
	return n
}

// gridAlpha reports whether a grid may have transparent pixels.
func gridAlpha(job *transform.Job) bool {
	for i := range job.Originals {
		if job.Originals[i].Header.Alpha {
			return job.Options.Background.A < 255
		}
	}
	return job.Grid.Gap > 0 && job.Options.Background.A < 255
}

// framesOf returns the number of frames of the output.
func framesOf(job *transform.Job) int {
	if h := job.Header(); job.Options.Animated(h, job.Format) {
		return max(h.Frames, 1)
	}
	return 1
}

// decoding returns the memory for decoding an original with header h, and for reducing it, in
// bytes.
func decoding(job *transform.Job, h transform.Header) int64 {
	return decoder(job, h) + reducing(job, h)
}

// reducing returns the memory for reducing a picture whose pixels may be transparent, or which
// gets smaller in linear light, in bytes. Their colours are weighted before they are mixed, so a strip of the picture is held, once
// at each step. A strip makes some rows of the output: all of them where these are few. A still
// picture that gets much smaller is averaged in blocks first, a few rows at a time, and only a
// strip of the means is held.
func reducing(job *transform.Job, h transform.Header) int64 {
	if !h.Alpha && !job.Best || h.Format == transform.SVG {
		return 0
	}
	plan, err := job.Options.Plan(h.Upright())
	if err != nil {
		return 0
	}
	width, height, to := plan.Region.Dx(), plan.Region.Dy(), plan.Resized()
	if to.W >= width && to.H >= height {
		return 0
	}
	if framesOf(job) == 1 {
		keep := 1
		if job.Best {
			keep = 4
		}
		width, height = averaged(width, keep*to.W), averaged(height, keep*to.H)
	}
	part := min(1, perStrip/float64(max(min(to.W, to.H), 1)))
	each := perPixelWeighed
	switch {
	case h.Bits > 16:
		each = perPixelWeighed32
	case h.Bits > 8:
		each = perPixelWeighed16
	}
	return int64(part * float64(each) * float64(width) * float64(height))
}

// averaged returns the length of a side after the averaging of blocks, which leaves it at least
// twice as long as `to`: see reduce.c of transform/vips.
func averaged(from, to int) int {
	const most = 128
	return from / min(max(1, from/max(to, 1)/2), most)
}

// decoder returns the memory of the decoder of an original with header h, in bytes.
func decoder(job *transform.Job, h transform.Header) int64 {
	in, depth := int64(h.Width)*int64(h.Height), int64(1)
	if h.Bits > 8 {
		depth = 2
	}
	rows := int64(h.Width) * perRow * depth // for decoders that read a few rows at a time
	switch h.Format {
	case transform.JPEG:
		if h.Interlaced {
			return rows + in*perPixelProgressive
		}
	case transform.PNG:
		if h.Interlaced {
			return rows + in*perPixelInterlaced*depth
		}
		return rows + min(in*perPixelPNGIn, mostPNGRead)
	case transform.GIF:
		return rows + in*perPixelGIF
	case transform.WebP:
		return rows + in*perPixelWebP
	case transform.AVIF, transform.HEIC:
		return rows + in*perPixelAVIFIn*depth
	case transform.TIFF:
		return rows + in*perPixelTIFF*depth
	case transform.JXL:
		return rows + in*perPixelJXLIn*depth
	case transform.SVG:
		return drawing(job, h)
	}
	return rows
}

// drawing returns the memory for drawing an SVG, in bytes. It is drawn at the size of the
// output. Where it is stretched, it is drawn with up to 16 times these pixels.
func drawing(job *transform.Job, h transform.Header) int64 {
	plan, err := job.Options.Plan(h.Upright())
	if err != nil {
		return 0
	}
	resized := plan.Resized()
	across := float64(resized.W) / float64(max(plan.Region.Dx(), 1))
	down := float64(resized.H) / float64(max(plan.Region.Dy(), 1))
	kept := float64(plan.Crop.Dx()) * float64(plan.Crop.Dy())
	if plan.Smart || plan.Inner != (transform.Size{}) {
		kept = float64(resized.W) * float64(resized.H)
	}
	stretched := max(across, down) / min(across, down)
	pixels := min(kept*stretched, max(16*kept, 1e6))
	if limit := float64(job.Limits.OutputPixels); limit > 0 {
		pixels = min(pixels, max(limit, kept))
	}
	return int64(min(pixels*perPixelSVG, math.MaxInt64/4))
}

// transparent reports whether a variant may have transparent pixels.
func transparent(job *transform.Job, plan transform.Plan) bool {
	return job.Header().Alpha || job.Options.Transparent(job.Header(), plan)
}

// encoding returns the memory of an encoder, in bytes for each pixel of all frames. alpha
// means that pixels may be transparent.
func encoding(job *transform.Job, alpha bool, frames, pixels float64) float64 {
	bytes := encoder(job, alpha, frames)
	switch {
	case job.Format == transform.AVIF && pixels <= transform.MostEffort:
		bytes += perPixelEffort
	case job.Format == transform.PNG && pixels <= mostPNGFile:
		bytes = perPixelPNGFile
	}
	if job.OrWebP { // the picture is in memory, for one encoder after the other
		as := *job
		as.Format = transform.WebP
		bytes = perPixelPicture + max(bytes, encoder(&as, alpha, frames))
	}
	if !job.Options.FindsQuality(job.Format, int(frames)) {
		return bytes
	}
	if pixels > transform.MostChecked {
		return bytes + perPixelPicture
	}
	if job.Format == transform.AVIF { // may have the full resolution of colours
		bytes *= 2
	}
	if job.Format == transform.AVIF || job.Format == transform.JXL {
		bytes += perPixelAgain
	}
	return bytes + perPixelChecked
}

// encoder is encoding where the quality is known.
func encoder(job *transform.Job, alpha bool, frames float64) float64 {
	o := job.Options
	switch job.Format {
	case transform.JSON:
		return perPixelPicture
	case transform.JPEG:
		return perPixelJPEG
	case transform.TIFF:
		return perPixelTIFFOut
	case transform.AVIF:
		if alpha {
			return perPixelAVIFAlpha
		}
		return perPixelAVIF
	case transform.JXL:
		if alpha {
			return perPixelJXLAlpha
		}
		return perPixelJXL
	case transform.WebP:
		switch {
		case frames > 1 && o.Lossless:
			return perFrameWebP/frames + perFramesExact
		case frames > 1:
			return perFrameWebP/frames + perFramesWebP
		case alpha || o.Lossless:
			return perPixelLossless
		}
		return perPixelLossy
	case transform.GIF:
		if frames > 1 {
			return perFrameGIF/frames + perFramesGIF
		}
		return perPixelStill
	}
	return perPixelPNG
}

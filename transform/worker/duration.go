package worker

import (
	"time"

	"github.com/tintype/tintype/transform"
)

// slowAfter is the expected or actual running time from which a job counts as slow.
const slowAfter = time.Second

// Nanoseconds per pixel on one core, measured with libvips 8.14 on smooth pictures, noise
// and pictures between them. They only serve to tell slow jobs from quick ones.
const (
	timeJPEG, timeProgressive  = 15, 45
	timePNG, timeGIF, timeTIFF = 25, 20, 15
	timeWebP, timeAV1, timeJXL = 25, 60, 90
	timeSVG                    = 100

	timeJPEGOut, timePNGOut, timeTIFFOut      = 15, 80, 50
	timeWebPOut, timeAnimatedOut, timeExact   = 150, 300, 600
	timeAVIFOut, timeJXLOut, timeJXLExact     = 250, 150, 400
	timeGIFOut                                = 400
	timeResize, timeTurn, timeSmart, timeTone = 20, 15, 30, 60
	timeBlur, timeSharpen, timePixelate       = 120, 120, 80
	timeDrawing, timeSlant                    = 40, 80

	timeScore = 100 // of a check: decoding and comparing

	timeFaces = 60e6 // nanoseconds in all, since the picture that is looked at is small
)

// expectedTime returns the approximate running time of a job on an idle core.
func expectedTime(job *transform.Job) time.Duration {
	h := job.Header()
	if job.Grid != nil {
		cells, _ := job.Cells()
		out := float64(job.Grid.Size.W) * float64(job.Grid.Size.H)
		took := time.Duration(out * encodingTime(job, gridAlpha(job), out))
		for i := range cells {
			took += expectedTime(&cells[i])
		}
		return took
	}
	plan, err := job.Options.Plan(h.Upright())
	if d := job.Drawing; d != nil {
		out := float64(d.Output.W) * float64(d.Output.H)
		ns := out * (timeDrawing + encodingTime(job, d.Alpha, out))
		if err == nil { // of an original
			ns += decodingTime(job, h, plan)
		}
		return time.Duration(ns)
	}
	if err != nil || job.Task == transform.TaskMetadata {
		return 0 // the engine returns the error
	}
	o, frames := job.Options, float64(framesOf(job))
	out := float64(plan.Output.W) * float64(plan.Output.H) * frames
	scaled := float64(plan.Scaled.W) * float64(plan.Scaled.H) * frames
	ns := decodingTime(job, h, plan)*frames + out*encodingTime(job, transparent(job, plan), out)
	if o.Trim >= 0 {
		ns += decodingTime(job, h, plan)
	}
	if plan.Smart && o.Gravity == transform.GravityFace {
		ns += decodingTime(job, h, plan) + timeFaces
	}
	for i := 1; i < len(job.Originals); i++ {
		h := job.Originals[i].Header
		if plan, err := o.Plan(h.Upright()); err == nil {
			ns += decodingTime(job, h, plan)
		}
	}
	drawn := transform.Job{Options: transform.Defaults()}
	for _, m := range job.Marks {
		if plan, err := drawn.Options.Plan(m.Header.Upright()); err == nil {
			ns += decodingTime(&drawn, m.Header, plan)
		}
	}
	each := float64(timeResize)
	for _, step := range []struct {
		is    bool
		takes float64
	}{
		{o.Rotate != 0 || o.Flip != transform.FlipNone || h.Orientation > 1, timeTurn},
		{plan.Inner != transform.Size{}, timeSlant},
		{plan.Smart, timeSmart},
		{o.Blur > 0, timeBlur},
		{o.Sharpen > 0, timeSharpen},
		{o.Pixelate > 1, timePixelate},
		{o.Gamma != 1 || o.Brightness != 1 || o.Contrast != 1 || o.Saturation != 1 || o.Grayscale || o.Sepia || o.Invert, timeTone},
	} {
		if step.is {
			each += step.takes
		}
	}
	return time.Duration(ns + scaled*each)
}

// maySurprise reports whether a job may take any time, whatever is expected: filters, text
// and thousands of shapes can make a small SVG take seconds. Such a job counts as slow, so
// that the express slot stays free for quick ones.
func maySurprise(job *transform.Job) bool {
	for i := range job.Originals {
		if job.Originals[i].Header.Format == transform.SVG {
			return true
		}
	}
	for _, m := range job.Marks {
		if m.Header.Format == transform.SVG {
			return true
		}
	}
	return false
}

// decodingTime returns the nanoseconds for decoding a frame of an original with header h.
func decodingTime(job *transform.Job, h transform.Header, plan transform.Plan) float64 {
	in := float64(h.Width) * float64(h.Height)
	switch h.Format {
	case transform.JPEG:
		if h.Interlaced {
			return in * timeProgressive
		}
		if size := plan.Resized(); 2*size.W <= plan.Region.Dx() && 2*size.H <= plan.Region.Dy() {
			return in * timeJPEG / 3 // the decoder shrinks it
		}
		return in * timeJPEG
	case transform.PNG:
		return in * timePNG
	case transform.GIF:
		return in * timeGIF
	case transform.TIFF:
		return in * timeTIFF
	case transform.WebP:
		return in * timeWebP
	case transform.JXL:
		return in * timeJXL
	case transform.SVG:
		return float64(drawing(job, h)) / perPixelSVG * timeSVG
	}
	return in * timeAV1
}

// encodingTime returns the nanoseconds for encoding a pixel of an output of some pixels. alpha
// means that these may be transparent.
func encodingTime(job *transform.Job, alpha bool, pixels float64) float64 {
	if job.Options.FindsQuality(job.Format, framesOf(job)) && pixels <= transform.MostChecked {
		return 2*encoderTime(job, alpha) + timeScore
	}
	return encoderTime(job, alpha)
}

// encoderTime is encodingTime of one attempt.
func encoderTime(job *transform.Job, alpha bool) float64 {
	exact := job.Options.Lossless
	switch job.Format {
	case transform.JSON:
		return timeTone
	case transform.JPEG:
		return timeJPEGOut
	case transform.TIFF:
		return timeTIFFOut
	case transform.GIF:
		return timeGIFOut
	case transform.AVIF:
		if q := job.Options.QualityIn(transform.AVIF); q > 80 {
			return timeAVIFOut * (1 + float64(q-80)/10) // of noise 3 times as long at 100
		}
		return timeAVIFOut
	case transform.JXL:
		if exact {
			return timeJXLExact
		}
		return timeJXLOut
	case transform.WebP:
		switch {
		case exact || alpha:
			return timeExact
		case framesOf(job) > 1:
			return timeAnimatedOut
		}
		return timeWebPOut
	}
	return timePNGOut
}

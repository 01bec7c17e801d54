//go:build cgo

package vips

import (
	"context"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

// encoders write each format. They set every parameter, since libvips and govips have
// different defaults, and change them.
var encoders = map[transform.Format]func(*task, *frame) ([]byte, error){
	transform.JPEG: (*task).encodeJPEG,
	transform.PNG:  (*task).encodePNG,
	transform.GIF:  (*task).encodeGIF,
	transform.WebP: (*task).encodeWebP,
	transform.AVIF: (*task).encodeAVIF,
	transform.TIFF: (*task).encodeTIFF,
	transform.JXL:  (*task).encodeJXL,
}

// canWrite reports whether libvips can write the format. Start has already checked the
// formats that are not named here.
func canWrite(f transform.Format) bool {
	switch f {
	case transform.TIFF:
		return govips.IsTypeSupported(govips.ImageTypeTIFF)
	case transform.JXL:
		return govips.IsTypeSupported(govips.ImageTypeJXL)
	}
	return true
}

// encode computes the picture and writes it in the job's format, or another that the job
// allows. Most originals are decoded here.
func (t *task) encode(ctx context.Context, picture *frame) ([]byte, transform.Format, error) {
	if t.job.OrWebP && t.frames == 1 {
		return t.encodeSmaller(ctx, picture)
	}
	data, err := t.encodeFormat(ctx, picture)
	return data, t.job.Format, err
}

// encodeFormat writes the picture in the job's format.
func (t *task) encodeFormat(ctx context.Context, picture *frame) ([]byte, error) {
	if t.job.Format == transform.WebP && t.frames == 1 {
		// Where decoding fails during encoding, libvips before 8.15.4 leaks the encoder's
		// memory (libvips #4107). So the picture is decoded first. An animation would need
		// too much memory for that: after a damaged one, the memory is lost until the
		// worker is replaced.
		if err := t.materialise(ctx, picture); err != nil {
			return nil, err
		}
	}
	if t.job.Format == transform.AVIF {
		if err := t.chooseEffort(ctx, picture); err != nil {
			return nil, err
		}
	}
	if t.job.Options.FindsQuality(t.job.Format, t.frames) && min(t.plan.Output.W, t.plan.Output.H) >= leastScored {
		return t.encodeAuto(ctx, picture)
	}
	q := t.job.Options.QualityIn(t.job.Format)
	if q == transform.QualityAuto { // there is none to find
		q = transform.QualityUsual
	}
	t.full = q >= fullFromQuality
	return t.encodeAt(ctx, picture, t.scale().of(q))
}

// encodeAt encodes the picture with a quality of the encoder's own scale.
func (t *task) encodeAt(ctx context.Context, picture *frame, own int) (data []byte, err error) {
	t.quality = own
	err = t.evaluate(ctx, picture.ImageRef, func() (err error) {
		data, err = encoders[t.job.Format](t, picture)
		return err
	})
	return data, err
}

func (t *task) encodeGIF(picture *frame) ([]byte, error) {
	data, _, err := picture.ExportGIF(&govips.GifExportParams{
		Dither:   1,
		Effort:   3, // as small and as fast as 1; higher values take twice the time for 5 %
		Bitdepth: 8,
	})
	return data, err
}

// webpEffort returns the effort for a WebP. The default of libvips, 4, takes half as much time
// again as 2, for 3 % fewer bytes, and 6 three times as much for 6 %. In a small picture that
// is 3 ms. Frames of an animation save 5 % with 3, and nothing more with 4.
func (t *task) webpEffort() int {
	pixels := t.plan.Output.W * t.plan.Output.H
	switch {
	case t.frames > 1:
		return 3
	case t.job.Options.Lossless:
		return 2
	case pixels <= 128*128:
		return 6
	case pixels <= 256*256:
		return 4
	}
	return 2
}

func (t *task) encodeWebP(picture *frame) ([]byte, error) {
	data, _, err := picture.ExportWebp(&govips.WebpExportParams{
		Quality:         t.quality,
		Lossless:        t.job.Options.Lossless,
		ReductionEffort: t.webpEffort(),
		MaxKeyFrames:    int(^uint32(0) >> 1), // the largest distance
		MinKeyFrames:    int(^uint32(0)>>1) - 1,
		StripMetadata:   t.strip,
	})
	if err != nil {
		return nil, err
	}
	if t.strip {
		return withoutWebPMetadata(data), nil
	}
	if t.keepsProfile(picture) {
		return withWebPProfile(data, t.profile.data, t.plan.Output, picture.HasAlpha()), nil
	}
	return data, nil
}

// encodeTIFF uses LZW, which is lossless. It takes a tenth of the time of deflate for 7 %
// more bytes.
func (t *task) encodeTIFF(picture *frame) ([]byte, error) {
	data, _, err := picture.ExportTiff(&govips.TiffExportParams{
		Compression:   govips.TiffCompressionLzw,
		Predictor:     govips.TiffPredictorHorizontal,
		StripMetadata: t.strip,
	})
	return data, err
}

// A scale maps JPEG qualities to the qualities of another encoder that look the same. Its
// points are in ascending order, with linear interpolation between them.
type scale []struct{ jpeg, own int }

// The scales were measured with `go run ./bench -quality`: at these qualities the mean
// SSIMULACRA2 score is that of JPEG. WebP was measured with five drawn pictures and six
// photographs of 512 pixels, the others with one and five of 384. docs/quality.md has the
// scores. WebP can't reach JPEG above 85, since it halves the resolution of colours. From
// there its quality just rises to 100. AVIF keeps all of it from fullFromQuality on, as JPEG does.
// Small pictures lose less in AVIF than in JPEG, but for drawings, which have another effort:
// avifSmallQuality was measured with 26 photographs and graphics of 64, 128 and 256 pixels.
var (
	webpQuality = scale{{1, 1}, {10, 5}, {20, 9}, {30, 23}, {40, 37}, {50, 49}, {60, 61}, {70, 77}, {80, 85}, {90, 95}, {100, 100}}
	avifQuality = scale{{1, 1}, {10, 17}, {20, 35}, {35, 48}, {50, 54}, {65, 60}, {80, 71}, {89, 85}, {90, 88}, {95, 92}, {100, 100}}
	jxlQuality  = scale{{1, 1}, {10, 8}, {20, 21}, {35, 51}, {50, 64}, {65, 73}, {80, 81}, {90, 93}, {95, 96}, {100, 100}}

	avifSmallQuality = scale{{1, 1}, {10, 17}, {20, 35}, {35, 47}, {50, 52}, {65, 57}, {80, 69}, {85, 75}, {89, 81}, {90, 84}, {95, 92}, {100, 100}}
	jpegQuality      = scale{{1, 1}, {100, 100}}
)

// mostSmall is the number of pixels up to which avifSmallQuality applies.
const mostSmall = 256 * 256

// scale returns that of the job's format, for the picture whose effort is chosen.
func (t *task) scale() scale {
	switch t.job.Format {
	case transform.WebP:
		return webpQuality
	case transform.JXL:
		return jxlQuality
	case transform.AVIF:
		if t.effort == 1 && t.plan.Output.W*t.plan.Output.H <= mostSmall {
			return avifSmallQuality
		}
		return avifQuality
	}
	return jpegQuality
}

// of returns the encoder's quality for a JPEG quality of 1–100.
func (s scale) of(jpeg int) int {
	for i := 1; i < len(s); i++ {
		from, to := s[i-1], s[i]
		if jpeg <= to.jpeg {
			span := to.jpeg - from.jpeg
			return from.own + ((jpeg-from.jpeg)*(to.own-from.own)+span/2)/span
		}
	}
	return s[len(s)-1].own
}

// reaching returns the lowest JPEG quality for which the encoder's is at least own.
func (s scale) reaching(own int) int {
	q := 1
	for q < 100 && s.of(q) < own {
		q++
	}
	return q
}

//go:build cgo

package vips_test

import (
	"errors"
	"os"
	"testing"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/worker"
)

// greedy is a small file that takes 190 MB to decode.
func greedy(t *testing.T) []byte {
	t.Helper()
	black, err := govips.Black(8000, 7900)
	if err != nil {
		t.Fatal(err)
	}
	defer black.Close()
	if err := black.ToColorSpace(govips.InterpretationSRGB); err != nil {
		t.Fatal(err)
	}
	data, _, err := black.ExportJpeg(&govips.JpegExportParams{Quality: 50, Interlace: true, SubsampleMode: govips.VipsForeignSubsampleOn})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestWantOfMemory: an image that takes more than a worker may have, although its
// header promised less, is not called corrupt, and is refused for a while; a mark's
// image is, and no original under it.
func TestWantOfMemory(t *testing.T) {
	p, err := worker.Start(t.Context(), worker.Config{Command: []string{os.Args[0], workerCommand}, Workers: 1, Queue: 1, Memory: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(t.Context()) })
	try := func(name string, original []byte, marks ...transform.MarkImage) error {
		t.Helper()
		j := job(t, original, "w=100", transform.PNG)
		j.Originals[0].Header.Interlaced = false // else the estimate would refuse it
		j.Marks = marks
		j.Owner = transform.Owner{Workspace: "acme", Source: "photos"}
		j.Originals[0].ID = name
		_, err := p.Transform(t.Context(), j)
		return err
	}
	large, small := greedy(t), pngBytes(t, scene(50, 40, false))
	mark := markOf(t, large, "")
	mark.Header.Interlaced = false

	if err := try("small", small, mark); !errors.Is(err, transform.ErrMark) || !errors.Is(err, transform.ErrFailed) {
		t.Errorf("under a mark that takes too much: %v", err)
	}
	if err := try("small", small); err != nil {
		t.Errorf("without it: %v", err)
	}
	if err := try("large", large); !errors.Is(err, transform.ErrFailed) || errors.Is(err, transform.ErrMark) || errors.Is(err, transform.ErrCorrupt) {
		t.Errorf("an original that takes too much: %v", err)
	}
	if n := p.Stats().Blamed; n != 2 {
		t.Errorf("%d are blocked, want the mark and the original as it was asked for", n)
	}
	j := job(t, large, "w=100", transform.PNG)
	if _, err := p.Transform(t.Context(), j); !errors.Is(err, transform.ErrTooLarge) {
		t.Errorf("an original whose header says how much it takes: %v", err)
	}
}

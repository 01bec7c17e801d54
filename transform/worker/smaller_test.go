package worker

import (
	"testing"

	"github.com/tintype/tintype/transform"
)

// TestOrWebPResult: WebP is a result only where the job allows it instead of its format.
func TestOrWebPResult(t *testing.T) {
	r := result{Format: transform.WebP, Size: 30, Width: 3, Height: 2, Frames: 1}
	for _, may := range []bool{true, false} {
		if err := r.check(&transform.Job{Format: transform.AVIF, OrWebP: may}, 100); (err == nil) != may {
			t.Errorf("allowed %v: %v", may, err)
		}
	}
	r.Format = transform.PNG
	if err := r.check(&transform.Job{Format: transform.AVIF, OrWebP: true}, 100); err == nil {
		t.Error("a third format is a result")
	}
}

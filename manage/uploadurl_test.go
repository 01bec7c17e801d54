package manage_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/manage/managetest"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// A stagingStub is a folder whose staging folder is swept in name only.
type stagingStub struct {
	*origin.Dir
	swept *[]time.Time
}

func (stagingStub) PresignPut(context.Context, string, string, int64, time.Duration) (string, http.Header, error) {
	return "https://bucket.test/x", http.Header{"Content-Type": {"image/jpeg"}}, nil
}
func (stagingStub) FetchStaged(context.Context, string) (*origin.Object, error) {
	return &origin.Object{Body: []byte("image")}, nil
}
func (stagingStub) DeleteStaged(context.Context, string) error { return nil }
func (s stagingStub) SweepStaged(_ context.Context, before time.Time) (int, error) {
	*s.swept = append(*s.swept, before)
	return 0, nil
}

type stagingImages struct {
	managetest.Images
	swept []time.Time
}

func (s *stagingImages) Storage(w *workspace.Workspace, source string) (origin.Storage, bool, error) {
	st, uploads, err := s.Images.Storage(w, source)
	if err != nil {
		return nil, false, err
	}
	return stagingStub{st.(*origin.Dir), &s.swept}, uploads, nil
}

// TestSweep: uploads that nobody completes are deleted from the sources that have had URLs.
func TestSweep(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	images := &stagingImages{Images: managetest.NewImages(t)}
	m, db := start(t, func(c *manage.Config) { c.Images, c.Now = images, func() time.Time { return now } })
	m.Sweep(t.Context())
	if len(images.swept) != 0 {
		t.Error("swept a source without URLs")
	}
	n := manage.NewUploadURL{Source: "photos", Path: "a.jpg", ContentType: "image/jpeg", Bytes: 9}
	if _, err := m.UploadURL(t.Context(), manage.Operator, "acme", n); err != nil {
		t.Fatal(err)
	}
	m.Sweep(t.Context()) // what an earlier process left
	m.Sweep(t.Context())
	if len(images.swept) != 1 || !images.swept[0].Equal(now.Add(-time.Hour)) {
		t.Fatalf("swept %v", images.swept)
	}
	now = now.Add(2 * time.Hour)
	m.Sweep(t.Context())
	if len(images.swept) != 2 {
		t.Errorf("swept %v", images.swept)
	}
	if err := db.Delete(t.Context(), "acme", 0); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Hour)
	m.Sweep(t.Context())
	m.Sweep(t.Context())
	if len(images.swept) != 2 {
		t.Errorf("swept a workspace that is deleted: %v", images.swept)
	}
}

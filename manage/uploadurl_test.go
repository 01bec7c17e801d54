package manage_test

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/manage/managetest"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// A stagingStub is a folder whose staging folder is swept in name only.
type stagingStub struct {
	*origin.Dir
	swept, sweptParts *[]time.Time
	parts, joined     *[]origin.Part
}

func (stagingStub) ClientOrigin() string { return "https://bucket.test" }
func (stagingStub) PresignPut(context.Context, string, string, int64, time.Duration) (string, http.Header, error) {
	return "https://bucket.test/x", http.Header{"Content-Type": {"image/jpeg"}}, nil
}
func (stagingStub) FetchStaged(context.Context, string) (*origin.Object, error) {
	return &origin.Object{Body: []byte("image")}, nil
}
func (stagingStub) DeleteStaged(context.Context, string) error { return nil }
func (s stagingStub) SweepStaged(_ context.Context, before, partsBefore time.Time) (int, error) {
	*s.swept = append(*s.swept, before)
	if partsBefore.Sub(before) != -23*time.Hour {
		return 0, errors.New("parts have another time")
	}
	return 0, nil
}
func (stagingStub) StartParts(context.Context, string, string) (string, error) { return "b/ü", nil }
func (s stagingStub) PresignPart(ctx context.Context, _, _ string, _ int, _ int64, lifetime time.Duration) (string, http.Header, error) {
	return s.PresignPut(ctx, "", "", 0, lifetime)
}
func (s stagingStub) ListParts(context.Context, string, string) ([]origin.Part, error) {
	return *s.parts, nil
}
func (s stagingStub) JoinParts(_ context.Context, _, _ string, parts []origin.Part) error {
	*s.joined = parts
	return nil
}
func (stagingStub) DropParts(context.Context, string, string) error { return nil }
func (s stagingStub) SweepParts(_ context.Context, before time.Time) (int, error) {
	*s.sweptParts = append(*s.sweptParts, before)
	return 0, nil
}

type stagingImages struct {
	managetest.Images
	swept, sweptParts []time.Time
	parts, joined     []origin.Part
	most              int64 // 0 is that of managetest
}

func (s *stagingImages) MaxUpload() int64 { return cmp.Or(s.most, s.Images.MaxUpload()) }

func (s *stagingImages) Storage(w *workspace.Workspace, source string) (origin.Storage, bool, error) {
	st, uploads, err := s.Images.Storage(w, source)
	if err != nil {
		return nil, false, err
	}
	return stagingStub{st.(*origin.Dir), &s.swept, &s.sweptParts, &s.parts, &s.joined}, uploads, nil
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

// TestUploadPartsPlan: parts have the lengths that S3 and R2 take, and what a client makes up
// as an id is no upload.
func TestUploadPartsPlan(t *testing.T) {
	const mib = 1 << 20
	images := &stagingImages{Images: managetest.NewImages(t), most: 2000 * mib}
	m, _ := start(t, func(c *manage.Config) { c.Images = images })
	begin := func(bytes, part int64) (manage.UploadParts, error) {
		return m.UploadParts(t.Context(), manage.Operator, "acme", manage.NewUploadParts{Source: "photos", Path: "a.jpg", ContentType: "image/jpeg", Bytes: bytes, PartBytes: part})
	}
	for _, tt := range []struct {
		bytes, part int64
		parts       int // 0: refused
		first, last int64
	}{
		{1, 0, 1, 1, 1},
		{5 * mib, 0, 1, 5 * mib, 5 * mib},
		{6 * mib, 0, 1, 6 * mib, 6 * mib},
		{20 * mib, 0, 3, 8 * mib, 4 * mib},
		{11 * mib, 5 * mib, 3, 5 * mib, mib},
		{10 * mib, 5 * mib, 2, 5 * mib, 5 * mib},
		{6 * mib, 8 * mib, 1, 6 * mib, 6 * mib},
		{2000 * mib, 0, 100, 20 * mib, 20 * mib},
		{2000*mib - 1, 0, 100, 20 * mib, 20*mib - 1},
		{2000*mib + 1, 0, 0, 0, 0},
		{0, 0, 0, 0, 0},
		{-1, 0, 0, 0, 0},
		{6 * mib, 5*mib - 1, 0, 0, 0},
		{6 * mib, -1, 0, 0, 0},
		{6 * mib, 1 << 62, 0, 0, 0},
		{2000 * mib, 5 * mib, 0, 0, 0},
	} {
		u, err := begin(tt.bytes, tt.part)
		if (err == nil) != (tt.parts > 0) || len(u.Parts) != tt.parts {
			t.Errorf("%d in parts of %d: %d parts, %v", tt.bytes, tt.part, len(u.Parts), err)
			continue
		}
		var sum int64
		for i, p := range u.Parts {
			if sum += p.Bytes; p.Number != i+1 || p.Sent || p.URL == "" || p.Headers["Content-Type"] == "" || i < len(u.Parts)-1 && p.Bytes != u.PartBytes {
				t.Errorf("%d in parts of %d: %+v", tt.bytes, tt.part, p)
			}
		}
		if tt.parts > 0 && (sum != tt.bytes || u.Parts[0].Bytes != tt.first || u.Parts[tt.parts-1].Bytes != tt.last) {
			t.Errorf("%d in parts of %d: %+v", tt.bytes, tt.part, u.Parts)
		}
	}

	u, err := begin(11*mib, 5*mib)
	if err != nil {
		t.Fatal(err)
	}
	images.parts = []origin.Part{{Number: 1, Bytes: 5 * mib, ETag: "1"}, {Number: 3, Bytes: mib - 1, ETag: "cut off"}, {Number: 4, Bytes: 9, ETag: "more"}}
	r, err := m.ResumeUpload(t.Context(), manage.Operator, "acme", manage.UploadName{Source: "photos", UploadID: u.UploadID})
	if err != nil || r.UploadID != u.UploadID || !r.Parts[0].Sent || r.Parts[0].URL == "" || r.Parts[1].Sent || r.Parts[2].Sent || r.Parts[2].URL == "" {
		t.Errorf("%+v, %v", r, err)
	}
	complete := func() error {
		_, err := m.CompleteUpload(t.Context(), manage.Operator, "acme", manage.CompleteUpload{UploadID: u.UploadID, Source: "photos", Path: "parts.jpg"})
		return err
	}
	if err := complete(); err == nil || !strings.Contains(err.Error(), "missing: 2, 3.") || images.joined != nil {
		t.Errorf("%v, joined %v", err, images.joined)
	}
	images.parts = []origin.Part{{Number: 3, Bytes: mib, ETag: "3"}, {Number: 1, Bytes: 5 * mib, ETag: "1"}, {Number: 2, Bytes: 5 * mib, ETag: "2"}, {Number: 4, Bytes: 9, ETag: "more"}}
	if err := complete(); err != nil || len(images.joined) != 3 || images.joined[0].ETag != "1" || images.joined[2].ETag != "3" {
		t.Errorf("%v, joined %v", err, images.joined)
	}

	f := strings.Split(u.UploadID, ".")
	for _, bad := range []string{
		"", "x", f[0], "." + strings.Join(f[1:], "."), u.UploadID + ".x", f[0] + ".0.5242880." + f[3], f[0] + ".-1.5242880." + f[3], f[0] + ".9.9." + f[3], f[0] + ".9.5242880.", f[0] + ".9.5242880.=",
		f[0] + ".99999999999999999999.5242880." + f[3], strings.Replace(u.UploadID, "parts-", "../", 1), u.UploadID + strings.Repeat("A", 5000),
	} {
		if _, err := m.ResumeUpload(t.Context(), manage.Operator, "acme", manage.UploadName{Source: "photos", UploadID: bad}); fault.OfManaging(err).Code != fault.NotFound {
			t.Errorf("%.200q: %v", bad, err)
		}
	}
}

// TestSweepParts: uploads in parts that nobody continues for a day are deleted.
func TestSweepParts(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	images := &stagingImages{Images: managetest.NewImages(t)}
	m, _ := start(t, func(c *manage.Config) { c.Images, c.Now = images, func() time.Time { return now } })
	if _, err := m.UploadParts(t.Context(), manage.Operator, "acme", manage.NewUploadParts{Source: "photos", Path: "a.jpg", ContentType: "image/jpeg", Bytes: 9}); err != nil {
		t.Fatal(err)
	}
	m.Sweep(t.Context())
	m.Sweep(t.Context())
	if len(images.sweptParts) != 1 || !images.sweptParts[0].Equal(now.Add(-24*time.Hour)) || len(images.swept) != 1 {
		t.Errorf("swept %v and %v", images.sweptParts, images.swept)
	}
}

package manage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"mime"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

const (
	uploadURLFor = 15 * time.Minute // lifetime of a URL for an upload
	stagedFor    = time.Hour        // after which an upload that nobody completes is deleted
)

// A NewUploadURL says what a client wants to send to a bucket by itself.
type NewUploadURL struct {
	Source      string `json:"source" doc:"Key of a source of kind s3 or r2 that has uploads."`
	Path        string `json:"path" doc:"Object key of the image."`
	ContentType string `json:"content_type" doc:"Media type of the image, such as image/jpeg. The bucket takes no other."`
	Bytes       int64  `json:"bytes" doc:"Length of the image. The bucket takes no other."`
}

// An UploadURL is where a client sends an image.
type UploadURL struct {
	UploadID  string            `json:"upload_id" doc:"For POST …/images/complete."`
	Method    string            `json:"method" doc:"PUT."`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers" doc:"What the request must send, exactly."`
	ExpiresAt time.Time         `json:"expires_at"`
}

// A CompleteUpload names an image that a client has sent to an [UploadURL].
type CompleteUpload struct {
	UploadID    string   `json:"upload_id"`
	Source      string   `json:"source" doc:"As for the URL."`
	Path        string   `json:"path" doc:"As for the URL."`
	Overwrite   bool     `json:"overwrite,omitempty" doc:"Replace an image that is there already. Left out, the answer is then 409."`
	Pregenerate []string `json:"pregenerate,omitempty" doc:"Names of presets whose variants are made in the background."`
}

var errNoStaging = invalid("source: only buckets (kind s3 or r2) take uploads by URL. Send the image with POST …/images.")

// UploadURL returns a URL to which a client can send one image of this length and type. The
// image isn't shown or listed until [Manager.CompleteUpload].
func (m *Manager) UploadURL(ctx context.Context, who Caller, namespace string, n NewUploadURL) (u UploadURL, err error) {
	w, st, err := m.storage(ctx, who, account.WriteImages, namespace, n.Source)
	if err != nil {
		return u, err
	}
	staging, ok := st.(origin.Staging)
	if !ok {
		return u, errNoStaging
	}
	if err := origin.CheckUpload(n.Path); err != nil {
		return u, err
	}
	if kind, parameters, err := mime.ParseMediaType(n.ContentType); err != nil || kind != n.ContentType || len(parameters) > 0 || !strings.HasPrefix(kind, "image/") {
		return u, invalid("content_type: must be the media type of an image, such as image/jpeg.")
	}
	if most := m.images.MaxUpload(); n.Bytes < 1 || n.Bytes > most {
		return u, invalid(fmt.Sprintf("bytes: must be 1 to %d, the largest image that this server takes.", most))
	}
	if err := m.checkBlocked(w, UploadRequest{Source: n.Source, Path: n.Path}, ""); err != nil {
		return u, err
	}
	u = UploadURL{UploadID: rand.Text(), Method: "PUT", Headers: map[string]string{}, ExpiresAt: m.now().Add(uploadURLFor).UTC().Truncate(time.Second)}
	url, header, err := staging.PresignPut(ctx, u.UploadID, n.ContentType, n.Bytes, uploadURLFor)
	if err != nil {
		return u, err
	}
	u.URL = url
	for name, values := range header {
		u.Headers[name] = strings.Join(values, ", ")
	}
	m.stagedIn(w.Namespace, n.Source)
	return u, nil
}

// CompleteUpload checks an image that was sent to an [UploadURL], and stores it as
// [Manager.Upload] does. What is stored are the bytes that were checked, whatever a client
// sends to the URL meanwhile.
func (m *Manager) CompleteUpload(ctx context.Context, who Caller, namespace string, c CompleteUpload) (out Uploaded, err error) {
	w, st, err := m.storage(ctx, who, account.WriteImages, namespace, c.Source)
	if err != nil {
		return out, err
	}
	staging, ok := st.(origin.Staging)
	if !ok {
		return out, errNoStaging
	}
	req := UploadRequest{Source: c.Source, Path: c.Path, Overwrite: c.Overwrite, Pregenerate: c.Pregenerate}
	if err := checkUpload(w, req); err != nil {
		return out, err
	}
	o, err := staging.FetchStaged(origin.WithOwner(ctx, origin.Owner{Workspace: w.ID}), c.UploadID)
	if errors.Is(err, origin.ErrNotFound) {
		return out, notFound("There is no upload under this upload_id. Send the image to the URL first, within 15 minutes.")
	}
	if err != nil {
		return out, err
	}
	defer o.Release()
	out, err = m.putImage(ctx, who, w, st, req, o)
	// A failure that may pass, and a path that is taken, leave the upload for another try.
	if err == nil || final(err) {
		if e := staging.DeleteStaged(context.WithoutCancel(ctx), c.UploadID); e != nil {
			m.log.Warn("an upload stays in the staging folder until it is swept", "workspace", namespace, "source", c.Source, "err", e)
		}
	}
	return out, err
}

// final reports whether an upload with this error can't ever be stored.
func final(err error) bool {
	switch fault.OfManaging(err).Code {
	case fault.UnsupportedFormat, fault.ImageCorrupt, fault.ImageTooLarge, fault.OriginalTooLarge, fault.Blocked:
		return true
	}
	return false
}

// A stagedSource is a source to which clients may have sent uploads.
type stagedSource struct{ namespace, source string }

// stagedIn notes that a source's staging folder has to be swept, at once if that wasn't known,
// since another process may have left something.
func (m *Manager) stagedIn(namespace, source string) {
	m.staged.mu.Lock()
	defer m.staged.mu.Unlock()
	key := stagedSource{namespace, source}
	if _, known := m.staged.due[key]; !known {
		m.staged.due[key] = m.now()
	}
}

// Run deletes uploads that nobody completes, until the context ends.
func (m *Manager) Run(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.Sweep(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// Sweep deletes uploads that nobody has completed for an hour, from the sources for which
// this process has made URLs. Run calls it.
func (m *Manager) Sweep(ctx context.Context) {
	now := m.now()
	m.staged.mu.Lock()
	var due []stagedSource
	for key, at := range m.staged.due {
		if !at.After(now) {
			due = append(due, key)
			m.staged.due[key] = now.Add(stagedFor + uploadURLFor)
		}
	}
	m.staged.mu.Unlock()
	for _, key := range due {
		err := m.sweep(ctx, key, now.Add(-stagedFor))
		if err != nil && ctx.Err() == nil {
			m.log.Warn("uploads that nobody completed could not be deleted", "workspace", key.namespace, "source", key.source, "err", err)
		}
	}
}

func (m *Manager) sweep(ctx context.Context, key stagedSource, before time.Time) error {
	w, err := m.reads.Get(ctx, key.namespace)
	var st origin.Storage
	if err == nil {
		st, _, err = m.images.Storage(w, key.source)
	}
	staging, ok := st.(origin.Staging)
	if errors.Is(err, workspace.ErrNotFound) || err == nil && !ok {
		m.staged.mu.Lock()
		defer m.staged.mu.Unlock()
		delete(m.staged.due, key)
		return nil
	}
	if err != nil {
		return err
	}
	removed, err := staging.SweepStaged(ctx, before)
	if removed > 0 {
		m.log.Info("deleted uploads that nobody completed", "workspace", key.namespace, "source", key.source, "uploads", removed)
	}
	return err
}

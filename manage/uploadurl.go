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
	w, staging, err := m.staging(ctx, who, namespace, n.Source)
	if err != nil {
		return u, err
	}
	if err := m.checkStaged(w, n.Source, n.Path, n.ContentType, n.Bytes); err != nil {
		return u, err
	}
	u = UploadURL{UploadID: rand.Text(), Method: "PUT", ExpiresAt: m.now().Add(uploadURLFor).UTC().Truncate(time.Second)}
	url, header, err := staging.PresignPut(ctx, u.UploadID, n.ContentType, n.Bytes, uploadURLFor)
	if err != nil {
		return u, err
	}
	u.URL, u.Headers = url, plainHeaders(header)
	m.stagedIn(w.Namespace, n.Source, false)
	return u, nil
}

// staging opens a source to which clients can send images by themselves.
func (m *Manager) staging(ctx context.Context, who Caller, namespace, source string) (*workspace.Workspace, origin.Staging, error) {
	w, st, err := m.storage(ctx, who, account.WriteImages, namespace, source)
	if err != nil {
		return nil, nil, err
	}
	staging, ok := st.(origin.Staging)
	if !ok {
		return nil, nil, errNoStaging
	}
	return w, staging, nil
}

// checkStaged checks an image that a client is about to send to a bucket.
func (m *Manager) checkStaged(w *workspace.Workspace, source, path, contentType string, bytes int64) error {
	if err := origin.CheckUpload(path); err != nil {
		return err
	}
	if kind, parameters, err := mime.ParseMediaType(contentType); err != nil || kind != contentType || len(parameters) > 0 || !strings.HasPrefix(kind, "image/") {
		return invalid("content_type: must be the media type of an image, such as image/jpeg.")
	}
	if most := m.images.MaxUpload(); bytes < 1 || bytes > most {
		return invalid(fmt.Sprintf("bytes: must be 1 to %d, the largest image that this server takes.", most))
	}
	return m.checkBlocked(w, UploadRequest{Source: source, Path: path}, "")
}

// plainHeaders returns the headers as JSON has them.
func plainHeaders(header map[string][]string) map[string]string {
	plain := map[string]string{}
	for name, values := range header {
		plain[name] = strings.Join(values, ", ")
	}
	return plain
}

// CompleteUpload checks an image that was sent to an [UploadURL], and stores it as
// [Manager.Upload] does. What is stored are the bytes that were checked, whatever a client
// sends to the URL meanwhile.
func (m *Manager) CompleteUpload(ctx context.Context, who Caller, namespace string, c CompleteUpload) (out Uploaded, err error) {
	w, staging, err := m.staging(ctx, who, namespace, c.Source)
	if err != nil {
		return out, err
	}
	req := UploadRequest{Source: c.Source, Path: c.Path, Overwrite: c.Overwrite, Pregenerate: c.Pregenerate}
	if err := checkUpload(w, req); err != nil {
		return out, err
	}
	id := c.UploadID
	if p, ok := parsePartsID(id, m.images.MaxUpload()); ok {
		if err := joinParts(ctx, staging, p); err != nil {
			return out, err
		}
		id = p.id
	}
	o, err := staging.FetchStaged(origin.WithOwner(ctx, origin.Owner{Workspace: w.ID}), id)
	if errors.Is(err, origin.ErrNotFound) {
		return out, notFound("There is no upload under this upload_id. Send the image to the URL first, within 15 minutes.")
	}
	if err != nil {
		return out, err
	}
	defer o.Release()
	out, err = m.putImage(ctx, who, w, staging, req, o)
	// A failure that may pass, and a path that is taken, leave the upload for another try.
	if err == nil || final(err) {
		if e := staging.DeleteStaged(context.WithoutCancel(ctx), id); e != nil {
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
type stagedSource struct {
	namespace, source string
	parts             bool // in parts
}

// stagedIn notes that a source's staging folder has to be swept, at once if that wasn't known,
// since another process may have left something. Uploads in parts are swept apart, since a
// source's credentials may not have the right to list them.
func (m *Manager) stagedIn(namespace, source string, parts bool) {
	m.staged.mu.Lock()
	defer m.staged.mu.Unlock()
	key := stagedSource{namespace, source, parts}
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

// Sweep deletes uploads that nobody has completed, from the sources for which this process has
// made URLs: after an hour, and after a day where they are in parts. Run calls it.
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
		err := m.sweep(ctx, key, now)
		if err != nil && ctx.Err() == nil {
			m.log.Warn("uploads that nobody completed could not be deleted", "workspace", key.namespace, "source", key.source, "err", err)
		}
	}
}

func (m *Manager) sweep(ctx context.Context, key stagedSource, now time.Time) error {
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
	sweep := func() (int, error) { return staging.SweepStaged(ctx, now.Add(-stagedFor), now.Add(-partsFor)) }
	if key.parts {
		sweep = func() (int, error) { return staging.SweepParts(ctx, now.Add(-partsFor)) }
	}
	removed, err := sweep()
	if removed > 0 {
		m.log.Info("deleted uploads that nobody completed", "workspace", key.namespace, "source", key.source, "uploads", removed)
	}
	return err
}

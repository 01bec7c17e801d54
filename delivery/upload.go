package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// previewSide is the longer side of an upload's preview, in pixels.
const previewSide = 512

// A Checked is an upload that this server would serve variants of.
type Checked struct {
	SHA256   string // of the whole, 64 hex digits
	Metadata Metadata
	// Preview shows the whole image, 512 pixels at most on its longer side, in all frames.
	Preview     []byte
	PreviewType string // media type of the preview
}

// Storage returns the source of a workspace as a storage. uploads reports whether originals
// may be put there. The error is shown to clients.
func (s *Service) Storage(w *workspace.Workspace, key string) (st origin.Storage, uploads bool, err error) {
	if dir := s.dirs[w.Namespace][key]; dir != nil {
		return dir, dir.Uploads, nil
	}
	for _, ws := range w.Sources {
		if ws.Key != key {
			continue
		}
		if ws.Kind != "s3" && ws.Kind != "r2" {
			return nil, false, fault.New(fault.Validation, "source: "+key+" is of kind "+ws.Kind+", which can't be listed or written. Use a source of kind s3 or r2.")
		}
		if s.bucket == nil {
			return nil, false, fmt.Errorf("%w: this server reads no buckets", origin.ErrUnavailable)
		}
		src, err := s.bucket(ws)
		if err != nil {
			return nil, false, fmt.Errorf("%w: %w", origin.ErrUnavailable, err)
		}
		st, ok := src.(origin.Storage)
		if !ok {
			return nil, false, errors.New("the source is no storage")
		}
		return st, ws.Uploads, nil
	}
	return nil, false, fault.New(fault.SourceNotFound, "The workspace has no source "+fmt.Sprintf("%.64q", key)+".")
}

// MaxUpload returns the maximum length of an upload, in bytes.
func (s *Service) MaxUpload() int64 { return s.maxOriginal }

// ReadUpload reads the bytes of an upload, within the same budgets as originals and bodies
// of requests. length is negative where it is unknown. stop must make a Read of r that runs
// return. The caller must release the object.
func (s *Service) ReadUpload(ctx context.Context, w *workspace.Workspace, r io.Reader, length int64, stop func()) (*origin.Object, error) {
	if length > s.maxOriginal { // don't wait to say so
		return nil, s.bodyTooLarge()
	}
	if e, ok := s.engine.(admitter); ok {
		if err := e.Admits(ctx, transform.Owner{Workspace: w.Namespace, Client: limit.ClientIn(ctx)}); err != nil {
			return nil, err
		}
	}
	return s.receive(ctx, w.ID, r, length, stop)
}

// CheckUpload judges an upload as if it were an original of the workspace: its format and
// its header must be allowed, and a worker must be able to decode all of it.
func (s *Service) CheckUpload(ctx context.Context, w *workspace.Workspace, o *origin.Object) (c Checked, err error) {
	site := &site{Workspace: w}
	h, err := s.judge(site, o)
	if err != nil {
		return c, err
	}
	from := &original{Object: o, header: h}
	if c.Metadata, err = metadataOf(from); err != nil {
		return c, err
	}
	err = o.Look(func(body []byte) error {
		sum := sha256.Sum256(body)
		c.SHA256 = hex.EncodeToString(sum[:])
		return nil
	})
	if err != nil {
		return c, err
	}
	a := &ask{site: site, refs: []ref{{key: origin.Key{Path: "body:" + c.SHA256}}}, options: transform.Defaults()}
	a.options.Width, a.options.Height, a.options.Format = previewSide, previewSide, transform.JPEG
	if h.Frames > 1 {
		a.options.Format = transform.WebP
	}
	image, err := s.work(ctx, a, []*original{from}, false, nil, transform.Job{Options: a.options, Format: a.options.Format})
	if err != nil {
		return c, err
	}
	c.Preview, c.PreviewType = image.Data, image.Format.MediaType()
	return c, nil
}

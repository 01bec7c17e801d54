package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// An Upload says where an image goes.
type Upload struct {
	Source      string   // key of a source that takes uploads
	Path        string   // object key of the image
	Overwrite   bool     // replace an image that is there; else the answer is [CodeConflict]
	Pregenerate []string // names of presets whose variants are made in the background
	ContentType string   // of UploadLarge; left out, it follows from the path

	// Progress, if set, is called with the bytes that are sent so far. Calls don't overlap.
	Progress func(sent int64)
}

// Upload sends an image through the server, which checks it and stores it unchanged. Where r
// is an [io.Seeker], it is sent again if the server says that it is busy.
func (c *Client) Upload(ctx context.Context, ns string, u Upload, r io.Reader, size int64) (*Uploaded, error) {
	q := url.Values{"source": {u.Source}, "path": {u.Path}}
	if u.Overwrite {
		q.Set("overwrite", "true")
	}
	if len(u.Pregenerate) > 0 {
		q.Set("pregenerate", strings.Join(u.Pregenerate, ","))
	}
	target := "/v1/workspaces/" + escape(ns) + "/images?" + q.Encode()
	header := http.Header{"Content-Type": {"application/octet-stream"}}
	start, again := r.(io.Seeker)
	for try := 1; ; try++ {
		var out Uploaded
		p := &progress{say: u.Progress}
		err := c.once(ctx, http.MethodPost, target, header, io.TeeReader(r, p), size, &out)
		if err == nil {
			return &out, nil
		}
		// What was answered was not stored. After a broken connection that isn't known.
		e, answered := errors.AsType[*Error](err)
		busy := answered && (e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable) && e.RetryAfter <= maxWait
		if !again || !busy || try >= c.tries {
			return nil, err
		}
		if err := c.pause(ctx, max(e.RetryAfter, time.Second)); err != nil {
			return nil, err
		}
		if _, err := start.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
	}
}

// partsAtOnce is how many parts of a large upload are sent at the same time.
const partsAtOnce = 4

// UploadLarge sends an image of size bytes to the bucket in parts, past the server, and lets
// the server check the whole. The source must be a bucket. Parts that fail are sent again. If
// it fails in the end, or the path is taken, the parts are removed.
func (c *Client) UploadLarge(ctx context.Context, ns string, u Upload, r io.ReaderAt, size int64) (*Uploaded, error) {
	contentType := u.ContentType
	if contentType == "" {
		if contentType = ContentType(u.Path); contentType == "" {
			return nil, fmt.Errorf("%s has no extension of an image: set ContentType", u.Path)
		}
	}
	up, err := c.CreateUploadParts(ctx, ns, NewUploadParts{Source: u.Source, Path: u.Path, ContentType: contentType, Bytes: size})
	if err != nil {
		return nil, err
	}
	var out *Uploaded
	err = c.sendParts(ctx, up, r, &progress{say: u.Progress})
	if err == nil {
		out, err = c.CompleteUpload(ctx, ns, CompleteUpload{
			Source: u.Source, Path: u.Path, UploadID: up.UploadID, Overwrite: u.Overwrite, Pregenerate: u.Pregenerate,
		})
	}
	if err != nil {
		// Without this the bucket keeps the parts until the server sweeps them.
		c.abort(context.WithoutCancel(ctx), ns, UploadName{Source: u.Source, UploadID: up.UploadID})
		return nil, err
	}
	return out, nil
}

// abort removes the parts of an upload. If it can't, the server does within a day.
func (c *Client) abort(ctx context.Context, ns string, name UploadName) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_ = c.AbortUpload(ctx, ns, name)
}

// sendParts sends all parts of an upload.
func (c *Client) sendParts(ctx context.Context, up *UploadParts, r io.ReaderAt, p *progress) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(partsAtOnce)
	for _, part := range up.Parts {
		group.Go(func() error {
			at := (part.Number - 1) * up.PartBytes
			body := make([]byte, part.Bytes)
			if _, err := r.ReadAt(body, at); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			return c.sendPart(ctx, up.Method, part, body, p)
		})
	}
	return group.Wait()
}

// sendPart sends one part until the bucket takes it.
func (c *Client) sendPart(ctx context.Context, method string, part UploadPart, body []byte, p *progress) error {
	for try := 1; ; try++ {
		err := c.put(ctx, method, part, body)
		if err == nil {
			_, err = p.Write(body)
			return err
		}
		if try >= c.tries || ctx.Err() != nil {
			return fmt.Errorf("part %d: %w", part.Number, err)
		}
		if err := c.pause(ctx, time.Second<<(try-1)); err != nil {
			return err
		}
	}
}

func (c *Client) put(ctx context.Context, method string, part UploadPart, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, part.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, value := range part.Headers {
		req.Header.Set(name, value)
	}
	res, err := c.http.Do(req)
	if err != nil {
		// The error of net/http has the whole URL, whose query is a signature.
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return fmt.Errorf("the bucket at %s: %w", req.URL.Host, err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)); err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the bucket at %s answered %s", req.URL.Host, res.Status)
	}
	return nil
}

// A progress counts what is written to it, and says so.
type progress struct {
	mu   sync.Mutex
	sent int64
	say  func(int64)
}

func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent += int64(len(b))
	if p.say != nil {
		p.say(p.sent)
	}
	return len(b), nil
}

// ContentType returns the media type of an image by the extension of its name, or "".
func ContentType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".png":
		return "image/png"
	case ".webp":
		return "image/webp"
	case ".gif":
		return "image/gif"
	case ".avif":
		return "image/avif"
	case ".heic":
		return "image/heic"
	case ".jxl":
		return "image/jxl"
	case ".svg":
		return "image/svg+xml"
	case ".tif", ".tiff":
		return "image/tiff"
	}
	return ""
}

// A Picture is an encoded image.
type Picture struct {
	ContentType string
	Bytes       []byte
}

// PreviewMark is POST /v1/workspaces/{ns}/marks/preview: the picture that delivery would make
// with a mark. Nothing is stored.
func (c *Client) PreviewMark(ctx context.Context, ns string, body MarkPreviewRequest) (*Picture, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	target := "/v1/workspaces/" + escape(ns) + "/marks/preview"
	res, err := c.send(ctx, http.MethodPost, target, http.Header{"Content-Type": {"application/json"}, "Accept": {"image/*"}}, bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return nil, err
	}
	return c.picture(target, res)
}

// Transform sends an image, and answers it transformed. Neither is stored. It needs a key
// of scope read.
func (c *Client) Transform(ctx context.Context, ns string, options Options, r io.Reader, size int64) (*Picture, error) {
	query, err := options.encode()
	if err != nil {
		return nil, err
	}
	target := "/" + escape(ns) + "/transform"
	if query != "" {
		target += "?" + query
	}
	res, err := c.send(ctx, http.MethodPost, target, http.Header{"Content-Type": {"application/octet-stream"}}, r, size)
	if err != nil {
		return nil, err
	}
	return c.picture(target, res)
}

// picture reads a picture from an answer.
func (c *Client) picture(target string, res *http.Response) (*Picture, error) {
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		return nil, c.failure(target, res, b)
	}
	if length := res.Header.Get("Content-Length"); length != "" && length != strconv.Itoa(len(b)) {
		return nil, fmt.Errorf("%s: the picture is cut off", target)
	}
	return &Picture{ContentType: res.Header.Get("Content-Type"), Bytes: b}, nil
}

// Wait waits until every server has applied the purge.
func (a *PurgeAnswer) Wait(ctx context.Context) error { return pause(ctx, time.Until(a.CompleteBy)) }

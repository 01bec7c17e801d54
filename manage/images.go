package manage

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/moderation"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// Images reads and checks uploads, and knows where they are kept. delivery.Service is one.
// Clients see the errors.
type Images interface {
	Storage(w *workspace.Workspace, source string) (st origin.Storage, uploads bool, err error)
	ReadUpload(ctx context.Context, w *workspace.Workspace, r io.Reader, length int64, stop func()) (*origin.Object, error)
	CheckUpload(ctx context.Context, w *workspace.Workspace, o *origin.Object) (delivery.Checked, error)
	// MaxUpload returns the maximum length of an upload, in bytes.
	MaxUpload() int64
	// Pregenerate makes variants by presets in the background. It may drop some where too
	// many wait.
	Pregenerate(namespace, source, path string, presets []string)
	// Blocked reports whether the image under a path, or with these bytes, is not shown.
	// sha256 may be empty.
	Blocked(w *workspace.Workspace, source, path, sha256 string) (bool, error)
}

var _ Images = (*delivery.Service)(nil)

// Folders returns the keys of the operator's folders in the namespace. Workspaces don't hold
// them.
func (m *Manager) Folders(namespace string) []string { return slices.Clone(m.process(namespace).Dirs) }

// FolderIsPrivate reports whether the images of a folder of the operator need a signed URL.
func (m *Manager) FolderIsPrivate(namespace, key string) bool {
	return slices.Contains(m.process(namespace).PrivateDirs, key)
}

// An ImageSource is a source whose images can be listed.
type ImageSource struct {
	Key     string
	Uploads bool // images can be put there and deleted
}

// A SourceInfo says where the originals of a source are, and what can be done with them.
type SourceInfo struct {
	Key     string `json:"key" doc:"First segment of the paths of its images."`
	Kind    string `json:"kind" enum:"http,s3,r2,dir" doc:"dir is a folder of the operator's, which is no setting of the workspace."`
	Lists   bool   `json:"lists" doc:"Whether its images can be listed."`
	Uploads bool   `json:"uploads" doc:"Whether images can be uploaded to it and deleted."`
	Private bool   `json:"private" doc:"Whether its images need a signed URL or an API key."`
}

// Sources returns the sources of a workspace and the operator's folders, and the maximum
// length of an upload in bytes, which is 0 where the server takes none.
func (m *Manager) Sources(ctx context.Context, who Caller, namespace string) (list []SourceInfo, maxUpload int64, err error) {
	images, maxUpload, err := m.ImageSources(ctx, who, namespace)
	if err != nil {
		return nil, 0, err
	}
	w, err := m.open(ctx, who, account.ReadImages, namespace)
	if err != nil {
		return nil, 0, err
	}
	folders := m.process(namespace).Dirs
	add := func(key, kind string, private bool) {
		s := SourceInfo{Key: key, Kind: kind, Private: private}
		for _, i := range images {
			if i.Key == key {
				s.Lists, s.Uploads = true, i.Uploads
			}
		}
		list = append(list, s)
	}
	for _, s := range w.Sources {
		if !slices.Contains(folders, s.Key) {
			add(s.Key, s.Kind, s.Private)
		}
	}
	for _, key := range folders {
		add(key, "dir", m.FolderIsPrivate(namespace, key))
	}
	return list, maxUpload, nil
}

// ImageSources returns the sources whose images can be listed, and the maximum length of an
// upload, in bytes.
func (m *Manager) ImageSources(ctx context.Context, who Caller, namespace string) (list []ImageSource, maxUpload int64, err error) {
	w, err := m.open(ctx, who, account.ReadImages, namespace)
	if err != nil || m.images == nil {
		return nil, 0, err
	}
	folders := m.process(namespace).Dirs
	for _, s := range w.Sources {
		if s.Kind != "http" && !slices.Contains(folders, s.Key) {
			list = append(list, ImageSource{s.Key, s.Uploads})
		}
	}
	for _, key := range folders {
		if _, uploads, err := m.images.Storage(w, key); err == nil {
			list = append(list, ImageSource{key, uploads})
		}
	}
	return list, m.images.MaxUpload(), nil
}

var errNoImages = notFound("This server delivers no images, so it takes no uploads.")

// UploadedBytes are the bytes of an upload, which count in the budget of originals until they
// are released.
type UploadedBytes = origin.Object

// An UploadRequest says where an upload goes.
type UploadRequest struct {
	Source    string
	Path      string // object key
	Overwrite bool   // replace an image that is there already

	// Pregenerate names presets. Their variants are made in the background, in the format
	// that most browsers get.
	Pregenerate []string
}

// Uploaded describes an image that was stored.
type Uploaded struct {
	Source   string            `json:"source"`
	Path     string            `json:"path"`
	Bytes    int64             `json:"bytes"`
	SHA256   string            `json:"sha256" doc:"Of the bytes as they were sent and stored, 64 hex digits."`
	IsNew    bool              `json:"is_new" doc:"There was no image under this path before."`
	Metadata delivery.Metadata `json:"metadata" doc:"What info says of the image."`
}

// ReadUpload reads the bytes of an upload, within the budgets of this server. length is
// negative where it is unknown. stop must make a Read of r that runs return. Pass the object
// to [Manager.Upload], and release it.
func (m *Manager) ReadUpload(ctx context.Context, who Caller, namespace string, r io.Reader, length int64, stop func()) (*UploadedBytes, error) {
	w, err := m.open(ctx, who, account.WriteImages, namespace)
	if err != nil {
		return nil, err
	}
	if m.images == nil {
		return nil, errNoImages
	}
	return m.images.ReadUpload(ctx, w, r, length, stop)
}

// Upload checks an image and stores it in a source of the workspace, unchanged. The path is
// purged. Where the image isn't allowed, nothing is stored.
func (m *Manager) Upload(ctx context.Context, who Caller, namespace string, req UploadRequest, o *UploadedBytes) (out Uploaded, err error) {
	w, st, err := m.storage(ctx, who, account.WriteImages, namespace, req.Source)
	if err != nil {
		return out, err
	}
	if err := checkUpload(w, req); err != nil {
		return out, err
	}
	return m.putImage(ctx, who, w, st, req, o)
}

// checkUpload checks what doesn't depend on the image.
func checkUpload(w *workspace.Workspace, req UploadRequest) error {
	if err := origin.CheckUpload(req.Path); err != nil {
		return err
	}
	if len(req.Pregenerate) > maxPregenerate {
		return invalid(fmt.Sprintf("pregenerate: may name at most %d presets.", maxPregenerate))
	}
	for _, name := range req.Pregenerate {
		if !slices.ContainsFunc(w.Presets, func(p workspace.Preset) bool { return p.Name == name }) {
			return invalid(fmt.Sprintf("pregenerate: the workspace has no preset %.64q.", name))
		}
	}
	return nil
}

// maxPregenerate is the maximum number of presets of one upload.
const maxPregenerate = 20

// A Moderator says whether an upload may be stored. moderation.Webhook is one.
type Moderator interface {
	Ask(context.Context, moderation.Upload) (moderation.Answer, error)
}

// moderate asks the moderator, if there is one. What is refused is in the audit log.
func (m *Manager) moderate(ctx context.Context, who Caller, w *workspace.Workspace, req UploadRequest, c delivery.Checked) error {
	if m.moderator == nil {
		return nil
	}
	answer, err := m.moderator.Ask(ctx, moderation.Upload{
		Workspace: w.Namespace, Source: req.Source, Path: req.Path, Bytes: int64(c.Metadata.Bytes), SHA256: c.SHA256, ContentType: c.Metadata.ContentType,
		Width: c.Metadata.Width, Height: c.Metadata.Height, Preview: "data:" + c.PreviewType + ";base64," + base64.StdEncoding.EncodeToString(c.Preview),
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		m.log.Error("the moderation webhook did not answer", "workspace", w.Namespace, "stored_anyway", m.unmoderated, "err", err)
		if m.unmoderated {
			return nil
		}
		return &fault.Error{Code: fault.Overloaded, Message: "The image was not stored, since the service that moderates uploads doesn't answer. Try again later.", RetryAfter: 30, Cause: err}
	case answer.Allowed:
		return nil
	}
	if m.records != nil {
		entry := who.changed("image.refuse", req.Source+"/"+req.Path, nil, map[string]any{"sha256": c.SHA256, "reason": answer.Reason})
		entry.WorkspaceID = w.ID
		if err := m.records.AppendAudit(ctx, entry); err != nil {
			m.log.Error("a refused upload is not in the audit log", "workspace", w.Namespace, "err", err)
		}
	}
	message := "The service that moderates uploads refused this image"
	if answer.Reason != "" {
		message += ": " + answer.Reason
	}
	return fault.New(fault.Blocked, message+".")
}

// putImage is Upload of an image whose source and path have been checked.
func (m *Manager) putImage(ctx context.Context, who Caller, w *workspace.Workspace, st origin.Storage, req UploadRequest, o *origin.Object) (out Uploaded, err error) {
	checked, err := m.images.CheckUpload(ctx, w, o)
	if err != nil {
		return out, err
	}
	if err := m.checkBlocked(w, req, checked.SHA256); err != nil {
		return out, err
	}
	if err := m.moderate(ctx, who, w, req, checked); err != nil {
		return out, err
	}
	out = Uploaded{Source: req.Source, Path: req.Path, Bytes: int64(len(o.Body)), SHA256: checked.SHA256, Metadata: checked.Metadata}
	if out.IsNew, err = st.Put(ctx, req.Path, o, checked.Metadata.ContentType, req.Overwrite); err != nil {
		return out, err
	}
	// The image is stored: a client that goes away now must not leave old variants behind.
	entry := who.changed("image.upload", req.Source+"/"+req.Path, nil, map[string]any{"bytes": out.Bytes, "sha256": out.SHA256, "is_new": out.IsNew})
	err = m.purgePath(context.WithoutCancel(ctx), w, req.Source, req.Path, entry)
	if err == nil && len(req.Pregenerate) > 0 {
		m.images.Pregenerate(w.Namespace, req.Source, req.Path, req.Pregenerate)
	}
	return out, err
}

// storage opens a workspace and one of its sources. With the right to write, uploads to the
// source must be on.
func (m *Manager) storage(ctx context.Context, who Caller, action account.Action, namespace, source string) (*workspace.Workspace, origin.Storage, error) {
	w, err := m.open(ctx, who, action, namespace)
	if err != nil {
		return nil, nil, err
	}
	if m.images == nil {
		return nil, nil, errNoImages
	}
	if source == "" {
		return nil, nil, invalid("source: is required: the key of a source.")
	}
	st, uploads, err := m.images.Storage(w, source)
	if err != nil {
		return nil, nil, err
	}
	if action == account.WriteImages && !uploads {
		return nil, nil, fault.New(fault.Forbidden, "source: uploads to "+source+" are off. Set uploads: true in the source, or for a folder of the operator's the flag --dir-uploads.")
	}
	return w, st, nil
}

// purgePath purges an original.
func (m *Manager) purgePath(ctx context.Context, w *workspace.Workspace, source, path string, entry workspace.AuditEntry) error {
	p := workspace.Purge{Kind: workspace.PurgePath, Source: source, Value: path}
	defer m.tell(w.Namespace, p.Tag(w.Namespace))()
	_, err := m.addPurges(ctx, w, []workspace.Purge{p}, entry)
	return err
}

// An Image is an original in a bucket or a folder.
type Image struct {
	Source       string     `json:"source"`
	Path         string     `json:"path" doc:"Object key."`
	URL          string     `json:"url" doc:"Path of the image on a host of this server."`
	Bytes        int64      `json:"bytes"`
	ContentType  string     `json:"content_type,omitempty" doc:"As the bucket has it. Left out in lists, and for folders."`
	ETag         string     `json:"etag,omitempty"`
	LastModified *time.Time `json:"last_modified,omitempty"`
	Blocked      bool       `json:"blocked,omitempty" doc:"The path is blocked: the image is not shown. Left out in lists."`
}

func imageOf(namespace, source string, s origin.Stored) Image {
	i := Image{
		Source: source, Path: s.Path, URL: "/" + namespace + "/" + source + "/" + origin.EscapePath(s.Path),
		Bytes: s.Bytes, ContentType: s.ContentType, ETag: s.ETag,
	}
	if at, err := time.Parse(time.RFC1123, s.LastModified); err == nil {
		at = at.UTC()
		i.LastModified = &at
	}
	return i
}

// An ImageList is a page of the originals of a source.
type ImageList struct {
	Images  []Image  `json:"images" nullable:"false"`
	Folders []string `json:"folders" nullable:"false" doc:"With delimiter=/: folders, each as a prefix that ends in a slash."`
	Next    string   `json:"next" doc:"The cursor of the next page; empty on the last one."`
}

// Images lists the originals of a source of kind s3, r2 or dir whose object keys begin with
// prefix. delimiter is "/" for one folder, or empty for all that is below. cursor is the
// Next of the previous page.
func (m *Manager) Images(ctx context.Context, who Caller, namespace, source, prefix, delimiter, cursor string, limit int) (out ImageList, err error) {
	_, st, err := m.storage(ctx, who, account.ReadImages, namespace, source)
	if err != nil {
		return out, err
	}
	if delimiter != "" && delimiter != "/" {
		return out, invalid("delimiter: must be /, or be left out.")
	}
	if len(cursor) > 4<<10 {
		return out, invalid("cursor: must be the next of the previous page.")
	}
	page, err := st.Browse(ctx, origin.ListQuery{Prefix: prefix, Flat: delimiter == "", Cursor: cursor, Limit: limit})
	if err != nil {
		return out, err
	}
	out = ImageList{Images: make([]Image, len(page.Images)), Folders: append([]string{}, page.Folders...), Next: page.Next}
	for i, s := range page.Images {
		out.Images[i] = imageOf(namespace, source, s)
	}
	return out, nil
}

// Image returns what is known of one original.
func (m *Manager) Image(ctx context.Context, who Caller, namespace, source, path string) (Image, error) {
	w, st, err := m.storage(ctx, who, account.ReadImages, namespace, source)
	if err != nil {
		return Image{}, err
	}
	s, err := st.Stat(ctx, path)
	if err != nil {
		return Image{}, err
	}
	i := imageOf(namespace, source, s)
	i.Blocked, err = m.images.Blocked(w, source, path, "")
	return i, err
}

// DeleteImage deletes an original, and purges its path.
func (m *Manager) DeleteImage(ctx context.Context, who Caller, namespace, source, path string) error {
	w, st, err := m.storage(ctx, who, account.WriteImages, namespace, source)
	if err != nil {
		return err
	}
	if err := st.Delete(ctx, path); err != nil {
		return err
	}
	entry := who.changed("image.delete", source+"/"+path, nil, nil)
	return m.purgePath(context.WithoutCancel(ctx), w, source, path, entry)
}

// SignImage signs a URL of an original, in path form. options are those of the URL, such as
// "w=400&fit=cover"; empty is none. seconds is as in [Manager.SignURL].
func (m *Manager) SignImage(ctx context.Context, who Caller, namespace, source, path, options string, seconds int) (signed string, expires time.Time, err error) {
	w, err := m.open(ctx, who, account.Sign, namespace)
	if err != nil {
		return "", expires, err
	}
	if !m.hasSource(w, source) {
		return "", expires, fault.New(fault.SourceNotFound, "The workspace has no source "+fmt.Sprintf("%.64q", source)+".")
	}
	if err := origin.CheckPath(path); err != nil {
		return "", expires, err
	}
	if strings.ContainsAny(options, "?#") {
		return "", expires, invalid("options: must be written as in a query, such as w=400&fit=cover, without ? and #.")
	}
	url := "/" + namespace + "/" + source + "/" + origin.EscapePath(path)
	if options != "" {
		url += "?" + options
	}
	return m.SignURL(ctx, who, namespace, url, seconds)
}

// ParseImagePath returns the object key of an escaped path. Clients see the error.
func ParseImagePath(escaped string) (string, error) { return origin.ParsePath(escaped) }

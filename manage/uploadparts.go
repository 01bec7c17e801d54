package manage

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/origin"
)

const (
	// minPart is the smallest part that S3 and R2 take, except for the last one.
	minPart = 5 << 20
	maxPart = 5 << 30 // the largest part that they take
	// usualPart is the length of parts where the client asks for none.
	usualPart = 8 << 20
	// maxParts bounds the parts of an upload, and so the answer that has a URL for each.
	maxParts = 100
	// partsFor is how long an upload in parts can be continued.
	partsFor = 24 * time.Hour
)

// A NewUploadParts says what a client wants to send to a bucket in parts.
type NewUploadParts struct {
	Source      string `json:"source" doc:"Key of a source of kind s3 or r2 that has uploads."`
	Path        string `json:"path" doc:"Object key of the image."`
	ContentType string `json:"content_type" doc:"Media type of the image, such as image/jpeg."`
	Bytes       int64  `json:"bytes" doc:"Length of the image."`
	PartBytes   int64  `json:"part_bytes,omitempty" doc:"Length of each part but the last, at least 5242880 (5 MiB). There are 100 parts at most. Left out, 8 MiB, or what makes 100 parts."`
}

// An UploadParts is an upload in parts: which parts the bucket has, and where a client sends
// each.
type UploadParts struct {
	UploadID  string       `json:"upload_id" doc:"For POST …/images/resume, …/abort and …/complete."`
	Method    string       `json:"method" doc:"PUT."`
	PartBytes int64        `json:"part_bytes" doc:"Length of each part but the last."`
	Parts     []UploadPart `json:"parts" nullable:"false" doc:"All parts, in order."`
	ExpiresAt time.Time    `json:"expires_at" doc:"When the URLs end. POST …/images/resume makes new ones."`
}

// An UploadPart is a part of an image.
type UploadPart struct {
	Number  int               `json:"number" doc:"From 1."`
	Bytes   int64             `json:"bytes" doc:"Length of the part. The bucket takes no other."`
	Sent    bool              `json:"sent" doc:"The bucket lists the part. Some stores list one whose connection broke: send it again unless you have seen a 200."`
	URL     string            `json:"url" doc:"Where to send the part. Sent again, it replaces the one before."`
	Headers map[string]string `json:"headers" doc:"What the request must send, exactly."`
}

// An UploadName names an upload that a client has begun.
type UploadName struct {
	Source   string `json:"source" doc:"As for the upload."`
	UploadID string `json:"upload_id"`
}

// A partsID is what an upload_id says of an upload in parts. It is no secret and has no
// signature: with another length or another upload in it, a client gets what it gets for a
// new upload of its own.
type partsID struct {
	id          string // of the staged object
	bytes, part int64
	upload      string // the bucket's own name of the upload
}

func (p partsID) String() string {
	return p.id + "." + strconv.FormatInt(p.bytes, 10) + "." + strconv.FormatInt(p.part, 10) + "." + base64.RawURLEncoding.EncodeToString([]byte(p.upload))
}

// parsePartsID reads an upload_id. ok is false where it is not one of an upload in parts.
func parsePartsID(text string, most int64) (p partsID, ok bool) {
	f := strings.Split(text, ".")
	if len(f) != 4 || len(text) > 4<<10 || !strings.HasPrefix(f[0], origin.PartsID) {
		return p, false
	}
	var errs [3]error
	var upload []byte
	p.id = f[0]
	p.bytes, errs[0] = strconv.ParseInt(f[1], 10, 64)
	p.part, errs[1] = strconv.ParseInt(f[2], 10, 64)
	upload, errs[2] = base64.RawURLEncoding.DecodeString(f[3])
	p.upload = string(upload)
	return p, errors.Join(errs[:]...) == nil && checkParts(p.bytes, p.part, most) == nil && p.upload != ""
}

// checkParts checks the length of an upload and of its parts.
func checkParts(bytes, part, most int64) error {
	if bytes < 1 || bytes > most {
		return errNoParts
	}
	if least := max(minPart, (bytes+maxParts-1)/maxParts); part < least || part > maxPart {
		return invalid(fmt.Sprintf("part_bytes: must be %d to %d for an image of this length.", least, maxPart))
	}
	return nil
}

// plan returns the parts, of which none is sent.
func (p partsID) plan() (parts []UploadPart) {
	for at := int64(0); at < p.bytes; at += p.part {
		parts = append(parts, UploadPart{Number: len(parts) + 1, Bytes: min(p.part, p.bytes-at)})
	}
	return parts
}

var errNoParts = notFound("There is no upload in parts under this upload_id, or it began more than a day ago. Begin again with POST …/images/upload-parts.")

// UploadParts begins an upload in parts, and returns URLs to which a client can send them.
// The image isn't shown or listed until [Manager.CompleteUpload].
func (m *Manager) UploadParts(ctx context.Context, who Caller, namespace string, n NewUploadParts) (u UploadParts, err error) {
	w, staging, err := m.staging(ctx, who, namespace, n.Source)
	if err != nil {
		return u, err
	}
	if err := m.checkStaged(w, n.Source, n.Path, n.ContentType, n.Bytes); err != nil {
		return u, err
	}
	p := partsID{bytes: n.Bytes, part: n.PartBytes}
	if p.part == 0 {
		p.part = max(minPart, min(usualPart, p.bytes), (p.bytes+maxParts-1)/maxParts)
	}
	if err := checkParts(p.bytes, p.part, m.images.MaxUpload()); err != nil {
		return u, err
	}
	p.id = origin.PartsID + rand.Text()
	if p.upload, err = staging.StartParts(ctx, p.id, n.ContentType); err != nil {
		return u, err
	}
	m.partsStagedIn(namespace, n.Source)
	return m.partsOf(ctx, staging, p, nil)
}

// ResumeUpload says which parts of an upload the bucket has, and returns new URLs for all.
func (m *Manager) ResumeUpload(ctx context.Context, who Caller, namespace string, n UploadName) (u UploadParts, err error) {
	_, staging, err := m.staging(ctx, who, namespace, n.Source)
	if err != nil {
		return u, err
	}
	p, ok := parsePartsID(n.UploadID, m.images.MaxUpload())
	if !ok {
		return u, errNoParts
	}
	sent, err := staging.ListParts(ctx, p.id, p.upload)
	if errors.Is(err, origin.ErrNotFound) {
		return u, errNoParts
	}
	if err != nil {
		return u, err
	}
	m.partsStagedIn(namespace, n.Source)
	return m.partsOf(ctx, staging, p, sent)
}

// partsStagedIn notes that a source has uploads in parts, and will have what they make.
func (m *Manager) partsStagedIn(namespace, source string) {
	m.stagedIn(namespace, source, false)
	m.stagedIn(namespace, source, true)
}

// partsOf returns an upload with a URL for each part.
func (m *Manager) partsOf(ctx context.Context, staging origin.Staging, p partsID, sent []origin.Part) (u UploadParts, err error) {
	u = UploadParts{UploadID: p.String(), Method: "PUT", PartBytes: p.part, Parts: p.plan(), ExpiresAt: m.now().Add(uploadURLFor).UTC().Truncate(time.Second)}
	for i := range u.Parts {
		part := &u.Parts[i]
		_, part.Sent = find(sent, *part)
		url, header, err := staging.PresignPart(ctx, p.id, p.upload, part.Number, part.Bytes, uploadURLFor)
		if err != nil {
			return UploadParts{}, err
		}
		part.URL, part.Headers = url, plainHeaders(header)
	}
	return u, nil
}

// find returns the part of the bucket that is this one.
func find(sent []origin.Part, part UploadPart) (origin.Part, bool) {
	i := slices.IndexFunc(sent, func(s origin.Part) bool { return s.Number == part.Number && s.Bytes == part.Bytes })
	if i < 0 {
		return origin.Part{}, false
	}
	return sent[i], true
}

// AbortUpload deletes what was sent of an upload that isn't complete.
func (m *Manager) AbortUpload(ctx context.Context, who Caller, namespace string, n UploadName) error {
	_, staging, err := m.staging(ctx, who, namespace, n.Source)
	if err != nil {
		return err
	}
	id := n.UploadID
	if p, ok := parsePartsID(id, m.images.MaxUpload()); ok {
		id = p.id
		if err := staging.DropParts(ctx, p.id, p.upload); err != nil && !errors.Is(err, origin.ErrNotFound) {
			return err
		}
	}
	// What was joined, or sent to one URL.
	if err := staging.DeleteStaged(ctx, id); err != nil && !errors.Is(err, origin.ErrNotFound) {
		return err
	}
	return nil
}

// joinParts joins the parts of an upload, if they haven't been joined before.
func joinParts(ctx context.Context, staging origin.Staging, p partsID) error {
	sent, err := staging.ListParts(ctx, p.id, p.upload)
	if errors.Is(err, origin.ErrNotFound) { // joined before, or gone
		return nil
	}
	if err != nil {
		return err
	}
	var parts []origin.Part
	var missing []string
	for _, part := range p.plan() {
		if s, ok := find(sent, part); ok {
			parts = append(parts, s)
		} else {
			missing = append(missing, strconv.Itoa(part.Number))
		}
	}
	if len(missing) > 0 {
		return invalid("upload_id: these parts are missing: " + strings.Join(missing, ", ") + ". Get URLs for them with POST …/images/resume, send them, and complete again.")
	}
	err = staging.JoinParts(ctx, p.id, p.upload, parts)
	if errors.Is(err, origin.ErrNotFound) { // somebody else joined them meanwhile
		return nil
	}
	return err
}

// UploadOrigin returns the scheme and host to which a client sends images of a source by
// itself, or nothing where it can't.
func (m *Manager) UploadOrigin(ctx context.Context, who Caller, namespace, source string) string {
	_, staging, err := m.staging(ctx, who, namespace, source)
	if err != nil {
		return ""
	}
	return staging.ClientOrigin()
}

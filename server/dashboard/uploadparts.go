package dashboard

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
)

// partOnPage is the length of the parts that the script sends, the smallest that S3 and R2
// take: a broken connection costs one part.
const partOnPage = 5 << 20

// plainOrigin is a scheme and host that can stand in a Content-Security-Policy. Owners can
// name any endpoint, and a policy has no form for addresses of IPv6.
var plainOrigin = regexp.MustCompile(`^https?://[a-z0-9.-]+(:[0-9]+)?$`)

// directly allows the page to send images to the bucket of a source, and returns the
// bucket's scheme and host. It returns nothing for a folder, and where the browser would
// refuse.
func (v *visit) directly(source string) string {
	to := strings.ToLower(v.d.Manage.UploadOrigin(v.r.Context(), v.caller(), v.ns, source))
	if !plainOrigin.MatchString(to) || strings.HasPrefix(v.base(), "https:") && !strings.HasPrefix(to, "https:") {
		return ""
	}
	v.w.Header().Set("Content-Security-Policy", strings.Replace(csp, "connect-src 'self'", "connect-src 'self' "+to, 1))
	return to
}

// corsRule is what a bucket needs so that pages of an origin can send images to it. Amazon
// and Cloudflare take this form.
func corsRule(base string) string {
	quoted, _ := json.Marshal(base) // a string can be written
	return `[{"AllowedOrigins": [` + string(quoted) + `], "AllowedMethods": ["PUT"], "AllowedHeaders": ["*"], "MaxAgeSeconds": 3600}]`
}

// A sentParts is the answer to the script that sends an image in parts.
type sentParts struct {
	sentFile
	Upload *manage.UploadParts `json:"upload,omitempty"`
	Gone   bool                `json:"gone,omitempty"` // there is no such upload (any more)
}

// uploadParts begins, resumes, completes or gives up an upload in parts, for the script of
// the page of images.
func (v *visit) uploadParts() error {
	f, err := v.form()
	if err != nil {
		return err
	}
	ctx, who := v.r.Context(), v.caller()
	out := sentParts{sentFile: sentFile{Path: f.get("prefix") + f.get("name"), status: http.StatusOK}}
	source, id := f.get("source"), f.get("id")
	name := manage.UploadName{Source: source, UploadID: id}
	var u manage.UploadParts
	switch f.get("do") {
	case "begin":
		bytes, _ := f.number("bytes")
		if f.get("overwrite") == "" {
			if _, err := v.d.Manage.Image(ctx, who, v.ns, source, out.Path); err == nil {
				return v.answerParts(out, fault.New(fault.Conflict, alreadyThere))
			}
		}
		// The type that the browser takes the file for decides nothing, so it isn't asked.
		u, err = v.d.Manage.UploadParts(ctx, who, v.ns, manage.NewUploadParts{Source: source, Path: out.Path, ContentType: "image/x-unknown", Bytes: int64(bytes), PartBytes: partOnPage})
		out.Upload = &u
	case "resume":
		u, err = v.d.Manage.ResumeUpload(ctx, who, v.ns, name)
		out.Upload = &u
	case "complete":
		_, err = v.d.Manage.CompleteUpload(ctx, who, v.ns, manage.CompleteUpload{UploadID: id, Source: source, Path: out.Path, Overwrite: f.get("overwrite") != ""})
		out.status = http.StatusCreated
	case "abort":
		err = v.d.Manage.AbortUpload(ctx, who, v.ns, name)
	default:
		return fault.New(fault.Validation, "The form says nothing to do.")
	}
	return v.answerParts(out, err)
}

const alreadyThere = "There is an image under this path already."

func (v *visit) answerParts(out sentParts, err error) error {
	if err != nil {
		out.Upload = nil
		out.fails(v, err)
		out.Gone = fault.OfManaging(err).Code == fault.NotFound
	}
	body, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return v.answer(out.status, "application/json", body)
}

// fails says why a file isn't stored.
func (s *sentFile) fails(v *visit, err error) {
	e := fault.OfManaging(err)
	if log, ok := v.w.(*delivery.Response); ok {
		log.NoteError(e)
	}
	s.Message, s.Exists, s.status = sentence(e.Message), e.Code == fault.Conflict, e.Status()
	if s.Exists {
		s.Message = alreadyThere
	}
}

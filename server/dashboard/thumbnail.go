package dashboard

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/limit"
)

// thumbnailsPerMinute is how many thumbnails one person sees in one workspace, on this server.
// No plan counts them, so something must bound them.
const thumbnailsPerMinute = 1200

// thumbnailURL returns the URL of a thumbnail. It is good for members only, who need no
// signature. large is for an image that a page shows alone.
func (v *visit) thumbnailURL(source, path string, large bool) string {
	q := url.Values{"source": {source}, "path": {path}}
	if large {
		q.Set("size", "large")
	}
	return "/app/" + v.ns + "/images/thumbnail?" + q.Encode()
}

// thumbnail answers with a small picture of an image. Browsers keep it for themselves and ask
// each time whether it is still theirs to see. An error is a text, since no page is shown.
func (v *visit) thumbnail() error {
	d, err := v.d.signing.Take(v.r.Context(), limit.Limit{Key: v.who.ID + "/" + v.ns + "/thumbnails", Window: limit.Minute, Max: thumbnailsPerMinute})
	if err != nil {
		return err
	}
	if !d.OK {
		return v.noThumbnail(&fault.Error{
			Code: fault.RateLimited, Message: "You had " + strconv.Itoa(thumbnailsPerMinute) + " thumbnails in this minute. Wait until it is over.", RetryAfter: max(1, int(d.Reset.Seconds())),
		})
	}
	q := v.r.URL.Query()
	picture, err := v.d.Manage.Thumbnail(v.r.Context(), v.caller(), v.ns, q.Get("source"), q.Get("path"), q.Get("size") == "large", v.r.Header.Get("Accept"))
	if err != nil {
		if v.gone(err) {
			return err
		}
		return v.noThumbnail(fault.OfManaging(err))
	}
	h := v.w.Header()
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Accept, Cookie")
	h.Set("Etag", picture.ETag)
	h.Set("Content-Type", picture.ContentType)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	http.ServeContent(v.w, v.r, "", time.Time{}, bytes.NewReader(picture.Body))
	return nil
}

func (v *visit) noThumbnail(e *fault.Error) error {
	e.Headers(v.w.Header())
	return v.answer(e.Status(), "text/plain; charset=utf-8", []byte(e.Message+"\n"))
}

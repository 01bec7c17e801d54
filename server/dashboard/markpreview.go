package dashboard

import (
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// previewWidths are the widths of a picture that the editor offers, in pixels.
var previewWidths = []string{"400", "800", "1200", "1600"}

// A markedPicture is a picture with the mark in a form, as delivery makes it.
type markedPicture struct {
	delivery.Picture
	shown  bool     // the mark is on it
	others []string // other marks on it
}

// says says what the picture shows.
func (p markedPicture) says() string {
	switch {
	case !p.shown && len(p.others) > 0:
		return "The mark isn't on this picture, since its source is bound to " + listed(p.others) + " and not to this mark. Tick the source to add it."
	case !p.shown:
		return ""
	case len(p.others) > 0:
		return "This is what delivery would make. It carries " + listed(p.others) + " too."
	}
	return "This is what delivery would make."
}

// preview has delivery make a picture with the mark in a form. With own it is the mark's
// image alone. w is the present workspace.
func (v *visit) preview(w *workspace.Workspace, f form, name string, own bool) (p markedPicture, err error) {
	m, err := markOf(w, f, name)
	if err != nil {
		return p, err
	}
	err = markList.edit(name, func(*workspace.Workspace, form) (workspace.Mark, error) { return m, nil })(w.Clone(), f)
	if err != nil {
		return p, err
	}
	on := manage.MarkPreview{Picture: strings.Trim(f.get("picture"), "/"), Accept: v.r.Header.Get("Accept")}
	on.Width, _ = f.number("preview_width") // which a list offers
	switch {
	case own:
		on.Picture = ""
	case on.Picture == "":
		return p, wrong("picture", "is missing: name one as source/path")
	}
	if p.Picture, err = v.d.Manage.PreviewMark(v.r.Context(), v.caller(), v.ns, m, on); err != nil {
		return p, ofPreview(err, own)
	}
	for _, on := range p.Marks {
		// A new mark has a name that no other has, or none yet.
		if on == name || name == "" && markList.find(w, on) == nil {
			p.shown = true
		} else {
			p.others = append(p.others, on)
		}
	}
	return p, nil
}

// ofPreview names the field that an error of delivery is about, where it is one of the form.
func ofPreview(err error, own bool) error {
	e := fault.OfManaging(err)
	switch e.Code {
	case fault.MarkUnavailable:
		return wrong("marks.image", e.Message)
	case fault.InvalidSource, fault.InvalidPath, fault.SourceNotFound, fault.SourceNotAllowed, fault.AddressNotAllowed, fault.NotFound, fault.OriginError, fault.OriginTimeout,
		fault.OriginalTooLarge, fault.UnsupportedFormat, fault.ImageCorrupt, fault.ImageTooLarge, fault.Blocked:
		if own {
			return wrong("marks.image", e.Message)
		}
		return wrong("picture", e.Message)
	}
	return err
}

// showPreview shows the form again, with the picture.
func (v *visit) showPreview(w *workspace.Workspace, f form, name string) error {
	status, s := http.StatusOK, v.markSettings(name)
	picture, err := v.preview(w, f, name, false)
	if err != nil {
		if status, err = v.refusedPreview(err, &f); err != nil {
			return err
		}
	}
	data := s.data
	s.data = func(v *visit, w *workspace.Workspace) (any, error) {
		d, err := data(v, w)
		if form, ok := d.(markForm); ok && len(picture.Body) > 0 {
			// The bytes are an image that delivery made, and base64 has no quotes.
			form.Preview = template.URL("data:" + picture.ContentType + ";base64," + base64.StdEncoding.EncodeToString(picture.Body))
			form.Says = picture.says()
			return form, err
		}
		return d, err
	}
	return v.showSettings(s, w, f, status)
}

// refusedPreview is refused for a preview, in which errors of a busy server stand in the form
// too. It returns errors that the visitor can't do anything about.
func (v *visit) refusedPreview(err error, f *form) (status int, _ error) {
	if status, ok := v.refused(err, f, markFields); ok {
		return status, nil
	}
	e := fault.OfManaging(err)
	if e.Code == fault.Internal || e.Status() < 500 || v.gone(err) {
		return 0, err
	}
	f.Faults = append(f.Faults, sentence(e.Message))
	return e.Status(), nil
}

// A previewFault says to the script of the editor why there is no picture.
type previewFault struct {
	Message string            `json:"message"`
	Fields  map[string]string `json:"fields"` // what is wrong, by the name of the field
}

// previewMark answers the script of the editor: with the picture as delivery would make it,
// or with what is wrong.
func (v *visit) previewMark() error {
	name := v.r.PathValue("name")
	w, err := v.workspace()
	if err != nil {
		return err
	}
	f, err := v.form()
	if err != nil {
		return err
	}
	picture, err := v.preview(w, f, name, f.get("show") == "mark")
	if err != nil {
		status, err := v.refusedPreview(err, &f)
		if err != nil {
			return err
		}
		body, err := json.Marshal(previewFault{Message: strings.Join(f.Faults, " "), Fields: f.Errors})
		if err != nil {
			return err
		}
		return v.answer(status, "application/json", body)
	}
	h := v.w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	if picture.shown {
		h.Set("Tintype-Preview-Shown", "1")
	}
	h.Set("Tintype-Preview-Says", url.PathEscape(picture.says()))
	return v.answer(http.StatusOK, picture.ContentType, picture.Body)
}

// answer sends what is no page.
func (v *visit) answer(status int, kind string, body []byte) error {
	h := v.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	v.w.WriteHeader(status)
	_, _ = v.w.Write(body)
	return nil
}

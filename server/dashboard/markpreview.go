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

// preview makes a picture with the mark in a form, by delivery. With own it shows the mark's
// image alone. The workspace is the present one.
func (v *visit) preview(w *workspace.Workspace, f form, name string, own bool) (delivery.Picture, error) {
	m, err := markOf(w, f, name)
	if err != nil {
		return delivery.Picture{}, err
	}
	if err := markList.edit(name, func(*workspace.Workspace, form) (workspace.Mark, error) { return m, nil })(w.Clone(), f); err != nil {
		return delivery.Picture{}, err
	}
	width, _ := f.number("preview_width") // which a list offers
	p := manage.MarkPreview{Picture: strings.Trim(f.get("picture"), "/"), Width: width, Accept: v.r.Header.Get("Accept")}
	switch {
	case own:
		p.Picture = ""
	case p.Picture == "":
		return delivery.Picture{}, fault.New(fault.Validation, "name a picture as source/path to see the mark on it")
	}
	return v.d.Manage.PreviewMark(v.r.Context(), v.caller(), v.ns, m, p)
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
			form.Carries = picture.Marks
			return form, err
		}
		return d, err
	}
	return v.showSettings(s, w, f, status)
}

// refusedPreview is refused for a preview, in which errors of origins are about the form too.
// It returns errors that the visitor can't do anything about.
func (v *visit) refusedPreview(err error, f *form) (status int, _ error) {
	if status, ok := v.refused(err, f, markFields); ok {
		return status, nil
	}
	e := fault.OfManaging(err)
	if e.Code == fault.Internal || e.Status() < 500 {
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
	for _, mark := range picture.Marks {
		h.Add("Tintype-Preview-Mark", url.QueryEscape(mark))
	}
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

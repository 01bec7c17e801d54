package dashboard

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// A form is what a form holds: what was typed, or what is stored when the page is opened.
type form struct {
	Values url.Values
	Errors map[string]string // by the name of the field
	Faults []string          // that concern no field
}

func (f form) get(name string) string { return strings.TrimSpace(f.Values.Get(name)) }
func (f form) on(name string) bool    { return f.Values.Get(name) != "" }

// number returns the whole number in a field, or 0.
func (f form) number(name string) int64 {
	n, err := strconv.ParseInt(f.get(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// list returns the lines of a field.
func (f form) list(name string) []string {
	list := []string{}
	for line := range strings.Lines(f.Values.Get(name)) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// fails puts the problems of an error next to the fields that they concern. names has the
// field for each path of a problem, without the indexes of lists. It reports whether the
// error is one of the form.
func (f *form) fails(err error, names map[string]string) bool {
	f.Errors = map[string]string{}
	if invalid, ok := errors.AsType[*workspace.ValidationError](err); ok {
		for _, p := range invalid.Problems {
			name, ok := names[index.ReplaceAllString(p.Path, "")]
			if !ok {
				f.Faults = append(f.Faults, p.String())
				continue
			}
			if f.Errors[name] != "" {
				f.Errors[name] += "\n"
			}
			f.Errors[name] += sentence(p.Message)
		}
		return true
	}
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Code == fault.Validation {
		f.Faults = append(f.Faults, sentence(e.Message))
		return true
	}
	return false
}

var index = regexp.MustCompile(`\[[^\]]*\]`)

// sentence gives a message a capital and a full stop.
func sentence(s string) string {
	if s == "" {
		return s
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// A settingsForm is a page with a form that changes settings of the workspace.
type settingsForm struct {
	template string
	names    map[string]string // field of each path of a problem
	fill     func(*workspace.Workspace) url.Values
	edit     func(*workspace.Workspace, form) error
	data     func(*visit, *workspace.Workspace) (any, error) // what else the page shows; nil is nothing
	after    string                                          // path below /app/{ns} that a saved form leads to
	needs    account.Action                                  // right to change these settings; empty is account.UpdateWorkspace
}

// A settingsPage is the data of a template with a form of settings.
type settingsPage struct {
	Form      form
	Workspace *workspace.Workspace
	MayChange bool
	Data      any
}

// A review is the data of review.html.
type review struct {
	manage.Change
	Form     form
	Revision int64
	Action   string // path that the form goes to
	Conflict bool   // somebody else changed the workspace meanwhile
}

// settings answers a page with a form of settings. A POST has a step: "" or "review" shows
// what would change, "edit" opens the form again with what was typed, "save" writes.
func (v *visit) settings(s settingsForm) error {
	w, err := v.workspace()
	if err != nil {
		return err
	}
	if v.r.Method != http.MethodPost {
		return v.showSettings(s, w, form{Values: s.fill(w)}, http.StatusOK)
	}
	f, err := v.form()
	if err != nil {
		return err
	}
	step := f.get("step")
	if step == "edit" {
		return v.showSettings(s, w, f, http.StatusOK)
	}
	edit := func(w *workspace.Workspace) error { return s.edit(w, f) }
	r := review{Form: f, Revision: w.Revision, Action: v.r.URL.Path}
	if step == "save" {
		_, err = v.d.Manage.ChangeWorkspace(v.r.Context(), v.caller(), v.ns, f.number("revision"), edit)
		if err == nil {
			return v.redirect("/app/"+v.ns+s.after, "saved")
		}
		r.Conflict = errors.Is(err, workspace.ErrConflict)
		if !r.Conflict && !f.fails(err, s.names) {
			return err
		}
	}
	if err == nil || r.Conflict {
		r.Change, err = v.d.Manage.Review(v.r.Context(), v.caller(), v.ns, edit)
	}
	switch {
	case err != nil && f.fails(err, s.names):
		return v.showSettings(s, w, f, http.StatusUnprocessableEntity)
	case err != nil:
		return err
	case len(r.Lines) == 0:
		return v.redirect("/app/"+v.ns+s.after, "unchanged")
	}
	status := http.StatusOK
	if r.Conflict {
		status = http.StatusConflict
	}
	return v.show(status, "review", r)
}

func (v *visit) showSettings(s settingsForm, w *workspace.Workspace, f form, status int) error {
	p := settingsPage{Form: f, Workspace: w, MayChange: v.may(cmp.Or(s.needs, account.UpdateWorkspace))}
	if s.data != nil {
		var err error
		if p.Data, err = s.data(v, w); err != nil {
			return err
		}
	}
	return v.show(status, s.template, p)
}

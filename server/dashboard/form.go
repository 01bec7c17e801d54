package dashboard

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/server/playground"
	"github.com/tintype/tintype/workspace"
)

// A form is what a form holds: what was typed, or what is stored when the page is opened.
type form struct {
	Values url.Values
	Errors map[string]string // by the name of the field
	Faults []string          // that concern no field
	Away   bool              // the server failed, and not the form
}

func (f form) get(name string) string { return strings.TrimSpace(f.Values.Get(name)) }
func (f form) on(name string) bool    { return f.Values.Get(name) != "" }

// Has reports whether one of the values of a field is this one.
func (f form) Has(name, value string) bool { return slices.Contains(f.Values[name], value) }

// Any reports whether one of these fields has a value or an error. 0 is a default.
func (f form) Any(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		value := f.get(name)
		return value != "" && value != "0" || f.Errors[name] != ""
	})
}

// number returns the whole number in a field, which may have separators of thousands. An
// empty field is 0.
func (f form) number(name string) (n int, ok bool) {
	text := separators.Replace(f.get(name))
	if text == "" {
		return 0, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0
}

var separators = strings.NewReplacer(",", "", " ", "", "\u00a0", "", "\u202f", "", "_", "")

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

// refused puts an error next to the fields of the form that it is about, and returns the
// status of the page that shows the form again. It reports false for errors that are about
// no form, such as those of a store.
//
// fields has the field for each path of a problem, without the indexes of lists. A field
// also gets the problems of what is inside its path. The field of the empty path gets errors
// that name no value; without it, they stand above the form.
func (v *visit) refused(err error, f *form, fields map[string]string) (status int, ok bool) {
	e := fault.OfManaging(err)
	switch {
	case e.Status() >= 500, slices.Contains([]fault.Code{fault.Forbidden, fault.Unauthorized, fault.WorkspaceNotFound}, e.Code):
		return 0, false
	case e.Code == fault.Validation:
		status = http.StatusUnprocessableEntity
	default:
		status = e.Status()
	}
	e.Headers(v.w.Header())
	f.Errors, f.Faults = map[string]string{}, nil
	problems := []workspace.Problem{{Message: e.Message}}
	if invalid, ok := errors.AsType[*workspace.ValidationError](err); ok {
		problems = invalid.Problems
	}
	for _, p := range problems {
		name, inside := fieldOf(p.Path, fields)
		switch {
		case name == "":
			f.Faults = append(f.Faults, sentence(p.String()))
		case inside != "":
			f.wrong(name, inside+": "+p.Message)
		default:
			f.wrong(name, p.Message)
		}
	}
	return status, true
}

func (f *form) wrong(name, message string) {
	if f.Errors == nil {
		f.Errors = map[string]string{}
	}
	if f.Errors[name] != "" {
		f.Errors[name] += "\n"
	}
	f.Errors[name] += sentence(message)
}

// fieldOf returns the field for the path of a problem, and the rest of the path inside it.
func fieldOf(path string, fields map[string]string) (name, inside string) {
	path = index.ReplaceAllString(path, "")
	for at := path; ; {
		if name, ok := fields[at]; ok {
			return name, strings.Trim(path[len(at):], `.["]`)
		}
		i := strings.LastIndexAny(at, ".[")
		if i < 0 {
			return "", ""
		}
		at = at[:i]
	}
}

// index matches the index of a list in a path.
var index = regexp.MustCompile(`\[[0-9]+\]`)

// sentence gives a message a capital and a full stop. The name of an option or of a setting
// before a colon stays as it is.
func sentence(s string) string {
	if s == "" {
		return s
	}
	if word, _, _ := strings.Cut(s, " "); !strings.HasSuffix(word, ":") {
		_, n := utf8.DecodeRuneInString(s)
		s = strings.ToUpper(s[:n]) + s[n:]
	}
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// A settingsForm is a page with a form that changes settings of the workspace.
type settingsForm struct {
	template string
	fields   map[string]string // of paths of problems: see refused
	fill     func(*workspace.Workspace) url.Values
	edit     func(*workspace.Workspace, form) error
	data     func(*visit, *workspace.Workspace) (any, error) // what else the page shows; nil is nothing
	after    string                                          // path below /app/{ns} that a saved form leads to, with its query
	secrets  []secretField
	needs    account.Action // right to change these settings; empty is account.UpdateWorkspace

	// leads returns what takes the place of after. The workspace is as it was before. Nil
	// leaves after.
	leads func(*workspace.Workspace, form) string
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

	// NoKey says what to do about a signing key that is missing for what the change closes; nil
	// for nothing.
	NoKey *playground.Advice
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
	f, err := v.typed(s, w)
	if err != nil {
		return v.settingsFail(s, w, f, err)
	}
	step := f.get("step")
	if step == "edit" {
		return v.showSettings(s, w, f, http.StatusOK)
	}
	edit := func(w *workspace.Workspace) error { return s.edit(w, f) }
	r := review{Revision: w.Revision, Action: v.r.URL.Path}
	if step == "save" {
		revision, _ := f.number("revision") // which another than the review's form may have changed
		_, err = v.d.Manage.ChangeWorkspace(v.r.Context(), v.caller(), v.ns, int64(revision), edit)
		if err == nil {
			if s.leads != nil {
				s.after = s.leads(w, f)
			}
			what := "saved"
			if f.on("first_key") {
				what = "savedkey"
				if err := v.firstKey(); err != nil {
					return err
				}
			}
			return v.redirect("/app/"+v.ns+s.after, what)
		}
		r.Conflict = errors.Is(err, workspace.ErrConflict)
	}
	if err == nil || r.Conflict {
		r.Change, err = v.d.Manage.Review(v.r.Context(), v.caller(), v.ns, edit)
	}
	if err != nil {
		return v.settingsFail(s, w, f, err)
	}
	if len(r.Lines) == 0 {
		return v.redirect("/app/"+v.ns+s.after, "unchanged")
	}
	status := http.StatusOK
	if r.Conflict {
		status = http.StatusConflict
	}
	if slices.Contains(r.Closes, workspace.NoSigningKey) {
		if r.NoKey, err = v.cannotSign(); err != nil {
			return err
		}
	}
	if r.Form, err = v.conceal(w, f, s.secrets); err != nil {
		return err
	}
	return v.show(status, "review", r)
}

// typed returns a form of settings that was sent.
func (v *visit) typed(s settingsForm, w *workspace.Workspace) (form, error) {
	f, err := v.form()
	if err != nil {
		return f, err
	}
	return f, v.reveal(w, f, s.secrets)
}

// settingsFail shows a form of settings again, with what is wrong. Where the store fails,
// nothing is wrong with the form, and it comes back as it was typed.
func (v *visit) settingsFail(s settingsForm, w *workspace.Workspace, f form, err error) error {
	status, ok := v.refused(err, &f, s.fields)
	if !ok {
		e := fault.OfManaging(err)
		if e.Status() < 500 || v.gone(err) {
			return err
		}
		status, f.Away, f.Faults = e.Status(), true, []string{sentence(e.Message)}
		e.Headers(v.w.Header())
		if log, ok := v.w.(*delivery.Response); ok {
			log.NoteError(e)
		}
	}
	shown := v.showSettings(s, w, f, status)
	if shown != nil && f.Away {
		return err // the form shows more than is known of the workspace now
	}
	return shown
}

func (v *visit) showSettings(s settingsForm, w *workspace.Workspace, f form, status int) error {
	f, err := v.conceal(w, f, s.secrets)
	if err != nil {
		return err
	}
	p := settingsPage{Form: f, Workspace: w, MayChange: v.may(cmp.Or(s.needs, account.UpdateWorkspace))}
	if s.data != nil {
		if p.Data, err = s.data(v, w); err != nil {
			return err
		}
	}
	return v.show(status, s.template, p)
}

package dashboard

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/server/dashboard/plot"
	"github.com/tintype/tintype/server/web"
	"github.com/tintype/tintype/workspace"
)

//go:embed templates
var templateFiles embed.FS

// templates has a template for each file of templates/, each with layout.html and parts.html
// around it. A page's file defines "title" and "main". They are parsed for the first page, since
// workers and most commands show none.
var templates = sync.OnceValue(func() map[string]*template.Template {
	files, err := fs.Sub(templateFiles, "templates")
	if err != nil {
		panic(err)
	}
	common := template.Must(template.New("layout.html").Funcs(functions).ParseFS(files, "layout.html", "parts.html"))
	names, err := fs.Glob(files, "*.html")
	if err != nil {
		panic(err)
	}
	all := map[string]*template.Template{}
	for _, name := range names {
		if name == "layout.html" || name == "parts.html" {
			continue
		}
		all[strings.TrimSuffix(name, path.Ext(name))] = template.Must(template.Must(common.Clone()).ParseFS(files, name))
	}
	return all
})

// A page is what the layout knows of a request. The page's own data is in Data.
type page struct {
	account.Visitor
	Assets     string // URL of the folder of static files
	Namespace  string // of the workspace that the page is of; empty for other pages
	Path       string // of the page
	Role       string // of the visitor in the workspace
	Navigation []link
	Done       string // what the visitor's last form did; empty for nothing
	Back       *stepsBack
	Data       any
}

// show answers with a page.
func (v *visit) show(status int, name string, data any) error {
	p := page{Visitor: v.who, Assets: web.Path(), Namespace: v.ns, Path: v.r.URL.Path, Role: string(v.role), Done: done[v.r.URL.Query().Get("done")], Back: v.back(name), Data: data}
	if v.role != "" {
		for _, l := range navigation {
			if v.may(l.needs) {
				p.Navigation = append(p.Navigation, l)
			}
		}
	}
	var b bytes.Buffer
	if err := templates()[name].ExecuteTemplate(&b, "layout.html", p); err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(b.Bytes())
	}
	return nil
}

// done has what pages say after a form has been sent. A form redirects to a page with the
// key in ?done=, so that no text of a URL gets into a page.
var done = map[string]string{
	"saved":     "Saved. Images follow it at once here, and within 10 seconds on other servers.",
	"savedkey":  "Saved, and a signing key is made, with which the dashboard signs. Make another for your server under Signing keys.",
	"key":       "A signing key is made, and the dashboard signs with it. Make another for your server under Signing keys.",
	"code":      "A code is on its way, if this address may sign in. It works for 10 minutes.",
	"out":       "You are signed out.",
	"ended":     "Ended.",
	"joined":    "You are a member now.",
	"invited":   "Invited. The mail is on its way.",
	"revoked":   "Revoked. Within a minute it holds on all servers.",
	"alerts":    "Saved. It holds within 5 minutes.",
	"channel":   "Added. Send a test to see that messages arrive.",
	"asked":     "A mail is on its way. The address gets alerts once it has agreed.",
	"nochannel": "Removed. Nothing more is sent there.",
	"removed":   "Removed. Within a minute it holds on all servers.",
	"unchanged": "Nothing was changed.",
	"verified":  "Verified. Images are served on this host at once here, and within 15 seconds on other servers.",
	"hidden":    "The first steps are hidden. Show them again at the end of this page.",
	"deleted":   "The workspace is deleted.",
	"uploaded":  "Uploaded.",
	"gone":      "The image is deleted.",
	"blocked":   "Blocked. The image is not shown any more here, and within 10 seconds on other servers.",
	"unblocked": "Unblocked.",
	"passkey":   "The passkey is added. Next time, sign in with it.",
	"nopasskey": "The passkey is removed.",
}

// redirect sends the browser to a page of the dashboard after a form.
func (v *visit) redirect(to, what string) error {
	if what != "" {
		separator := "?"
		if strings.Contains(to, "?") {
			separator = "&"
		}
		to += separator + "done=" + url.QueryEscape(what)
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// fail answers with a page that says what is wrong.
func (v *visit) fail(err error) {
	if errors.Is(err, errSignIn) {
		to := "/app/me/sign-in"
		if v.r.Method == http.MethodGet && v.r.URL.Path != "/app" {
			to += "?next=" + url.QueryEscape(v.r.URL.RequestURI())
		}
		http.Redirect(v.w, v.r, to, http.StatusSeeOther)
		return
	}
	if log, ok := v.w.(*delivery.Response); ok && v.gone(err) {
		log.Fail(err) // nobody reads the answer, and nothing is wrong
		return
	}
	e := fault.OfManaging(err)
	e.Headers(v.w.Header())
	data := failure{Error: e}
	if e.Status() >= 500 {
		data.Kept = v.keep()
	}
	if log, ok := v.w.(*delivery.Response); ok {
		log.NoteError(e)
		data.RequestID = log.Log.RequestID
	}
	if err := v.show(e.Status(), "failure", data); err != nil {
		http.Error(v.w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}

// gone reports whether err is that the visitor has left, as the scripts of pages do where a
// newer request takes the place of an older one.
func (v *visit) gone(err error) bool {
	return errors.Is(err, context.Canceled) && v.r.Context().Err() != nil
}

type failure struct {
	*fault.Error
	RequestID string
	Kept      string // the form that failed: see visit.keep; empty for none
}

func (v *visit) nothingHere() error {
	return fault.New(fault.NotFound, "There is no such page.")
}

// functions are for templates.
var functions = template.FuncMap{
	"lines": func(list []string) string { return strings.Join(list, "\n") },
	"field": func(f form, name, label, help string) field { return field{f, name, label, help} },
	"amount": func(f form, l limitField, unset string) amount {
		return amount{field{f, l.Name, l.Label, l.Help}, unset}
	},
	"mask": func() string { return workspace.Mask },

	"copying": func(id, label, text, help string) copied { return copied{id, label, text, help} },

	"changeGroups": changeGroups,
	"plainly":      plainly,
	"sentence":     sentence,
	"plainlyAll": func(texts []string) (all []string) {
		for _, text := range texts {
			all = append(all, sentence(plainly(withoutCodes(text))))
		}
		return all
	},

	"grouped": plot.Grouped,
	"counted": counted,
	"device":  device,
	"person":  func(actor string) string { return strings.TrimPrefix(actor, "account:") },

	"size":      size,
	"day":       day,
	"lifetimes": func() any { return lifetimes },

	"markWords":     workspace.MarkWords,
	"previewWidths": func() []string { return previewWidths },
}

// counted writes how many of something there are.
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

// A field is an input of a form, for the templates of parts.html.
type field struct {
	Form              form
	Name, Label, Help string
}

// A copied is a text to copy, for the template of parts.html. It wraps, so that no window cuts
// it off. A script adds the button, and without it the text can be selected.
type copied struct{ ID, Label, Text, Help string }

// An amount is a field of a limit.
type amount struct {
	field
	Unset string // what it says while it is empty
}

// Value returns what the field shows: what was typed, else what is stored.
func (f field) Value() string { return f.Form.Values.Get(f.Name) }

// Error returns what is wrong with the field, or nothing.
func (f field) Error() string { return f.Form.Errors[f.Name] }

// Rows returns the height of a field of lines, in lines.
func (f field) Rows() int { return min(12, max(3, strings.Count(f.Value(), "\n")+2)) }

// On reports whether a checkbox is ticked.
func (f field) On() bool { return f.Form.Values.Get(f.Name) != "" }

// MayAt reports whether the visitor sees the page at a path of the navigation.
func (p page) MayAt(path string) bool {
	return slices.ContainsFunc(p.Navigation, func(l link) bool { return l.Path == path })
}

// At reports whether the page is the one at a path of the navigation, or below it.
func (p page) At(path string) bool {
	whole := "/app/" + p.Namespace + path
	if path == "/limits" && p.Path == "/app/"+p.Namespace+"/billing" { // the way to pay for a plan
		return true
	}
	return p.Path == whole || path != "" && strings.HasPrefix(p.Path, whole+"/")
}

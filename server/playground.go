package server

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// demoNamespace is the workspace that the page at / shows.
const demoNamespace = "demo"

// pagePictures bounds the pictures of one folder on the page.
const pagePictures = 24

//go:embed playground.html
var playgroundHTML string

var playgroundTemplate = template.Must(template.New("playground").Funcs(template.FuncMap{"prose": prose}).Parse(playgroundHTML))

// controlsHTML are the controls of all options, the same on every page.
var controlsHTML = func() template.HTML {
	var b strings.Builder
	if err := playgroundTemplate.ExecuteTemplate(&b, "groups", controlGroups); err != nil {
		panic(err) // the template and what it shows are part of the program
	}
	return template.HTML(b.String())
}()

// playgroundCSP lets the page load its own files and show images of this host.
// blob: is for variants, which the page fetches itself to see their headers.
const playgroundCSP = "default-src 'none'; img-src 'self' blob:; style-src 'self'; script-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// A page is what playground.html shows.
type page struct {
	Namespace string
	Exists    bool     // whether there is such a workspace
	Fault     *trouble // why there is no page, if there is none
	Assets    string   // URL of the folder of static files
	Pictures  []picture
	Controls  template.HTML
	Presets   []string // suggestions
	Sources   []string // suggestions
	Script    pageData // for the page's script, as JSON
}

type pageData struct {
	Namespace string       `json:"namespace"`
	Options   []optionFact `json:"options"`
}

// A trouble is what a page says instead of being one.
type trouble struct {
	*Error
	RequestID string
}

// A picture is one original that the page offers.
type picture struct {
	Name string // without folders
	Src  string // as ?src= names it
	URL  string // path of its variants, without options
}

// servePlayground answers /playground/…; rest is what follows, with its slash.
func (s *Server) servePlayground(w *response, r *http.Request, rest, query string) {
	if !readOnly(w, r) {
		return
	}
	namespace, below, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	switch {
	case !workspace.ValidNamespace(namespace) || workspace.Reserved(namespace):
		failPage(w, r, fail("WORKSPACE_NOT_FOUND", "name a workspace, as /playground/NAMESPACE"))
	case below == "original":
		if err := s.describe(w, r, namespace, query); err != nil {
			w.fail(err)
		}
	case below != "" || strings.HasSuffix(rest, "/"):
		failPage(w, r, fail("NOT_FOUND", "there is nothing under this path"))
	default:
		s.playground(w, r, namespace)
	}
}

// startPage is the playground of the demo, or says how to have one.
func (s *Server) startPage(w *response, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	_, err := s.site(r.Context(), demoNamespace)
	if errors.Is(err, workspace.ErrNotFound) {
		showPage(w, http.StatusOK, page{Namespace: demoNamespace, Assets: assets.path})
		return
	}
	s.playground(w, r, demoNamespace)
}

// playground shows the page of one workspace.
func (s *Server) playground(w *response, r *http.Request, namespace string) {
	site, err := s.site(r.Context(), namespace)
	if err != nil {
		failPage(w, r, err)
		return
	}
	p := page{Namespace: namespace, Exists: true, Assets: assets.path, Controls: controlsHTML, Script: pageData{namespace, optionFacts}}
	s.fill(r.Context(), &p, site)
	showPage(w, http.StatusOK, p)
}

// failPage answers where a page can't be shown: with a page that says why to browsers,
// which ask for one, and like the rest of the server to others.
func failPage(w *response, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.fail(err)
		return
	}
	e := asError(err)
	w.noteError(e)
	e.Headers(w.Header())
	showPage(w, e.Status(), page{Assets: assets.path, Fault: &trouble{e, w.log.id}})
}

func showPage(w *response, status int, p page) {
	var b bytes.Buffer
	if err := playgroundTemplate.Execute(&b, p); err != nil {
		w.fail(err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("Content-Security-Policy", playgroundCSP)
	h.Set("Cache-Control", "no-cache")
	if p.Fault != nil {
		h.Set("Cache-Control", "no-store")
	}
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// fill adds what visitors may see of the workspace: pictures in the operator's
// folders, unless their plain URLs would be refused; names that the owner chose
// are shown for the demo alone.
func (s *Server) fill(ctx context.Context, p *page, site *site) {
	dirs := s.dirs[p.Namespace]
	if !site.RequireSignature && !site.PresetsOnly {
		for _, key := range slices.Sorted(maps.Keys(dirs)) {
			p.Pictures = append(p.Pictures, s.pictures(ctx, p.Namespace, key, dirs[key])...)
		}
	}
	if p.Namespace == demoNamespace {
		p.Presets = slices.Sorted(maps.Keys(site.presets))
		p.Sources = slices.Sorted(maps.Keys(site.sources))
	}
}

// pictures lists a folder, as far as it can be read.
func (s *Server) pictures(ctx context.Context, namespace, key string, dir *origin.Dir) []picture {
	names, err := dir.List(ctx, pagePictures)
	if err != nil {
		s.log.Warn("playground: a folder can't be listed", "workspace", namespace, "source", key, "error", err)
	}
	all := make([]picture, 0, len(names))
	for _, name := range names {
		all = append(all, picture{
			Name: name[strings.LastIndexByte(name, '/')+1:],
			Src:  key + "/" + name,
			URL:  "/" + namespace + "/" + key + "/" + origin.EscapePath(name),
		})
	}
	return all
}

// describe tells what the original named by ?src= is: its bytes and size, which no
// variant shows. It asks for the same rights as a variant: what needs
// a signed URL has no facts here.
func (s *Server) describe(w *response, r *http.Request, namespace, query string) error {
	site, err := s.site(r.Context(), namespace)
	if err != nil {
		return err
	}
	w.log.workspace = namespace
	// It costs what a picture costs but for the transform.
	if err := s.admit(r.Context(), site); err != nil {
		return err
	}
	if site.PresetsOnly {
		return fail("PRESET_REQUIRED", "this workspace serves presets only, and says nothing about its originals")
	}
	q, err := parseQuery(query)
	if err != nil {
		return err
	}
	src, hasSrc, err := q.Value("src")
	if err != nil {
		return err
	}
	a := ask{site: site, options: transform.Defaults()}
	if a.ref, err = site.resolve(target{bySrc: true}, src, hasSrc); err != nil {
		return err
	}
	if err := s.authorize(&a, "/"+namespace); err != nil {
		return err
	}
	w.noteAsk(&a)
	hold, err := s.originals.Do(r.Context(), originalKey{site.ID, a.ref.place(), a.ref.at().key, origin.Validators{}, site.purges.Last()},
		func(ctx context.Context) (*original, error) {
			return s.readOriginal(ctx, site, a.ref, origin.Validators{})
		})
	if err != nil {
		return err
	}
	defer hold.Release()
	size := hold.Value.header.Upright()
	b, err := json.Marshal(struct {
		Format transform.Format `json:"format"`
		Bytes  int              `json:"bytes"`
		Width  int              `json:"width"` // upright
		Height int              `json:"height"`
		Frames int              `json:"frames"`
	}{hold.Value.header.Format, len(hold.Value.Body), size.W, size.H, hold.Value.header.Frames})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	_, _ = w.Write(b)
	return nil
}

// readOnly refuses what is neither GET nor HEAD.
func readOnly(w *response, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	w.fail(fail("METHOD_NOT_ALLOWED", "this is read with GET"))
	return false
}

// prose is Markdown with nothing but `code` in it, as HTML.
func prose(markdown string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(markdown, "`") {
		if i%2 == 1 {
			b.WriteString("<code>" + template.HTMLEscapeString(part) + "</code>")
		} else {
			b.WriteString(template.HTMLEscapeString(part))
		}
	}
	return template.HTML(b.String())
}

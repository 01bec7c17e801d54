package server

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/server/playground"
	"github.com/tintype/tintype/server/web"
	"github.com/tintype/tintype/workspace"
)

// demoNamespace is the workspace that the page at / shows, where no other is set.
const demoNamespace = "demo"

// pagePictures bounds the pictures of one folder on the page.
const pagePictures = 24

//go:embed playground.html
var playgroundHTML string

// playgroundTemplate is parsed for the first page, since workers and most commands show none.
var playgroundTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("playground").Parse(playgroundHTML))
})

// playgroundCSP lets the page load its own files and show images of this host.
// blob: is for variants, which the page fetches itself to see their headers.
const playgroundCSP = "default-src 'none'; img-src 'self' blob:; style-src 'self'; script-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// A page is the data of playground.html.
type page struct {
	Namespace string
	Exists    bool       // the workspace exists
	Fault     *pageError // why the page can't be shown, or nil
	Assets    string     // URL of the folder of static files
	Pictures  []picture
	Bench     template.HTML
	Presets   []string        // suggestions
	Sources   []string        // suggestions
	Script    playground.Data // for the page's script, as JSON
	API       bool            // there is one
	Dashboard bool            // there is one
	Signup    bool            // everybody gets an account by signing in
	Contact   string          // the page says whom to tell about a vulnerability; empty is another page
	Examples  []Example
}

// An Example is something that sets Tintype apart, on the page at /.
type Example struct {
	Title, Text     string
	Image, About    string // path and query of a picture, and what it shows; empty is none
	Tried           string // path and query of a URL that is refused; empty is none
	Page, PageTitle string // of the dashboard
}

// A pageError is an error that a page shows instead of its content.
type pageError struct {
	*fault.Error
	RequestID string
}

// A picture is one original that the page offers.
type picture struct {
	Name string // without folders
	Src  string // value of ?src=
	URL  string // path of its variants, without options
}

// servePlayground answers /playground/…. rest is the path after /playground, with its slash.
func (s *Server) servePlayground(w *delivery.Response, r *http.Request, rest, query string) {
	if !readOnly(w, r) {
		return
	}
	namespace, below, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	switch {
	case !workspace.UsableNamespace(namespace):
		s.failPage(w, r, fault.New(fault.WorkspaceNotFound, "name a workspace, as /playground/NAMESPACE"))
	case below == "original":
		if err := s.delivery.Describe(w, r, namespace, query); err != nil {
			w.Fail(err)
		}
	case below != "" || strings.HasSuffix(rest, "/"):
		s.failPage(w, r, fault.New(fault.NotFound, "there is nothing under this path"))
	default:
		s.playground(w, r, namespace, false)
	}
}

// startPage shows the playground of the demo or of the workspace that is set, or a text that says how to get the demo.
func (s *Server) startPage(w *delivery.Response, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	_, err := s.delivery.Site(r.Context(), s.start)
	if errors.Is(err, workspace.ErrNotFound) {
		s.showPage(w, http.StatusOK, page{Namespace: s.start, Assets: web.Path(), Signup: s.signup})
		return
	}
	s.playground(w, r, s.start, true)
}

// playground shows the page of one workspace. start says that it is the page at /.
func (s *Server) playground(w *delivery.Response, r *http.Request, namespace string, start bool) {
	site, err := s.delivery.Site(r.Context(), namespace)
	if err != nil {
		s.failPage(w, r, err)
		return
	}
	p := page{Namespace: namespace, Exists: true, Assets: web.Path(), Script: playground.NewData(namespace, s.pages != nil)}
	p.Script.Live = s.live
	if p.Bench, err = (playground.Bench{}).HTML(); err != nil {
		s.failPage(w, r, err)
		return
	}
	if start && s.examples != nil {
		p.Examples = s.examples(r.Context())
	}
	s.fill(r.Context(), &p, site)
	s.showPage(w, http.StatusOK, p)
}

// failPage answers where a page can't be shown. Browsers, which accept HTML, get a page that
// says why. Other clients get the JSON error.
func (s *Server) failPage(w *delivery.Response, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Fail(err)
		return
	}
	e := fault.Of(err)
	w.NoteError(e)
	e.Headers(w.Header())
	s.showPage(w, e.Status(), page{Assets: web.Path(), Fault: &pageError{e, w.Log.RequestID}})
}

func (s *Server) showPage(w *delivery.Response, status int, p page) {
	p.API, p.Dashboard = s.api != nil, s.pages != nil
	var b bytes.Buffer
	if err := playgroundTemplate().Execute(&b, p); err != nil {
		w.Fail(err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("Content-Security-Policy", playgroundCSP)
	h.Set("Cache-Control", "no-cache")
	if p.Fault != nil || p.Examples != nil { // a signed URL of an example ends
		h.Set("Cache-Control", "no-store")
	}
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// fill adds the things of a workspace that visitors may see. These are pictures in the
// operator's folders, unless their plain URLs would be refused. Names that the owner chose
// are shown for the demo only.
func (s *Server) fill(ctx context.Context, p *page, site delivery.Site) {
	if site.Plain {
		for _, key := range slices.Sorted(maps.Keys(site.Dirs)) {
			if site.Dirs[key].Private {
				continue
			}
			p.Pictures = append(p.Pictures, s.pictures(ctx, p.Namespace, key, site.Dirs[key])...)
		}
	}
	if p.Namespace == demoNamespace {
		p.Presets, p.Sources = site.Presets, site.Sources
	}
}

// pictures lists a folder. A folder that can't be read is empty.
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

// readOnly reports whether the method is GET or HEAD, and refuses other methods.
func readOnly(w *delivery.Response, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	w.Fail(fault.New(fault.MethodNotAllowed, "use the method GET or HEAD"))
	return false
}

package server

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"path"
	"strings"

	"github.com/tintype/tintype/origin"
)

// demoNamespace is the workspace that the start page shows.
const demoNamespace = "demo"

// startPictures bounds the pictures of one source on the start page.
const startPictures = 24

//go:embed static
var staticFiles embed.FS

//go:embed start.html
var startHTML string

var startTemplate = template.Must(template.New("start").Parse(startHTML))

// A picture is one original on the start page.
type picture struct {
	Name  string
	URL   string // its path, without options
	Links []link
}

type link struct{ Label, URL string }

// tries are what the start page offers for every picture.
var tries = []struct{ label, options string }{
	{"400 wide", "w=400"},
	{"square, what draws the eye", "w=320&h=320&fit=cover&gravity=attention"},
	{"letterbox", "w=480&h=270&fit=pad&bg=222"},
	{"quarter turn", "w=320&rotate=90"},
	{"mirrored detail", "rect=25%25,25%25,50%25,50%25&w=400&flip=h"},
	{"WebP", "w=800&format=webp"},
	{"AVIF", "w=800&format=avif"},
	{"PNG", "w=400&format=png"},
	{"JPEG, quality 40", "w=800&format=jpeg&q=40"},
	{"as it is", "format=original"},
}

// startPage shows what is in the demo's folders, with links to try.
func (s *Server) startPage(w *response, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.fail(fail("METHOD_NOT_ALLOWED", "this page is read with GET"))
		return
	}
	var pictures []picture
	for key, dir := range s.dirs[demoNamespace] {
		names, err := dir.List(r.Context(), startPictures)
		if err != nil {
			s.log.Warn("start page", "source", key, "error", err)
		}
		for _, name := range names {
			p := picture{Name: name, URL: path.Join("/", demoNamespace, key) + "/" + origin.EscapePath(name)}
			for _, t := range tries {
				p.Links = append(p.Links, link{t.label, p.URL + "?" + t.options})
			}
			pictures = append(pictures, p)
		}
	}
	var page bytes.Buffer
	if err := startTemplate.Execute(&page, pictures); err != nil {
		w.fail(err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; img-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-cache")
	h.Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(page.Bytes())
}

// static serves the start page's own files. Their names are fixed, so no path is
// cleaned.
func (s *Server) static(w *response, r *http.Request, target string) {
	name := strings.TrimPrefix(target, "/")
	if _, err := staticFiles.Open(name); err != nil || strings.HasSuffix(name, "/") || name == "static" {
		w.fail(fail("NOT_FOUND", "there is nothing under this path"))
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=3600")
	http.ServeFileFS(w, r, staticFiles, name)
}

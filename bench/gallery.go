//go:build cgo

package main

import (
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
)

// A sheet is one part of the gallery: the same pictures under several options.
type sheet struct {
	Title    string
	pictures []string
	queries  []string
	Rows     []row
}

type row struct {
	Original string // file name
	Cells    []cell
}

type cell struct {
	Query, File, Note string
	Shown             bool // browsers can show the format
}

// sheets cover every fit, gravity, operation and format.
func sheets() []sheet {
	return []sheet{
		{Title: "Fit into 300 × 300", pictures: []string{"dusk.jpg", "balloon.jpg", "logo.png"}, queries: each("w=300&h=300&fit=",
			"scale-down", "contain", "cover", "crop", "outside", "pad&bg=f5c", "pad", "squeeze", "auto")},
		{Title: "Gravity", pictures: []string{"balloon.jpg", "dusk.jpg"}, queries: each("w=300&h=200&fit=cover&gravity=",
			"center", "north", "south", "east", "west", "northeast", "southwest", "attention", "entropy", "face", "focal&fp-x=.2&fp-y=.75", "focal&fp-x=.2&fp-y=.75&fp-z=2.5")},
		{Title: "Geometry", pictures: []string{"noon.jpg", "chart.png"}, queries: []string{
			"w=300&ar=1:1&fit=cover", "w=150&dpr=2", "rect=10%25,20%25,40%25,40%25&w=300", "w=300&rotate=90", "w=300&rotate=180", "w=300&rotate=270",
			"w=300&flip=h", "w=300&flip=v", "w=300&flip=hv", "w=280&pad=10,30&bg=048", "w=300&trim=20",
			"rect=center,bottom,400,300&w=300", "inset=0,10,200,300&w=300", "w=20%25", "w=300&h=10%25&fit=squeeze",
		}},
		{Title: "Any angle", pictures: []string{"dusk.jpg", "logo.png", "orbit.gif"}, queries: each("w=300&", "rotate=10", "rotate=-10&bg=048", "rotate=45", "rotate=10&format=jpeg",
			"h=200&fit=cover&rotate=45&flip=h", "h=100&fit=squeeze&rotate=30", "rotate=20&blur=4", "rotate=20&mark=folder/logo.png")},
		{Title: "Rounded corners", pictures: []string{"dusk.jpg", "logo.png", "orbit.gif"}, queries: each("w=300&", "radius=30", "h=300&fit=cover&radius=max", "pad=20&bg=048&radius=40", "format=jpeg&radius=max",
			"format=jpeg&bg=048&radius=20%25", "format=avif&radius=20%25", "radius=max&mark=folder/logo.png&mark-pad=0")},
		{Title: "Enlarged or not, into 900 × 700", pictures: []string{"logo.png", "orbit.gif"}, queries: each("w=900&h=700&fit=",
			"scale-down", "scale-down&enlarge=1", "crop", "cover", "cover&enlarge=0", "pad&bg=eee", "pad&bg=eee&enlarge=0", "squeeze", "squeeze&enlarge=0")},
		{Title: "Effects", pictures: []string{"dusk.jpg", "logo.png"}, queries: each("w=300&",
			"blur=5", "blur=40", "sharpen=10", "sharpen=40", "brightness=1.4", "brightness=.6", "contrast=1.5", "contrast=.5", "saturation=2", "saturation=.3",
			"gamma=1.8", "gamma=.6", "grayscale", "sepia", "invert", "pixelate=12")},
		{Title: "Formats", pictures: []string{"dusk.jpg", "chart.png", "logo.png", "orbit.gif"}, queries: each("w=300&format=",
			"avif", "webp", "jpeg", "png", "gif", "original", "webp&lossless", "jpeg&progressive", "tiff", "jxl")},
		{Title: "Quality", pictures: []string{"dusk.jpg", "chart.png"}, queries: each("w=400&",
			"format=jpeg&q=20", "format=jpeg&q=50", "format=jpeg&q=80", "format=jpeg&q=95",
			"format=webp&q=20", "format=webp&q=50", "format=webp&q=80", "format=webp&q=95",
			"format=avif&q=20", "format=avif&q=50", "format=avif&q=80", "format=avif&q=95")},
		{Title: "Marks", pictures: []string{"dusk.jpg", "logo.png", "orbit.gif"}, queries: each("w=300&mark=folder/logo.png",
			"", "&mark-w=40%25", "&mark-align=top,left", "&mark-align=center&mark-opacity=.5", "&mark-repeat&mark-opacity=.3", "&mark-pad=0", "&mark-size=80&mark-fit=cover",
			"&mark-w=90%25&mark-h=20%25&mark-fit=squeeze", "&mark-w=60&dpr=2", "&pad=20&bg=048", "&format=jpeg", "&format=avif", "&format=gif")},
		{Title: "Transparency", pictures: []string{"logo.png"}, queries: each("w=300&",
			"format=png", "format=webp", "format=avif", "format=gif", "format=jpeg", "format=jpeg&bg=c33", "format=png&bg=3c38")},
	}
}

func each(prefix string, tails ...string) (queries []string) {
	for _, t := range tails {
		queries = append(queries, prefix+t)
	}
	return queries
}

// writeGallery makes every variant of the sheets and writes a page that shows them.
func writeGallery(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := samples.Write(dir); err != nil {
		return err
	}
	house, err := newHouse(dir)
	if err != nil {
		return err
	}
	if err := writeFacts(house.handler, dir, factsPictures); err != nil {
		return err
	}
	all := sheets()
	for i := range all {
		for _, picture := range all[i].pictures {
			r := row{Original: picture}
			for _, q := range all[i].queries {
				c, err := makeCell(house.handler, dir, picture, q)
				if err != nil {
					return err
				}
				r.Cells = append(r.Cells, c)
			}
			all[i].Rows = append(all[i].Rows, r)
		}
	}
	page, err := os.Create(filepath.Join(dir, "index.html"))
	if err != nil {
		return err
	}
	defer page.Close()
	if err := galleryTemplate.Execute(page, all); err != nil {
		return err
	}
	fmt.Println(page.Name())
	return page.Close()
}

func makeCell(handler http.Handler, dir, picture, query string) (cell, error) {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/bench/folder/"+picture+"?"+query, nil))
	query, _ = url.QueryUnescape(query)
	if w.Code != http.StatusOK {
		return cell{Query: query, Note: fmt.Sprintf("%d %s", w.Code, w.Body)}, nil
	}
	kind := strings.TrimPrefix(w.Header().Get("Content-Type"), "image/")
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune("&=%:, ./", r) {
			return '_'
		}
		return r
	}, picture+"_"+query) + "." + kind
	if err := os.WriteFile(filepath.Join(dir, name), w.Body.Bytes(), 0o644); err != nil {
		return cell{}, err
	}
	h, err := header.Read(w.Body.Bytes())
	if err != nil {
		return cell{}, fmt.Errorf("%s?%s: %w", picture, query, err)
	}
	note := fmt.Sprintf("%s %d×%d, %.1f kB", h.Format, h.Width, h.Height, float64(w.Body.Len())/1e3)
	return cell{query, name, note, h.Format != transform.TIFF && h.Format != transform.JXL}, nil
}

var galleryTemplate = template.Must(template.New("gallery").Parse(`<!doctype html>
<meta charset="utf-8"><title>Tintype: gallery</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem; }
.row { display: flex; flex-wrap: wrap; gap: 12px; align-items: end; margin: 0 0 1.5rem; }
figure { margin: 0; max-width: 320px; }
img { max-width: 320px; display: block; background: repeating-conic-gradient(#ccc 0 25%, #fff 0 50%) 0 0 / 16px 16px; }
.original { border-right: 2px solid #888; padding-right: 12px; }
.original img { max-width: 200px; }
code { font-size: 12px; overflow-wrap: anywhere; } .note { color: #666; font-size: 12px; display: block; max-width: 320px; overflow-wrap: anywhere; }
</style>
<h1>Tintype: every operation, fit and format</h1>
<p><a href="facts.html">Facts and placeholders</a></p>
{{- range .}}
<h2>{{.Title}}</h2>
{{- range .Rows}}
<div class="row">
<figure class="original"><img src="{{.Original}}" alt=""><figcaption>{{.Original}}</figcaption></figure>
{{- range .Cells}}
<figure>{{if .Shown}}<img src="{{.File}}" alt="">{{else if .File}}<a href="{{.File}}">{{.File}}</a>{{end}}<figcaption><code>{{.Query}}</code><span class="note">{{.Note}}</span></figcaption></figure>
{{- end}}
</div>
{{- end}}
{{- end}}
`))

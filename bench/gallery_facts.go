//go:build cgo

package main

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/tintype/tintype/transform/facts"
)

// A factsRow is a picture with what /info tells of it, and its placeholders.
type factsRow struct {
	Original string
	Metadata map[string]any
	facts.Facts
	Palette      []paletteCell
	Placeholders []cell
}

type paletteCell struct{ Name, Hex string }

// factsPictures are those of the page of facts.
var factsPictures = []string{"dusk.jpg", "noon.jpg", "night.jpg", "balloon.jpg", "chart.png", "logo.png", "orbit.gif"}

// writeFacts makes a page that shows each sample with its colours, palette, hashes and
// decoded placeholders.
func writeFacts(handler http.Handler, dir string, pictures []string) error {
	var rows []factsRow
	for _, picture := range pictures {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/bench/info/folder/"+picture, nil))
		if w.Code != http.StatusOK {
			return fmt.Errorf("info of %s: %d %s", picture, w.Code, w.Body)
		}
		r := factsRow{Original: picture}
		var told struct {
			Metadata map[string]any
		}
		if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil {
			return err
		}
		r.Metadata = told.Metadata
		var err error
		if r.Facts, err = facts.Parse(w.Body.Bytes()); err != nil {
			return err
		}
		p := r.Facts.Palette
		for _, c := range []struct {
			name   string
			swatch *facts.Swatch
		}{{"vibrant", p.Vibrant}, {"lightVibrant", p.LightVibrant}, {"darkVibrant", p.DarkVibrant}, {"muted", p.Muted}, {"lightMuted", p.LightMuted}, {"darkMuted", p.DarkMuted}} {
			hex := ""
			if c.swatch != nil {
				hex = c.swatch.Hex
			}
			r.Palette = append(r.Palette, paletteCell{c.name, hex})
		}
		for _, kind := range []string{"blurhash", "thumbhash", "color"} {
			for _, query := range []string{"w=220&h=220&format=png", "w=220&h=110&fit=cover&format=webp", "w=220&h=220&punch=2&format=jpeg"} {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/bench/placeholder/"+kind+"/folder/"+picture+"?"+query, nil))
				if w.Code != http.StatusOK {
					return fmt.Errorf("%s of %s: %d %s", kind, picture, w.Code, w.Body)
				}
				name := fmt.Sprintf("%s_%s_%d", picture, kind, len(r.Placeholders))
				if err := os.WriteFile(filepath.Join(dir, name), w.Body.Bytes(), 0o644); err != nil {
					return err
				}
				r.Placeholders = append(r.Placeholders, cell{Query: kind + " " + query, File: name, Note: fmt.Sprintf("%d bytes", w.Body.Len())})
			}
		}
		rows = append(rows, r)
	}
	page, err := os.Create(filepath.Join(dir, "facts.html"))
	if err != nil {
		return err
	}
	defer page.Close()
	if err := factsTemplate.Execute(page, rows); err != nil {
		return err
	}
	fmt.Println(page.Name())
	return page.Close()
}

var factsTemplate = template.Must(template.New("facts").Funcs(template.FuncMap{
	"percent": func(f float64) string { return fmt.Sprintf("%.1f %%", 100*f) },
	"wide":    func(f float64) string { return fmt.Sprintf("%.1f%%", 100*f) },
	"css":     func(s string) template.CSS { return template.CSS(s) },
}).Parse(`<!doctype html>
<meta charset="utf-8"><title>Tintype: facts and placeholders</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem; }
.row { display: flex; flex-wrap: wrap; gap: 16px; align-items: start; margin: 0 0 2rem; }
figure { margin: 0; } figcaption, .note { color: #555; font-size: 12px; max-width: 220px; overflow-wrap: anywhere; }
img { max-width: 260px; display: block; background: repeating-conic-gradient(#ccc 0 25%, #fff 0 50%) 0 0 / 16px 16px; }
.bar { display: flex; width: 420px; height: 48px; border: 1px solid #999; } .swatch { width: 64px; height: 48px; border: 1px solid #999; }
table { border-spacing: 8px 2px; font-size: 12px; } .palette { display: flex; gap: 8px; margin-top: 8px; }
.hashes code { font-size: 12px; display: block; }
.placeholders { display: grid; grid-template-columns: repeat(3, auto); gap: 10px; }
</style>
<h1>Tintype: facts and placeholders</h1>
{{- range .}}
<h2>{{.Original}}</h2>
<div class="row">
<figure><img src="{{.Original}}" alt=""><figcaption>{{range $k, $v := .Metadata}}{{$k}}: {{$v}}<br>{{end}}</figcaption></figure>
<div>
<div class="bar">{{range .Colors}}<span style="background: {{css .Hex}}; width: {{css (wide .Area)}}"></span>{{end}}</div>
<table>{{range .Colors}}<tr><td style="background: {{css .Hex}}; width: 24px"></td><td><code>{{.Hex}}</code></td><td>{{percent .Area}}</td><td>intensity {{.Intensity}}</td></tr>{{end}}</table>
<div class="palette">{{range .Palette}}<figure>{{if .Hex}}<div class="swatch" style="background: {{css .Hex}}"></div>{{else}}<div class="swatch">none</div>{{end}}<figcaption>{{.Name}}<br>{{.Hex}}</figcaption></figure>{{end}}</div>
<div class="hashes"><code>{{.BlurHash}}</code><code>{{printf "%x" .ThumbHash}}</code></div>
</div>
<div class="placeholders">{{range .Placeholders}}<figure><img src="{{.File}}" alt=""><figcaption>{{.Query}}, {{.Note}}</figcaption></figure>{{end}}</div>
</div>
{{- end}}
`))

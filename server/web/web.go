// Package web has what the server's web pages share: their style sheets, scripts and icon.
//
// For most uses, link to files under [Path], and let [Serve] answer /static/.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
)

//go:embed static
var staticFiles embed.FS

// assets are made for the first page, since workers and most commands show none.
var assets = sync.OnceValue(func() *assetFolder { return newAssetFolder(staticFiles, "static") })

// Path is the URL of the folder of the files, with a slash at its end. It changes with their
// content.
func Path() string { return assets().path }

// Serve answers a request below /static/, for the methods GET and HEAD.
func Serve(w *delivery.Response, r *http.Request, target string) { assets().serve(w, r, target) }

// An assetFolder serves files under a path that changes with their content. So browsers may
// keep the files for ever, and modules that import each other are of the same release.
type assetFolder struct {
	path  string // /static/VERSION/
	files map[string]asset
}

type asset struct {
	body      []byte
	etag      string
	mediaType string
}

// mediaTypes are listed here, since the machine's own table may differ and browsers don't
// run a script with a wrong type.
var mediaTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
	".svg":  "image/svg+xml",
}

func newAssetFolder(fsys fs.FS, root string) *assetFolder {
	f := &assetFolder{files: map[string]asset{}}
	all := sha256.New()
	err := fs.WalkDir(fsys, root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		if path.Ext(name) == ".js" {
			body = withoutComments(body)
		}
		sum := sha256.Sum256(body)
		all.Write([]byte(name))
		all.Write(sum[:])
		f.files[strings.TrimPrefix(name, root+"/")] = asset{body, `"` + hex.EncodeToString(sum[:8]) + `"`, mediaTypes[path.Ext(name)]}
		return nil
	})
	if err != nil {
		panic(err) // the files are part of the program
	}
	f.path = "/" + root + "/" + hex.EncodeToString(all.Sum(nil)[:6]) + "/"
	return f
}

// withoutComments empties the lines of a script that are comments, so that browsers load
// less. Lines keep their numbers. Text in backticks stays.
func withoutComments(script []byte) []byte {
	var out []byte
	quoted := false
	for line := range bytes.Lines(script) {
		if !quoted && bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("//")) {
			out = append(out, '\n')
			continue
		}
		out = append(out, line...)
		bare := bytes.ReplaceAll(line, []byte("\\`"), nil)
		quoted = quoted != (bytes.Count(bare, []byte("`"))%2 == 1)
	}
	return out
}

// serve answers /static/VERSION/NAME. Another version comes from a page of an older or
// newer release. Such a request gets this release's file, which browsers must not keep.
func (f *assetFolder) serve(w *delivery.Response, r *http.Request, target string) {
	name, current := strings.CutPrefix(target, f.path)
	if !current {
		_, name, _ = strings.Cut(strings.TrimPrefix(target, "/static/"), "/")
	}
	a, ok := f.files[name]
	if !ok {
		w.Fail(fault.New(fault.NotFound, "there is nothing under this path"))
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.mediaType)
	h.Set("ETag", a.etag)
	h.Set("Cache-Control", "no-cache")
	if current {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
}

package dashboard

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// A picture is an image of the workspace, on which pages show a preset or a mark.
type picture struct {
	Name string // source/path; empty where there is none
	URL  string // with options
	Note string // why there is none

	private bool // its URL needs a signature
	closed  bool // and the visitor gets none
}

// picture returns a picture with options. It is the one in the query or the form, else the
// first of a bucket or folder. The URL of a picture in a private source is signed.
func (v *visit) picture(w *workspace.Workspace, chosen string, options url.Values) picture {
	ctx, who := v.r.Context(), v.caller()
	chosen = strings.Trim(strings.TrimSpace(chosen), "/")
	if chosen == "" {
		chosen = v.pictures(w).first(nil)
	}
	p := v.plainPicture(w, chosen, options)
	if !p.private {
		return p
	}
	target := p.URL
	p.URL = ""
	signed, _, err := v.d.Manage.SignURL(ctx, who, v.ns, target, 0)
	if err != nil {
		e := fault.OfManaging(err)
		p.Note, p.closed = sentence(e.Message), e.Code == fault.Conflict || e.Code == fault.Forbidden
		return p
	}
	p.URL = signed
	return p
}

// Closed reports whether the picture lacks nothing but a signature.
func (p picture) Closed() bool { return p.closed }

// plainPicture is picture without a signature.
func (v *visit) plainPicture(w *workspace.Workspace, name string, options url.Values) picture {
	p := picture{Name: name}
	source, path, ok := strings.Cut(name, "/")
	if !ok || path == "" {
		p.Note = "Name a picture as source/path to see an example."
		return p
	}
	p.URL = (&url.URL{Path: "/" + v.ns + "/" + source + "/" + path, RawQuery: options.Encode()}).String()
	p.private = v.private(w, source)
	return p
}

// private reports whether URLs of a source need a signature.
func (v *visit) private(w *workspace.Workspace, source string) bool {
	switch {
	case w.RequireSignature:
		return true
	case slices.Contains(v.d.Manage.Folders(v.ns), source):
		return v.d.Manage.FolderIsPrivate(v.ns, source)
	}
	return slices.ContainsFunc(w.Sources, func(s workspace.Source) bool { return s.Key == source && s.Private })
}

// thumbnails returns small pictures of originals.
func (v *visit) thumbnails(names []string) (list []picture) {
	for _, name := range names {
		source, path, _ := strings.Cut(name, "/")
		list = append(list, picture{Name: name, URL: v.thumbnailURL(source, path, false)})
	}
	return list
}

const (
	mostSuggested  = 12 // pictures of one source
	mostLookedInto = 4  // sources for one page

	lookFor = 2 * time.Second // into all sources of a page
)

// A pictureList lists pictures of the sources that can be listed.
type pictureList struct {
	v       *visit
	sources []string // that can be listed
	known   map[string][]string
	until   time.Time
}

// pictures returns the pictures of a workspace. A source is read when it is asked for.
func (v *visit) pictures(w *workspace.Workspace) *pictureList {
	l := &pictureList{v: v, sources: v.d.Manage.Folders(v.ns), known: map[string][]string{}, until: time.Now().Add(lookFor)}
	for _, s := range w.Sources {
		if s.Kind != "http" {
			l.sources = append(l.sources, s.Key)
		}
	}
	return l
}

// of returns some pictures of a source, as source/path. A source that can't be read has none.
func (l *pictureList) of(source string) []string {
	if list, ok := l.known[source]; ok {
		return list
	}
	if !slices.Contains(l.sources, source) || len(l.known) >= mostLookedInto {
		return nil
	}
	ctx, cancel := context.WithDeadline(l.v.r.Context(), l.until)
	defer cancel()
	var names []string
	list, err := l.v.d.Manage.Images(ctx, l.v.caller(), l.v.ns, source, "", "", "", mostSuggested)
	if err == nil {
		for _, image := range list.Images {
			names = append(names, source+"/"+image.Path)
		}
	}
	l.known[source] = names
	return names
}

// some returns pictures of one source: of the first of these that has any, or else of another.
func (l *pictureList) some(sources []string) []string {
	for _, source := range append(slices.Clone(sources), l.sources...) {
		if list := l.of(source); len(list) > 0 {
			return list
		}
	}
	return nil
}

// first returns a picture of these sources, or else of any. It is empty where there is none.
func (l *pictureList) first(sources []string) string {
	if list := l.some(sources); len(list) > 0 {
		return list[0]
	}
	return ""
}

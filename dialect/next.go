package dialect

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tintype/tintype/transform"
)

// next is the grammar of next/image: /_next/image?url=/me.png&w=640&q=75.
var next = &Dialect{
	Name:     "next",
	Prefixes: []string{"_next/image"},
	Parse:    func(u URL) (Request, error) { return parseNext(u, "/_next/image", "") },
	Params:   nextParams,
}

// vercel is the grammar of Vercel's image optimization. It is next's grammar, but q has a
// default of 75.
var vercel = &Dialect{
	Name:     "vercel",
	Prefixes: []string{"_vercel/image"},
	Parse:    func(u URL) (Request, error) { return parseNext(u, "/_vercel/image", "75") },
	Params:   vercelParams,
}

// maxNextURL is the greatest length of url=, in characters.
const maxNextURL = 3072

// parseNext parses a URL by the rules of Next's image optimizer. self is the optimizer's own
// path: url= must not name it. quality is the default of q. If it is empty, q is required.
func parseNext(u URL, self, quality string) (Request, error) {
	if u.Path != "" && u.Path != "/" {
		return Request{}, &Error{Reason: "no path may follow " + self + "; write " + self + "?url=/PATH&w=640&q=75"}
	}
	query, err := transform.ParseQuery(u.RawQuery)
	if err != nil {
		return Request{}, &Error{Reason: err.Error()}
	}
	var r Request
	var url, w, q string
	for _, p := range query {
		value := &url
		switch p.Name {
		case "url":
		case "w":
			value = &w
		case "q":
			value = &q
		case "dpl": // Next adds the id of a deployment
			continue
		default:
			r.ignoreUnknown(p.Name)
			continue
		}
		if *value != "" {
			return Request{}, &Error{p.Name, "is given more than once; give it once"}
		}
		*value = p.Value
	}
	if q == "" {
		q = quality
	}
	switch {
	case url == "":
		return Request{}, &Error{"url", "is required: the path of an image, or a full URL"}
	case len(url) > maxNextURL && utf8.RuneCountInString(url) > maxNextURL:
		return Request{}, &Error{"url", "is too long; at most " + strconv.Itoa(maxNextURL) + " characters are allowed"}
	case !isURL(url) && url[0] != '/':
		return Request{}, &Error{"url", "must begin with / or with http:// or https://"}
	}
	if r.Image, err = u.reference(url, "url"); err != nil {
		return Request{}, err
	}
	if r.Image.Path != "" && names(r.Image.Path, self) {
		return Request{}, &Error{"url", "must not name " + self + "; name the original image"}
	}
	if n, ok := whole(w); !ok || n == 0 {
		return Request{}, &Error{"w", "is required: a width in whole pixels, above 0"}
	}
	n, ok := whole(q)
	if !ok || n < 1 || n > 100 {
		return Request{}, &Error{"q", "is required: a quality from 1 to 100"}
	}
	r.Options.Set("w", w, "w")
	r.Options.Set("q", q, "q")
	r.Options.Set("q-avif", strconv.Itoa(max(n-20, 1)), "q")
	return r, nil
}

// names reports whether a decoded path contains self in whole segments. self begins with a
// slash. Other segments may precede it, since an app may have a base path.
func names(path, self string) bool {
	for {
		at := strings.Index(path, self[1:])
		if at < 0 {
			return false
		}
		rest := path[at+len(self)-1:]
		if (at == 0 || path[at-1] == '/') && (rest == "" || rest[0] == '/') {
			return true
		}
		path = rest
	}
}

package dialect

import (
	"slices"
	"strings"

	"github.com/tintype/tintype/transform"
)

// reference parses a decoded URL reference: a full URL or a path. For Netlify a path may
// begin without a slash. param is the parameter of the reference.
func (u URL) reference(ref, param string) (Image, error) {
	if isURL(ref) {
		// Canonical URLs refuse a space. Browsers escape it.
		var i Image
		err := i.setURL(strings.ReplaceAll(ref, " ", "%20"), param)
		return i, err
	}
	if strings.HasPrefix(ref, "//") || strings.Contains(firstSegment(ref), ":") {
		return Image{}, &Error{param, "must be a path, or a URL that begins with http:// or https://"}
	}
	// The reference is a URL itself. So its path is escaped, and the key has no query.
	if end := strings.IndexAny(ref, "?#"); end >= 0 {
		ref = ref[:end]
	}
	return u.object(ref, param)
}

// object returns the image at a path that is not decoded yet.
func (u URL) object(raw, param string) (Image, error) {
	path, err := decodePath(strings.TrimPrefix(raw, "/"))
	switch {
	case err != nil && param != "":
		return Image{}, &Error{param, err.Error()}
	case err != nil:
		return Image{}, err
	case strings.Trim(path, "/") == "":
		return Image{}, &Error{param, "names no image: the path is empty"}
	}
	return Image{Path: u.Key(path)}, nil
}

func firstSegment(ref string) string {
	segment, _, _ := strings.Cut(ref, "/")
	return segment
}

// maxIgnored is the largest number of names in Ignored. An answer shows fewer.
const maxIgnored = 32

// ignoreUnknown adds a parameter that the product doesn't know to Ignored. Harmless parameters
// stay out, such as utm_source.
func (r *Request) ignoreUnknown(name string) {
	if !transform.Harmless(name) {
		r.ignore(name)
	}
}

// ignore adds a parameter to Ignored once.
func (r *Request) ignore(name string) {
	if name != "" && len(r.Ignored) < maxIgnored && !slices.Contains(r.Ignored, name) {
		r.Ignored = append(r.Ignored, name)
	}
}

// side returns the native gravity for the name of a side, or "" for other names.
func side(name string) string {
	switch name {
	case "top":
		return "north"
	case "bottom":
		return "south"
	case "left":
		return "west"
	case "right":
		return "east"
	case "center":
		return "center"
	}
	return ""
}

// oneOf returns nil if value is one of words, else an error that lists them.
func oneOf(param, value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	return &Error{param, "must be " + allowed(words)}
}

func allowed(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return "one of " + strings.Join(words, ", ")
}

// mergedURL returns the full URL in a path. Proxies may merge the slashes of https:// into
// one.
func mergedURL(s string) (url string, ok bool) {
	if isURL(s) {
		return s, true
	}
	for _, scheme := range [...]string{"http:/", "https:/"} {
		if len(s) >= len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
			return scheme + "/" + s[len(scheme):], true
		}
	}
	return "", false
}

// encodedURL reports whether a raw path is a full URL with an encoded colon.
func encodedURL(s string) bool {
	for _, scheme := range [...]string{"http%3a", "https%3a"} {
		if len(s) > len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
			return true
		}
	}
	return false
}

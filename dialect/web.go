package dialect

import (
	"slices"
	"strings"
)

// reference reads a decoded URL reference: a full URL, or a path, which Netlify's may also
// begin without a slash. param is the parameter that it comes from.
func (u URL) reference(ref, param string) (Image, error) {
	if isURL(ref) {
		// A space is all that a browser escapes here and a canonical URL refuses.
		return Image{URL: strings.ReplaceAll(ref, " ", "%20")}, nil
	}
	if strings.HasPrefix(ref, "//") || strings.Contains(firstSegment(ref), ":") {
		return Image{}, &Error{param, "is a path, or a URL that begins with http:// or https://"}
	}
	// What it holds is still a URL's path: escapes stand for characters of the key.
	if end := strings.IndexAny(ref, "?#"); end >= 0 {
		ref = ref[:end]
	}
	return u.object(ref, param)
}

// object is the image at a raw path.
func (u URL) object(raw, param string) (Image, error) {
	path, err := decodePath(strings.TrimPrefix(raw, "/"))
	switch {
	case err != nil && param != "":
		return Image{}, &Error{param, err.Error()}
	case err != nil:
		return Image{}, err
	case strings.Trim(path, "/") == "":
		return Image{}, &Error{param, "the path of the image is empty"}
	}
	return Image{Path: u.Key(path)}, nil
}

func firstSegment(ref string) string {
	segment, _, _ := strings.Cut(ref, "/")
	return segment
}

// maxIgnored bounds how many ignored parameters are kept, far above how many are shown.
const maxIgnored = 32

// ignore names a parameter, once, unless it is harmless.
func (r *Request) ignore(name string) {
	if name != "" && !harmless(name) && len(r.Ignored) < maxIgnored && !slices.Contains(r.Ignored, name) {
		r.Ignored = append(r.Ignored, name)
	}
}

// side is the native gravity of a side's name, or empty.
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

// oneOf is nil if value is one of words, else the error that names them.
func oneOf(param, value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	return &Error{param, "is " + allowed(words)}
}

func allowed(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return "one of " + strings.Join(words, ", ")
}

// mergedURL returns the full URL that a path holds. Proxies merge the slashes of https://,
// so that it may have one.
func mergedURL(s string) (url string, ok bool) {
	if isURL(s) {
		return s, true
	}
	for _, scheme := range [...]string{"http:/", "https:/"} {
		if len(s) > len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) && s[len(scheme)] != '/' {
			return scheme + "/" + s[len(scheme):], true
		}
	}
	return "", false
}

// encodedURL reports whether a raw path is a full URL whose colon is encoded.
func encodedURL(s string) bool {
	for _, scheme := range [...]string{"http%3a", "https%3a"} {
		if len(s) > len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
			return true
		}
	}
	return false
}

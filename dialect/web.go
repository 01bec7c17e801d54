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
	path, err := decodePath(strings.TrimPrefix(ref, "/"))
	if err != nil {
		return Image{}, &Error{param, err.Error()}
	}
	if path == "" {
		return Image{}, &Error{param, "names no image"}
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

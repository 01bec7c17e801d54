package dialect

import "github.com/tintype/tintype/transform"

// netlify is the grammar of Netlify's image CDN: /.netlify/images?url=/owl.jpeg&w=400.
var netlify = &Dialect{
	Name:     "netlify",
	Prefixes: []string{".netlify/images"},
	Parse:    parseNetlify,
	Params:   netlifyParams,
}

func parseNetlify(u URL) (Request, error) {
	if u.Path != "" && u.Path != "/" {
		return Request{}, &Error{Reason: "no path may follow /.netlify/images; write /.netlify/images?url=/PATH"}
	}
	query, err := transform.ParseQuery(u.RawQuery)
	if err != nil {
		return Request{}, &Error{Reason: err.Error()}
	}
	var r Request
	var url, w, h, fit, position, fm, q string
	for _, p := range query {
		value := &url
		switch p.Name {
		case "url":
		case "w":
			value = &w
		case "h":
			value = &h
		case "fit":
			value = &fit
		case "position":
			value = &position
		case "fm":
			value = &fm
		case "q":
			value = &q
		default:
			r.ignoreUnknown(p.Name)
			continue
		}
		if *value == "" { // in Netlify the first value counts
			*value = p.Value
		}
	}
	if url == "" {
		return Request{}, &Error{"url", "is required: the path of an image, or a full URL"}
	}
	if r.Image, err = u.reference(url, "url"); err != nil {
		return Request{}, err
	}
	for _, side := range [...]struct{ name, value string }{{"w", w}, {"h", h}} {
		if side.value == "" {
			continue
		}
		if n, ok := whole(side.value); !ok || n == 0 {
			return Request{}, &Error{side.name, "must be a whole number of pixels, above 0"}
		}
		r.Options.Set(side.name, side.value, side.name)
	}
	switch fit {
	case "", "contain":
		fit = "contain"
	case "cover":
	case "fill":
		fit = "squeeze"
	default:
		return Request{}, &Error{"fit", "must be one of contain, cover, fill"}
	}
	r.Options.Set("fit", fit, "fit")
	gravity := side(position)
	if gravity == "" && position != "" {
		return Request{}, &Error{"position", "must be one of top, bottom, left, right, center"}
	}
	if gravity != "" && fit == "cover" {
		r.Options.Set("gravity", gravity, "position")
	}
	switch fm {
	case "":
	case "avif", "jpg", "jpeg", "png", "webp", "gif":
		r.Options.Set("format", fm, "fm")
	case "blurhash":
		r.Answer = AnswerBlurHash
	default:
		return Request{}, &Error{"fm", "must be one of avif, jpg, png, webp, gif, blurhash"}
	}
	if q == "" {
		q = "75"
	} else if n, ok := whole(q); !ok || n < 1 || n > 100 {
		return Request{}, &Error{"q", "must be a whole number from 1 to 100"}
	}
	r.Options.Set("q", q, "q")
	return r, nil
}

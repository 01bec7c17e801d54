package deliverytest

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

// A Writer writes URLs of one dialect.
type Writer struct {
	// Write returns the path and query after the prefix. full is a full URL, key a key as
	// SOURCE/PATH, of which one is empty. Options are in the words of the dialect.
	Write func(full, key string, options []string) string
	// Options are some that the dialect has, in its own words.
	Options []string
	// FullOnly: in this grammar a relative path begins with a host.
	FullOnly bool
}

// Writers has one for each dialect, by its name.
var Writers = map[string]Writer{
	"next":       {Write: byURL("w=40", "q=90")},
	"vercel":     {Write: byURL("w=40", "q=90")},
	"netlify":    {Write: byURL(), Options: []string{"w=40", "h=30", "fit=cover", "fit=contain", "position=left", "fm=png", "fm=webp", "q=90"}},
	"cloudflare": {Write: listed(","), Options: []string{"width=40", "height=30", "fit=cover", "fit=pad", "fit=crop", "gravity=left", "quality=90", "format=auto", "dpr=2", "rotate=90", "blur=2", "sharpen=1"}},
	"ipx":        {Write: listed(","), Options: []string{"w_40", "h_30", "s_40x30", "f_webp", "f_png", "q_90", "rotate_90", "flip", "flop", "grayscale", "fit_contain", "b_fff"}},
	"imgix": {Write: func(full, key string, options []string) string {
		path := "/" + EscapePath(key)
		if full != "" {
			path = "/" + url.QueryEscape(full)
		}
		return withQuery(path, options)
	}, Options: []string{"w=40", "h=30", "fit=crop", "fit=clip", "fit=fill", "crop=left", "auto=format", "fm=png", "q=90", "flip=h", "rot=90", "dpr=2", "mark-alpha=0", "mark=none", "pad=3", "bri=20", "w64=NDA"}},
	"imgproxy": {Write: func(full, key string, options []string) string {
		name := full + key
		if len(options)%2 == 0 {
			return "/unsafe/" + joined(options, "/") + base64.RawURLEncoding.EncodeToString([]byte(name))
		}
		return "/unsafe/" + joined(options, "/") + "plain/" + strings.ReplaceAll(url.PathEscape(name), "@", "%40")
	}, Options: []string{"rs:fill:40:30", "rs:fit:40", "w:40", "h:30", "g:no", "g:sm", "c:50:50", "rot:90", "q:90", "f:png", "f:webp", "dpr:2", "el:1", "wm:0", "wm:0.5:ce:0:0:0", "wmu:bm9uZQ", "pr:clear", "pd:3", "bg:fff"}},
	"thumbor": {FullOnly: true, Write: func(full, key string, options []string) string {
		return "/unsafe/" + joined(options, "/") + url.QueryEscape(full+key)
	}, Options: []string{"40x30", "fit-in/40x30", "40x0", "-40x30", "10x10:60x60", "40x30/left", "40x30/smart", "filters:format(png)", "filters:quality(90)", "filters:rotate(90)", "filters:grayscale()", "filters:watermark(none,0,0,100)", "trim"}},
	"cloudinary": {Write: func(full, key string, options []string) string {
		if full != "" {
			return "/demo/image/fetch/" + joined(options, "/") + full
		}
		return "/demo/image/upload/" + joined(options, "/") + EscapePath(key)
	}, Options: []string{"w_40", "c_fill,w_40,h_30", "c_pad,w_40,h_30", "c_crop,w_40,h_30", "c_scale,w_40,h_30", "g_auto,c_fill,w_40,h_30", "f_auto", "f_png", "q_90", "dpr_2.0", "e_grayscale", "a_90", "r_max", "b_white", "l_none", "t_clear"}},
	"weserv": {FullOnly: true, Write: func(full, key string, options []string) string {
		return withQuery("/", append([]string{"url=" + url.QueryEscape(full+key)}, options...))
	}, Options: []string{"w=40", "h=30", "fit=cover", "fit=contain", "a=top", "a=attention", "output=png", "output=webp", "q=90", "flip", "ro=90", "mask=circle", "trim=10", "filt=greyscale", "n=-1"}},
}

// byURL writes the image as a parameter of the query. fixed are parameters that a URL must
// have, unless the options have them.
func byURL(fixed ...string) func(full, key string, options []string) string {
	return func(full, key string, options []string) string {
		image := full
		if full == "" {
			image = "/" + EscapePath(key)
		}
		query := append([]string{"url=" + url.QueryEscape(image)}, options...)
		for _, f := range fixed {
			name, _, _ := strings.Cut(f, "=")
			if !slices.ContainsFunc(options, func(o string) bool { return strings.HasPrefix(o, name+"=") }) {
				query = append(query, f)
			}
		}
		return withQuery("", query)
	}
}

// listed writes the options as one segment, and the image after it.
func listed(separator string) func(full, key string, options []string) string {
	return func(full, key string, options []string) string {
		list := strings.Join(options, separator)
		if list == "" {
			list = "_"
		}
		if full != "" {
			return "/" + list + "/" + full
		}
		return "/" + list + "/" + EscapePath(key)
	}
}

func joined(options []string, separator string) string {
	if len(options) == 0 {
		return ""
	}
	return strings.Join(options, separator) + separator
}

func withQuery(path string, parameters []string) string {
	if len(parameters) == 0 {
		return path
	}
	return path + "?" + strings.Join(parameters, "&")
}

// EscapePath escapes each segment of a path.
func EscapePath(path string) string {
	return strings.ReplaceAll(url.PathEscape(path), "%2F", "/")
}

// Image writes a URL for SOURCE/PATH or a full URL.
func (w Writer) Image(image string, options []string) string {
	if strings.Contains(image, "://") {
		return w.Write(image, "", options)
	}
	return w.Write("", image, options)
}

// SignAs signs URLs of a dialect as its product does, with a salt of "salt" where it has one. options
// is in the product's words.
var SignAs = map[string]func(secret []byte, image, options string) string{
	"imgix": func(secret []byte, image, options string) string {
		target := "/" + image
		if options != "" {
			target += "?" + options
		}
		sum := md5.Sum([]byte(string(secret) + target))
		separator := "?"
		if options != "" {
			separator = "&"
		}
		return target + separator + "s=" + hex.EncodeToString(sum[:])
	},
	"imgproxy": func(secret []byte, image, options string) string {
		if options != "" {
			options += "/"
		}
		message := "/" + options + "plain/" + image
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte("salt" + message))
		return "/" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) + message
	},
	"thumbor": func(secret []byte, image, options string) string {
		if options != "" {
			options += "/"
		}
		mac := hmac.New(sha1.New, secret)
		mac.Write([]byte(options + image))
		return "/" + base64.URLEncoding.EncodeToString(mac.Sum(nil)) + "/" + options + image
	},
	"cloudinary": func(secret []byte, image, options string) string {
		if options != "" {
			options += "/"
		}
		sum := sha1.Sum([]byte(options + image + string(secret)))
		kind := "upload"
		if strings.Contains(image, "://") {
			kind = "fetch"
		}
		return "/demo/image/" + kind + "/s--" + base64.RawURLEncoding.EncodeToString(sum[:])[:8] + "--/" + options + image
	},
}

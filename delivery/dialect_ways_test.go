package delivery

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/dialect"
	"github.com/tintype/tintype/workspace"
)

// A writer writes URLs of one dialect.
type writer struct {
	// Write returns the path and query after the prefix. full is a full URL, key a key as
	// SOURCE/PATH, of which one is empty. Options are some of options.
	write func(full, key string, options []string) string
	// options are some that the dialect has, in its own words.
	options []string
	// fullOnly: in this grammar a relative path begins with a host.
	fullOnly bool
}

// writers has one for each dialect, by its name.
var writers = map[string]writer{
	"next":       {write: byURL("w=40&q=90", "url="), options: nil},
	"vercel":     {write: byURL("w=40&q=90", "url=")},
	"netlify":    {write: byURL("", "url="), options: []string{"w=40", "h=30", "fit=cover", "fit=contain", "position=left", "fm=png", "fm=webp", "q=90"}},
	"cloudflare": {write: listed(","), options: []string{"width=40", "height=30", "fit=cover", "fit=pad", "fit=crop", "gravity=left", "quality=90", "format=auto", "dpr=2", "rotate=90", "blur=2", "sharpen=1"}},
	"ipx":        {write: listed(","), options: []string{"w_40", "h_30", "s_40x30", "f_webp", "f_png", "q_90", "rotate_90", "flip", "flop", "grayscale", "fit_contain", "b_fff"}},
	"imgix": {write: func(full, key string, options []string) string {
		path := "/" + escapePath(key)
		if full != "" {
			path = "/" + url.QueryEscape(full)
		}
		return withQuery(path, options)
	}, options: []string{"w=40", "h=30", "fit=crop", "fit=clip", "fit=fill", "crop=left", "auto=format", "fm=png", "q=90", "flip=h", "rot=90", "dpr=2", "mark-alpha=0", "mark=none", "pad=3", "bri=20", "w64=NDA"}},
	"imgproxy": {write: func(full, key string, options []string) string {
		name := full + key
		if len(options)%2 == 0 {
			return "/unsafe/" + joined(options, "/") + base64.RawURLEncoding.EncodeToString([]byte(name))
		}
		return "/unsafe/" + joined(options, "/") + "plain/" + strings.ReplaceAll(url.PathEscape(name), "@", "%40")
	}, options: []string{"rs:fill:40:30", "rs:fit:40", "w:40", "h:30", "g:no", "g:sm", "c:50:50", "rot:90", "q:90", "f:png", "f:webp", "dpr:2", "el:1", "wm:0", "wm:0.5:ce:0:0:0", "wmu:bm9uZQ", "pr:clear", "pd:3", "bg:fff"}},
	"thumbor": {fullOnly: true, write: func(full, key string, options []string) string {
		return "/unsafe/" + joined(options, "/") + url.QueryEscape(full+key)
	}, options: []string{"40x30", "fit-in/40x30", "40x0", "-40x30", "10x10:60x60", "40x30/left", "40x30/smart", "filters:format(png)", "filters:quality(90)", "filters:rotate(90)", "filters:grayscale()", "filters:watermark(none,0,0,100)", "trim"}},
	"cloudinary": {write: func(full, key string, options []string) string {
		if full != "" {
			return "/demo/image/fetch/" + joined(options, "/") + full
		}
		return "/demo/image/upload/" + joined(options, "/") + escapePath(key)
	}, options: []string{"w_40", "c_fill,w_40,h_30", "c_pad,w_40,h_30", "c_crop,w_40,h_30", "c_scale,w_40,h_30", "g_auto,c_fill,w_40,h_30", "f_auto", "f_png", "q_90", "dpr_2.0", "e_grayscale", "a_90", "r_max", "b_white", "l_none", "t_clear"}},
	"weserv": {fullOnly: true, write: func(full, key string, options []string) string {
		return withQuery("/", append([]string{"url=" + url.QueryEscape(full+key)}, options...))
	}, options: []string{"w=40", "h=30", "fit=cover", "fit=contain", "a=top", "a=attention", "output=png", "output=webp", "q=90", "flip", "ro=90", "mask=circle", "trim=10", "filt=greyscale", "n=-1"}},
}

// byURL writes the image as a parameter of the query.
func byURL(fixed, name string) func(full, key string, options []string) string {
	return func(full, key string, options []string) string {
		image := full
		if full == "" {
			image = "/" + escapePath(key)
		}
		query := []string{name + url.QueryEscape(image)}
		if fixed != "" {
			query = append(query, fixed)
		}
		return withQuery("", append(query, options...))
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
		return "/" + list + "/" + escapePath(key)
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

// escapePath escapes each segment of a path.
func escapePath(path string) string {
	return strings.ReplaceAll(url.PathEscape(path), "%2F", "/")
}

// A way is one URL of a dialect for an image, by its key or by its full URL.
type way struct{ dialect, target string }

// waysTo are URLs of every dialect for an image, with each of the dialect's options alone and
// with all of them in turn.
func waysTo(t *testing.T, namespace, key, full string) (all []way) {
	t.Helper()
	for _, d := range dialect.All {
		w, ok := writers[d.Name]
		if !ok {
			t.Fatalf("nothing writes URLs of %s: add it to writers", d.Name)
		}
		for _, prefix := range d.Prefixes {
			for _, by := range [][2]string{{key, ""}, {"", full}} {
				if by[1] == "" && w.fullOnly {
					continue
				}
				sets := [][]string{nil}
				for i, o := range w.options {
					sets = append(sets, []string{o}, []string{o, w.options[(i+3)%len(w.options)]})
				}
				for _, set := range sets {
					all = append(all, way{d.Name, "/" + namespace + "/" + prefix + w.write(by[1], by[0], set)})
				}
			}
		}
	}
	return all
}

// Marks, privacy and the allowlist hold in every dialect, whichever options a URL has.
func TestDialectsKeepTheRules(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, markedAcme(t, b))
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Namespace, w.ID, w.AllowedSources = "closed", "", []string{"https://only.example.com"}
		w.Sources[0].Private = true
	}))
	b.upstream.Serve("/else/dog.jpg", deliverytest.Body(deliverytest.Photo(t, 20, 20)))
	own, other := b.upstream.URL+"/photos/cat.jpg", b.upstream.URL+"/else/dog.jpg"
	pictures := map[string]int{}
	for _, w := range waysTo(t, "acme", "photos/cat.jpg", own) {
		answer := b.get(w.target)
		if answer.Code != 200 {
			if got := code(t, answer); !slices.Contains([]string{"INVALID_OPTION", "INVALID_PATH", "INVALID_SOURCE"}, got) {
				t.Errorf("%s: %s: %s", w.dialect, w.target, got)
			}
			continue
		}
		pictures[w.dialect]++
		if got := shows(t, answer); !strings.Contains(got, "red") {
			t.Errorf("%s: %s shows %s, and not its mark", w.dialect, w.target, got)
		}
	}
	for _, d := range dialect.All {
		if pictures[d.Name] < 2 {
			t.Errorf("%s: only %d URLs led to a picture", d.Name, pictures[d.Name])
		}
	}
	t.Logf("pictures: %v", pictures)
	refused := func(ways []way, want string) {
		for _, w := range ways {
			answer := b.get(w.target)
			if got := code(t, answer); got != want && got != "INVALID_OPTION" && got != "INVALID_PATH" && got != "INVALID_SOURCE" {
				t.Errorf("%s: %s: %d %s, want %s", w.dialect, w.target, answer.Code, got, want)
			}
		}
	}
	refused(waysTo(t, "closed", "photos/cat.jpg", own), "SIGNATURE_REQUIRED")
	full := slices.DeleteFunc(waysTo(t, "closed", "photos/cat.jpg", other), func(w way) bool { return !strings.Contains(w.target, "dog.jpg") })
	refused(full, "SOURCE_NOT_ALLOWED")
}

package delivery

import (
	"net/url"
	"strings"
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/dialect"
)

// A route is one way to ask for something of an image. Rules that hold for all of them are
// tested over all of them: see routes.
type route struct {
	name    string
	dialect *dialect.Dialect // nil is one of ours
	// write writes path and query after the namespace. image is SOURCE/PATH or a full URL.
	write func(image string) string
	// secret: the answer is for those with a right only, whatever the source.
	secret bool
	// reads is false where no original is read, whatever image is.
	reads bool
	// variant: the answer is a variant, so that presets can describe it.
	variant bool
	// byPath: the path names the image, which can't be a full URL then.
	byPath bool
}

// routes are all endpoints with their parts, in both spellings of the image, and all
// dialects with all their prefixes and answers.
func routes(t testing.TB) []route {
	t.Helper()
	bySrc := func(path, more string) func(string) string {
		return func(image string) string { return path + "?src=" + url.QueryEscape(image) + more }
	}
	byPath := func(path, more string) func(string) string {
		return func(image string) string { return path + "/" + deliverytest.EscapePath(image) + more }
	}
	all := []route{
		{name: "transform", write: byPath("", "?w=20"), byPath: true, reads: true, variant: true},
		{name: "transform by name", write: byPath("/transform", "?w=20"), byPath: true, reads: true, variant: true},
		{name: "transform by src", write: bySrc("", "&w=20"), reads: true, variant: true},
		{name: "info", write: byPath("/info", ""), byPath: true, reads: true},
		{name: "info by src", write: bySrc("/info", ""), reads: true},
		{name: "info with EXIF", write: bySrc("/info", "&select=exif"), reads: true, secret: true},
		{name: "info with all", write: bySrc("/info", "&select=metadata,exif"), reads: true, secret: true},
		{name: "placeholder of a hash", write: func(string) string { return strings.TrimPrefix(blurhash("&w=8&h=8"), "/acme") }},
		{name: "placeholder of a colour", write: func(string) string { return "/placeholder/color?color=red" }},
		{name: "grid", write: bySrc("/grid", "&src=photos/cat.jpg&w=40&h=20"), reads: true},
		{name: "grid, second", write: func(image string) string {
			return "/grid?src=photos/cat.jpg&src=" + url.QueryEscape(image) + "&w=40&h=20&type=row"
		}, reads: true},
		{name: "mark", write: func(image string) string { return "/photos/cat.jpg?w=20&mark=" + url.QueryEscape(image) }, reads: true, variant: true},
	}
	for _, part := range endpoints["info"].parts {
		all = append(all, route{name: "info/" + part, write: bySrc("/info/"+part, ""), reads: true},
			route{name: "info/" + part + " by path", write: byPath("/info/"+part, ""), byPath: true, reads: true})
	}
	for _, part := range endpoints["placeholder"].parts {
		all = append(all, route{name: "placeholder/" + part, write: bySrc("/placeholder/"+part, ""), reads: true},
			route{name: "placeholder/" + part + " by path", write: byPath("/placeholder/"+part, ""), byPath: true, reads: true})
	}
	for name := range endpoints { // a new one needs a row above
		if !strings.Contains("transform info placeholder grid", name) {
			t.Fatalf("no route leads to the endpoint %s: add it", name)
		}
	}
	for _, d := range dialect.All {
		w, ok := deliverytest.Writers[d.Name]
		if !ok {
			t.Fatalf("nothing writes URLs of %s: add it to deliverytest.Writers", d.Name)
		}
		for _, prefix := range d.Prefixes {
			all = append(all, route{name: prefix, dialect: d, reads: true, variant: true, write: func(image string) string {
				if d.Name == "cloudflare" { // whose URLs have an option at least
					return "/" + prefix + w.Image(image, []string{"width=20"})
				}
				return "/" + prefix + w.Image(image, nil)
			}})
		}
	}
	imgix, cloudflare := deliverytest.Writers["imgix"], deliverytest.Writers["cloudflare"]
	return append(all,
		route{name: "BlurHash of imgix", dialect: dialect.Named("imgix"), reads: true, write: func(image string) string {
			return "/imgix" + imgix.Image(image, []string{"fm=blurhash"})
		}},
		route{name: "JSON of cloudflare", dialect: dialectOfName("cloudflare"), reads: true, write: func(image string) string {
			return "/cdn-cgi/image" + cloudflare.Image(image, []string{"width=20", "format=json"})
		}})
}

func dialectOfName(name string) *dialect.Dialect {
	for _, d := range dialect.All {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// takes reports whether the route can name the image.
func (r route) takes(image string) bool {
	full := strings.Contains(image, "://")
	return !(full && r.byPath) && !(!full && r.dialect != nil && deliverytest.Writers[r.dialect.Name].FullOnly)
}

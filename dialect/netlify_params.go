package dialect

// netlifyParams are all parameters of Netlify's image CDN.
var netlifyParams = []Param{
	{"url", Differs, "A path is an object key of the default source, without its query. allowed_sources takes the place of remote_images.",
		"?url=/owl.jpeg", "fit=contain&q=75"},
	{"w", Works, "", "?url=/owl.jpeg&w=50", "w=50&fit=contain&q=75"},
	{"h", Works, "", "?url=/owl.jpeg&h=50", "h=50&fit=contain&q=75"},
	{"fit", Works, "", "?url=/owl.jpeg&fit=fill&w=300&h=100", "w=300&h=100&fit=squeeze&q=75"},
	{"position", Works, "", "?url=/owl.jpeg&fit=cover&w=50&h=50&position=left", "w=50&h=50&fit=cover&gravity=west&q=75"},
	{"fm", Differs, "Without it AVIF comes before WebP. blurhash answers text.", "?url=/owl.jpeg&fm=png", "fit=contain&format=png&q=75"},
	{"q", Differs, "On JPEG's scale in every format.", "?url=/owl.jpeg&fm=avif&q=50", "fit=contain&format=avif&q=50"},
}

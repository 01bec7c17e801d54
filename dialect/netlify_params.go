package dialect

// netlifyParams has all parameters of Netlify's image CDN.
var netlifyParams = []Param{
	{"url", Differs, "A path is an object key of default_source. Its query has no effect. allowed_sources replaces remote_images.",
		"?url=/owl.jpeg", "fit=contain&q=75"},
	{"w", Works, "", "?url=/owl.jpeg&w=50", "w=50&fit=contain&q=75"},
	{"h", Works, "", "?url=/owl.jpeg&h=50", "h=50&fit=contain&q=75"},
	{"fit", Works, "", "?url=/owl.jpeg&fit=fill&w=300&h=100", "w=300&h=100&fit=squeeze&q=75"},
	{"position", Works, "", "?url=/owl.jpeg&fit=cover&w=50&h=50&position=left", "w=50&h=50&fit=cover&gravity=west&q=75"},
	{"fm", Differs, "Without fm, clients get AVIF before WebP.", "?url=/owl.jpeg&fm=png", "fit=contain&format=png&q=75"},
	{"q", Differs, "The scale is JPEG's in every format.", "?url=/owl.jpeg&fm=avif&q=50", "fit=contain&format=avif&q=50"},
}

package dialect

// nextParams are all parameters of /_next/image.
var nextParams = []Param{
	{"url", Differs, "A path is an object key of the default source, without its query. allowed_sources decides about full URLs.",
		"?url=%2Fme.png&w=640&q=75", "w=640&q=75&q-avif=55"},
	{"w", Differs, "Any width up to 8192: Tintype doesn't know deviceSizes and imageSizes of the app.",
		"?url=%2Fme.png&w=1000&q=75", "w=1000&q=75&q-avif=55"},
	{"q", Differs, "Any quality: Tintype doesn't know qualities of the app. It is on JPEG's scale; AVIF gets q − 20. PNG is never reduced to a palette.",
		"?url=%2Fme.png&w=640&q=90", "w=640&q=90&q-avif=70"},
}

// vercelParams are all parameters of /_vercel/image.
var vercelParams = []Param{
	{"url", Differs, "A path is an object key of the default source, without its query. allowed_sources decides about full URLs.",
		"?url=%2Fme.png&w=640&q=75", "w=640&q=75&q-avif=55"},
	{"w", Differs, "Any width up to 8192: Tintype doesn't know sizes of the deployment.",
		"?url=%2Fme.png&w=1000&q=75", "w=1000&q=75&q-avif=55"},
	{"q", Differs, "Any quality, and 75 without it. It is on JPEG's scale; AVIF gets q − 20. PNG is never reduced to a palette.",
		"?url=%2Fme.png&w=640", "w=640&q=75&q-avif=55"},
}

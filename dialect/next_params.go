package dialect

// nextParams has all parameters of /_next/image.
var nextParams = []Param{
	{"url", Differs, "A path is an object key of default_source. Its query has no effect. A full URL must be in allowed_sources.",
		"?url=%2Fme.png&w=640&q=75", "w=640&q=75&q-avif=55"},
	{"w", Differs, "Any width up to 8192. Next allows only the widths in deviceSizes and imageSizes.",
		"?url=%2Fme.png&w=1000&q=75", "w=1000&q=75&q-avif=55"},
	{"q", Differs, "Any quality. Next allows only the values in qualities. AVIF gets q − 20. PNG gets no palette.",
		"?url=%2Fme.png&w=640&q=90", "w=640&q=90&q-avif=70"},
}

// vercelParams has all parameters of /_vercel/image.
var vercelParams = []Param{
	{"url", Differs, "A path is an object key of default_source. Its query has no effect. A full URL must be in allowed_sources.",
		"?url=%2Fme.png&w=640&q=75", "w=640&q=75&q-avif=55"},
	{"w", Differs, "Any width up to 8192. Vercel allows only the widths in sizes.",
		"?url=%2Fme.png&w=1000&q=75", "w=1000&q=75&q-avif=55"},
	{"q", Differs, "Any quality. Vercel allows only the values in qualities. AVIF gets q − 20. PNG gets no palette.",
		"?url=%2Fme.png&w=640", "w=640&q=75&q-avif=55"},
}

package main

// deviations are the known differences from other products. If several match a case, the
// first counts.
var deviations = []deviation{
	{"^next-image-optimizer/refused$", "^w is (none|that)", "200, not 400", "every width is allowed"},
	{"^next-image-optimizer/made$", "png|PNG", "jpeg, not png", "a PNG without transparency becomes JPEG for clients that take no WebP"},
	{"^next-image-optimizer/headers$", "^Content-.*(png|PNG)", `"image/jpeg"|\.jpeg"`, "a PNG without transparency becomes JPEG for clients that take no WebP"},
	{"^next-image-optimizer/headers$", "^Content-.*animation", `"image/webp"|\.webp"`, "an animation becomes WebP, Next passes it through"},
	{"^next-image-optimizer/headers$", "^Cache-Control", "public, max-age=3600, s-maxage=86400", "browsers keep an image for an hour and CDNs for a day, as with native URLs"},
	{"^next-image-optimizer/made$", "animation", "256×171, not 480×320", "an animation is resized, Next passes it through"},

	{"^repositories/unpic/nextjs$", "", "400, not 200: url: must begin with /", "unpic escapes `url` twice, which Next refuses too"},

	{"^repositories/imgproxy-js-core/", "^dpr:", "400, not 200: dpr: .* allowed: 0.1–5", "`dpr` is from 0.1 to 5"},
	{"^repositories/imgproxy-js-core/", "^fn:.*:t$", "400, not 200: fn: must be text in base64url", "the name isn't base64url, as it says: imgproxy refuses it too"},
	{"^repositories/imgproxy-js-core/", "^(wm|watermark):", "400, not 200: .*: the workspace has no mark of this name", "the workspace has no mark named watermark"},
	{"^repositories/imgproxy-js-core/", "^pr:", "400, not 200: pr: workspace imgproxy has no preset", "the workspace has no preset of this name"},
	{"^repositories/imgproxy-js-core/", "(^|/)pr:", "400, not 200: pr: must name one preset", "a URL can have one preset"},
	{"^repositories/imgproxy-js-core/(optionsImageInfo|generateImageInfoUrl)", "(^|/)[fs]:", "400, not 200: [fs]: must be", "`f` and `s` of imgproxy Pro's facts are format and size in the URL of an image; `/info` has facts"},
	{"^repositories/imgproxy-js-core/generate", "^/enc/", "400, not 200: Tintype can't decrypt", "encrypted URLs are imgproxy Pro's"},
	{"^repositories/imgproxy-js-core/generate", "/pic.png$", "400, not 200: the source URL must be text in base64url", "a file name after base64: imgproxy refuses it too, unless it is configured"},

	{"^repositories/imagor$", "color%3A", "400, not 200: color: is not supported", "`color:` as an image: use /placeholder/color"},
	{"^repositories/imagor$", `\.bmp$`, "415, not 200: unsupported image format", "BMP originals are refused"},
	{"^repositories/imagor$", `\.svg$`, "png, not jpeg", "an SVG without a format becomes PNG"},
	{"^repositories/imagor$", "format%28heif%29", "png, not heic", "Tintype writes no HEIC"},
	{"^repositories/imagor$", "filters.*[^a-z]crop%28", "×.*, not", "`crop()` after a resize is ignored"},
	{"^repositories/imagor$", "adaptive-", "×.*, not", "`adaptive-` is ignored: Tintype doesn't swap width and height"},
	{"^repositories/imagor$", "filters.*trim%28", "×.*, not", "`trim()` after a resize is ignored"},
	{"^repositories/imagor$", "^trim", "×.*, not", "`trim` takes the colour of most corners, imagor that of one corner; with a crop, imagor keeps the common part of both"},
	{"^repositories/imagor$", "[0-9]x[0-9:x]+/filters.*rotate%2890%29", "×.*, not", "`rotate()` turns the padding too"},
}

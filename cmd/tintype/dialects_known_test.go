package main

// deviations are the known differences from other products.
var deviations = []deviation{
	{"^cloudinary-url-gen/", "^rotate", "300×450, not 200×300", "a turn by 90° comes before resizing, also where the URL has it after"},
	{"^imgix-js-core/", `"w":0\.25`, "2400×1600, not 600×400", "a width that is a fraction of the original is ignored"},
	{"^imgproxy-js-core/", `"width":400.*"resizing_type":"auto"`, "400×267, not 400×300", "`resizing_type:auto` is `fit`"},
}

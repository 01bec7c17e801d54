// A CloudFront Function (viewer request, cloudfront-js-2.0) that narrows Accept to what format=auto may choose. Put Accept into
// the cache policy's headers, and Origin where a workspace lists origins. Without it, CloudFront takes Accept away, and every
// browser gets JPEG or PNG. The query string is part of the key: "All".
function handler(event) {
	var request = event.request;
	var accept = request.headers.accept ? request.headers.accept.value : "";
	var narrowed = "*/*";
	if (accept.indexOf("image/avif") >= 0) {
		narrowed = "image/avif,image/webp,*/*";
	} else if (accept.indexOf("image/webp") >= 0) {
		narrowed = "image/webp,*/*";
	}
	request.headers.accept = { value: narrowed };
	return request;
}

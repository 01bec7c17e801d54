package apikey

import (
	"net/http"
	"strings"
)

// Bearer returns the key in the Authorization header, of which there must be one
// (RFC 6750 §2.1; the scheme's case doesn't matter, RFC 9110 §11.1). Not ok is none.
func Bearer(h http.Header) (key string, ok bool) {
	values := h["Authorization"]
	if len(values) != 1 {
		return "", false
	}
	scheme, key, _ := strings.Cut(values[0], " ")
	key = strings.Trim(key, " ")
	return key, strings.EqualFold(scheme, "Bearer") && key != ""
}

package apikey

import (
	"net/http"
	"strings"
)

// Bearer returns the key in the Authorization header (RFC 6750 §2.1). ok is false where
// there isn't exactly one such header. The scheme may be in any case (RFC 9110 §11.1).
func Bearer(h http.Header) (key string, ok bool) {
	values := h["Authorization"]
	if len(values) != 1 {
		return "", false
	}
	scheme, key, _ := strings.Cut(values[0], " ")
	key = strings.Trim(key, " ")
	return key, strings.EqualFold(scheme, "Bearer") && key != ""
}

package web

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

// TestFiles: every file has a media type, and none names another host.
func TestFiles(t *testing.T) {
	for name, a := range assets.files {
		if a.mediaType == "" {
			t.Errorf("%s has no media type", name)
		}
		if bytes.Contains(a.body, []byte("//cdn")) || regexp.MustCompile(`https?://(?:[a-z0-9-]+\.)+[a-z]{2,}`).MatchString(strings.ReplaceAll(string(a.body), "http://www.w3.org/2000/svg", "")) {
			t.Errorf("%s names another host", name)
		}
	}
}

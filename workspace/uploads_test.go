package workspace_test

import (
	"strings"
	"testing"

	"github.com/tintype/tintype/workspace"
)

// TestUploads: only sources of buckets take uploads.
func TestUploads(t *testing.T) {
	for _, tt := range []struct {
		source workspace.Source
		valid  bool
	}{
		{workspace.Source{Kind: "s3", Bucket: "media", Region: "eu-west-1", AccessKeyID: "a", SecretAccessKey: "b"}, true},
		{workspace.Source{Kind: "r2", Bucket: "media", AccountID: strings.Repeat("0a", 16), AccessKeyID: "a", SecretAccessKey: "b"}, true},
		{workspace.Source{Kind: "http", URL: "https://origin.example.com/"}, false},
	} {
		tt.source.Key, tt.source.Uploads = "media", true
		w := workspace.New("acme")
		w.Sources = []workspace.Source{tt.source}
		err := w.Validate()
		if tt.valid != (err == nil) || err != nil && !strings.Contains(err.Error(), "sources[0].uploads") {
			t.Errorf("%s: %v", tt.source.Kind, err)
		}
	}
}

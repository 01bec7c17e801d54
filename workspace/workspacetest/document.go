package workspacetest

import (
	"strings"
	"testing"

	"github.com/tintype/tintype/workspace"
)

// Document decodes one YAML document.
func Document(t *testing.T, yaml string) *workspace.Document {
	t.Helper()
	all, err := workspace.DecodeAll(strings.NewReader(yaml), "w.yaml")
	if err != nil || len(all) != 1 {
		t.Fatalf("%d documents, %v", len(all), err)
	}
	return all[0]
}

// Present is a workspace as YAML. Tests apply documents to it.
const Present = `
namespace: acme
name: Acme
allowed_origins: [https://a.example.com, https://b.example.com]
domains: [img.example.com, pics.example.com]
require_signature: true
sources:
- {key: photos, kind: http, url: https://origin.example.com/, private: true, headers: {X-Token: hunter2, X-More: hunter3}, public_urls: [https://cdn.example.com/], ttl: 60}
- {key: media, kind: s3, bucket: media, region: eu-west-1, access_key_id: AKIA, secret_access_key: hunter4}
marks:
- {name: brand, image: photos/logo.png, width: 15%, opacity: 0.5, auto_apply_sources: [photos, media]}
presets:
- {name: thumb, options: w=320}
- {name: hero, options: w=1600}
limits: {requests_per_minute: 10, transforms_per_day: 100}
`

package workspacetest

import (
	"fmt"
	"runtime"

	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// Typical returns a workspace as people have them: with so many sources, two of three over HTTP
// and one a bucket, a mark and four presets. No two have the same texts.
func Typical(number, sources int) *workspace.Workspace {
	w := workspace.New(fmt.Sprintf("space-%d", number))
	w.ID = fmt.Sprintf("%026d", number)
	w.Revision = 1
	w.Name = fmt.Sprintf("Space number %d", number)
	w.AllowedOrigins = []string{"https://app.example.com", "*.example.com"}
	w.AllowedSources = []string{"https://images.example.com/", "*.example.org"}
	w.SigningKeys = []signing.Key{{ID: "k1", Secret: signing.NewSecret()}}
	w.Domains = []string{fmt.Sprintf("img.space-%d.example", number)}
	w.Limits.TransformsPerMonth = 10_000
	for i := range sources {
		src := workspace.Source{
			Key: fmt.Sprintf("photos%d", i), Kind: "http", URL: fmt.Sprintf("https://origin%d-%d.example.com/photos/", number, i), TTL: 60,
			Headers: map[string]string{"Authorization": fmt.Sprintf("Bearer s3cret-%d-%d", number, i)}, CacheControl: "public, max-age=60",
			PublicURLs: []string{fmt.Sprintf("https://cdn%d-%d.example.com/p/", number, i)},
		}
		if i%3 == 2 {
			src = workspace.Source{
				Key: fmt.Sprintf("media%d", i), Kind: "s3", Bucket: fmt.Sprintf("media-%d-%d", number, i), Region: "eu-west-1",
				AccessKeyID: "AKIA0000000000000000", SecretAccessKey: fmt.Sprintf("%040d", i), TTL: 60,
			}
		}
		w.Sources = append(w.Sources, src)
	}
	w.Marks = []workspace.Mark{{Name: "logo", Image: "photos0/logo.png", Width: "20%", Align: "bottom,right", Pad: "10", AutoApplySources: []string{"photos0"}}}
	for i := range 4 {
		w.Presets = append(w.Presets, workspace.Preset{Name: fmt.Sprintf("preset%d", i), Options: fmt.Sprintf("w=%d&h=200&fit=cover&format=webp&quality=80", 100*i)})
	}
	return w
}

// HeapOf returns by how many bytes do makes the heap larger.
func HeapOf(do func()) int64 {
	before := heap()
	do()
	return heap() - before
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers and pools let go of in the first
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

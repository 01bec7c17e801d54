package workspace

import (
	"strings"
	"testing"
)

// TestUnblocks: a change after which a blocked path names another image gets a warning.
func TestUnblocks(t *testing.T) {
	old := New("acme")
	old.Sources = []Source{
		{Key: "photos", Kind: "http", URL: "https://photos.test/a/", PublicURLs: []string{"https://cdn.test/"}},
		{Key: "other", Kind: "http", URL: "https://other.test/"},
	}
	old.Blocks = []Block{{ID: "1", Path: "photos/cat.jpg"}, {ID: "2", SHA256: strings.Repeat("0", 64)}}
	for _, tt := range []struct {
		name   string
		change func(*Workspace)
		want   string // part of the warning; empty is none
	}{
		{"nothing", func(*Workspace) {}, ""},
		{"its time to live", func(w *Workspace) { w.Sources[0].TTL = 60 }, ""},
		{"a header", func(w *Workspace) { w.Sources[0].Headers = map[string]string{"X-Key": "b"} }, ""},
		{"another source", func(w *Workspace) { w.Sources[1].URL = "https://elsewhere.test/" }, ""},
		{"renamed", func(w *Workspace) { w.Sources[0].Key = "pictures" }, "source photos is gone: what is blocked as photos/cat.jpg can be shown"},
		{"removed", func(w *Workspace) { w.Sources = w.Sources[1:] }, "source photos is gone"},
		{"moved", func(w *Workspace) { w.Sources[0].URL = "https://photos.test/" }, "source photos has another place"},
		{"without its public URL", func(w *Workspace) { w.Sources[0].PublicURLs = nil }, "source photos has another place"},
		{"unblocked too", func(w *Workspace) { w.Sources, w.Blocks = w.Sources[1:], nil }, ""},
	} {
		w := old.Clone()
		tt.change(w)
		got := strings.Join(w.Opens(old), "\n")
		if tt.want == "" && strings.Contains(got, "blocks:") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

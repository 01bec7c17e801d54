package client_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/tintype/tintype/client"
)

// TestFetch: what is asked for an image and for facts, and what is read of the answers.
func TestFetch(t *testing.T) {
	s := &script{answers: []func(http.ResponseWriter){
		say(200, "a picture", "Content-Type", "image/webp"),
		say(200, "another", "Content-Type", "image/png"),
		failing(404, "NOT_FOUND"),
		say(200, `{"metadata":{"width":3,"height":2,"format":"png"},"palette":{"vibrant":{"hex":"#112233"},"muted":null},"exif":{"Make":"T"},"gps":{"latitude":1.5,"longitude":-2,"altitude":null}}`),
		say(200, `{}`),
	}}
	c := newClient(t, "http://img.example", client.WithHTTPClient(&http.Client{Transport: s}))
	p, err := c.Fetch(t.Context(), "acme", "photos/a b.jpg", client.Options{"w": 40, "format": "webp"})
	if err != nil || p.ContentType != "image/webp" || string(p.Bytes) != "a picture" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err = c.Fetch(t.Context(), "acme", "https://shop.example.com/a.jpg", nil); err != nil || string(p.Bytes) != "another" {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err = c.Fetch(t.Context(), "acme", "photos/none.jpg", nil); err == nil || err.Error() != "It is so. (404 NOT_FOUND)" {
		t.Error(err)
	}
	i, err := c.Info(t.Context(), "acme", "photos/a.jpg", "metadata", "exif")
	if err != nil || i.Metadata.Width != 3 || i.Palette["vibrant"].Hex != "#112233" || i.Palette["muted"] != nil || i.EXIF["Make"] != "T" || i.GPS.Longitude != -2 {
		t.Errorf("%+v, %v", i, err)
	}
	if _, err = c.Info(t.Context(), "acme", "https://shop.example.com/a.jpg", "colors"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "cat.jpg", "photos/../x", "photos/./x"} {
		if _, err := c.Fetch(t.Context(), "acme", bad, nil); err == nil {
			t.Errorf("fetched %q", bad)
		}
	}
	want := []string{
		"GET /acme/transform/photos/a%20b.jpg?format=webp&w=40 -",
		"GET /acme/transform?src=https%3A%2F%2Fshop.example.com%2Fa.jpg -",
		"GET /acme/transform/photos/none.jpg -",
		"GET /acme/info/photos/a.jpg?select=metadata%2Cexif -",
		"GET /acme/info?src=https%3A%2F%2Fshop.example.com%2Fa.jpg&select=colors -",
	}
	if !slices.Equal(s.seen, want) {
		t.Errorf("asked %q, want %q", s.seen, want)
	}
}

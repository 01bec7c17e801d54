package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
)

// TestExamples asks a whole server for every example of docs/options.md.
func TestExamples(t *testing.T) {
	url := startServer(t)
	for _, doc := range transform.Vocabulary() {
		t.Run(doc.Name, func(t *testing.T) {
			_, rawQuery, _ := strings.Cut(doc.Sample, "?")
			query, err := transform.ParseQuery(rawQuery)
			if err != nil {
				t.Fatal(err)
			}
			options, err := transform.Parse(transform.Defaults(), query)
			if err != nil {
				t.Fatal(err)
			}
			if _, shown, _ := query.Value(doc.Name); !shown {
				t.Errorf("%q doesn't show %s", doc.Sample, doc.Name)
			}

			res, err := http.Get(url + "/demo/samples/" + doc.Sample)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			want := http.StatusOK
			if options.Default != "" {
				want = http.StatusNotFound // with a picture
			}
			if res.StatusCode != want {
				t.Fatalf("%s: %s\n%s", doc.Sample, res.Status, body)
			}
			h, err := header.Read(body)
			if err != nil {
				t.Fatalf("%s: %v", doc.Sample, err)
			}
			if got := res.Header.Get("Content-Type"); got != h.Format.MediaType() {
				t.Errorf("%s: Content-Type %s of a %s", doc.Sample, got, h.Format)
			}
			if w := options.Width; w > 0 && options.DPR == 1 && options.Pad == [4]int{} && h.Width != w && h.Height != options.Height {
				t.Errorf("%s: %d×%d pixels", doc.Sample, h.Width, h.Height)
			}
			if name := options.Download; name != "" && !strings.Contains(res.Header.Get("Content-Disposition"), name) {
				t.Errorf("%s: Content-Disposition %q", doc.Sample, res.Header.Get("Content-Disposition"))
			}
		})
	}
}

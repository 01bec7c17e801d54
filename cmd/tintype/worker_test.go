//go:build cgo

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/transform/worker"
	"github.com/tintype/tintype/workspace/workspacetest"
)

func startTestWorkers(t testing.TB, sandbox string) *worker.Pool {
	t.Helper()
	c := serveCmd{Workers: 1, Queue: 100, Sandbox: sandbox, WorkerMemory: 2 << 30}
	p, err := c.beginWorkers(0, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err == nil {
		err = p.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func workerJob(t testing.TB, original []byte, query string, format transform.Format) transform.Job {
	t.Helper()
	h, err := header.Read(original)
	if err != nil {
		t.Fatal(err)
	}
	q, err := transform.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	o, err := transform.Parse(transform.Defaults(), q)
	if err != nil {
		t.Fatal(err)
	}
	return transform.Job{Originals: []transform.Original{{Body: original, Header: h}}, Options: o, Format: format, Limits: transform.DefaultLimits(), Owner: transform.Owner{Workspace: "test"}}
}

const drawing = `<svg xmlns="http://www.w3.org/2000/svg" width="300" height="200"><rect width="300" height="200" fill="#fed"/>` +
	`<text x="9" y="60" font-size="40" font-family="monospace" font-style="italic">Grüße</text>` +
	`<text x="9" y="120" font-size="40" font-family="DejaVu Sans, Liberation Serif, serif">Wörter</text></svg>`

// TestSandboxChangesNoVariant: the engine makes the same bytes inside and outside the
// sandbox, from every format to every format. So it lacks no file, thread or system call.
func TestSandboxChangesNoVariant(t *testing.T) {
	dir, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	photo, err := os.ReadFile(filepath.Join(dir, "dusk.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	animation, err := os.ReadFile(filepath.Join(dir, "orbit.gif"))
	if err != nil {
		t.Fatal(err)
	}
	within, without := startTestWorkers(t, "auto"), startTestWorkers(t, "off")
	originals := map[string][]byte{"photo.jpg": photo, "orbit.gif": animation, "drawing.svg": []byte(drawing)}
	formats := []transform.Format{transform.JPEG, transform.PNG, transform.GIF, transform.WebP, transform.AVIF, transform.TIFF, transform.JXL}
	for _, f := range formats {
		image, err := without.Transform(t.Context(), workerJob(t, photo, "w=300", f))
		if errors.Is(err, transform.ErrUnsupported) {
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		originals["made."+string(f)] = image.Data
	}
	whole := workspacetest.Soak(0, 1) == 1
	queries := []string{"w=90", "w=80&h=80&fit=cover&gravity=attention&rotate=90&blur=2&sharpen=3&grayscale=1", "w=80&h=50&fit=cover&gravity=face&rotate=33&radius=max", "w=200&fit=contain&trim=10&pad=5&bg=red"}
	for name, original := range originals {
		to := formats
		if strings.HasPrefix(name, "made.") {
			to = formats[:1]
		}
		for i, f := range to {
			for n, query := range queries {
				// What a step needs doesn't depend on the format that is written.
				if !whole && i > 0 && n != i%len(queries) {
					continue
				}
				label := fmt.Sprintf("%s to %s?%s", name, f, query)
				job := workerJob(t, original, query, f)
				want, err := without.Transform(t.Context(), job)
				if errors.Is(err, transform.ErrUnsupported) {
					continue // this libvips doesn't have it
				}
				if err != nil {
					t.Fatalf("%s: %v", label, err)
				}
				got, err := within.Transform(t.Context(), job)
				if err != nil {
					t.Errorf("%s: %v", label, err)
					continue
				}
				if !bytes.Equal(got.Data, want.Data) {
					t.Errorf("%s: %d bytes, want %d", label, len(got.Data), len(want.Data))
				}
			}
		}
	}
	for _, p := range []*worker.Pool{within, without} {
		if s := p.Stats(); len(s.Deaths) != 0 {
			t.Errorf("lost: %v", s.Deaths)
		}
	}
}

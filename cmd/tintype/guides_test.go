//go:build cgo

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGuides runs the blocks of docs/start.md and of each page in docs/guides, and compares
// their output with the page. Pages that start no server use tintype dev, as docs/start.md does.
func TestGuides(t *testing.T) {
	t.Parallel() // it waits more than it computes
	pages, err := filepath.Glob("../../docs/guides/*.md")
	if err != nil || len(pages) < 3 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	tintype, err := exec.LookPath("tintype") // that testscript.Main put there
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(pages, "../../docs/start.md") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			page, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			port, dir := freePort(t), t.TempDir()
			steps := walkthroughSteps(t, strings.ReplaceAll(string(page), ":8080", ":"+port))
			path := filepath.Dir(tintype) + string(os.PathListSeparator) + os.Getenv("PATH")
			sh := startShell(t, dir, "PATH="+path, "HOME="+dir)
			if !strings.Contains(string(page), "tintype serve --listen") {
				sh.run(t, `tintype samples pictures
tintype dev pictures --listen 127.0.0.1:`+port+` > dev.log 2>&1 &
until curl -s -o /dev/null http://localhost:`+port+`/healthz; do sleep 0.1; done`)
				defer sh.run(t, "kill $!\nwait")
			}
			compared := 0
			for _, step := range steps {
				printed := sh.run(t, step.commands)
				if step.printed == "" {
					continue
				}
				compared++
				if d := cmp.Diff(step.printed, printed); d != "" {
					t.Errorf("what the page says of\n%s(-page +shell):\n%s", step.commands, d)
				}
			}
			if compared == 0 {
				t.Error("the page shows no output")
			}
		})
	}
}

//go:build cgo

package main

import (
	"html"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/internal/freeport"
)

// block is the code of a fenced block, with its language.
var block = regexp.MustCompile("(?m)^```([a-z]+)[^\n]*\n((?s:.*?))^```$")

var imageURL = regexp.MustCompile(`https?://[^\s"'<>)]+`)

// TestGuides runs the blocks of docs/start.md and of each page in docs/guides, and compares
// their output with the page. It asks for the images of HTML. Pages that start no server use tintype dev, as docs/start.md does.
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
			port, dir := strconv.Itoa(freeport.Port(t)), t.TempDir()
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
			for _, b := range block.FindAllStringSubmatch(strings.ReplaceAll(string(page), ":8080", ":"+port), -1) {
				if !strings.Contains(b[2], "<img") {
					continue
				}
				for _, url := range imageURL.FindAllString(html.UnescapeString(b[2]), -1) {
					res, err := http.Get(url)
					if err != nil {
						t.Fatal(err)
					}
					_ = res.Body.Close()
					if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "image/") {
						t.Errorf("%s: %s, %s", url, res.Status, res.Header.Get("Content-Type"))
					}
				}
			}
		})
	}
}

//go:build cgo

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/internal/freeport"
)

// TestWalkthrough runs the blocks of docs/walkthrough.md in one shell, and compares their
// output with the page. It opens the signed URL in Chromium, and looks for the mark in all
// pictures.
func TestWalkthrough(t *testing.T) {
	t.Parallel() // it waits more than it computes
	page, err := os.ReadFile("../../docs/walkthrough.md")
	if err != nil {
		t.Fatal(err)
	}
	tools, err := filepath.Abs("../../.tools")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(tools, "versitygw")); err != nil {
		t.Fatalf("%v: run make test, or scripts/build-versitygw, which builds it", err)
	}
	tintype, err := exec.LookPath("tintype") // that testscript.Main put there
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := strings.Join([]string{filepath.Dir(tintype), tools, os.Getenv("PATH")}, string(os.PathListSeparator))
	sh := startShell(t, dir, "PATH="+path, "HOME="+dir, fmt.Sprintf("S3_PORT=%d", freeport.Port(t)), fmt.Sprintf("PORT=%d", freeport.Port(t)))

	var signed string
	steps := walkthroughSteps(t, string(page))
	if len(steps) < 10 {
		t.Fatalf("the page has %d blocks", len(steps))
	}
	for _, step := range steps {
		printed := sh.run(t, step.commands)
		switch {
		case strings.TrimSpace(step.commands) == `echo "$signed"`:
			signed = strings.TrimSpace(printed)
			wantInBrowser(t, signed, 600)
		case step.printed != "":
			if d := cmp.Diff(step.printed, printed); d != "" {
				t.Fatalf("what the page says of\n%s(-page +shell):\n%s", step.commands, d)
			}
		}
		if strings.Contains(step.commands, "tintype samples") {
			for _, name := range []string{"dusk.jpg", "logo.png"} { // the page tidies up after itself
				b, err := os.ReadFile(filepath.Join(dir, "pictures", name))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if signed == "" {
		t.Error("the page shows no signed URL")
	}

	// In the place of the mark, every picture must be nearer to a marked one than to an
	// unmarked one.
	g := newGallery(t)
	files, err := filepath.Glob(filepath.Join(dir, "out", "*"))
	if err != nil || len(files) < 9 {
		t.Fatalf("%d pictures, %v", len(files), err)
	}
	for _, file := range append(files, filepath.Join(dir, "signed.jpg")) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		opacity, region := 0.9, ""
		switch filepath.Base(file) {
		case "faint.jpg":
			opacity = 0.3
		case "cropped.jpg":
			region = "&rect=0,0,50%25,50%25"
		}
		got := g.frames(t, data)[0]
		made := func(options string) *image.NRGBA {
			out := filepath.Join(t.TempDir(), "expected.png")
			cmd := exec.Command(tintype, "transform", "dusk.jpg", fmt.Sprintf("w=%d%s%s", got.Rect.Dx(), region, options), "-o", out)
			cmd.Dir = dir
			if b, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, b)
			}
			b, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			return g.frames(t, b)[0]
		}
		plain := made("")
		marked := made(fmt.Sprintf("&mark=logo.png&mark-w=20%%25&mark-pad=3%%25&mark-opacity=%g", opacity))
		if with, without := farFrom(t, got, marked), farFrom(t, got, plain); with > without/2 {
			t.Errorf("%s is %.1f levels from marked, and %.1f from unmarked", filepath.Base(file), with, without)
		}
	}
}

// TestMigrationPages runs the blocks of each page in docs/migrate, and compares their output
// with the page.
func TestMigrationPages(t *testing.T) {
	t.Parallel() // it waits more than it computes
	pages, err := filepath.Glob("../../docs/migrate/*.md")
	if err != nil || len(pages) < 7 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	tintype, err := exec.LookPath("tintype") // that testscript.Main put there
	if err != nil {
		t.Fatal(err)
	}
	pictures, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	const root = "0123456789abcdef0123456789abcdef" // as on the pages
	server := startServing(t, map[string]string{"TINTYPE_ROOT_KEY": root}, "--dir", "demo/samples="+pictures)
	for _, name := range pages {
		t.Run(filepath.Base(name), func(t *testing.T) {
			page, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			steps := walkthroughSteps(t, strings.ReplaceAll(string(page), "http://localhost:8080", server))
			if len(steps) < 2 {
				t.Fatalf("the page has %d blocks", len(steps))
			}
			dir := t.TempDir()
			path := filepath.Dir(tintype) + string(os.PathListSeparator) + os.Getenv("PATH")
			sh := startShell(t, dir, "PATH="+path, "HOME="+dir)
			for _, step := range steps {
				printed := sh.run(t, step.commands)
				if step.printed == "" {
					continue
				}
				if d := cmp.Diff(step.printed, printed); d != "" {
					t.Errorf("what the page says of\n%s(-page +shell):\n%s", step.commands, d)
				}
			}
			sh.run(t, `curl -fsS -X DELETE -H "Authorization: Bearer $TINTYPE_ROOT_KEY" `+server+`/v1/workspaces/acme`)
		})
	}
}

// farFrom is the mean difference of two pictures in their lower right corner.
func farFrom(t *testing.T, a, b *image.NRGBA) float64 {
	t.Helper()
	if a.Rect != b.Rect {
		t.Fatalf("%v and %v", a.Rect, b.Rect)
	}
	sum, n := 0.0, 0
	side := a.Rect.Dx() / 5
	for y := a.Rect.Dy() - side; y < a.Rect.Dy(); y++ {
		for x := a.Rect.Dx() - side; x < a.Rect.Dx(); x++ {
			p, q := a.NRGBAAt(x, y), b.NRGBAAt(x, y)
			sum += math.Abs(float64(p.R)-float64(q.R)) + math.Abs(float64(p.G)-float64(q.G)) + math.Abs(float64(p.B)-float64(q.B))
			n += 3
		}
	}
	return sum / float64(n)
}

// A walkthroughStep is a block of commands, and its output on the page. The output is empty
// where the page shows none.
type walkthroughStep struct{ commands, printed string }

func walkthroughSteps(t *testing.T, page string) (steps []walkthroughStep) {
	t.Helper()
	for page != "" {
		_, rest, ok := strings.Cut(page, "```sh\n")
		if !ok {
			break
		}
		var step walkthroughStep
		if step.commands, page, ok = strings.Cut(rest, "```\n"); !ok {
			t.Fatal("a block of the page doesn't end")
		}
		if rest, found := strings.CutPrefix(page, "```text\n"); found {
			step.printed, page, _ = strings.Cut(rest, "```\n")
		}
		steps = append(steps, step)
	}
	return steps
}

// A shell is a bash that runs until the test ends, with all that it started.
type shell struct {
	in     io.Writer
	out    *bufio.Reader
	errors *bytes.Buffer
	kill   func()
}

func startShell(t *testing.T, dir string, env ...string) *shell {
	t.Helper()
	s := &shell{errors: &bytes.Buffer{}}
	cmd := exec.Command("bash")
	cmd.Dir, cmd.Env, cmd.Stderr = dir, env, s.errors
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 10 * time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.in, s.out = in, bufio.NewReader(out)
	s.kill = func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // with all that it started
	t.Cleanup(func() {
		s.kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the shell: %s", s.errors)
			if log, err := os.ReadFile(filepath.Join(dir, "serve.log")); err == nil {
				t.Logf("the server: %s", log)
			}
		}
	})
	return s
}

// run runs commands, the last of which must succeed, and returns what they print.
func (s *shell) run(t *testing.T, commands string) string {
	t.Helper()
	const end = "@@ block ended with "
	if _, err := io.WriteString(s.in, commands+"\nprintf '\\n"+end+"%s\\n' $?\n"); err != nil {
		t.Fatal(err)
	}
	// A command that waits for a server that has failed would wait for ever.
	timeout := time.AfterFunc(2*patience, s.kill)
	defer timeout.Stop()
	var printed strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after\n%s", err, commands)
		}
		status, ended := strings.CutPrefix(line, end)
		if !ended {
			printed.WriteString(line)
			continue
		}
		if status != "0\n" {
			t.Fatalf("status %sof\n%s%s", status, commands, printed.String())
		}
		return strings.TrimSuffix(printed.String(), "\n") // printf's own
	}
}

// wantInBrowser opens a picture, which must be so wide.
func wantInBrowser(t *testing.T, url string, width int) {
	t.Helper()
	p := open(t, startBrowser(t), url, 800, 600)
	if got := eval[int](p, `document.images[0].naturalWidth`); got != width {
		t.Errorf("in a browser the picture is %d pixels wide", got)
	}
}

package web

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFiles: every file has a media type, and none names another host.
func TestFiles(t *testing.T) {
	for name, a := range assets().files {
		if a.mediaType == "" {
			t.Errorf("%s has no media type", name)
		}
		if bytes.Contains(a.body, []byte("//cdn")) || regexp.MustCompile(`https?://(?:[a-z0-9-]+\.)+[a-z]{2,}`).MatchString(strings.ReplaceAll(string(a.body), "http://www.w3.org/2000/svg", "")) {
			t.Errorf("%s names another host", name)
		}
	}
}

// TestClasses: style sheets have no rule for a class that no page has. A class stands in an
// attribute of a template, or in quotes in a script or in code.
func TestClasses(t *testing.T) {
	used := map[string]bool{}
	attribute, quoted, word := regexp.MustCompile(`class="[^"]*"`), regexp.MustCompile("[\"'`][a-z0-9 -]+[\"'`]|class=.*"), regexp.MustCompile(`[a-z][a-z0-9-]*`)
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		of := map[string]*regexp.Regexp{".html": attribute, ".js": quoted, ".go": quoted}[filepath.Ext(name)]
		if err != nil || of == nil || strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := os.ReadFile(name)
		for _, found := range of.FindAllString(string(text), -1) {
			for _, class := range word.FindAllString(found, -1) {
				used[class] = true
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	nameless := regexp.MustCompile(`(?s)/\*.*?\*/|\{[^{}]*\}|"[^"]*"`) // comments, declarations and texts
	for name, a := range assets().files {
		if filepath.Ext(name) != ".css" {
			continue
		}
		for _, class := range regexp.MustCompile(`\.[a-z][a-z0-9-]*`).FindAllString(nameless.ReplaceAllString(string(a.body), " "), -1) {
			if class = class[1:]; !used[class] && !regexp.MustCompile(`^s[0-9]$`).MatchString(class) { // colours of plots
				t.Errorf("%s: no page has the class %s", name, class)
			}
		}
	}
}

// TestWithoutComments: scripts are sent without the lines that are comments, with their other
// lines where they were. Text in backticks stays.
func TestWithoutComments(t *testing.T) {
	const script = "// one\nlet a = 1; // two\n  // three\nlet b = `x\n// four\n${'a'} \\` \n`\n// five\n"
	const want = "\nlet a = 1; // two\n\nlet b = `x\n// four\n${'a'} \\` \n`\n\n"
	if got := string(withoutComments([]byte(script))); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for name, a := range assets().files {
		if strings.HasSuffix(name, ".js") && strings.Count(strings.ReplaceAll(string(a.body), "\\`", ""), "`")%2 != 0 {
			t.Errorf("%s has a backtick that is no quote: write it as \\x60", name)
		}
	}
}

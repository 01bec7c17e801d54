package tintype_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/golden"
)

// TestLLMs holds docs/llms.txt to the pages: a line for each, with its title and the first
// sentence that it says. The form is that of llmstxt.org. docs/README.md, the sidebar of the
// site, leads to each page too.
func TestLLMs(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Tintype\n\n> An image-transformation CDN that you run yourself: one binary in front of the originals that you already keep.\n\n## Docs\n\n")
	contents, err := os.ReadFile("docs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"docs/*.md", "docs/guides/*.md", "docs/migrate/*.md"} {
		pages, err := filepath.Glob(filepath.FromSlash(pattern))
		if err != nil || len(pages) == 0 {
			t.Fatal(pattern, len(pages), err)
		}
		for _, page := range pages {
			if page == filepath.FromSlash("docs/README.md") {
				continue
			}
			title, says, err := opening(page)
			if err != nil {
				t.Fatal(err)
			}
			link := strings.TrimPrefix(filepath.ToSlash(page), "docs/")
			if !strings.Contains(string(contents), "]("+link+")") {
				t.Errorf("docs/README.md doesn't list %s: put it below its heading", link)
			}
			fmt.Fprintf(&b, "- [%s](%s): %s\n", title, link, says)
		}
	}
	golden.File(t, "docs/llms.txt", b.String())
}

var (
	comment  = regexp.MustCompile(`(?s)<!--.*?-->`)
	linked   = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	sentence = regexp.MustCompile(`^.*?(\.\s|:?\s*$)`)
)

// opening returns the title of a page and the first sentence below it.
func opening(page string) (title, says string, err error) {
	text, err := os.ReadFile(page)
	if err != nil {
		return "", "", err
	}
	title, rest, ok := strings.Cut(strings.TrimPrefix(comment.ReplaceAllString(string(text), ""), "# "), "\n")
	if !ok || title == "" {
		return "", "", fmt.Errorf("%s has no title", page)
	}
	paragraph, _, _ := strings.Cut(strings.TrimSpace(rest), "\n\n")
	paragraph = linked.ReplaceAllString(strings.Join(strings.Fields(paragraph), " "), "$1")
	says = strings.TrimRight(sentence.FindString(paragraph+" "), " .:")
	if says == "" {
		return "", "", fmt.Errorf("%s says nothing below its title", page)
	}
	return title, says, nil
}

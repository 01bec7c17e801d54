package transform_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/golden"
	"github.com/tintype/tintype/transform"
)

// The types of the options in the npm package.
func TestClientOptions(t *testing.T) {
	path := filepath.Join("..", "clients", "js", "src", "options.ts")
	golden.File(t, path, optionsSource())
}

func optionsSource() string {
	var b strings.Builder
	b.WriteString(`// Made from transform/vocabulary.go by "go test ./transform -run TestClientOptions -update": change it there.

/** Pixels, or a part in percent. */
export type Length = number | ` + "`${number}%`" + `;

/** Options of an image: docs/options.md. What is left out has its default. */
export interface Options {
`)
	for _, doc := range transform.Vocabulary() {
		name := doc.Name
		if strings.Contains(name, "-") {
			name = strconv.Quote(name)
		}
		values := "Values: " + doc.Values
		if doc.Domain.Kind == transform.KindBool {
			values = "true or false"
		}
		fmt.Fprintf(&b, "  /**\n   * %s\n   *\n   * %s. Default: %s.\n   */\n  %s?: %s;\n", doc.Meaning, values, doc.Default, name, clientType(doc.Domain))
	}
	b.WriteString(`  /** The name of a preset of the workspace. Its options come first, so that the others here override them. */
  preset?: string;
}
`)
	return b.String()
}

// clientType returns the type of an option in TypeScript.
func clientType(d transform.Domain) string {
	var words []string
	for _, w := range d.Words {
		words = append(words, strconv.Quote(w))
	}
	for _, s := range d.Synonyms {
		words = append(words, strconv.Quote(s.Spelling))
	}
	alternatives := map[transform.Kind]string{
		transform.KindInt:    "number",
		transform.KindFloat:  "number",
		transform.KindLength: "Length",
		transform.KindSides:  "number | string | readonly number[]",
		transform.KindRatio:  "`${number}:${number}`",
		transform.KindRegion: "string | readonly (Length | string)[]",
		transform.KindColor:  "string",
		transform.KindText:   "string",
	}
	switch d.Kind {
	case transform.KindBool:
		return "boolean"
	case transform.KindEnum, transform.KindPosition:
		return strings.Join(words, " | ")
	}
	return strings.Join(append([]string{alternatives[d.Kind]}, words...), " | ")
}

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/tintype/tintype/internal/golden"
)

// TestConfigurationDoc holds docs/configuration.md to the flags it is made from.
func TestConfigurationDoc(t *testing.T) {
	const file = "../../docs/configuration.md"
	parser, err := kong.New(&cli{}, kong.Name("tintype"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(`# Configuration

<!-- Made from cmd/tintype/config.go by go test ./cmd/tintype -run TestConfigurationDoc -update -->

What ` + "`tintype serve`" + ` takes. A flag wins over its variable. Sizes are written as 64MiB, 1.5GB or a number of bytes,
durations as 10s or 1m30s. A wrong value ends the start with the flag's name and what is allowed.

| flag | variable | default | meaning |
| --- | --- | --- | --- |
`)
	for _, node := range parser.Model.Children {
		if node.Name != "serve" {
			continue
		}
		for _, f := range node.Flags {
			if f.Name == "help" {
				continue
			}
			def := ""
			if f.HasDefault {
				def = "`" + f.Default + "`"
			}
			help := strings.TrimSpace(strings.ReplaceAll(f.Help, " (${default}).", "."))
			help, _, _ = strings.Cut(help, " ("+f.Default+").")
			if !strings.HasSuffix(help, ".") {
				help += "."
			}
			help = strings.ReplaceAll(help, "|", `\|`)
			name := strings.TrimSpace(f.Name + " " + strings.ReplaceAll(f.PlaceHolder, "|", `\|`))
			fmt.Fprintf(&b, "| `--%s` | `%s` | %s | %s |\n", name, strings.Join(f.Envs, " "), def, help)
		}
	}
	b.WriteString(`
Secrets are never flags, since every user of a machine can read those. Each is a variable, or a file named by the
variable with ` + "`_FILE`" + ` behind it.

| variable | meaning |
| --- | --- |
`)
	for _, secret := range secrets {
		if secret.help != "" {
			fmt.Fprintf(&b, "| `%s`, `%[1]s_FILE` | %s |\n", secret.name, secret.help)
		}
	}
	b.WriteString(`
A variable that begins with ` + "`TINTYPE_`" + ` and is none of these, nor one of another command, ends the start, and the message names the one that was likely meant. Those that
Kubernetes sets for a Service called tintype, or tintype-something, are let be (` + "`TINTYPE_SERVICE_*`, `TINTYPE_PORT`, `TINTYPE_PORT_*`" + `).
`)
	golden.File(t, file, b.String())
}

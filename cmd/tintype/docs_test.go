package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
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

This page lists the flags and variables of ` + "`tintype serve`" + `. A server for images from a folder, with a root key for the API:

` + "```sh" + `
export TINTYPE_ROOT_KEY=$(head -c 24 /dev/urandom | base64)
tintype serve --listen :8080 --data /var/lib/tintype --dir acme/photos=/srv/photos &
curl -o cat.jpg 'http://localhost:8080/acme/photos/cat.jpg?w=400'
` + "```" + `

A flag overrides its variable. Write sizes as 64MiB, 1.5GB or a number of bytes, and durations as 10s, 1m30s, 7d or 2w. With a
wrong value the server doesn't start: the message names the flag and the allowed values.

| flag | variable | default | meaning |
| --- | --- | --- | --- |
`)
	for _, node := range parser.Model.Children {
		if node.Name != "serve" {
			continue
		}
		for _, f := range node.Flags {
			if f.Name == "help" || f.Hidden {
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
Secrets are never flags, since every user of a machine can read flags. Put a secret into its variable, or into a file
whose path is in the variable with the suffix ` + "`_FILE`" + `. Or name it there by a reference, such as
` + "`vault:secret/data/tintype#root_key`" + `: [secrets.md](secrets.md).

| variable | meaning |
| --- | --- |
`)
	for _, secret := range secrets {
		if secret.help != "" {
			fmt.Fprintf(&b, "| `%s`, `%[1]s_FILE` | %s |\n", secret.name, secret.help)
		}
	}
	b.WriteString(`
With an unknown variable that begins with ` + "`TINTYPE_`" + `, the server doesn't start: the message names the likely one. Variables of other commands are allowed, and those that
Kubernetes sets for a Service called tintype or tintype-something (` + "`TINTYPE_SERVICE_*`, `TINTYPE_PORT`, `TINTYPE_PORT_*`" + `).
`)
	golden.File(t, file, b.String())
}

// metricsDoc returns docs/metrics.md, made from what /metrics answers.
func metricsDoc(metrics string) string {
	var b strings.Builder
	b.WriteString(`# Metrics

<!-- Made from /metrics of a running server by go test ./cmd/tintype -run TestOpsListener -update -->

The ops listener answers ` + "`/metrics`" + ` in the format of Prometheus. A scrape of a server on this machine:

` + "```yaml" + `
scrape_configs:
  - job_name: tintype
    static_configs:
      - targets: [localhost:9090]
` + "```" + `

deploy/grafana/tintype.json is a dashboard of these figures: import it in Grafana (Dashboards, New, Import). deploy/prometheus/alerts.yaml has alerts: name it under
` + "`rule_files`" + `. A test runs every query of both against a Prometheus that scrapes a server under load.

Labels have few values: endpoints, formats, kinds and reasons. Only ` + "`tintype_workers_lost_total`" + ` names workspaces and sources, of at most 1,000 losses, and with
` + "`--metrics-per-workspace N`" + ` there are figures of N workspaces: of those that got most requests in the last 5 minutes. A workspace that loses its place to a busier one has no figures of its own from then on, and is counted as ` + "`other`" + `. The rest of
what a workspace does is its usage, at ` + "`GET /v1/workspaces/{ns}/usage`" + `. Counters exist before their first event, so that a rate counts it. Beside these there are
the metrics of Go and of the process (` + "`go_*`, `process_*`" + `).

| metric | type | labels | meaning |
| --- | --- | --- | --- |
`)
	type family struct {
		help, kind string
		labels     []string
	}
	families := map[string]*family{}
	for line := range strings.Lines(metrics) {
		line = strings.TrimSpace(line)
		if words := strings.SplitN(line, " ", 4); len(words) == 4 && words[0] == "#" {
			f := families[words[2]]
			if f == nil {
				f = &family{}
				families[words[2]] = f
			}
			if words[1] == "HELP" {
				f.help = words[3]
			} else {
				f.kind = words[3]
			}
			continue
		}
		name, rest, _ := strings.Cut(line, "{")
		if families[name] == nil {
			name = strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_total")
		}
		f := families[name]
		if f == nil {
			continue
		}
		for _, label := range labelNames.FindAllStringSubmatch(rest, -1) {
			if label[1] != "le" && !slices.Contains(f.labels, label[1]) {
				f.labels = append(f.labels, label[1])
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(families)) {
		f := families[name]
		if strings.HasPrefix(name, "tintype_") {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, f.kind, strings.Join(f.labels, ", "), strings.ReplaceAll(f.help, "|", `\|`))
		}
	}
	return b.String()
}

var labelNames = regexp.MustCompile(`([a-z_]+)="`)

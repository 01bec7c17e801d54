package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// TestDeployed: the commands and variables of everything under deploy/ are ones that this binary
// takes, with values that it takes.
func TestDeployed(t *testing.T) {
	for name, starts := range map[string][]start{
		"compose.yaml":       ofCompose(t, "compose.yaml"),
		"compose.fleet.yaml": ofCompose(t, "compose.fleet.yaml"),
		"systemd":            ofUnit(t),
		"helm":               ofChart(t),
		"terraform":          ofTerraform(t),
	} {
		if len(starts) == 0 {
			t.Errorf("%s starts nothing", name)
		}
		for _, s := range starts {
			t.Run(name+"/"+s.name, func(t *testing.T) { s.check(t) })
		}
	}
}

// A start is how something starts Tintype.
type start struct {
	name string
	args []string
	env  map[string]string
}

// check has the flags and variables read as a start would.
func (s start) check(t *testing.T) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, ours) {
			t.Setenv(name, "")
			_ = os.Unsetenv(name)
		}
	}
	var environ []string
	for name, value := range s.env {
		// Files of the container are those of the repository here.
		if value == "/etc/tintype/plans.yaml" || value == "/etc/tintype/config/plans.yaml" || value == "/etc/tintype/config/workspaces.yaml" {
			value = "../../deploy/plans.yaml"
		}
		environ = append(environ, name+"="+value)
		t.Setenv(name, value)
	}
	if len(s.env) < 3 {
		t.Errorf("only %v", s.env)
	}
	parser, err := kong.New(&cli{}, kong.Name("tintype"), kong.Exit(func(int) {}), kong.Writers(io.Discard, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(s.args); err != nil {
		t.Errorf("tintype %s: %v", strings.Join(s.args, " "), err)
	}
	if err := checkVariables(environ, knownVariables(parser.Model)); err != nil {
		t.Error(err)
	}
	if key := s.env["TINTYPE_SECRET_KEY"]; key == "" && s.env["TINTYPE_SECRET_KEY_FILE"] == "" {
		t.Error("it has no TINTYPE_SECRET_KEY")
	}
	if s.env["TINTYPE_ROOT_KEY"] == "" && s.env["TINTYPE_ROOT_KEY_FILE"] == "" {
		t.Error("it has no TINTYPE_ROOT_KEY")
	}
}

// document reads YAML as maps and lists.
func document(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var d map[string]any
	if err := yaml.Unmarshal(text, &d); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return d
}

func readDeployed(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// asked is what a person is asked to set, for ${NAME:?} in compose.yaml.
var asked = map[string]string{
	"TINTYPE_ROOT_KEY": strings.Repeat("ab", 32), "TINTYPE_SECRET_KEY": strings.Repeat("cd", 32),
	"TINTYPE_PUBLIC_URL": "https://img.example.com", "TINTYPE_OPERATORS": "ops@example.com",
}

// ofCompose reads the services of ours in a Compose file.
func ofCompose(t *testing.T, name string) (starts []start) {
	t.Helper()
	variable := regexp.MustCompile(`\$\{(\w+)(:[-?])([^}]*)\}`)
	text := variable.ReplaceAllFunc(readDeployed(t, name), func(m []byte) []byte {
		parts := variable.FindSubmatch(m)
		if string(parts[2]) == ":-" {
			return parts[3]
		}
		value := asked[string(parts[1])]
		if value == "" {
			t.Errorf("%s asks for %s", name, parts[1])
		}
		return []byte(value)
	})
	services := document(t, text)["services"].(map[string]any)
	for _, service := range slices.Sorted(maps.Keys(services)) {
		s := services[service].(map[string]any)
		if !strings.Contains(fmt.Sprint(s["image"]), "tintype/tintype") {
			continue
		}
		// The safe settings that docs/deploy.md names.
		if s["read_only"] != true || fmt.Sprint(s["cap_drop"]) != "[ALL]" || fmt.Sprint(s["security_opt"]) != "[no-new-privileges:true]" || s["stop_grace_period"] != "40s" || s["mem_limit"] == nil {
			t.Errorf("%s: %s is not locked in: %v", name, service, s)
		}
		started := start{name: service, args: []string{"serve"}, env: map[string]string{}}
		if command, ok := s["command"].([]any); ok {
			started.args = nil
			for _, word := range command {
				started.args = append(started.args, fmt.Sprint(word))
			}
		}
		for name, value := range s["environment"].(map[string]any) {
			if value != nil {
				started.env[name] = fmt.Sprint(value)
			}
		}
		starts = append(starts, started)
	}
	return starts
}

// ofUnit reads the unit of systemd and the file of its settings.
func ofUnit(t *testing.T) []start {
	t.Helper()
	s := start{name: "tintype.service", env: map[string]string{}}
	unit := string(readDeployed(t, "systemd/tintype.service"))
	for _, line := range regexp.MustCompile(`(?m)^(ExecStart|Environment)=(.*)$`).FindAllStringSubmatch(unit, -1) {
		words := strings.Fields(line[2])
		if line[1] == "ExecStart" {
			s.args = words[1:]
			continue
		}
		for _, word := range words {
			name, value, _ := strings.Cut(word, "=")
			s.env[name] = value
		}
	}
	for line := range strings.Lines(string(readDeployed(t, "systemd/tintype.env"))) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		if value == "" { // to be filled in
			value = asked[name]
		}
		s.env[name] = value
	}
	return []start{s}
}

// TestUnitIsLockedIn: systemd's own score of the unit, from 0 (safe) to 10.
func TestUnitIsLockedIn(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("no systemd here")
	}
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", "../../deploy/systemd/tintype.service").CombinedOutput()
	if err != nil && bytes.Contains(out, []byte("unrecognized option")) {
		t.Skip("this systemd is older than 250")
	}
	found := regexp.MustCompile(`Overall exposure level for tintype.service: ([\d.]+)`).FindSubmatch(out)
	if found == nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if score, err := strconv.ParseFloat(string(found[1]), 64); err != nil || score > 2 {
		t.Errorf("%s, want 2.0 at most", found[1])
	}
}

// ofTerraform reads the variables of the container in the example for AWS.
func ofTerraform(t *testing.T) []start {
	t.Helper()
	text := readDeployed(t, "terraform/main.tf")
	s := start{name: "task", args: []string{"serve"}, env: map[string]string{}}
	for _, v := range regexp.MustCompile(`name = "(TINTYPE_\w+)", value(?:From)? = "?([^\n]*?)"? \}`).FindAllSubmatch(text, -1) {
		value := regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllString(string(v[2]), "abc")
		switch name := string(v[1]); value {
		case "var.public_url":
			s.env[name] = asked[name]
		case "data.aws_vpc.here.cidr_block":
			s.env[name] = "10.0.0.0/16"
		default:
			s.env[name] = value
		}
	}
	if len(s.env) != 6 {
		t.Errorf("%v", s.env)
	}
	return []start{s}
}

// A chart renders the templates of deploy/helm as Helm does, with the functions of Helm that they
// call.
type chart struct {
	t      *testing.T
	values map[string]any
}

// render returns the documents of all templates.
func (c chart) render() (documents []map[string]any, err error) {
	c.t.Helper()
	all := template.New("chart").Option("missingkey=error")
	all.Funcs(template.FuncMap{
		"include": func(name string, data any) (string, error) {
			var out strings.Builder
			err := all.ExecuteTemplate(&out, name, data)
			return strings.Trim(out.String(), "\n"), err
		},
		"toYaml": func(v any) (string, error) {
			out, err := yaml.Marshal(v)
			return strings.TrimSuffix(string(out), "\n"), err
		},
		"nindent": func(n int, text string) string {
			indent := "\n" + strings.Repeat(" ", n)
			return indent + strings.ReplaceAll(text, "\n", indent)
		},
		"quote":      func(v any) string { return strconv.Quote(fmt.Sprint(v)) },
		"sha256sum":  func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) },
		"trunc":      func(n int, text string) string { return text[:min(n, len(text))] },
		"trimSuffix": func(suffix, text string) string { return strings.TrimSuffix(text, suffix) },
		"int":        func(v any) (int, error) { return strconv.Atoi(fmt.Sprint(v)) },
		"fail":       func(text string) (string, error) { return "", fmt.Errorf("fail: %s", text) },
		"join": func(by string, list []any) string {
			var words []string
			for _, v := range list {
				words = append(words, fmt.Sprint(v))
			}
			return strings.Join(words, by)
		},
		"default": func(usual, v any) any {
			if v == nil || v == "" {
				return usual
			}
			return v
		},
	})
	names, err := filepath.Glob("../../deploy/helm/tintype/templates/*")
	if err != nil {
		return nil, err
	}
	if _, err := all.ParseFiles(names...); err != nil {
		return nil, err
	}
	about := document(c.t, readDeployed(c.t, "helm/tintype/Chart.yaml"))
	data := map[string]any{
		"Values": c.values, "Release": map[string]any{"Name": "img", "Namespace": "web"},
		"Chart": map[string]any{"AppVersion": about["appVersion"], "Name": about["name"]},
	}
	for _, name := range names {
		var out strings.Builder
		if err := all.ExecuteTemplate(&out, filepath.Base(name), data); err != nil {
			return nil, err
		}
		if filepath.Ext(name) != ".yaml" {
			continue
		}
		for _, text := range strings.Split(out.String(), "\n---\n") {
			if strings.TrimSpace(text) != "" {
				documents = append(documents, document(c.t, []byte(text)))
			}
		}
	}
	return documents, nil
}

// withValues returns the chart with its own values and these on top.
func withValues(t *testing.T, text string) chart {
	t.Helper()
	values := document(t, readDeployed(t, "helm/tintype/values.yaml"))
	for name, value := range document(t, []byte(text)) {
		if _, known := values[name]; !known {
			t.Errorf("values.yaml has no %s", name)
		}
		if inner, ok := value.(map[string]any); ok {
			whole := maps.Clone(values[name].(map[string]any))
			maps.Copy(whole, inner)
			value = whole
		}
		values[name] = value
	}
	return chart{t, values}
}

const fullValues = `
replicas: 3
store: dynamodb://tintype?region=eu-west-1
cacheBucket: s3://variants?region=eu-west-1
publicUrl: https://img.example.com
baseDomain: img.example.com
operators: [ann@example.com, bob@example.com]
mail: smtp://tintype@mail.example.com:587
trustedProxies: [10.0.0.0/8, 192.0.2.1]
plans: "plans: {}"
workspaces: "namespace: acme"
env: {TINTYPE_LOG_LEVEL: warn, TINTYPE_WORKERS: 2}
autoscaling: {enabled: true}
ingress: {enabled: true, className: nginx, hosts: [img.example.com, "*.img.example.com"], tlsSecret: img}
podMonitor: true
`

// ofChart reads what the chart's containers start.
func ofChart(t *testing.T) (starts []start) {
	t.Helper()
	for name, values := range map[string]string{"by default": "{}", "with everything": fullValues} {
		documents, err := withValues(t, values).render()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range documents {
			template := within(d, "spec", "template", "spec")
			if template == nil {
				continue
			}
			for _, c := range within(template, "containers").([]any) {
				s := start{name: name, env: map[string]string{}}
				for _, word := range within(c, "args").([]any) {
					s.args = append(s.args, fmt.Sprint(word))
				}
				for _, v := range within(c, "env").([]any) {
					s.env[within(v, "name").(string)] = within(v, "value").(string)
				}
				starts = append(starts, s)
			}
		}
	}
	return starts
}

// within returns what lies under names within a document, or nil.
func within(v any, names ...string) any {
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// TestChart: what the chart renders fits together as Kubernetes asks.
func TestChart(t *testing.T) {
	kinds := map[string]string{
		"ServiceAccount": "v1", "Service": "v1", "ConfigMap": "v1", "StatefulSet": "apps/v1", "Deployment": "apps/v1", "Ingress": "networking.k8s.io/v1",
		"HorizontalPodAutoscaler": "autoscaling/v2", "PodDisruptionBudget": "policy/v1", "PodMonitor": "monitoring.coreos.com/v1",
	}
	for _, tt := range []struct{ name, values, kinds string }{
		{"by default", "{}", "Service ServiceAccount StatefulSet"},
		{"with everything", fullValues, "ConfigMap Deployment HorizontalPodAutoscaler Ingress PodDisruptionBudget PodMonitor Service ServiceAccount"},
	} {
		documents, err := withValues(t, tt.values).render()
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, d := range documents {
			kind, name := fmt.Sprint(d["kind"]), fmt.Sprint(within(d, "metadata", "name"))
			found = append(found, kind)
			if kinds[kind] != d["apiVersion"] || name != "img-images" {
				t.Errorf("%s: %s %v %s", tt.name, kind, d["apiVersion"], name)
			}
			labels := fmt.Sprint(within(d, "metadata", "labels"))
			switch kind {
			case "Deployment", "StatefulSet":
				checkPod(t, d)
			case "Service":
				if fmt.Sprint(within(d, "spec", "selector")) != labels {
					t.Errorf("%s: the service selects %v", tt.name, within(d, "spec", "selector"))
				}
			}
		}
		slices.Sort(found)
		if got := strings.Join(found, " "); got != tt.kinds {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.kinds)
		}
	}
	if _, err := withValues(t, "replicas: 2").render(); err == nil || !strings.Contains(err.Error(), "several pods need a store") {
		t.Errorf("two pods with a database each: %v", err)
	}
}

// checkPod checks that ports, volumes and labels are there where they are named, and that
// nothing runs as root.
func checkPod(t *testing.T, d map[string]any) {
	t.Helper()
	pod := within(d, "spec", "template", "spec")
	if fmt.Sprint(within(d, "spec", "selector", "matchLabels")) != fmt.Sprint(within(d, "spec", "template", "metadata", "labels")) {
		t.Error("its pods aren't its own")
	}
	security := within(pod, "securityContext")
	if within(security, "runAsNonRoot") != true || fmt.Sprint(within(security, "runAsUser")) != "10001" || fmt.Sprint(within(security, "fsGroup")) != "10001" {
		t.Errorf("%v", security)
	}
	volumes := map[string]bool{}
	for _, list := range []any{within(pod, "volumes"), within(d, "spec", "volumeClaimTemplates")} {
		entries, _ := list.([]any)
		for _, v := range entries {
			name, ok := within(v, "name").(string)
			if !ok {
				name, _ = within(v, "metadata", "name").(string)
			}
			volumes[name] = true
		}
	}
	container := within(pod, "containers").([]any)[0]
	for _, m := range within(container, "volumeMounts").([]any) {
		if name := within(m, "name").(string); !volumes[name] {
			t.Errorf("no volume %s", name)
		}
		delete(volumes, within(m, "name").(string))
	}
	if len(volumes) > 0 {
		t.Errorf("%v are not mounted", volumes)
	}
	ports := fmt.Sprint(within(container, "ports"))
	for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
		if port := fmt.Sprint(within(container, probe, "httpGet", "port")); !strings.Contains(ports, "name:"+port) {
			t.Errorf("%s: no port %s in %s", probe, port, ports)
		}
	}
	if own := within(container, "securityContext"); within(own, "readOnlyRootFilesystem") != true || within(own, "allowPrivilegeEscalation") != false || fmt.Sprint(within(own, "capabilities", "drop")) != "[ALL]" {
		t.Errorf("%v", own)
	}
	// It has more time than the server takes.
	if grace, err := strconv.Atoi(fmt.Sprint(within(pod, "terminationGracePeriodSeconds"))); err != nil || float64(grace) < (stopTime).Seconds()+5 {
		t.Errorf("grace of %v", within(pod, "terminationGracePeriodSeconds"))
	}
}

// TestWorkflows: they are YAML with jobs of steps, and run what is there.
func TestWorkflows(t *testing.T) {
	names, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(names) != 3 {
		t.Fatalf("%v, %v", names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		d := document(t, text)
		jobs, _ := d["jobs"].(map[string]any)
		if len(jobs) == 0 || d["permissions"] == nil || d["on"] == nil {
			t.Errorf("%s: %v", name, d)
		}
		for job, v := range jobs {
			for _, step := range within(v, "steps").([]any) {
				uses, _ := within(step, "uses").(string)
				if run, _ := within(step, "run").(string); (run == "") == (uses == "") {
					t.Errorf("%s, %s: %v", name, job, step)
				}
				if uses != "" && !regexp.MustCompile(`^[\w-]+/[\w-]+@v\d+$`).MatchString(uses) {
					t.Errorf("%s, %s: %s", name, job, uses)
				}
			}
		}
	}
}

// TestImageUser: Kubernetes tells only of a number whether it is root.
func TestImageUser(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if user := regexp.MustCompile(`(?m)^USER (.*)$`).FindSubmatch(text); user == nil || string(user[1]) != "10001:10001" {
		t.Errorf("USER %s", user)
	}
	ignored, err := os.ReadFile("../../.dockerignore")
	if err != nil || !strings.Contains(string(ignored), "\n.tools\n") {
		t.Errorf(".dockerignore lacks .tools: %s, %v", ignored, err)
	}
}

package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

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

// charts are what Helm made out of the chart: scripts/deploy-test writes them.
var charts = map[string]string{
	"default": "Service ServiceAccount StatefulSet",
	"full":    "ConfigMap Deployment HorizontalPodAutoscaler Ingress PodDisruptionBudget PodMonitor Service ServiceAccount",
	"tls":     "Service ServiceAccount StatefulSet",
}

// rendered returns the documents that Helm made of the chart with some values.
func rendered(t *testing.T, name string) (documents []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/chart", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if first, _, _ := bytes.Cut(text, []byte("\n")); !bytes.Contains(first, []byte(chartSum(t))) {
		t.Errorf("the chart has changed since Helm rendered testdata/chart/%s.yaml: run make deploy-test UPDATE=1", name)
	}
	for _, document := range strings.Split(string(text), "\n---\n")[1:] {
		var d map[string]any
		if err := yaml.Unmarshal([]byte(document), &d); err != nil {
			t.Fatal(err)
		}
		documents = append(documents, d)
	}
	return documents
}

// chartSum is over the files of the chart. tools/deploy has the same.
func chartSum(t *testing.T) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir("../../deploy/helm/tintype", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		fmt.Fprintf(h, "%s %d\n%s", filepath.Base(name), len(text), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// ofChart reads what the chart's containers start.
func ofChart(t *testing.T) (starts []start) {
	t.Helper()
	for name := range charts {
		for _, d := range rendered(t, name) {
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
	for name, want := range charts {
		var kinds []string
		var pod, service map[string]any
		for _, d := range rendered(t, name) {
			kinds = append(kinds, fmt.Sprint(d["kind"]))
			if n := within(d, "metadata", "name"); n != "img-images" {
				t.Errorf("%s: %v is called %v", name, d["kind"], n)
			}
			switch d["kind"] {
			case "Deployment", "StatefulSet":
				pod = d
			case "Service":
				service = d
			}
		}
		slices.Sort(kinds)
		if got := strings.Join(kinds, " "); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		checkPod(t, pod)
		if fmt.Sprint(within(service, "spec", "selector")) != fmt.Sprint(within(pod, "spec", "template", "metadata", "labels")) {
			t.Errorf("%s: the service selects %v", name, within(service, "spec", "selector"))
		}
		ports := fmt.Sprint(within(within(pod, "spec", "template", "spec", "containers").([]any)[0], "ports"))
		for _, p := range within(service, "spec", "ports").([]any) {
			if target := fmt.Sprint(within(p, "targetPort")); !strings.Contains(ports, "name:"+target) || strings.Contains(ports, "name:"+target+" protocol:UDP") != (within(p, "protocol") == "UDP") {
				t.Errorf("%s: the service's %v leads to none of %s", name, p, ports)
			}
		}
	}
}

// TestScalingDoc: the example of docs/scale.md scales as the chart does.
func TestScalingDoc(t *testing.T) {
	page := readDeployed(t, "../docs/scale.md")
	_, block, _ := bytes.Cut(page, []byte("```yaml\n"))
	block, _, _ = bytes.Cut(block, []byte("```"))
	shown := document(t, block)
	for _, d := range rendered(t, "full") {
		if d["kind"] != "HorizontalPodAutoscaler" {
			continue
		}
		for _, field := range []string{"minReplicas", "maxReplicas", "metrics", "behavior"} {
			if got, want := within(shown, "spec", field), within(d, "spec", field); want == nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s is %v on the page, %v in the chart", field, got, want)
			}
		}
		return
	}
	t.Error("the chart has no autoscaler")
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

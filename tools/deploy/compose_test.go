package deploy_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// load reads a file as docker compose -f FILE config does.
func load(t *testing.T, name string, env ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join("../../deploy", name)}, cli.WithEnv(env), cli.WithResolvedPaths(true), cli.WithConsistency(true), cli.WithNormalization(true))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

// asked is what each file asks for.
var asked = []string{"TINTYPE_ROOT_KEY=" + strings.Repeat("ab", 32), "TINTYPE_SECRET_KEY=" + strings.Repeat("cd", 32), "TINTYPE_PUBLIC_URL=https://img.example.com", "TINTYPE_OPERATORS=ops@example.com"}

// TestCompose: Compose takes both files, and what they name is there.
func TestCompose(t *testing.T) {
	for name, services := range map[string]string{
		"compose.yaml":       "tintype",
		"compose.fleet.yaml": "dynamodb front one s3 table three two",
	} {
		project, err := load(t, name, asked...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		names := project.ServiceNames()
		slices.Sort(names)
		if got := strings.Join(names, " "); got != services {
			t.Errorf("%s has %s, want %s", name, got, services)
		}
		for _, s := range project.Services {
			if s.Build != nil {
				if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
					t.Errorf("%s, %s: %v", name, s.Name, err)
				}
			}
			for _, v := range s.Volumes {
				if v.Type != types.VolumeTypeBind {
					continue
				}
				if info, err := os.Stat(v.Source); err != nil || info.IsDir() {
					t.Errorf("%s, %s: %s: %v", name, s.Name, v.Source, err)
				}
			}
		}
		for i := range asked {
			missing, _, _ := strings.Cut(asked[i], "=")
			if strings.HasPrefix(missing, "TINTYPE_PUBLIC") && name != "compose.yaml" || missing == "TINTYPE_OPERATORS" && name != "compose.yaml" {
				continue // the trial asks for keys only
			}
			if _, err := load(t, name, slices.Delete(slices.Clone(asked), i, i+1)...); err == nil || !strings.Contains(err.Error(), missing) {
				t.Errorf("%s without %s: %v", name, missing, err)
			}
		}
	}
}

// TestComposePorts: https is there by TCP and UDP.
func TestComposePorts(t *testing.T) {
	project, err := load(t, "compose.yaml", asked...)
	if err != nil {
		t.Fatal(err)
	}
	var ports []string
	for _, p := range project.Services["tintype"].Ports {
		ports = append(ports, p.Published+"/"+p.Protocol)
	}
	if got := strings.Join(ports, " "); got != "80/tcp 443/tcp 443/udp" {
		t.Errorf("ports %s", got)
	}
}

// TestComposeEnv: the file .env beside compose.yaml has the variables, for every command of docker compose and from any folder, as
// docs/deploy.md has it.
func TestComposeEnv(t *testing.T) {
	folder := t.TempDir()
	text, err := os.ReadFile("../../deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{"compose.yaml": string(text), ".env": strings.Join(asked, "\n") + "\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	options, err := cli.NewProjectOptions([]string{filepath.Join(folder, "compose.yaml")}, cli.WithEnvFiles(), cli.WithDotEnv)
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := project.Services["tintype"].Environment["TINTYPE_PUBLIC_URL"]; got == nil || *got != "https://img.example.com" {
		t.Errorf("TINTYPE_PUBLIC_URL is %v", got)
	}
}

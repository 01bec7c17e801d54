// Package deploy_test tries what is under deploy/ with the libraries of the programs that read it: Helm,
// Kubernetes, Compose and Terraform's language. It is a module of its own, since these are larger than Tintype. scripts/deploy-test
// runs it.
package deploy_test

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write cmd/tintype/testdata/chart anew")

const chartFolder = "../../deploy/helm/tintype"

// kube is the oldest version that the chart says it is for, and one of today.
var kube = []string{"v1.27.0", "v1.34.0"}

// render renders the chart as helm install img --namespace web --values FILE does.
func render(values chartutil.Values, version string) (map[string]string, error) {
	chart, err := loader.Load(chartFolder)
	if err != nil {
		return nil, err
	}
	parsed, err := chartutil.ParseKubeVersion(version)
	if err != nil {
		return nil, err
	}
	if !chartutil.IsCompatibleRange(chart.Metadata.KubeVersion, parsed.String()) {
		return nil, fmt.Errorf("the chart isn't for %s", version)
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *parsed
	options := chartutil.ReleaseOptions{Name: "img", Namespace: "web", Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(chart, values, options, capabilities) // which asks values.schema.json
	if err != nil {
		return nil, err
	}
	out, err := engine.Render(chart, all)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(out, func(name, text string) bool { return strings.TrimSpace(text) == "" || filepath.Ext(name) != ".yaml" })
	return out, nil
}

func readValues(t *testing.T, name string) chartutil.Values {
	t.Helper()
	if name == "default" {
		return chartutil.Values{}
	}
	values, err := chartutil.ReadValuesFile(filepath.Join(chartFolder, "ci", name+"-values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// TestHelm: Helm finds nothing to say about the chart, and what it renders is what Kubernetes takes: no field is unknown
// or of another type. The tests of cmd/tintype read the same from testdata/chart.
func TestHelm(t *testing.T) {
	for _, name := range []string{"default", "full", "tls"} {
		values := readValues(t, name)
		for _, m := range lint.All(chartFolder, values, "web", true).Messages {
			if m.Severity > support.InfoSev {
				t.Errorf("helm lint, %s: %s: %v", name, m.Path, m.Err)
			}
		}
		for _, version := range kube {
			rendered, err := render(values, version)
			if err != nil {
				t.Fatalf("%s for %s: %v", name, version, err)
			}
			var whole bytes.Buffer
			fmt.Fprintf(&whole, "# Helm made this out of the chart %s: make deploy-test UPDATE=1 does it anew.\n", sum(t))
			for _, file := range slices.Sorted(maps.Keys(rendered)) {
				for _, document := range strings.Split(rendered[file], "\n---\n") {
					if strings.TrimSpace(document) == "" {
						continue
					}
					strict(t, name, []byte(document))
					fmt.Fprintf(&whole, "---\n%s\n", strings.TrimSpace(document))
				}
			}
			golden := filepath.Join("../../cmd/tintype/testdata/chart", name+".yaml")
			if *update {
				if err := os.WriteFile(golden, whole.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if was, err := os.ReadFile(golden); err != nil || !bytes.Equal(was, whole.Bytes()) {
				t.Errorf("%s is stale (%v): make deploy-test UPDATE=1 writes it anew", golden, err)
			}
		}
	}
}

// sum is over the files of the chart. TestChart of cmd/tintype has the same.
func sum(t *testing.T) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(chartFolder, func(name string, d fs.DirEntry, err error) error {
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

// strict reads a document into the type that Kubernetes has for it.
func strict(t *testing.T, name string, document []byte) {
	t.Helper()
	var kind struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal(document, &kind); err != nil {
		t.Errorf("%s: %v in\n%s", name, err, document)
		return
	}
	var object any = &monitoring.PodMonitor{}
	if kind.Kind != "PodMonitor" || kind.APIVersion != monitoring.SchemeGroupVersion.String() {
		known, err := scheme.Scheme.New(schema.FromAPIVersionAndKind(kind.APIVersion, kind.Kind))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		object = known
	}
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		t.Errorf("%s: %s: %v in\n%s", name, kind.Kind, err, document)
	}
}

// TestHelmRefuses: mistakes end helm install, with what to do.
func TestHelmRefuses(t *testing.T) {
	for values, want := range map[string]string{
		"replicas: 2":                   "several pods need a store that they share",
		"autoscaling: {enabled: true}":  "several pods need a store that they share",
		"tls: {enabled: true}":          "set that, and ingress.enabled to false",
		"publicURL: https://a.example":  "publicURL",
		"publicUrl: http://a.example":   "publicUrl",
		"operators: ann@example.com":    "operators",
		"store: sqlite":                 "store",
		"resources: {limits: {}}\nx: 1": "additional propert",
	} {
		v, err := chartutil.ReadValues([]byte(values))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := render(v, kube[0]); err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(want)) {
			t.Errorf("%s: %v, want %q in it", values, err, want)
		}
	}
	if _, err := render(chartutil.Values{}, "v1.26.0"); err == nil {
		t.Error("an old Kubernetes is taken")
	}
}

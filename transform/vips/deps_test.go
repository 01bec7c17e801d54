//go:build cgo

package vips_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestInstallDepsTries hides the codecs of AVIF and HEIC from libheif, where they are
// plugins, and sees scripts/install-deps install them. It ended early once, because
// libvips was there.
func TestInstallDepsTries(t *testing.T) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("only Debian's libheif has its codecs in packages that can be hidden")
	}
	plugins, err := filepath.Glob("/usr/lib/*/libheif/plugins/*.so")
	if err != nil {
		t.Fatal(err)
	}
	// The package manager writes down what it is asked for, and knows all packages.
	folder := t.TempDir()
	asked := filepath.Join(folder, "asked")
	for _, name := range []string{"apt-get", "apt-cache", "sudo"} {
		script := "#!/bin/sh\necho " + name + " \"$@\" | tee -a " + asked + "\n"
		if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(hidden string) (string, error) {
		c := exec.CommandContext(t.Context(), "../../scripts/install-deps")
		c.Env = slices.Concat(os.Environ(), []string{"PATH=" + folder + ":" + os.Getenv("PATH"), "LIBHEIF_PLUGIN_PATH=" + hidden})
		said, err := c.CombinedOutput()
		return string(said), err
	}

	said, err := run("")
	if err != nil || said != "" {
		t.Errorf("with everything there: %v, %s", err, said)
	}
	if calls, err := os.ReadFile(asked); err == nil {
		t.Errorf("with everything there: it asked for\n%s", calls)
	}

	said, err = run(t.TempDir())
	if len(plugins) == 0 { // built in, and so still there
		if err != nil || said != "" {
			t.Errorf("without plugins: %v, %s", err, said)
		}
		return
	}
	if err == nil || !strings.Contains(said, "this libvips can't do what Tintype needs: AVIF HEIC") {
		t.Errorf("without plugins that could be installed: %v, %s", err, said)
	}
	calls, err := os.ReadFile(asked)
	if err != nil {
		t.Fatalf("without plugins: it asked for nothing, and said %s", said)
	}
	for _, want := range []string{"libheif-plugin-aomenc", "libheif-plugin-aomdec", "libheif-plugin-dav1d", "libheif-plugin-libde265"} {
		if !strings.Contains(string(calls), want) {
			t.Errorf("it didn't ask for %s:\n%s", want, calls)
		}
	}
	if strings.Contains(string(calls), "libvips-dev") {
		t.Errorf("it asked for libvips, which is there:\n%s", calls)
	}
}

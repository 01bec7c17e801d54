//go:build cgo

package vips_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestKernels has testdata/kernels.c compare the kernels of every kind of processor that
// this one can run as. Sanitizers watch where the compiler has them.
func TestKernels(t *testing.T) {
	t.Parallel()
	cc, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "kernels")
	build := func(flags ...string) ([]byte, error) {
		args := append(strings.Fields(string(cc)), "-O1", "-g", "-o", program, "testdata/kernels.c", "kernels.c")
		return exec.CommandContext(t.Context(), args[0], append(args[1:], flags...)...).CombinedOutput()
	}
	if _, err := build("-fsanitize=address,undefined", "-fno-sanitize-recover"); err != nil {
		if out, err := build(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	out, err := exec.CommandContext(t.Context(), program).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	kinds := strings.Fields(string(out))
	if kinds[len(kinds)-1] != "plain" {
		t.Fatalf("no kind is the plain one: %v", kinds)
	}
	t.Log(kinds)
}

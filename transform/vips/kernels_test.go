//go:build cgo

package vips_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestKernels has testdata/kernels.c compare the kernels of every kind of processor that
// this one can run as.
func TestKernels(t *testing.T) {
	t.Parallel()
	out := runC(t, "kernels", "testdata/kernels.c", "kernels.c")
	kinds := strings.Fields(string(out))
	if kinds[len(kinds)-1] != "plain" {
		t.Fatalf("no kind is the plain one: %v", kinds)
	}
	t.Log(kinds)
}

// runC builds a program of C files and runs it. Sanitizers watch where the compiler has them.
func runC(t *testing.T, name string, files ...string) []byte {
	t.Helper()
	cc, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), name)
	// Without -g, which takes half of the time of the compiler.
	build := func(flags ...string) ([]byte, error) {
		args := append(strings.Fields(string(cc)), "-O1", "-o", program)
		args = append(append(args, flags...), files...)
		return exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
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
	return out
}

// Package stripemock starts stripe-mock for tests: a server of Stripe's API that checks requests
// against its description, and keeps nothing. scripts/build-stripe-mock puts it in place.
//
// For most uses, call [Start].
package stripemock

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Start starts a server that runs until the test ends, and returns its URL. It fails the test if the
// binary is missing.
func Start(t testing.TB) string {
	t.Helper()
	cmd := exec.Command(binary(t), "-http-addr", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("stripe-mock: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, address, ok := strings.Cut(lines.Text(), "Listening for HTTP at address: "); ok {
			return "http://" + address
		}
	}
	t.Fatalf("stripe-mock ended before it listened: %v", lines.Err())
	return ""
}

func binary(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("stripe-mock: the test runs outside of the module")
		}
		dir = filepath.Dir(dir)
	}
	bin := filepath.Join(dir, ".tools", "stripe-mock")
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("%s is missing: run make test, or scripts/build-stripe-mock, which builds it", bin)
	}
	return bin
}

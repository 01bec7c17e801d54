// Package stripemock starts stripe-mock for tests: a server of Stripe's API that checks requests
// against its description, and keeps nothing. scripts/build-stripe-mock puts it in place.
//
// For most uses, call [Start].
package stripemock

import (
	"bufio"
	"bytes"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/tool"
)

// Start starts a server that runs until the test ends, and returns its URL. It fails the test if the
// binary is missing.
func Start(t testing.TB) string {
	t.Helper()
	program, err := tool.Find("stripe-mock", "scripts/build-stripe-mock, which builds it")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-http-addr", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatalf("stripe-mock: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		if err := cmd.Wait(); t.Failed() {
			t.Logf("stripe-mock: %v\n%s", err, said.Bytes())
		}
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, address, ok := strings.Cut(lines.Text(), "Listening for HTTP at address: "); ok {
			go func() { _, _ = io.Copy(io.Discard, out) }() // a line for each request
			return "http://" + address
		}
	}
	t.Fatalf("stripe-mock ended before it listened: %v", lines.Err())
	return ""
}

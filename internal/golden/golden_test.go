package golden

import (
	"os"
	"path/filepath"
	"testing"
)

// A recorder is a test that fails without ending the one around it.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Name() string          { return "TestSomething" }
func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) Fatalf(string, ...any) { r.failed = true; panic(r) }

func TestFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	fails := func(want string) bool {
		r := &recorder{TB: t}
		func() {
			defer func() { _ = recover() }()
			File(r, name, want)
		}()
		return r.failed
	}
	if !fails("a\n") {
		t.Error("a file that is missing passes")
	}
	if err := os.WriteFile(name, []byte("a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if fails("a\n") {
		t.Error("the file as it is fails")
	}
	if !fails("b\n") {
		t.Error("a stale file passes")
	}
	*update = true
	defer func() { *update = false }()
	if fails("b\n") {
		t.Error("-update doesn't write the file")
	}
}

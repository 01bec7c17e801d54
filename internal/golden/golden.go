// Package golden holds files that are made from code to the code, in tests.
//
// For most uses, call [File]. The flag -update of a test binary that imports the package
// writes the files anew.
package golden

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite generated files")

// File fails the test where the file isn't as want says, also where there is none. With
// -update it writes the file first.
func File(t testing.TB, name, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("%v (make it with -update)", err)
	}
	if diff := cmp.Diff(want, string(have)); diff != "" {
		t.Errorf("%s is stale: run this test (%s) with -update (-want +have)\n%s", name, t.Name(), diff)
	}
}

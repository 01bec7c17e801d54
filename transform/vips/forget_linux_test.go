//go:build cgo

package vips_test

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/tintype/tintype/transform/vips"
)

// TestForgetProgram: pages of the program that are not needed leave memory, and come back where they
// are.
func TestForgetProgram(t *testing.T) {
	before := programMemory(t)
	vips.ForgetProgram()
	if after := programMemory(t); after >= before {
		t.Errorf("%d kB of the program in memory, %d before", after, before)
	}
}

// programMemory returns how much of the program is mapped in memory, in kB.
func programMemory(t *testing.T) (sum int) {
	t.Helper()
	name, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(regexp.QuoteMeta(name)+`\nSize: .*\n(?:.*\n)*?Rss: +(\d+) kB`).FindAllSubmatch(maps, -1) {
		kB, err := strconv.Atoi(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		sum += kB
	}
	if sum == 0 {
		t.Fatalf("nothing of the program is in memory:\n%.2000s", maps)
	}
	return sum
}

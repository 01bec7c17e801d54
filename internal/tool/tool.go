// Package tool finds the programs and archives that scripts put into .tools, for tests.
//
// For most uses, call [Find].
package tool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Find returns the path of a file of .tools. The error says which script makes it.
func Find(name, script string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if filepath.Dir(dir) == dir {
			return "", errors.New("the test runs outside of the module")
		}
		dir = filepath.Dir(dir)
	}
	file := filepath.Join(dir, ".tools", filepath.FromSlash(name))
	if _, err := os.Stat(file); err != nil {
		return "", fmt.Errorf("%s is missing: run make test, or %s", file, script)
	}
	return file, nil
}

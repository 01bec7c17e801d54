package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestDemoRootKey: the root key of the demo is made once, and only its owner can read it.
func TestDemoRootKey(t *testing.T) {
	data := t.TempDir()
	key, isNew, err := demoRootKey(data)
	if err != nil || !isNew || len(key) < minRootKey {
		t.Fatalf("%q, new: %v, %v", key, isNew, err)
	}
	if info, err := os.Stat(filepath.Join(data, "root.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if again, isNew, err := demoRootKey(data); err != nil || isNew || again != key {
		t.Errorf("again: %q, new: %v, %v", again, isNew, err)
	}
	if _, _, err := demoRootKey(filepath.Join(data, "none")); err == nil {
		t.Error("a key that can't be kept was made")
	}
}

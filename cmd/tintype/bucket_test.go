package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tintype/tintype/internal/versitygw"
)

// TestBuckets runs testdata/bucket/*.txtar with two S3 servers, $ONE and $TWO, each
// with an account of its own. Every credential has "seeded" in it, whatever its case,
// and $… in a script's YAML files stands for them.
func TestBuckets(t *testing.T) {
	t.Parallel() // it waits more than it computes
	dir, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	picture, err := os.ReadFile(filepath.Join(dir, "dusk.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	one := versitygw.Start(t, "SEEDEDKEYONE", "seeded/secret+one")
	two := versitygw.Start(t, "SEEDEDKEYTWO", "seeded/secret+two")
	for _, bucket := range []string{"media", "cache"} {
		one.CreateBucket(t, bucket)
	}
	for _, bucket := range []string{"vault", "other"} {
		two.CreateBucket(t, bucket)
		two.Put(t, bucket, "a.jpg", picture)
	}
	for _, key := range []string{"a.jpg", "odd +%/.bü.jpg", "inner/b.jpg", "shop/c.jpg"} {
		one.Put(t, "media", key, picture)
	}

	env := map[string]string{
		"ONE": one.Endpoint, "ONE_KEY": one.AccessKeyID, "ONE_SECRET": one.SecretAccessKey,
		"TWO": two.Endpoint, "TWO_KEY": two.AccessKeyID, "TWO_SECRET": two.SecretAccessKey,
		"REGION": one.Region,
	}
	// In a subtest, which ends when all scripts have: testscript.Run returns before.
	t.Run("scripts", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir: "testdata/bucket",
			Setup: func(e *testscript.Env) error {
				e.Setenv("HOME", e.WorkDir)
				for name, value := range env {
					e.Setenv(name, value)
				}
				files, err := filepath.Glob(filepath.Join(e.WorkDir, "*.yaml"))
				if err != nil {
					return err
				}
				for _, file := range files {
					text, err := os.ReadFile(file)
					if err != nil {
						return err
					}
					filled := os.Expand(string(text), func(name string) string { return env[name] })
					if err := os.WriteFile(file, []byte(filled), 0o600); err != nil {
						return err
					}
				}
				return nil
			},
			Cmds: scriptCmds,
		})
	})
	keys := one.List(t, "cache", "")
	if len(keys) == 0 {
		t.Error("the cache's bucket holds nothing")
	}
	for _, key := range keys {
		if !strings.HasPrefix(key, "tintype/v1/") {
			t.Errorf("the cache's bucket holds %s", key)
		}
	}
}

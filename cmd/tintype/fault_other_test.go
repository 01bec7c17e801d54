//go:build !cgo || !linux

package main

import (
	"context"
	"os"
)

func testWorker() error {
	return run(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
}

// attacker is for tests of Linux.
func attacker() {}

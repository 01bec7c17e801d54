//go:build cgo && !linux

package main

import (
	"errors"
	"io"
)

func runWorker() error { return errors.New("only on Linux") }

func measureIsolation(io.Writer, int, string) error {
	return errors.New("isolation is measured on Linux only")
}

func printTable(io.Writer, string, string, string) error {
	return errors.New("whole servers are measured on Linux only")
}

//go:build cgo && !linux

package main

import (
	"errors"
	"io"
	"regexp"
)

func runWorker() error { return errors.New("only on Linux") }

func measureIsolation(io.Writer, int, string) error {
	return errors.New("isolation is measured on Linux only")
}

func printTable(io.Writer, string, string, string, *regexp.Regexp) error {
	return errors.New("whole servers are measured on Linux only")
}

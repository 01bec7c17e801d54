//go:build !linux

package worker

func attack(string) string { return "" }

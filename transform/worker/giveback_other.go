//go:build !linux

package worker

func forgetProgram() {}

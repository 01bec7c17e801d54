//go:build !linux

package server

import "github.com/tintype/tintype/delivery"

type sending struct{}

// SendsFiles implements [delivery.Gatherer].
func (k *connection) SendsFiles() bool { return false }

func (k *connection) sendFile([]byte, *delivery.FilePart, int) (int, error) {
	panic("SendsFiles is false")
}

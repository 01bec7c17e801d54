//go:build !linux

package worker

import (
	"os"

	"golang.org/x/sys/unix"
)

const mapFlags = unix.MAP_PRIVATE

func memoryFiles() bool { return false }

func imageFile(data []byte) (*os.File, error) { return tempImage(data) }

func inputFile() (f, reader *os.File, err error) { return tempFile("original") }

func outputFile() (*os.File, error) {
	f, reader, err := tempFile("variant")
	if err != nil {
		return nil, err
	}
	return f, reader.Close()
}

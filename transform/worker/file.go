package worker

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// tempFile is a file that has no name any more, for where there are no memory files.
// reader is a second handle on it that can't be written to.
func tempFile(name string) (f, reader *os.File, err error) {
	f, err = os.CreateTemp("", "tintype-"+name+"-*")
	if err != nil {
		return nil, nil, fmt.Errorf("temporary file: %w", err)
	}
	defer os.Remove(f.Name())
	reader, err = os.Open(f.Name())
	if err != nil {
		_ = f.Close()
		return nil, nil, fmt.Errorf("temporary file: %w", err)
	}
	return f, reader, nil
}

// tempImage is imageFile without memory files.
func tempImage(data []byte) (*os.File, error) {
	f, reader, err := tempFile("image")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		_ = reader.Close()
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	return reader, nil
}

// A mapping is the content of an image file in the memory of a worker.
type mapping []byte

// mapFile maps the first length bytes of a file for reading, and closes it.
func mapFile(f *os.File, length int) (mapping, error) {
	defer f.Close()
	if err := checkLength(f, length); err != nil {
		return nil, err
	}
	b, err := unix.Mmap(int(f.Fd()), 0, length, unix.PROT_READ, mapFlags)
	if err != nil {
		return nil, fmt.Errorf("map image: %w", err)
	}
	return b, nil
}

func checkLength(f *os.File, length int) error {
	info, err := f.Stat()
	if err == nil && (length <= 0 || info.Size() < int64(length)) {
		err = fmt.Errorf("%w: a file of %d bytes for %d", errFrame, info.Size(), length)
	}
	return err
}

// mapInput maps the input file, with room for originals that are longer than length:
// what lies beyond the file's end can't be read.
func mapInput(f *os.File, length int) (mapping, error) {
	const least = 64 << 20
	b, err := unix.Mmap(int(f.Fd()), 0, max(length, least), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map original: %w", err)
	}
	return b, nil
}

// close ends the mapping. Nothing may refer to it any more.
func (m mapping) close() {
	if m != nil {
		_ = unix.Munmap(m) // of what was mapped
	}
}

package worker

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// tempFile makes a file without a name, for systems without memory files. reader is a
// read-only handle of it.
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

// tempImage is imageFile for systems without memory files.
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

// A mapping is an image file that is mapped into memory.
type mapping []byte

// mapFile maps the first length bytes of a file read-only, and closes the file.
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

// mapInput maps the input file. The mapping is larger than length, so that it also serves
// later jobs. The bytes beyond the end of the file can't be read.
func mapInput(f *os.File, length int) (mapping, error) {
	const least = 64 << 20
	b, err := unix.Mmap(int(f.Fd()), 0, max(length, least), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map original: %w", err)
	}
	return b, nil
}

// close unmaps the file. Nothing may read it afterwards.
func (m mapping) close() {
	if m != nil {
		_ = unix.Munmap(m) // can't fail for a mapping of Mmap
	}
}

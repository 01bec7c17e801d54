package worker

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// mapFlags has MAP_PRIVATE, since older kernels don't map a sealed file as shared, and
// MAP_POPULATE, since the decoder reads the whole file.
const mapFlags = unix.MAP_PRIVATE | unix.MAP_POPULATE

const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL

// memoryFiles reports whether this system has memory files.
func memoryFiles() bool {
	f, err := memoryFile("probe", 0)
	if err != nil {
		return false
	}
	_ = f.Close()
	return true
}

func memoryFile(name string, flags int) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|flags)
	if err != nil {
		return nil, fmt.Errorf("memory file: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// imageFile returns a sealed file with the data. No process can change it.
func imageFile(data []byte) (*os.File, error) {
	f, err := memoryFile("image", unix.MFD_ALLOW_SEALING)
	if errors.Is(err, unix.ENOSYS) {
		return tempImage(data)
	}
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(data); err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("memory file: %w", err)
	}
	return f, nil
}

// inputFile returns an empty file for originals, and a read-only handle for the worker.
func inputFile() (f, reader *os.File, err error) {
	f, err = memoryFile("original", 0)
	if err != nil {
		return tempFile("original")
	}
	reader, err = os.Open("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	if err != nil {
		_ = f.Close()
		return tempFile("original")
	}
	return f, reader, nil
}

// outputFile returns an empty file to which a worker writes variants.
func outputFile() (*os.File, error) {
	f, err := memoryFile("variant", 0)
	if errors.Is(err, unix.ENOSYS) {
		f, reader, err := tempFile("variant")
		if err != nil {
			return nil, err
		}
		return f, reader.Close()
	}
	return f, err
}

package worker

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// MachineMemory is the memory that this process may count on, in bytes: the machine's, or
// what its container, its service or any group around them may use at most. It is 0
// where that isn't known.
func MachineMemory() int64 {
	var info unix.Sysinfo_t
	most := cgroupMemory(os.DirFS("/"))
	if err := unix.Sysinfo(&info); err == nil {
		if total := int64(uint64(info.Totalram) * uint64(info.Unit)); most == 0 || total < most {
			most = total
		}
	}
	return most
}

// cgroupMemory is the smallest limit of memory of this process's control groups, from its
// own up to the root: a limit of a group holds for all below it. 0 is none. A group that
// isn't visible here, as from within a container, has its limit at the root.
func cgroupMemory(root fs.FS) (most int64) {
	b, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		b = []byte("0::/\n1:memory:/\n")
	}
	for line := range bytes.Lines(b) { // of cgroups(7): number, controllers, path
		fields := strings.SplitN(strings.TrimSpace(string(line)), ":", 3)
		if len(fields) < 3 {
			continue
		}
		group := path.Clean("/" + fields[2])
		switch {
		case fields[0] == "0" && fields[1] == "":
			for _, mount := range []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"} {
				lower(&most, limitOf(root, mount, group, "memory.max"))
				lower(&most, limitOf(root, mount, group, "memory.high")) // beyond it a process is slowed down
			}
		case slices.Contains(strings.Split(fields[1], ","), "memory"):
			lower(&most, limitOf(root, "sys/fs/cgroup/memory", group, "memory.limit_in_bytes"))
		}
	}
	return most
}

// limitOf is the smallest number in the files of that name of a group and of those around
// it.
func limitOf(root fs.FS, mount, group, file string) (most int64) {
	for {
		if b, err := fs.ReadFile(root, path.Join(mount, group, file)); err == nil {
			// "max", and the largest number of v1, are no limit.
			if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 && n < 1<<60 {
				lower(&most, n)
			}
		}
		if group == "/" {
			return most
		}
		group = path.Dir(group)
	}
}

// lower sets most to n where that is known and less.
func lower(most *int64, n int64) {
	if n > 0 && (*most == 0 || n < *most) {
		*most = n
	}
}

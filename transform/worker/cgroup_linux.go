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

// MachineMemory returns the memory that this process may use, in bytes: the memory of the
// machine, or the lowest limit of the control groups around the process, such as a
// container or a service. It returns 0 where it is unknown.
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

// cgroupMemory returns the lowest memory limit of this process's control groups, from its
// own up to the root, since the limit of a group holds for all groups below it. It returns
// 0 without a limit. Where a group isn't visible, as in a container, its limit is at the
// root.
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
				lower(&most, limitOf(root, mount, group, "memory.high")) // beyond it the kernel slows processes down
			}
		case slices.Contains(strings.Split(fields[1], ","), "memory"):
			lower(&most, limitOf(root, "sys/fs/cgroup/memory", group, "memory.limit_in_bytes"))
		}
	}
	return most
}

// limitOf returns the lowest number in the files of this name, from a group up to the root.
func limitOf(root fs.FS, mount, group, file string) (most int64) {
	for {
		if b, err := fs.ReadFile(root, path.Join(mount, group, file)); err == nil {
			// "max", and the largest number of v1, mean no limit.
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

// lower sets *most to n where n is known and lower.
func lower(most *int64, n int64) {
	if n > 0 && (*most == 0 || n < *most) {
		*most = n
	}
}

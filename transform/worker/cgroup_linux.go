package worker

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime"
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

// Cores returns how many processors this process may keep busy. Like Go's GOMAXPROCS it
// follows the process's affinity and the quotas of its control groups, rounded up. GOMAXPROCS
// is at least two; Cores also follows a quota down to one.
func Cores() int {
	n := runtime.GOMAXPROCS(0)
	if quota := cgroupCores(os.DirFS("/")); quota > 0 {
		n = min(n, int(math.Ceil(quota)))
	}
	return n
}

// cgroupMemory returns the lowest memory limit of this process's control groups. It returns 0
// without a limit.
func cgroupMemory(root fs.FS) (most int64) {
	for _, g := range cgroups(root, "memory") {
		files := []string{"memory.max", "memory.high"} // beyond high the kernel slows processes down
		if g.v1 {
			files = []string{"memory.limit_in_bytes"}
		}
		for _, file := range files {
			for _, n := range g.numbers(root, file) {
				if n < 1<<60 { // the largest number of v1 means no limit
					lower(&most, n)
				}
			}
		}
	}
	return most
}

// cgroupCores returns the lowest quota of this process's control groups, in processors. It
// returns 0 without a quota.
func cgroupCores(root fs.FS) (least float64) {
	for _, g := range cgroups(root, "cpu") {
		quota, period := int64(0), int64(0)
		if g.v1 {
			for _, n := range g.numbers(root, "cpu.cfs_quota_us") {
				quota = n
			}
			for _, n := range g.numbers(root, "cpu.cfs_period_us") {
				period = n
			}
		} else if both := g.numbers(root, "cpu.max"); len(both) == 2 {
			quota, period = both[0], both[1]
		}
		if cores := float64(quota) / float64(period); quota > 0 && period > 0 && (least == 0 || cores < least) {
			least = cores
		}
	}
	return least
}

// A cgroup is a control group that bounds this process, and where its files are.
type cgroup struct {
	folder string
	v1     bool
}

// cgroups returns the control groups of this process for a controller, each followed by those
// around it, since the limit of a group holds for all groups below it. Where a group isn't
// visible, as in a container, its limit is at the root.
func cgroups(root fs.FS, controller string) (found []cgroup) {
	b, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		b = []byte("0::/\n1:" + controller + ":/\n")
	}
	for line := range bytes.Lines(b) { // of cgroups(7): number, controllers, path
		fields := strings.SplitN(strings.TrimSpace(string(line)), ":", 3)
		if len(fields) < 3 {
			continue
		}
		mounts, v1 := []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"}, false
		if fields[0] != "0" || fields[1] != "" {
			if !slices.Contains(strings.Split(fields[1], ","), controller) {
				continue
			}
			mounts, v1 = []string{path.Join("sys/fs/cgroup", controller)}, true
		}
		for _, mount := range mounts {
			for name := path.Clean("/" + fields[2]); ; name = path.Dir(name) {
				found = append(found, cgroup{path.Join(mount, name), v1})
				if name == "/" {
					break
				}
			}
		}
	}
	return found
}

// numbers returns the numbers above 0 in a file of the group, without words such as "max".
func (g cgroup) numbers(root fs.FS, file string) (all []int64) {
	b, err := fs.ReadFile(root, path.Join(g.folder, file))
	if err != nil {
		return nil
	}
	for _, word := range strings.Fields(string(b)) {
		if n, err := strconv.ParseInt(word, 10, 64); err == nil && n > 0 {
			all = append(all, n)
		}
	}
	return all
}

// lower sets *most to n where n is known and lower.
func lower(most *int64, n int64) {
	if n > 0 && (*most == 0 || n < *most) {
		*most = n
	}
}

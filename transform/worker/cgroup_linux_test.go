package worker

import (
	"runtime"
	"testing"
	"testing/fstest"
)

// TestCgroupMemory: the limit is found wherever a container engine, systemd or a nested
// group sets it.
func TestCgroupMemory(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"no groups", nil, 0},
		{"v2, no limit", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 0},
		{"v2, in a container", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"}, 512 << 20},
		{"v2, a service of systemd", map[string]string{
			"proc/self/cgroup": "0::/system.slice/tintype.service\n",
			"sys/fs/cgroup/system.slice/tintype.service/memory.max": "1073741824\n", "sys/fs/cgroup/system.slice/memory.max": "max\n",
		}, 1 << 30},
		{"v2, its slice allows less", map[string]string{
			"proc/self/cgroup": "0::/images.slice/tintype.service\n",
			"sys/fs/cgroup/images.slice/tintype.service/memory.max": "1073741824\n", "sys/fs/cgroup/images.slice/memory.max": "536870912\n",
		}, 512 << 20},
		{"v2, slowed down before its limit", map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "1073741824\n", "sys/fs/cgroup/a/b/memory.high": "268435456\n",
		}, 256 << 20},
		{"v1, in a container that sees the host's path", map[string]string{
			"proc/self/cgroup":                           "4:memory:/docker/0123\n1:name=systemd:/docker/0123\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
		}, 512 << 20},
		{"v1, a nested group", map[string]string{
			"proc/self/cgroup":                                   "11:cpu,cpuacct:/x\n4:hugetlb,memory:/a/b\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":         "9223372036854771712\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes":       "2147483648\n",
			"sys/fs/cgroup/memory/a/b/memory.limit_in_bytes":     "536870912\n",
			"sys/fs/cgroup/memory/a/b/c/memory.limit_in_bytes":   "1\n",
			"sys/fs/cgroup/memory/other/memory.limit_in_bytes":   "1\n",
			"sys/fs/cgroup/memory/a/other/memory.limit_in_bytes": "1\n",
		}, 512 << 20},
		{"hybrid, the limit is in v2", map[string]string{"proc/self/cgroup": "4:memory:/\n0::/a\n", "sys/fs/cgroup/unified/a/memory.max": "536870912"}, 512 << 20},
		{"outside its namespace", map[string]string{"proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/memory.max": "536870912"}, 512 << 20},
		{"nonsense", map[string]string{"proc/self/cgroup": "memory\n:\n0::/\n", "sys/fs/cgroup/memory.max": "-5"}, 0},
		{"without /proc", map[string]string{"sys/fs/cgroup/memory.max": "536870912"}, 512 << 20},
	} {
		files := fstest.MapFS{}
		for name, content := range tt.files {
			files[name] = &fstest.MapFile{Data: []byte(content)}
		}
		if got := cgroupMemory(files); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestCgroupCores: the quota is found like the limit of memory.
func TestCgroupCores(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  float64
	}{
		{"no groups", nil, 0},
		{"v2, no quota", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 0},
		{"v2, one processor", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1},
		{"v2, a pod allows less than its slice", map[string]string{
			"proc/self/cgroup": "0::/pods/a\n", "sys/fs/cgroup/pods/a/cpu.max": "150000 100000\n", "sys/fs/cgroup/pods/cpu.max": "400000 100000\n",
		}, 1.5},
		{"v2, a slice allows less than its service", map[string]string{
			"proc/self/cgroup": "0::/images.slice/tintype.service\n", "sys/fs/cgroup/images.slice/cpu.max": "50000 100000\n",
			"sys/fs/cgroup/images.slice/tintype.service/cpu.max": "200000 100000\n",
		}, 0.5},
		{"v1, in a container that sees the host's path", map[string]string{
			"proc/self/cgroup":                   "3:cpu,cpuacct:/docker/0123\n4:cpuset:/docker/0123\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
		}, 2},
		{"v1, no quota", map[string]string{
			"proc/self/cgroup":                   "3:cpu:/\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
		}, 0},
		{"nonsense", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000\n"}, 0},
	} {
		files := fstest.MapFS{}
		for name, content := range tt.files {
			files[name] = &fstest.MapFile{Data: []byte(content)}
		}
		if got := cgroupCores(files); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if n := Cores(); n < 1 || n > runtime.NumCPU() {
		t.Errorf("%d processors of %d", n, runtime.NumCPU())
	}
}

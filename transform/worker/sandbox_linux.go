package worker

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// lockIn enters the sandbox with all threads of this process.
func lockIn(s Sandbox) ready {
	state := ready{Layers: []string{layerLimits}}
	if memoryFiles() {
		state.Layers = append(state.Layers, layerMemfd)
	} else {
		state.Missing = append(state.Missing, missing(layerMemfd, unix.ENOSYS))
	}
	if s == Off {
		return state
	}
	add := func(layer string, err error) bool {
		if err != nil {
			state.Missing = append(state.Missing, missing(layer, err))
			return false
		}
		state.Layers = append(state.Layers, layer)
		return true
	}
	if !add(layerNoNewPrivs, noNewPrivs()) {
		return state // the other layers need it, except for root
	}
	files := add(layerLandlock, restrictFiles(readable()))
	add(layerSeccomp, filterCalls(files))
	return state
}

// everyThread makes a system call on all threads of the process, also those of C libraries.
// A plain call would restrict only its own thread.
func everyThread(call, a, b, c uintptr) error {
	if _, _, err := psx.Syscall6(call, a, b, c, 0, 0, 0); err != 0 {
		return err
	}
	return nil
}

func noNewPrivs() error {
	return everyThread(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0)
}

// readable returns the files and folders that an engine may read later. A font is loaded
// when the first picture needs it.
func readable() []string {
	paths := []string{
		"/etc/fonts", "/usr/share/fonts", "/usr/local/share/fonts", "/usr/share/fontconfig", "/var/cache/fontconfig",
		"/usr/share/color/icc", "/usr/local/share/color/icc",
	}
	for _, name := range []string{"FONTCONFIG_FILE", "FONTCONFIG_PATH", "XDG_CACHE_HOME"} {
		for _, p := range strings.Split(os.Getenv(name), ":") {
			if filepath.IsAbs(p) {
				paths = append(paths, p)
			}
		}
	}
	return paths
}

// landlockRights are the rights that Landlock restricts, by the version that added them (see
// linux/landlock.h). Landlock doesn't restrict other rights.
var landlockRights = []struct {
	version int
	rights  uint64
}{
	{1, unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM},
	{2, unix.LANDLOCK_ACCESS_FS_REFER},
	{3, unix.LANDLOCK_ACCESS_FS_TRUNCATE},
	{5, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
}

// restrictFiles allows reading of these paths, and opening of no other file. It ignores
// paths that don't exist.
func restrictFiles(paths []string) error {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return errno
	}
	var attr unix.LandlockRulesetAttr
	for _, r := range landlockRights {
		if int(version) >= r.version {
			attr.Handled_access_fs |= r.rights
		}
	}
	size := unsafe.Sizeof(attr.Handled_access_fs)
	if version >= 4 {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
		size += unsafe.Sizeof(attr.Handled_access_net)
	}
	rules, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(rules))
	for _, path := range paths {
		if err := allow(int(rules), path, unix.LANDLOCK_ACCESS_FS_READ_FILE|unix.LANDLOCK_ACCESS_FS_READ_DIR); err != nil {
			return err
		}
	}
	// everyThread still lists the threads when some of them are already restricted.
	if err := allow(int(rules), "/proc/self/task", unix.LANDLOCK_ACCESS_FS_READ_DIR); err != nil {
		return err
	}
	return everyThread(unix.SYS_LANDLOCK_RESTRICT_SELF, rules, 0, 0)
}

// allow adds rights for a path and everything below it.
func allow(rules int, path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &^= unix.LANDLOCK_ACCESS_FS_READ_DIR
	}
	beneath := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(rules), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&beneath)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

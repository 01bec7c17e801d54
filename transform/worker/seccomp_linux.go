//go:build amd64 || arm64

package worker

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A call is a system call that a worker may make. All of its conditions must be met.
type call struct {
	nr   uint32
	when []condition
}

// A condition is met where the bits of an argument under the mask equal value.
type condition struct {
	arg         int
	mask, value uint64
}

// is compares the lower 32 bits, since the kernel uses only those of these arguments.
func is(arg int, value uint32) condition     { return condition{arg, 1<<32 - 1, uint64(value)} }
func null(arg int) condition                 { return condition{arg, 1<<64 - 1, 0} }
func without(arg int, bits uint64) condition { return condition{arg, bits, 0} }
func with(arg int, bits uint64) condition    { return condition{arg, bits, bits} }

// allowed returns the calls that Go's runtime, libc and image libraries need once they are
// loaded. files means that Landlock restricts files, so that files may be opened for
// reading.
func allowed(files bool) []call {
	self := uint32(os.Getpid())
	list := []call{
		{nr: unix.SYS_FUTEX}, {nr: unix.SYS_READ}, {nr: unix.SYS_WRITE}, {nr: unix.SYS_MMAP}, {nr: unix.SYS_MUNMAP}, {nr: unix.SYS_MADVISE},
		{nr: unix.SYS_EPOLL_PWAIT}, {nr: unix.SYS_RECVMSG}, {nr: unix.SYS_NANOSLEEP}, {nr: unix.SYS_SCHED_YIELD},

		// Memory.
		{nr: unix.SYS_BRK}, {nr: unix.SYS_MPROTECT}, {nr: unix.SYS_MREMAP}, {nr: unix.SYS_MEMBARRIER},
		{nr: unix.SYS_SYSINFO},

		// Files that are already open.
		{nr: unix.SYS_CLOSE}, {nr: unix.SYS_FSTAT}, {nr: unix.SYS_LSEEK}, {nr: unix.SYS_PREAD64}, {nr: unix.SYS_PWRITE64},
		{nr: unix.SYS_READV}, {nr: unix.SYS_WRITEV}, {nr: unix.SYS_SENDMSG},
		{nr: unix.SYS_FCNTL, when: []condition{is(1, unix.F_GETFL)}}, {nr: unix.SYS_FCNTL, when: []condition{is(1, unix.F_GETFD)}},
		{nr: unix.SYS_FCNTL, when: []condition{is(1, unix.F_SETFD)}}, {nr: unix.SYS_FCNTL, when: []condition{is(1, unix.F_DUPFD_CLOEXEC)}},
		{nr: unix.SYS_PPOLL}, {nr: unix.SYS_EPOLL_CTL}, {nr: unix.SYS_EPOLL_CREATE1}, {nr: unix.SYS_EPOLL_PWAIT2}, {nr: unix.SYS_EVENTFD2}, {nr: unix.SYS_PIPE2},

		// Threads, but no processes. A filter can't see the flags of clone3, since they are
		// in memory. Without clone3 libc uses clone.
		{nr: unix.SYS_CLONE, when: []condition{with(0, unix.CLONE_THREAD|unix.CLONE_VM)}},
		{nr: unix.SYS_SET_ROBUST_LIST}, {nr: unix.SYS_RSEQ}, {nr: unix.SYS_GETTID}, {nr: unix.SYS_GETPID}, {nr: unix.SYS_EXIT}, {nr: unix.SYS_EXIT_GROUP},
		{nr: unix.SYS_SCHED_GETAFFINITY}, {nr: unix.SYS_SCHED_GETPARAM}, {nr: unix.SYS_SCHED_GETSCHEDULER},
		{nr: unix.SYS_PRCTL, when: []condition{is(0, unix.PR_SET_NAME)}},

		// Signals within this process.
		{nr: unix.SYS_RT_SIGACTION}, {nr: unix.SYS_RT_SIGPROCMASK}, {nr: unix.SYS_RT_SIGRETURN}, {nr: unix.SYS_SIGALTSTACK}, {nr: unix.SYS_RESTART_SYSCALL},
		{nr: unix.SYS_TGKILL, when: []condition{is(0, self)}},

		// Time, identity and limits.
		{nr: unix.SYS_CLOCK_GETTIME}, {nr: unix.SYS_CLOCK_GETRES}, {nr: unix.SYS_CLOCK_NANOSLEEP}, {nr: unix.SYS_GETTIMEOFDAY}, {nr: unix.SYS_TIMES},
		{nr: unix.SYS_GETRUSAGE}, {nr: unix.SYS_GETRANDOM}, {nr: unix.SYS_UNAME}, {nr: unix.SYS_GETUID}, {nr: unix.SYS_GETEUID}, {nr: unix.SYS_GETGID}, {nr: unix.SYS_GETEGID},
		{nr: unix.SYS_PRLIMIT64, when: []condition{null(2)}},
	}
	list = append(list, allowedHere...)
	if !files {
		return list
	}
	const writing = unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC | unix.O_APPEND | unix.O_TMPFILE&^unix.O_DIRECTORY
	list = append(list,
		call{nr: unix.SYS_OPENAT, when: []condition{without(2, writing)}},
		call{nr: unix.SYS_NEWFSTATAT}, call{nr: unix.SYS_STATX}, call{nr: unix.SYS_FACCESSAT}, call{nr: unix.SYS_FACCESSAT2}, call{nr: unix.SYS_READLINKAT},
		call{nr: unix.SYS_GETDENTS64}, call{nr: unix.SYS_STATFS}, call{nr: unix.SYS_FSTATFS}, call{nr: unix.SYS_GETCWD}, call{nr: unix.SYS_FADVISE64},
	)
	return append(list, filesHere(writing)...)
}

// Offsets in seccomp_data (linux/seccomp.h).
const (
	dataNr   = 0
	dataArch = 4
	dataArgs = 16
)

// compile makes a filter of the list. Other calls fail with EPERM. clone3 fails with
// ENOSYS, so that libc uses clone. A call with the numbers of another architecture kills
// the process.
func compile(list []call) []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	answer := func(what uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: what}
	}
	unless := func(value uint32, skip int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: uint8(skip)}
	}
	filter := []unix.SockFilter{
		load(dataArch),
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: auditArch, Jt: 1},
		answer(unix.SECCOMP_RET_KILL_PROCESS),
		load(dataNr),
		unless(unix.SYS_CLONE3, 1),
		answer(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)),
	}
	for _, c := range list {
		var block []unix.SockFilter
		for _, when := range c.when {
			// Both halves of the argument, the lower one first.
			for half := range 2 {
				mask, value := uint32(when.mask>>(32*half)), uint32(when.value>>(32*half))
				if mask == 0 {
					continue
				}
				block = append(block, load(uint32(dataArgs+8*when.arg+4*half)),
					unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: mask}, unless(value, 0))
			}
		}
		for i := range block { // a condition that isn't met jumps to the end of the block
			if block[i].Code == unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K {
				block[i].Jf = uint8(len(block) - i)
			}
		}
		block = append(block, answer(unix.SECCOMP_RET_ALLOW))
		filter = append(append(filter, unless(c.nr, len(block))), block...)
		if len(c.when) > 0 {
			filter = append(filter, load(dataNr)) // the accumulator holds an argument
		}
	}
	return append(filter, answer(unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM)))
}

// filterCalls installs the filter for every thread of the process.
func filterCalls(files bool) error {
	filter := compile(allowed(files))
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	if thread != 0 {
		return unix.EAGAIN // a thread has its own filters
	}
	return nil
}

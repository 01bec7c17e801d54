package worker

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// allowedHere are older calls, which newer architectures don't have. The calls of the x32
// interface have other numbers, and none of them is allowed.
var allowedHere = []call{
	{nr: unix.SYS_ARCH_PRCTL}, {nr: unix.SYS_EPOLL_WAIT}, {nr: unix.SYS_POLL}, {nr: unix.SYS_TIME},
}

func filesHere(writing uint64) []call {
	return []call{
		{nr: unix.SYS_OPEN, when: []condition{without(1, writing)}},
		{nr: unix.SYS_STAT}, {nr: unix.SYS_LSTAT}, {nr: unix.SYS_ACCESS}, {nr: unix.SYS_READLINK}, {nr: unix.SYS_GETDENTS},
	}
}

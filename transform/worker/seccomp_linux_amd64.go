package worker

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// allowedHere are calls that have another form on newer architectures. Those of the
// x32 interface have numbers of their own and are not among them.
var allowedHere = []call{
	{nr: unix.SYS_ARCH_PRCTL}, {nr: unix.SYS_EPOLL_WAIT}, {nr: unix.SYS_POLL}, {nr: unix.SYS_TIME},
}

func filesHere(writing uint64) []call {
	return []call{
		{nr: unix.SYS_OPEN, when: []condition{without(1, writing)}},
		{nr: unix.SYS_STAT}, {nr: unix.SYS_LSTAT}, {nr: unix.SYS_ACCESS}, {nr: unix.SYS_READLINK}, {nr: unix.SYS_GETDENTS},
	}
}

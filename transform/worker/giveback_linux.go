package worker

import (
	"debug/elf"

	"golang.org/x/sys/unix"
)

// forgetProgram unmaps the pages of the program that nobody can write to. Their contents stay
// in the kernel's file cache, from which a page comes back when it is used.
func forgetProgram() {
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		return
	}
	defer f.Close()
	if f.Type != elf.ET_EXEC { // elsewhere the addresses aren't those of the file
		return
	}
	size := uint64(unix.Getpagesize())
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_W == 0 {
			from, to := p.Vaddr/size*size, (p.Vaddr+p.Memsz)/size*size // the last page is shared with data
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, uintptr(from), uintptr(to-from), unix.MADV_DONTNEED)
		}
	}
}

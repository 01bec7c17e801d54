#ifdef __linux__
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "forget.h"

#ifdef __linux__

static int
forget(struct dl_phdr_info *of, size_t size, void *data)
{
	const uintptr_t page = sysconf(_SC_PAGESIZE);

	for (int i = 0; i < of->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &of->dlpi_phdr[i];
		if (part->p_type == PT_LOAD && !(part->p_flags & PF_W)) {
			uintptr_t from = (of->dlpi_addr + part->p_vaddr) / page * page;
			uintptr_t to = (of->dlpi_addr + part->p_vaddr + part->p_memsz) / page * page; /* data may share the last page */
			madvise((void *) from, to - from, MADV_DONTNEED);
		}
	}
	return 0;
}

void
tintype_forget(void)
{
	dl_iterate_phdr(forget, NULL);
}

#else

void
tintype_forget(void)
{
}

#endif

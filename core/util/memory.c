#include "util/memory.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LARGE_BYTES = 128 * 1024 };

void mmr_memory_begin(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
}

/* Only what nobody writes: a page of code is the same in the file it came from. */
static int drop_code(struct dl_phdr_info *info, size_t size, void *ctx)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)size;
    (void)ctx;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || (p->p_flags & (PF_X | PF_W)) != PF_X)
            continue;
        uintptr_t from = (info->dlpi_addr + p->p_vaddr + page - 1) & ~(page - 1);
        uintptr_t to = (info->dlpi_addr + p->p_vaddr + p->p_filesz) & ~(page - 1);
        if (to > from)
            (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
    return 0;
}

void mmr_memory_settle(void)
{
    (void)malloc_trim(0);
    (void)dl_iterate_phdr(drop_code, NULL);
}

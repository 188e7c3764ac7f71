/* elf_facts.h - what a shared object says of itself, read without running it. Its bytes come from outside. */
#ifndef MMR_CHECK_ELF_FACTS_H
#define MMR_CHECK_ELF_FACTS_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MMR_ELF_NAMES_MAX = 16, MMR_ELF_NAME_MAX = 63 };
struct mmr_elf_facts {
    uint32_t exports; /* defined symbols others can bind to; the first ones by name (cut to 63 bytes) */
    char names[MMR_ELF_NAMES_MAX][MMR_ELF_NAME_MAX + 1];
    bool has_text_relocations, has_exec_stack, has_writable_code;
    char search_path[128]; /* DT_RPATH or DT_RUNPATH; "": none */
};

/*
 * mmr_elf_read - a shared object for this machine: 64 bit, this byte order.
 *
 * errors  MMR_EBADMSG no such file, truncated, or a table that lies; the text says which
 * source  System V ABI, chapters 4 and 5; the GNU extensions as in binutils' elf/common.h
 */
int mmr_elf_read(const void *bytes, size_t len, struct mmr_elf_facts *ret, struct mmr_error *err);

#endif

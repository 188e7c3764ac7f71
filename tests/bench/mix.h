/*
 * mix.h - one capture file out of many: every Ethernet frame of the given captures on one time line, several copies with shifted addresses
 * and checksums that are as right as they were. So a loop over recorded data looks like more traffic, not like a repetition.
 */
#ifndef MMR_BENCH_MIX_H
#define MMR_BENCH_MIX_H

#include <stddef.h>
#include <stdint.h>

enum { MIX_FILES_MAX = 512, MIX_COPIES_MAX = 32 };
struct mix_facts {
    size_t files, left_out; /* left out: no capture, or not Ethernet */
    uint64_t packets, bytes;
};
/* Paths of captures below a folder, sorted; returns the new count. free() each */
size_t mix_find(const char *folder, const char **files, size_t n);
/* Writes path; -1 with words on stderr where it cannot. */
int mix_write(const char *path, const char *const *files, size_t n, unsigned copies, struct mix_facts *ret);

#endif

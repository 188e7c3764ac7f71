/* tail.h - which lines the end of a file already holds, so that a record handed over again after a
 * crash is not written twice. */
#ifndef MMR_FILE_TAIL_H
#define MMR_FILE_TAIL_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MMR_TAIL_LINES = 4096 }; /* more than the core ever has handed over without an answer */
struct mmr_tail {
    uint64_t hash[MMR_TAIL_LINES]; /* the last lines', as a ring */
    uint32_t n, at;
};

uint64_t mmr_tail_hash(const void *line, size_t len);
bool mmr_tail_has(const struct mmr_tail *t, uint64_t hash);
void mmr_tail_add(struct mmr_tail *t, uint64_t hash);
/*
 * mmr_tail_load - read the last 16 MiB of the file and remember its lines; cut a line without its end
 * (a write that a power cut broke off).
 *
 * ret_size  the file's size afterwards
 */
int mmr_tail_load(struct mmr_tail *t, int fd, const char *path, uint64_t *ret_size, struct mmr_error *err);

#endif

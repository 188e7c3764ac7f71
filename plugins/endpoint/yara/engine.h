/*
 * engine.h - looks into files in a process of its own, which may crash, hang or be taken over without taking anything with
 * it: it has no descriptors but its socket and the file at hand, and bounded memory and time.
 */
#ifndef MMR_YARA_ENGINE_H
#define MMR_YARA_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <mamori/error.h>

enum {
    MMR_SCAN_MATCHES_MAX = 8,
    MMR_SCAN_ANSWER_BYTES = 8192,
};
enum mmr_scan_status { MMR_SCAN_CLEAN = 0, MMR_SCAN_MATCH, MMR_SCAN_SKIPPED /* no program, no document */, MMR_SCAN_TOO_BIG, MMR_SCAN_FAILED };

struct mmr_scan_limits {
    int64_t file_bytes; /* larger files are not looked into */
    int seconds;        /* for one file */
    char clamd[108];    /* socket of clamd, or "": not used */
};
struct mmr_scan_match {
    char engine[8]; /* "yara", "clamd" */
    char rule[128], description[200], attack[64], phase[32], potential[8];
};
struct mmr_scan_answer { /* what goes over the socket, both ends being the same program */
    uint64_t id;
    uint32_t status, n;
    char sha256[65];
    char note[127]; /* FAILED: why; else "", or what one of the engines could not do */
    struct mmr_scan_match match[MMR_SCAN_MATCHES_MAX];
};

struct mmr_engine {
    int fd; /* SOCK_SEQPACKET: {id, fd} in, struct mmr_scan_answer out; -1: not running */
    pid_t pid;
};
/* rules: texts of rule files, NUL-terminated, `n` of them. MMR_ECONFIG with the place of the first mistake; MMR_EIO. */
int mmr_engine_check(const char *const *rules, const char *const *names, size_t n, struct mmr_error *err);
/* Forks the worker. Only memory of the caller is used there. */
int mmr_engine_start(const char *const *rules, size_t n, const struct mmr_scan_limits *limits, struct mmr_engine *ret, struct mmr_error *err);
void mmr_engine_stop(struct mmr_engine *e); /* kills it; -1 in fd afterwards */
/* Hands over an open file (borrowed). MMR_EAGAIN, MMR_EIO: the worker is gone */
int mmr_engine_scan(struct mmr_engine *e, uint64_t id, int file);
/* 1: an answer, 0: none yet, MMR_EIO: the worker is gone */
int mmr_engine_answer(struct mmr_engine *e, struct mmr_scan_answer *ret);

/* Does a file of this name and beginning hold a program, a script or a document? */
bool mmr_scan_is_worth_it(const char *path, const uint8_t *head, size_t n);

#endif

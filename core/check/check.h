/*
 * check.h - does a plugin keep the rules? Each case runs in a process of its own, with a time limit and, where the kernel
 * allows it, in namespaces of its own: no network but a loopback, no other processes, no folder it can write but a scratch one.
 * The plugin is foreign code; what the cases share with it is one page for the report.
 */
#ifndef MMR_CHECK_CHECK_H
#define MMR_CHECK_CHECK_H

#include <mamori/plugin.h>

#include <stdbool.h>

enum mmr_check_verdict {
    MMR_CHECK_PASS = 0,
    MMR_CHECK_FAIL = 1,
    MMR_CHECK_SKIP = 2, /* it could not be tried here */
    MMR_CHECK_MOOT = 3, /* nothing of the plugin falls under it */
};
enum { MMR_CHECK_LINES_MAX = 12, MMR_CHECK_LINE_MAX = 320 };

struct mmr_check_opts {
    const char *path;                 /* the file; NULL: builtin */
    const struct mmr_plugin *builtin; /* a linked-in one */
    const char *const *set;           /* "key=value" of its configuration, NULL at the end; NULL: none */
    const char *only;                 /* one case; NULL: all */
    uint64_t seed;                    /* of the random cases */
    uint32_t rounds;                  /* of the case `fuzz` */
    uint32_t limit_s;                 /* wall clock of one case */
    bool is_first_only;               /* stop at the first case that fails */
    bool is_in_process;               /* no process, no limit, no isolation: for a debugger; needs only */
};

struct mmr_check_result { /* borrowed for the call */
    const char *name, *what; /* "one-export"; what it is about, one line */
    enum mmr_check_verdict verdict;
    int64_t ms;
    const char *lines[MMR_CHECK_LINES_MAX]; /* faults, or why it was skipped */
    size_t n;
};
typedef void (*mmr_check_fn)(void *ctx, const struct mmr_check_result *r);

struct mmr_check_summary {
    char id[64], version[64];
    uint32_t abi_major, abi_minor; /* built with */
    unsigned passed, failed, skipped;
    bool is_isolated;
};

/*
 * mmr_check_run - every case (or one) on one plugin.
 *
 * fn       called once a case, in order
 * errors   MMR_EINVAL no case of that name, or a key of set that the plugin does not have; MMR_ENOENT, MMR_EPERM the file is not there,
 *          or not in a safe place (mmr_plugin_seal()); MMR_EIO no process, no scratch folder
 */
int mmr_check_run(const struct mmr_check_opts *opts, mmr_check_fn fn, void *ctx, struct mmr_check_summary *ret,
                  struct mmr_error *err);
/* The name and the line of each case, for help texts; NULL after the last. */
const char *mmr_check_case(size_t i, const char **ret_what);

#endif

/* sources.h - how often each source failed to log in lately, in a table of fixed size. */
#ifndef MMR_AUTHFAIL_SOURCES_H
#define MMR_AUTHFAIL_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include <mamori/error.h>

enum {
    MMR_SRC_TIMES_MAX = 64, /* failures remembered of one source */
    MMR_SRC_USERS_MAX = 32,
};
struct mmr_source {
    uint64_t key;     /* 0: free */
    int64_t last_ns;
    int64_t time_ns[MMR_SRC_TIMES_MAX]; /* ring */
    uint32_t user[MMR_SRC_USERS_MAX];   /* hashes, of the failures in the window */
    uint32_t at, n, users;
    bool is_told;     /* the guessing was reported; quiet until it pauses */
    bool is_let_in;   /* a success after it was reported */
    uint8_t reserved[2];
};
struct mmr_sources;

int mmr_sources_new(uint32_t entries, struct mmr_sources **ret, struct mmr_error *err);
void mmr_sources_free(struct mmr_sources *s);
/* The entry of key, made if is_new; NULL only without is_new. The one quiet for longest makes room. */
struct mmr_source *mmr_sources_get(struct mmr_sources *s, uint64_t key, bool is_new);
/* Count a failure; forget what is older than window_ns. Returns the failures within the window. */
uint32_t mmr_source_fail(struct mmr_source *e, int64_t now_ns, int64_t window_ns, uint32_t user_hash);
uint64_t mmr_sources_evicted(const struct mmr_sources *s);

#endif

/* sessions.c - four-way buckets: bounded work for each line, and a flood of connections only shortens the memory. */
#include "sessions.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 256, WAYS = 4 };

struct mmr_ssh_sessions {
    struct mmr_ssh_session e[BUCKETS * WAYS];
};

struct mmr_ssh_sessions *mmr_ssh_sessions_new(void)
{
    return calloc(1, sizeof(struct mmr_ssh_sessions));
}

void mmr_ssh_sessions_free(struct mmr_ssh_sessions *s)
{
    free(s);
}

struct mmr_ssh_session *mmr_ssh_session_get(struct mmr_ssh_sessions *s, uint64_t key, int64_t now_ns, bool is_new)
{
    const int64_t keep_ns = MMR_SSH_SECONDS * INT64_C(1000000000);
    struct mmr_ssh_session *b = s->e + (size_t)((key ^ key >> 32) % BUCKETS) * WAYS, *oldest = b;
    for (int i = 0; i < WAYS; i++) {
        struct mmr_ssh_session *e = b + i;
        if (e->key == key) {
            /* logs are read in any order, also backwards: too far either way is another connection with that process id */
            if (now_ns - e->last_ns > keep_ns || e->last_ns - now_ns > keep_ns) {
                mmr_ssh_session_end(e);
                oldest = e;
                break;
            }
            e->last_ns = now_ns;
            return e;
        }
        if (!e->key || (oldest->key && e->last_ns < oldest->last_ns))
            oldest = e;
    }
    if (!is_new)
        return NULL;
    memset(oldest, 0, sizeof *oldest);
    oldest->key = key;
    oldest->last_ns = now_ns;
    return oldest;
}

void mmr_ssh_session_end(struct mmr_ssh_session *e)
{
    if (e)
        memset(e, 0, sizeof *e);
}

void mmr_ssh_session_keep(char field[64], struct mmr_slice text)
{
    bool is_fit = text.n < 64;
    if (is_fit && text.n)
        memcpy(field, text.p, text.n);
    field[is_fit ? text.n : 0] = '\0';
}

/*
 * parts.c - what correlation rules count goes on over a restart: the latest findings that are part of a story are kept as they
 * came, with the batch that acknowledges them, and are read again at start. A ring: the oldest gives way.
 */
#include "brain/live.h"

#include "util/clock.h"
#include "util/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 4096, PART_BYTES = 8 * 1024 }; /* 32 MB of store at the very most */
#define KEY_PREFIX "part."

struct reading {
    struct mmr_live *l;
    uint64_t n;
};

static void key_of(uint64_t number, char key[32])
{
    (void)snprintf(key, 32, KEY_PREFIX "%016llx", (unsigned long long)number);
}

static int restore_one(void *ctx, const char *key, const void *value, size_t len)
{
    struct reading *r = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_event_read(value, len, r->l->view, &err) == 0) {
        mmr_pipeline_part(r->l->pipeline, r->l->view);
        r->n++;
    } else {
        mmr_log(MMR_LOG_ERR, "part.not_restored", "key=%s reason=\"%s\"", key, err.text);
    }
    r->l->next_part = strtoull(key + sizeof KEY_PREFIX - 1, NULL, 16) + 1; /* in the order of the keys */
    return 0;
}

int mmr_live_parts_restore(struct mmr_live *l, struct mmr_error *err)
{
    struct reading r = {.l = l};
    int e = mmr_db_each(mmr_persist_db(l->persist), KEY_PREFIX, restore_one, &r, err);
    if (!e && r.n)
        mmr_log(MMR_LOG_INFO, "parts.restored", "n=%llu", (unsigned long long)r.n);
    return e;
}

void mmr_live_part(void *ctx)
{
    struct mmr_live *l = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    char key[32];
    if (l->event_len > PART_BYTES) {
        mmr_log(MMR_LOG_WARN, "part.not_kept", "bytes=%zu reason=\"expected at most %d; after a restart the correlation rules count without it\"", l->event_len, PART_BYTES);
        return;
    }
    if (l->next_part >= PARTS_MAX) {
        key_of(l->next_part - PARTS_MAX, key);
        (void)mmr_persist_state(l->persist, key, NULL, 0, &err);
    }
    key_of(l->next_part++, key);
    if (mmr_persist_state(l->persist, key, l->event, l->event_len, &err) != 0)
        mmr_log(MMR_LOG_ERR, "part.not_kept", "reason=\"%s\"", err.text);
}

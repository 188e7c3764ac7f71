/* roles.c - an answer of any length over the control channel. */
#include "plugin/roles.h"

#include <mamori/action.h>

#include <string.h>

enum { PART_BYTES = 100 * 1024 };

void mmr_tell_answer(struct mmr_tether *t, int64_t id, int status, const char *json)
{
    size_t left = strlen(json);
    do {
        uint8_t buf[256];
        struct mmr_event map;
        size_t n = left > PART_BYTES ? PART_BYTES : left;
        mmr_event_begin_map(&map, buf, sizeof buf);
        mmr_event_int(&map, "id", id);
        mmr_event_int(&map, "more", left > n);
        mmr_event_int(&map, "status", status);
        (void)mmr_tether_send(t, MMR_TELL_ANSWER, &map, json, n, -1);
        json += n;
        left -= n;
    } while (left);
}

void mmr_tell_misbehaved(struct mmr_tether *t, uint32_t slot, const char *what)
{
    uint8_t buf[64];
    struct mmr_event map;
    if (!t)
        return;
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_int(&map, "slot", slot);
    (void)mmr_tether_send(t, MMR_TELL_MISBEHAVED, &map, what, strnlen(what, 200), -1);
}

/* listeners.c - who reads what, and the handing on. Without such a program it costs one look at a flag. */
#include "brain/listeners.h"

#include "plugin/order.h"
#include "util/clock.h"
#include "util/log.h"

#include <stdio.h>
#include <string.h>

enum { KINDS_BYTES = 8 * 1024 };

static struct mmr_roster_instance *listener(const struct mmr_roster *r, uint32_t slot, uint32_t index)
{
    struct mmr_roster_instance *i = r->slot[slot].instance ? &r->slot[slot].instance[index] : NULL;
    return i && i->is_used && i->subscribes[0] ? i : NULL;
}

/* Space-separated words, of which one may be "*". */
static bool reads(const char *subscribes, const char *kind, size_t len)
{
    for (const char *p = subscribes; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        if ((n == 1 && *p == '*') || (n == len && memcmp(p, kind, n) == 0))
            return true;
        p += n;
    }
    return false;
}

void mmr_listeners_tell(const struct mmr_roster *r, struct mmr_local_server *srv, uint32_t slot, const char *more)
{
    char kinds[KINDS_BYTES];
    size_t at = (size_t)snprintf(kinds, sizeof kinds, "%s", more);
    /* a program is its host's only instance */
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX && r->has_listeners; s++) {
        const struct mmr_roster_instance *i = listener(r, s, 0);
        size_t n = i ? strlen(i->subscribes) : 0;
        if (!n)
            continue;
        if (at + n + 2 > sizeof kinds) {
            mmr_log(MMR_LOG_WARN, "listeners.not_told", "host=%s reason=\"the kinds all listeners read have more than %d bytes together\"", r->slot[s].host, KINDS_BYTES);
            continue;
        }
        if (at)
            kinds[at++] = '\n';
        memcpy(kinds + at, i->subscribes, n + 1);
        for (; kinds[at]; at++)
            if (kinds[at] == ' ')
                kinds[at] = '\n';
    }
    for (uint32_t s = 0; at && s < MMR_LOCAL_SLOTS_MAX; s++)
        if ((s == slot || slot >= MMR_LOCAL_SLOTS_MAX) && r->slot[s].is_used && mmr_local_order(srv, s, 0, MMR_HOST_WANT, MMR_LANE_URGENT, 0, kinds, at) != 0 && s == slot)
            mmr_log(MMR_LOG_WARN, "listeners.not_told", "host=%s", r->slot[s].host);
}

static void left_out(const struct mmr_roster_slot *s, struct mmr_roster_instance *i)
{
    const int64_t now = mmr_clock_mono_ns();
    if (i->unheard++ && now - i->unheard_told_ns < 60 * MMR_NS_PER_S)
        return;
    i->unheard_told_ns = now;
    mmr_log(MMR_LOG_WARN, "listener.too_slow", "host=%s instance=%s left_out=%llu of=%llu", s->host, i->name, (unsigned long long)i->unheard,
            (unsigned long long)i->heard);
}

void mmr_listeners_event(struct mmr_roster *r, struct mmr_local_server *srv, uint32_t slot, uint32_t index, const void *stamped, size_t len,
                         struct mmr_event_view *view)
{
    if (!r->has_listeners || listener(r, slot, index) || mmr_event_read(stamped, len, view, NULL) != 0)
        return;
    const struct mmr_value *kind = mmr_event_get(view, "mamori.kind");
    for (uint32_t s = 0; kind && kind->type == MMR_VAL_STR && s < MMR_LOCAL_SLOTS_MAX; s++) {
        struct mmr_roster_instance *i = listener(r, s, 0);
        if (!i || !r->slot[s].is_up || !reads(i->subscribes, (const char *)kind->p, kind->len))
            continue;
        i->heard++; /* its number: one that was left out shows as a hole */
        if (mmr_local_order(srv, s, 0, MMR_LOCAL_EVENT, MMR_LANE_TELEMETRY, i->heard, stamped, len) != 0)
            left_out(&r->slot[s], i);
    }
}

/* seats.c - one row a machine. */
#include "brain/seats.h"

#include "util/clock.h"

#include <string.h>
#include <strings.h>

static bool is_stale(const struct mmr_seat_row *r, int64_t now_ns)
{
    return now_ns - r->told_ns > MMR_SEATS_STALE_S * MMR_NS_PER_S;
}

bool mmr_seats_take(struct mmr_seats *s, const struct mmr_event_view *v, int64_t now_ns)
{
    char name[64], state[12];
    if (!mmr_value_is(mmr_event_get(v, "mamori.kind"), "seat.state") || !mmr_event_copy_str(v, "device.hostname", name, sizeof name) || !name[0] ||
        !mmr_event_copy_str(v, "status_detail", state, sizeof state))
        return false;
    uint32_t i = 0;
    while (i < s->n && strcasecmp(s->row[i].name, name) != 0)
        i++;
    if (i == MMR_SEATS_MAX)
        return false;
    struct mmr_seat_row *r = &s->row[i];
    if (i == s->n) {
        memset(r, 0, sizeof *r);
        memcpy(r->name, name, sizeof r->name);
        s->n++;
    } else if (strcmp(r->state, "up") == 0 && strcmp(state, "up") != 0 && !is_stale(r, now_ns) &&
               mmr_event_get_int(v, "unmapped.LastHeard", 0) < r->heard_ns) {
        return true; /* another listener has heard it since */
    }
    memcpy(r->state, state, sizeof r->state);
    r->told_ns = now_ns;
    r->heard_ns = mmr_event_get_int(v, "unmapped.LastHeard", r->heard_ns);
    if (!mmr_event_copy_str(v, "unmapped.Tool", r->tool, sizeof r->tool))
        r->tool[0] = '\0';
    return true;
}

const char *mmr_seats_state(const struct mmr_seat_row *r, int64_t now_ns)
{
    static const char *const known[] = {"up", "silent", "off", "unheard"};
    for (size_t i = 0; !is_stale(r, now_ns) && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(r->state, known[i]) == 0)
            return known[i];
    return "unknown";
}

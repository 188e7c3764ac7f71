/*
 * counter.c - what the gateway itself counted, beside what was captured: a sensor at a badly set mirror port, or behind an offload that
 * takes packets past it, sees too little without losing a packet.
 */
#include "capture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME_CHECK = 4, MEANS_NOTHING_BELOW = 1 << 20 }; /* cards may count the frame's check sequence; below 1 MiB chance rules */

bool cap_counter_read(const char *path, const char *interface, uint64_t *ret)
{
    char line[512], name[64];
    uint64_t in, out;
    bool has = false;
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    while (!has && fgets(line, sizeof line, f)) {
        if (!interface) {
            char *end;
            in = strtoull(line, &end, 10);
            has = line[0] >= '0' && line[0] <= '9' && (*end == '\n' || *end == '\0');
            out = 0;
            break;
        }
        has = sscanf(line, " %63[^:]: %" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %" SCNu64, name, &in, &out) == 3 && strcmp(name, interface) == 0;
    }
    (void)fclose(f);
    if (has)
        *ret = in + out;
    return has;
}

void cap_counter_look(struct cap *c, struct cap_input *in)
{
    const char *from = c->cfg->gateway_counter;
    uint64_t total;
    in->gateway_bytes = 0;
    if (!from || !from[0] || (c->cfg->filter && c->cfg->filter[0])) /* a filter is meant to see less */
        return;
    bool is_own = strcmp(from, "interface") == 0;
    if (!is_own && in != &c->in[0]) /* one number for the whole way out: it stands beside the first */
        return;
    if (!cap_counter_read(is_own ? "/proc/net/dev" : from, is_own ? in->name : NULL, &total)) {
        if (!in->is_counter_missed)
            cap_log(c, MMR_LOG_WARN, "capture.no_counter interface=%s from=\"%.200s\" (expected: a number of bytes; coverage cannot compare)", in->name, from);
        in->is_counter_missed = true;
        in->has_counter = false;
        return;
    }
    in->is_counter_missed = false;
    if (!in->has_counter || total < in->counter_base) { /* the first look, or the gateway started anew */
        in->has_counter = true;
        in->counter_base = total;
        in->bytes_base = in->bytes;
        return;
    }
    if (total - in->counter_base >= MEANS_NOTHING_BELOW)
        in->gateway_bytes = total - in->counter_base;
}

uint64_t cap_counter_seen(const struct cap_input *in)
{
    return in->bytes - in->bytes_base;
}

void cap_counter_frame(struct cap_input *in, uint32_t wire_len)
{
    in->bytes += wire_len + FRAME_CHECK;
}

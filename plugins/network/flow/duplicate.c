/* duplicate.c - knows a packet again that a second capture point has seen too. */
#include "duplicate.h"

#include <string.h>

static uint64_t step(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9fb21c651e98df25U;
    return h ^ (h >> 29);
}

static uint64_t bytes_hash(uint64_t h, const uint8_t *p, size_t n)
{
    uint64_t v;
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&v, p, 8);
        h = step(h, v);
    }
    v = 0;
    if (n)
        memcpy(&v, p, n);
    return step(h, v);
}

bool dup_seen(struct dup_memory *m, const struct mmr_packet *p)
{
    const struct mmr_frame *f = p->frame;
    const char *name = f->input ? f->input : "";
    uint64_t input = bytes_hash(1, (const uint8_t *)name, strlen(name)) | 1;
    uint64_t h = bytes_hash(p->proto, p->src.b, 16);
    h = bytes_hash(h, p->dst.b, 16);
    h = step(h, (uint64_t)p->ip_id << 48 | (uint64_t)p->src_port << 32 | (uint64_t)p->dst_port << 16 | p->ip_frag_off);
    h = step(h, (uint64_t)p->tcp_seq << 32 | p->tcp_ack);
    h = step(h, (uint64_t)p->payload_len << 32 | (uint64_t)p->tcp_flags << 24 | (uint64_t)p->icmp_type << 16 |
                    p->tcp_window);
    /* head and tail of the payload are enough beside sequence numbers and lengths */
    size_t n = p->payload_len < 64 ? p->payload_len : 32;
    h = bytes_hash(h, p->payload, n);
    if (p->payload_len >= 64)
        h = bytes_hash(h, p->payload + p->payload_len - 32, 32);
    struct dup_slot *s = &m->slots[h % (DUP_SLOTS / DUP_WAYS) * DUP_WAYS], *put = s;
    for (unsigned i = 0; i < DUP_WAYS; i++, s++) {
        int64_t age = f->time_ns - s->time_ns;
        bool is_near = age <= m->window_ns && age >= -m->window_ns;
        if (s->hash == h && s->input && is_near && s->input != input)
            return true;
        if (s->hash == h && s->input == input) {
            put = s;
            break;
        }
        if (s->time_ns < put->time_ns)
            put = s;
    }
    *put = (struct dup_slot){.hash = h, .time_ns = f->time_ns, .input = input};
    return false;
}

/* duplicate.c - knows a packet again that a second capture point has seen too. */
#include "duplicate.h"

#include <string.h>

/* 64 x 64 -> 128 bits, folded. The products of one packet do not wait for each other, so they overlap in the processor. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t word(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* 16 bytes of p that stand at place k of the packet; odd constants so that no place is like another */
static uint64_t two_words(const uint8_t *p, uint64_t k)
{
    return fold(word(p) ^ (0x9e3779b97f4a7c15U * (2 * k + 1)), word(p + 8) ^ (0xc2b2ae3d27d4eb4fU * (2 * k + 1)));
}

/* Of n bytes: every 16, and what is left filled up with zeros. */
static uint64_t bytes_hash(uint64_t k, const uint8_t *p, size_t n)
{
    uint64_t h = n;
    uint8_t rest[16] = {0};
    for (; n >= 16; n -= 16, p += 16)
        h ^= two_words(p, k++);
    if (n) {
        memcpy(rest, p, n);
        h ^= two_words(rest, k);
    }
    return h;
}

static uint64_t input_of(struct dup_memory *m, const char *name)
{
    if (m->input && strncmp(m->name, name, DUP_NAME) == 0)
        return m->input;
    size_t n = strlen(name);
    uint64_t input = bytes_hash(0, (const uint8_t *)name, n) | 1;
    m->input = n < DUP_NAME ? input : 0;
    if (n < DUP_NAME)
        memcpy(m->name, name, n + 1);
    return input;
}

static uint64_t packet_hash(const struct mmr_packet *p)
{
    uint64_t h = two_words(p->src.b, 1) ^ two_words(p->dst.b, 2);
    h ^= fold(((uint64_t)p->ip_id << 48 | (uint64_t)p->src_port << 32 | (uint64_t)p->dst_port << 16 | p->ip_frag_off) ^ 0xff51afd7ed558ccdU,
              ((uint64_t)p->tcp_seq << 32 | p->tcp_ack) ^ 0xc4ceb9fe1a85ec53U);
    h ^= fold(((uint64_t)p->payload_len << 32 | (uint64_t)p->tcp_flags << 24 | (uint64_t)p->icmp_type << 16 | p->tcp_window) ^
                  0x9fb21c651e98df25U,
              p->proto ^ 0xd6e8feb86659fd93U);
    /* head and tail of the payload are enough beside sequence numbers and lengths */
    if (p->payload_len >= 64)
        h ^= bytes_hash(3, p->payload, 32) ^ bytes_hash(5, p->payload + p->payload_len - 32, 32);
    else
        h ^= bytes_hash(3, p->payload, p->payload_len);
    return fold(h, 0x9e3779b97f4a7c15U);
}

/* True: the same packet of another input is there. Else it has a slot now. */
static bool take(struct dup_memory *m, uint64_t h, uint64_t input, int64_t time_ns)
{
    struct dup_slot *s = &m->slots[h % (DUP_SLOTS / DUP_WAYS) * DUP_WAYS], *put = s;
    for (unsigned i = 0; i < DUP_WAYS; i++, s++) {
        int64_t age = time_ns - s->time_ns;
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
    *put = (struct dup_slot){.hash = h, .time_ns = time_ns, .input = input};
    return false;
}

bool dup_seen(struct dup_memory *m, const struct mmr_packet *p)
{
    const struct mmr_frame *f = p->frame;
    uint64_t input = input_of(m, f->input ? f->input : ""), h = packet_hash(p);
    if (m->is_several)
        return take(m, h, input, f->time_ns);
    if (!m->first_input)
        m->first_input = input;
    if (input == m->first_input) {
        m->recent[m->n_recent++ % DUP_RECENT] = (struct dup_recent){h, f->time_ns};
        return false;
    }
    m->is_several = true;
    for (uint32_t n = m->n_recent < DUP_RECENT ? m->n_recent : DUP_RECENT, i = m->n_recent - n; i != m->n_recent; i++)
        (void)take(m, m->recent[i % DUP_RECENT].hash, m->first_input, m->recent[i % DUP_RECENT].time_ns);
    return take(m, h, input, f->time_ns);
}

/*
 * http2.c - HTTP/2 in clear (with prior knowledge, or after an upgrade): frames, header blocks, bodies, and
 * DNS messages carried inside. Streams, header blocks and bodies are bounded. Source: RFC 9113, RFC 8484.
 */
#include "http2.h"

#include "net_cursor.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME_HEAD = 9, BLOCK_MAX = 64 * 1024, PREFACE = 24, SETTINGS_PAIR = 6, TABLE_SIZE = 1 };
enum { F_DATA = 0, F_HEADERS = 1, F_PRIORITY = 2, F_RESET = 3, F_SETTINGS = 4, F_PUSH = 5, F_PING = 6, F_GOAWAY = 7,
       F_WINDOW = 8, F_CONTINUATION = 9 };
enum { END_STREAM = 1, END_HEADERS = 4, PADDED = 8, PRIORITY = 32 };
static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static bool is_settings(const uint8_t *p, size_t n)
{
    return n >= FRAME_HEAD && p[0] == 0 && p[1] == 0 && p[2] <= 20 * SETTINGS_PAIR && p[2] % SETTINGS_PAIR == 0 &&
           p[3] == F_SETTINGS && (p[4] == 0 || (p[4] == 1 && p[2] == 0)) && net_be32(p + 5) == 0;
}

static enum proto_match probe(const uint8_t *p, size_t n, uint8_t dir, uint16_t port)
{
    (void)port;
    if (dir == MMR_TO_SERVER) {
        size_t len = n < PREFACE ? n : PREFACE;
        return memcmp(p, preface, len) != 0 ? PROTO_NO : len == PREFACE ? PROTO_YES : PROTO_MORE;
    }
    if (n < FRAME_HEAD)
        return n > 0 && p[0] == 0 && (n < 2 || p[1] == 0) && (n < 4 || p[3] == F_SETTINGS) ? PROTO_MORE : PROTO_NO;
    return is_settings(p, n) ? PROTO_YES : PROTO_NO;
}

/* ---- streams ---- */

static void part_reset(struct h2_part *p)
{
    free(p->text);
    free(p->body);
    free(p->fields);
    *p = (struct h2_part){0};
}

static void close_stream(struct h2_flow *h, struct h2_stream *s)
{
    for (uint8_t d = 0; d < 2; d++)
        if (s->part[d].n_fields && !s->part[d].is_sent)
            http2_send(h, s, d);
    part_reset(&s->part[0]);
    part_reset(&s->part[1]);
    s->is_used = false;
}

static struct h2_stream *stream_of(struct h2_flow *h, uint32_t id, bool may_add)
{
    struct h2_stream *free_one = NULL, *oldest = &h->streams[0];
    for (unsigned i = 0; i < H2_STREAMS; i++) {
        struct h2_stream *s = &h->streams[i];
        if (s->is_used && s->id == id)
            return s;
        if (!s->is_used && !free_one)
            free_one = s;
        if (s->is_used && s->id < oldest->id)
            oldest = s;
    }
    if (!may_add)
        return NULL;
    if (!free_one) {
        close_stream(h, oldest);
        free_one = oldest;
    }
    *free_one = (struct h2_stream){.id = id, .is_used = true, .tx_id = h->next_tx++};
    return free_one;
}

struct taking {
    struct h2_part *part;
    bool is_full;
};

static void on_field(void *ctx, const struct hpack_field *f)
{
    struct taking *t = ctx;
    struct h2_part *p = t->part;
    size_t need = f->n_name + f->n_value;
    if (p->n_fields == H2_FIELDS || p->n_text + need > BLOCK_MAX) {
        t->is_full = true; /* told with what fits */
        return;
    }
    if (!p->text || p->n_text + need > p->cap_text) {
        size_t cap = p->cap_text ? p->cap_text : 1024;
        while (cap < p->n_text + need)
            cap *= 2;
        uint8_t *grown = realloc(p->text, cap);
        if (!grown)
            return;
        p->text = grown;
        p->cap_text = cap;
    }
    if (!p->fields && !(p->fields = calloc(H2_FIELDS, sizeof *p->fields)))
        return;
    p->fields[p->n_fields++] = (struct h2_field){.at = (uint32_t)p->n_text, .n_name = (uint32_t)f->n_name, .n_value = (uint32_t)f->n_value};
    if (f->n_name)
        memcpy(p->text + p->n_text, f->name, f->n_name);
    if (f->n_value)
        memcpy(p->text + p->n_text + f->n_name, f->value, f->n_value);
    p->n_text += need;
}

static void end_part(struct h2_flow *h, struct h2_stream *s, uint8_t dir)
{
    struct h2_part *p = &s->part[dir];
    if (!p->is_sent && p->n_fields)
        http2_send(h, s, dir);
    p->is_ended = true;
    if (s->part[0].is_ended && s->part[1].is_ended)
        close_stream(h, s);
}

static bool on_block(struct h2_flow *h, uint8_t dir)
{
    struct h2_dir *d = &h->dir[dir];
    struct h2_stream *s = stream_of(h, d->block_stream, true);
    struct h2_part trash = {0};
    struct h2_part *part = &s->part[dir];
    bool is_informal = false;
    if (part->is_sent || d->is_push) /* the table must follow, whatever becomes of the fields */
        part = &trash;
    struct taking t = {.part = part};
    bool ok = hpack_decode(&d->hpack, d->block, d->n_block, on_field, &t);
    d->n_block = 0;
    part_reset(&trash);
    if (ok && part != &trash && dir == MMR_TO_CLIENT && !d->is_end_stream) {
        size_t n;
        const uint8_t *status = http2_find(part, ":status", &n);
        is_informal = status && n == 3 && status[0] == '1';
    }
    if (is_informal)
        part_reset(part); /* 100 Continue: the answer comes later */
    if (d->is_end_stream)
        end_part(h, s, dir);
    return ok;
}

/* Room for need bytes, 1 to BLOCK_MAX: most blocks and frames are far from the longest. */
static bool hold(uint8_t **p, size_t *cap, size_t need)
{
    size_t bigger = *cap ? *cap : 512;
    if (need <= *cap)
        return true;
    while (bigger < need)
        bigger *= 2;
    uint8_t *grown = realloc(*p, bigger);
    if (!grown)
        return false;
    *p = grown;
    *cap = bigger;
    return true;
}

static bool take_block(struct h2_dir *d, const uint8_t *p, size_t n)
{
    if (n > BLOCK_MAX - d->n_block || (n && !p))
        return false;
    if (!hold(&d->block, &d->cap_block, d->n_block + n + 1)) /* never none: an empty block is a block */
        return false;
    if (n)
        memcpy(d->block + d->n_block, p, n);
    d->n_block += n;
    return true;
}

static void on_body(struct h2_flow *h, uint8_t dir, const uint8_t *p, size_t n)
{
    struct h2_dir *d = &h->dir[dir];
    struct h2_stream *s = stream_of(h, d->id, false);
    size_t max = (size_t)h->m->cfg->body_max;
    if (!s || s->part[dir].is_sent)
        return;
    struct h2_part *part = &s->part[dir];
    part->total += n;
    if (n > max - part->n_body)
        n = max - part->n_body;
    if (n > 0 && part->n_body + n > part->cap_body) {
        size_t cap = part->cap_body ? part->cap_body : 1024;
        while (cap < part->n_body + n)
            cap *= 2;
        uint8_t *grown = realloc(part->body, cap);
        if (!grown)
            return;
        part->body = grown;
        part->cap_body = cap;
    }
    if (n > 0)
        memcpy(part->body + part->n_body, p, n);
    part->n_body += n;
    if (part->n_body >= max && part->n_fields)
        http2_send(h, s, dir); /* enough to judge */
}

static void on_settings(struct h2_flow *h, uint8_t dir, struct net_cursor c)
{
    while (c.left >= SETTINGS_PAIR) {
        uint16_t id = cur_u16be(&c);
        uint32_t value = cur_u32be(&c);
        if (id == TABLE_SIZE) /* what this side's decoder allows the other side's encoder */
            hpack_set_limit(&h->dir[!dir].hpack, value);
    }
}

/* A frame whose payload is whole (all but DATA). False: header blocks can no longer be followed. */
static bool on_frame(struct h2_flow *h, uint8_t dir, const uint8_t *p, size_t n)
{
    struct h2_dir *d = &h->dir[dir];
    struct net_cursor c = cur_of(p, n);
    if (d->type == F_HEADERS || d->type == F_PUSH) {
        uint8_t pad = d->flags & PADDED ? cur_u8(&c) : 0;
        if (d->type == F_PUSH || d->flags & PRIORITY)
            (void)cur_take(&c, d->type == F_PUSH ? 4 : 5);
        if (c.bad || pad > c.left || d->id == 0)
            return false;
        d->n_block = 0;
        d->block_stream = d->id;
        d->is_push = d->type == F_PUSH;
        d->is_end_stream = d->type == F_HEADERS && d->flags & END_STREAM;
        return take_block(d, c.p, c.left - pad) && (!(d->flags & END_HEADERS) || on_block(h, dir));
    }
    if (d->type == F_CONTINUATION)
        return d->id == d->block_stream && take_block(d, p, n) && (!(d->flags & END_HEADERS) || on_block(h, dir));
    if (d->type == F_SETTINGS && !(d->flags & 1))
        on_settings(h, dir, c);
    if (d->type == F_RESET) {
        struct h2_stream *s = stream_of(h, d->id, false);
        if (s)
            close_stream(h, s);
    }
    return true;
}

/* ---- framing ---- */

static bool open_frame(struct h2_dir *d)
{
    d->length = (uint32_t)d->head[0] << 16 | net_be16(d->head + 1);
    d->type = d->head[3];
    d->flags = d->head[4];
    d->id = net_be32(d->head + 5) & 0x7fffffff;
    d->left = d->length;
    d->n_head = 0;
    d->n_payload = 0;
    d->pad = 0;
    d->has_pad = !(d->type == F_DATA && d->flags & PADDED);
    return d->type == F_DATA || d->type > F_CONTINUATION || d->length <= BLOCK_MAX;
}

static bool end_frame(struct h2_flow *h, uint8_t dir)
{
    static const uint8_t empty[1];
    struct h2_dir *d = &h->dir[dir];
    d->is_in_frame = false;
    if (d->type == F_DATA) {
        struct h2_stream *s = d->flags & END_STREAM ? stream_of(h, d->id, false) : NULL;
        if (s)
            end_part(h, s, dir);
        return true;
    }
    return d->type > F_CONTINUATION || on_frame(h, dir, d->n_payload ? d->payload : empty, d->n_payload);
}

static bool take_payload(struct h2_flow *h, uint8_t dir, const uint8_t *p, size_t n)
{
    struct h2_dir *d = &h->dir[dir];
    if (d->type == F_DATA) {
        if (!d->has_pad && n > 0) {
            d->has_pad = true;
            d->pad = p[0];
            p++;
            n--;
            d->left--;
        }
        size_t rest = d->left > d->pad ? d->left - d->pad : 0; /* the padding comes last */
        on_body(h, dir, p, n < rest ? n : rest);
        d->left -= (uint32_t)n;
        return true;
    }
    d->left -= (uint32_t)n;
    if (d->type > F_CONTINUATION)
        return true;
    if (!hold(&d->payload, &d->cap_payload, d->n_payload + n))
        return false;
    memcpy(d->payload + d->n_payload, p, n); /* open_frame() has bounded the length */
    d->n_payload += n;
    return true;
}

static bool http2_data(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    struct h2_flow *h = pf->state;
    struct h2_dir *d = &h->dir[c->dir];
    const uint8_t *p = c->data;
    size_t n = c->len;
    (void)m;
    h->packet = c->packet;
    if (c->flags & MMR_CHUNK_GAP) {
        if (d->is_in_frame && d->type == F_DATA && d->has_pad && c->gap <= d->left)
            d->left -= c->gap; /* inside one body frame: nothing is lost but its bytes */
        else
            d->is_lost = true; /* header tables cannot be followed over a hole */
    }
    if (d->is_lost)
        return !h->dir[!c->dir].is_lost;
    if (c->flags & MMR_CHUNK_START && c->dir == MMR_TO_SERVER && n >= 3 && memcmp(p, preface, 3) == 0)
        d->skip = PREFACE;
    while (n > 0 || (d->is_in_frame && d->left == 0)) {
        if (d->skip) {
            size_t take = n < d->skip ? n : d->skip;
            d->skip -= (uint32_t)take;
            p += take;
            n -= take;
            continue;
        }
        if (d->is_in_frame) {
            size_t take = n < d->left ? n : d->left;
            if ((take > 0 && !take_payload(h, c->dir, p, take)) || (d->left == 0 && !end_frame(h, c->dir)))
                d->is_lost = true;
            if (d->is_lost)
                break;
            p += take;
            n -= take;
            continue;
        }
        d->head[d->n_head++] = *p++;
        n--;
        if (d->n_head == FRAME_HEAD) {
            d->is_in_frame = true;
            if (!open_frame(d)) {
                d->is_lost = true;
                break;
            }
        }
    }
    h->packet = NULL;
    return true;
}

static void *http2_open(struct proto *m, struct mmr_flow *flow)
{
    struct h2_flow *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->m = m;
    h->pf = flow->slot[MMR_SLOT_PROTOCOLS];
    hpack_init(&h->dir[0].hpack);
    hpack_init(&h->dir[1].hpack);
    return h;
}

static void http2_close(struct proto *m, void *state)
{
    struct h2_flow *h = state;
    (void)m;
    h->packet = NULL;
    for (unsigned i = 0; i < H2_STREAMS; i++)
        if (h->streams[i].is_used)
            close_stream(h, &h->streams[i]);
    for (unsigned d = 0; d < 2; d++) {
        hpack_done(&h->dir[d].hpack);
        free(h->dir[d].payload);
        free(h->dir[d].block);
    }
    free(h);
}

const struct proto_parser proto_http2 = {
    .app = "http2", .ip_proto = IPPROTO_TCP, .probe = probe, .open = http2_open, .data = http2_data, .close = http2_close};

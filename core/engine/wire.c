/* wire.c - see engine.h. */
#include "engine/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD = 5, READ_AT_ONCE = 256 * 1024, RECORD_HEAD = 8 + 8 + 8 + 1 + 16, NAME_MAX_BYTES = 64, OUT_MAX = MMR_ENGINE_WINDOW_BYTES + 2 * MMR_ENGINE_FRAME_MAX };

void mmr_engine_pipe_init(struct mmr_engine_pipe *p, int fd)
{
    *p = (struct mmr_engine_pipe){.fd = fd};
}

void mmr_engine_pipe_done(struct mmr_engine_pipe *p)
{
    if (p->fd >= 0)
        (void)close(p->fd);
    free(p->in);
    free(p->out);
    *p = (struct mmr_engine_pipe){.fd = -1};
}

static int make_room(uint8_t **buf, size_t *cap, size_t need)
{
    size_t want = *cap ? *cap : 4096;
    if (need <= *cap)
        return 0;
    while (want < need)
        want *= 2;
    uint8_t *more = realloc(*buf, want);
    if (!more)
        return MMR_ENOMEM;
    *buf = more;
    *cap = want;
    return 0;
}

int mmr_engine_put(struct mmr_engine_pipe *p, enum mmr_engine_op op, const void *head, size_t head_len, const void *body, size_t len)
{
    const uint32_t all = (uint32_t)(1 + head_len + len);
    if (head_len + len > MMR_ENGINE_FRAME_MAX || mmr_engine_unsent(p) + HEAD + head_len + len > OUT_MAX)
        return MMR_ETOOBIG;
    if (p->out_at) {
        memmove(p->out, p->out + p->out_at, mmr_engine_unsent(p));
        p->out_len -= p->out_at;
        p->out_at = 0;
    }
    if (make_room(&p->out, &p->out_cap, p->out_len + HEAD + head_len + len) != 0)
        return MMR_ENOMEM;
    uint8_t *b = p->out + p->out_len;
    memcpy(b, &all, sizeof all);
    b[4] = (uint8_t)op;
    if (head_len)
        memcpy(b + HEAD, head, head_len);
    if (len)
        memcpy(b + HEAD + head_len, body, len);
    p->out_len += HEAD + head_len + len;
    return 0;
}

int mmr_engine_flush(struct mmr_engine_pipe *p)
{
    while (mmr_engine_unsent(p)) {
        ssize_t n = send(p->fd, p->out + p->out_at, mmr_engine_unsent(p), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : MMR_EIO;
        p->out_at += (size_t)n;
    }
    p->out_at = p->out_len = 0;
    return 0;
}

static int hand_out(struct mmr_engine_pipe *p, int (*fn)(void *ctx, uint32_t op, const uint8_t *bytes, size_t len), void *ctx, struct mmr_error *err)
{
    size_t at = 0;
    int r = 0;
    while (!r && p->in_len - at >= HEAD) {
        uint32_t all;
        memcpy(&all, p->in + at, sizeof all);
        if (all == 0 || all > MMR_ENGINE_FRAME_MAX + 1)
            return mmr_fail(err, MMR_EBADMSG, "outlet pipe: a frame of %u bytes; expected 1 to %d", all, MMR_ENGINE_FRAME_MAX + 1);
        if (p->in_len - at < 4 + (size_t)all)
            break;
        r = fn(ctx, p->in[at + 4], p->in + at + HEAD, all - 1);
        at += 4 + (size_t)all;
    }
    if (at) {
        memmove(p->in, p->in + at, p->in_len - at);
        p->in_len -= at;
    }
    return r;
}

int mmr_engine_read(struct mmr_engine_pipe *p, int (*fn)(void *ctx, uint32_t op, const uint8_t *bytes, size_t len), void *ctx, struct mmr_error *err)
{
    if (make_room(&p->in, &p->in_cap, p->in_len + READ_AT_ONCE) != 0)
        return mmr_fail(err, MMR_ENOMEM, "outlet pipe: out of memory");
    ssize_t n = recv(p->fd, p->in + p->in_len, READ_AT_ONCE, MSG_DONTWAIT);
    if (n == 0)
        return mmr_fail(err, MMR_EIO, "outlet pipe: the other end closed it");
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : mmr_fail(err, MMR_EIO, "outlet pipe: %s", strerror(errno));
    p->in_len += (size_t)n;
    return hand_out(p, fn, ctx, err);
}

/* ---- contents ---- */

int mmr_engine_put_record(struct mmr_engine_pipe *p, const struct mmr_engine_record *r)
{
    uint8_t head[RECORD_HEAD + 2 * (NAME_MAX_BYTES + 1)], *b = head;
    const size_t site = strlen(r->site) + 1, kind = strlen(r->kind) + 1;
    if (site > NAME_MAX_BYTES + 1 || kind > NAME_MAX_BYTES + 1 || r->len > MMR_ENGINE_JSON_MAX)
        return MMR_ETOOBIG;
    memcpy(b, &r->seq, 8);
    memcpy(b + 8, &r->number, 8);
    memcpy(b + 16, &r->at_ns, 8);
    b[24] = r->is_urgent;
    memcpy(b + 25, r->id, 16);
    memcpy(b + RECORD_HEAD, r->site, site);
    memcpy(b + RECORD_HEAD + site, r->kind, kind);
    return mmr_engine_put(p, MMR_ENGINE_RECORD, head, RECORD_HEAD + site + kind, r->json, r->len);
}

/* The text at *at, which must end before len; NULL: it does not. */
static const char *text_at(const uint8_t *bytes, size_t len, size_t *at)
{
    const char *start = (const char *)bytes + *at;
    const size_t n = strnlen(start, len - *at);
    if (*at + n >= len)
        return NULL;
    *at += n + 1;
    return start;
}

int mmr_engine_record_read(const uint8_t *bytes, size_t len, struct mmr_engine_record *ret, struct mmr_error *err)
{
    struct mmr_engine_record r = {0};
    size_t at = RECORD_HEAD;
    if (len < RECORD_HEAD)
        return mmr_fail(err, MMR_EBADMSG, "outlet pipe: a record of %zu bytes; expected more than %d", len, RECORD_HEAD);
    memcpy(&r.seq, bytes, 8);
    memcpy(&r.number, bytes + 8, 8);
    memcpy(&r.at_ns, bytes + 16, 8);
    r.is_urgent = bytes[24] != 0;
    memcpy(r.id, bytes + 25, 16);
    r.site = text_at(bytes, len, &at);
    r.kind = r.site ? text_at(bytes, len, &at) : NULL;
    if (!r.kind || strlen(r.site) > NAME_MAX_BYTES || strlen(r.kind) > NAME_MAX_BYTES || len - at > MMR_ENGINE_JSON_MAX)
        return mmr_fail(err, MMR_EBADMSG, "outlet pipe: a record whose site or kind does not end, or is longer than %d bytes", NAME_MAX_BYTES);
    r.json = (const char *)bytes + at;
    r.len = len - at;
    *ret = r;
    return 0;
}

int mmr_engine_pairs_read(const uint8_t *bytes, size_t len, const char *ret[][2], size_t *ret_n, struct mmr_error *err)
{
    size_t n = 0;
    for (size_t at = 0; at < len; n++) {
        if (n == MMR_ENGINE_PAIRS_MAX)
            return mmr_fail(err, MMR_EBADMSG, "outlet pipe: more than %d settings", MMR_ENGINE_PAIRS_MAX);
        ret[n][0] = text_at(bytes, len, &at);
        ret[n][1] = ret[n][0] ? text_at(bytes, len, &at) : NULL;
        if (!ret[n][1])
            return mmr_fail(err, MMR_EBADMSG, "outlet pipe: a setting that does not end");
    }
    *ret_n = n;
    return 0;
}

const char *mmr_engine_pair(const char *const pairs[][2], size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(pairs[i][0], key) == 0)
            return pairs[i][1];
    return "";
}

int mmr_engine_never_read(const uint8_t *bytes, size_t len, uint64_t *ret_seq, const char **ret_why, struct mmr_error *err)
{
    size_t at = 8;
    const char *why = len > 8 ? text_at(bytes, len, &at) : NULL;
    if (!why)
        return mmr_fail(err, MMR_EBADMSG, "outlet pipe: a refusal of %zu bytes that does not end", len);
    memcpy(ret_seq, bytes, 8);
    *ret_why = why;
    return 0;
}

/*
 * acts.c - live actions and their journal: an append-only file of records
 *   magic u32, type u8 (B begin, A applied, F forget), pad 3, id u64, expires i64 (wall ns), applied i64,
 *   verb u8[32], undo_len u32, payload_len u32, checksum u64 of all before and after, undo, payload
 * rewritten whole when it has grown to much more than what lives.
 */
#include "acts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC UINT32_C(0x314a4d4d)
enum { REWRITE_BYTES = 1 << 20, TYPE_BEGIN = 'B', TYPE_APPLIED = 'A', TYPE_FORGET = 'F' };

struct record { /* fixed part as on disk, this machine's byte order: the journal never travels */
    uint32_t magic;
    uint8_t type, pad[3];
    uint64_t id;
    int64_t expires_ns, applied_ns;
    char verb[MMR_ACTS_VERB_MAX];
    uint32_t undo_len, payload_len;
    uint64_t sum;
};
struct mmr_acts {
    const struct mmr_host *host;
    struct mmr_act *first, *last;
    size_t n;
    char path[4096];
    int fd; /* -1: no journal */
    uint64_t size, live_bytes;
};

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
    const uint8_t *b = p;
    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t checksum(const struct record *r, const char *undo, const uint8_t *payload)
{
    struct record copy = *r;
    copy.sum = 0;
    uint64_t h = mix(UINT64_C(0xcbf29ce484222325), &copy, sizeof copy);
    h = mix(h, undo, r->undo_len);
    return mix(h, payload, r->payload_len);
}

static int write_all(int fd, const void *p, size_t n)
{
    const char *b = p;
    while (n) {
        ssize_t w = write(fd, b, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return -1;
        b += w;
        n -= (size_t)w;
    }
    return 0;
}

static int append(struct mmr_acts *a, uint8_t type, const struct mmr_act *act, bool is_synced, struct mmr_error *err)
{
    struct record r = {.magic = MAGIC, .type = type, .id = act->id, .expires_ns = act->expires_ns,
                       .applied_ns = act->applied_ns};
    if (a->fd < 0)
        return 0;
    memcpy(r.verb, act->verb, sizeof r.verb);
    r.undo_len = type == TYPE_FORGET ? 0 : (uint32_t)strlen(act->undo);
    r.payload_len = type == TYPE_BEGIN ? (uint32_t)act->len : 0;
    r.sum = checksum(&r, act->undo, act->payload);
    if (write_all(a->fd, &r, sizeof r) != 0 || write_all(a->fd, act->undo, r.undo_len) != 0 ||
        (r.payload_len && write_all(a->fd, act->payload, r.payload_len) != 0) || (is_synced && fdatasync(a->fd) != 0)) {
        int saved = errno;
        (void)!ftruncate(a->fd, (off_t)a->size);
        (void)lseek(a->fd, (off_t)a->size, SEEK_SET);
        return mmr_fail(err, MMR_EIO, "journal '%s': %s; nothing is done that cannot be written down", a->path,
                        strerror(saved));
    }
    a->size += sizeof r + r.undo_len + r.payload_len;
    return 0;
}

struct mmr_act *mmr_acts_find(struct mmr_acts *a, uint64_t id)
{
    for (struct mmr_act *x = a->first; x; x = x->next)
        if (x->id == id)
            return x;
    return NULL;
}

struct mmr_act *mmr_acts_first(struct mmr_acts *a)
{
    return a->first;
}

size_t mmr_acts_count(const struct mmr_acts *a)
{
    return a->n;
}

static void unlink_act(struct mmr_acts *a, struct mmr_act *act)
{
    struct mmr_act *prev = NULL;
    for (struct mmr_act *x = a->first; x; prev = x, x = x->next) {
        if (x != act)
            continue;
        if (prev)
            prev->next = x->next;
        else
            a->first = x->next;
        if (a->last == x)
            a->last = prev;
        a->n--;
        free(x->payload);
        free(x);
        return;
    }
}

static struct mmr_act *link_act(struct mmr_acts *a, uint64_t id, const void *payload, size_t len)
{
    struct mmr_act *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->payload = malloc(len ? len : 1);
    if (!x->payload) {
        free(x);
        return NULL;
    }
    if (len)
        memcpy(x->payload, payload, len);
    x->len = len;
    x->id = id;
    if (a->last)
        a->last->next = x;
    else
        a->first = x;
    a->last = x;
    a->n++;
    return x;
}

/* Write what lives to a new file and put it in the old one's place. */
static void rewrite(struct mmr_acts *a)
{
    char path[4110];
    struct mmr_error err = {.struct_size = sizeof err};
    int old = a->fd;
    uint64_t old_size = a->size;
    (void)snprintf(path, sizeof path, "%s.new", a->path);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    a->fd = fd;
    a->size = 0;
    int r = 0;
    for (const struct mmr_act *x = a->first; x && !r; x = x->next) {
        r = append(a, TYPE_BEGIN, x, false, &err);
        if (!r && x->applied_ns)
            r = append(a, TYPE_APPLIED, x, false, &err);
    }
    if (r || fdatasync(fd) != 0 || rename(path, a->path) != 0) {
        (void)close(fd);
        (void)unlink(path);
        a->fd = old;
        a->size = old_size;
        return;
    }
    (void)close(old);
    a->live_bytes = a->size;
}

static int replay_record(struct mmr_acts *a, const struct record *r, const char *undo, const uint8_t *payload)
{
    struct mmr_act *x = mmr_acts_find(a, r->id);
    if (r->type == TYPE_FORGET) {
        if (x)
            unlink_act(a, x);
        return 0;
    }
    if (!x && r->type == TYPE_BEGIN && a->n < MMR_ACTS_MAX)
        x = link_act(a, r->id, payload, r->payload_len);
    if (!x)
        return r->type == TYPE_BEGIN ? -1 : 0;
    memcpy(x->verb, r->verb, sizeof x->verb);
    x->verb[sizeof x->verb - 1] = '\0';
    x->expires_ns = r->expires_ns;
    x->applied_ns = r->applied_ns;
    memcpy(x->undo, undo, r->undo_len);
    x->undo[r->undo_len] = '\0';
    if (x->expires_ns) { /* the lease goes on by the wall clock: the machine may have been off */
        int64_t wall = a->host->now_ns(a->host->impl, MMR_CLOCK_WALL);
        int64_t left = x->expires_ns > wall ? x->expires_ns - wall : 0;
        x->expires_mono = a->host->now_ns(a->host->impl, MMR_CLOCK_MONOTONIC) + left;
        if (!x->expires_mono)
            x->expires_mono = 1;
    }
    return 0;
}

static int load(struct mmr_acts *a, unsigned *ret_damaged, struct mmr_error *err)
{
    struct stat st;
    if (fstat(a->fd, &st) != 0)
        return mmr_fail(err, MMR_EIO, "journal '%s': %s", a->path, strerror(errno));
    size_t len = (size_t)st.st_size, at = 0, got = 0;
    uint8_t *buf = malloc(len + 1);
    if (!buf)
        return mmr_fail(err, MMR_ENOMEM, "journal '%s': out of memory", a->path);
    while (got < len) {
        ssize_t n = pread(a->fd, buf + got, len - got, (off_t)got);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    while (got - at >= sizeof(struct record)) {
        struct record r;
        memcpy(&r, buf + at, sizeof r);
        size_t rest = got - at - sizeof r;
        if (r.magic != MAGIC || r.undo_len >= MMR_ACTS_UNDO_MAX || r.payload_len > MMR_ACTS_PAYLOAD_MAX ||
            rest < (size_t)r.undo_len + r.payload_len)
            break;
        const uint8_t *undo = buf + at + sizeof r;
        if (checksum(&r, (const char *)undo, undo + r.undo_len) != r.sum ||
            replay_record(a, &r, (const char *)undo, undo + r.undo_len) != 0)
            break;
        at += sizeof r + r.undo_len + r.payload_len;
    }
    free(buf);
    if (at < len) {
        (*ret_damaged)++;
        if (ftruncate(a->fd, (off_t)at) != 0)
            return mmr_fail(err, MMR_EIO, "journal '%s': %s", a->path, strerror(errno));
    }
    (void)lseek(a->fd, (off_t)at, SEEK_SET);
    a->size = at;
    return 0;
}

int mmr_acts_open(const struct mmr_host *host, const char *dir, struct mmr_acts **ret, unsigned *ret_damaged,
                  struct mmr_error *err)
{
    struct mmr_acts *a = calloc(1, sizeof *a);
    int r = 0;
    *ret_damaged = 0;
    if (!a)
        return mmr_fail(err, MMR_ENOMEM, "journal: out of memory");
    a->host = host;
    a->fd = -1;
    if (*dir) {
        int n = snprintf(a->path, sizeof a->path, "%s/journal", dir);
        if (n < 0 || (size_t)n >= sizeof a->path)
            r = mmr_fail(err, MMR_ETOOBIG, "journal folder '%.80s…': too long", dir);
        else if ((a->fd = open(a->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
            r = mmr_fail(err, MMR_EIO, "journal '%s': %s", a->path, strerror(errno));
        else
            r = load(a, ret_damaged, err);
    }
    if (r) {
        mmr_acts_close(a);
        return r;
    }
    a->live_bytes = a->size;
    *ret = a;
    return 0;
}

void mmr_acts_close(struct mmr_acts *a)
{
    if (!a)
        return;
    while (a->first)
        unlink_act(a, a->first);
    if (a->fd >= 0)
        (void)close(a->fd);
    free(a);
}

int mmr_acts_begin(struct mmr_acts *a, const struct mmr_action *order, const char *undo, struct mmr_act **ret,
                   struct mmr_error *err)
{
    if (a->n >= MMR_ACTS_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "%d actions live already; nothing more is taken on", MMR_ACTS_MAX);
    if (order->len > MMR_ACTS_PAYLOAD_MAX || strlen(undo) >= MMR_ACTS_UNDO_MAX ||
        strlen(order->verb) >= MMR_ACTS_VERB_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "action %llx: its target is larger than %d bytes",
                        (unsigned long long)order->id, MMR_ACTS_PAYLOAD_MAX);
    struct mmr_act *x = link_act(a, order->id, order->msgpack, order->len);
    if (!x)
        return mmr_fail(err, MMR_ENOMEM, "action %llx: out of memory", (unsigned long long)order->id);
    (void)snprintf(x->verb, sizeof x->verb, "%s", order->verb);
    (void)snprintf(x->undo, sizeof x->undo, "%s", undo);
    if (order->ttl_ms > 0) {
        x->expires_ns = a->host->now_ns(a->host->impl, MMR_CLOCK_WALL) + order->ttl_ms * 1000000;
        x->expires_mono = a->host->now_ns(a->host->impl, MMR_CLOCK_MONOTONIC) + order->ttl_ms * 1000000;
    }
    int r = append(a, TYPE_BEGIN, x, true, err);
    if (r) {
        unlink_act(a, x);
        return r;
    }
    *ret = x;
    return 0;
}

void mmr_acts_applied(struct mmr_acts *a, struct mmr_act *act, int64_t ttl_ms)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int64_t wall = a->host->now_ns(a->host->impl, MMR_CLOCK_WALL);
    if (!act->applied_ns)
        act->applied_ns = wall;
    act->expires_ns = ttl_ms > 0 ? wall + ttl_ms * 1000000 : 0;
    act->expires_mono = ttl_ms > 0 ? a->host->now_ns(a->host->impl, MMR_CLOCK_MONOTONIC) + ttl_ms * 1000000 : 0;
    (void)append(a, TYPE_APPLIED, act, false, &err);
}

void mmr_acts_forget(struct mmr_acts *a, struct mmr_act *act)
{
    struct mmr_error err = {.struct_size = sizeof err};
    (void)append(a, TYPE_FORGET, act, false, &err);
    unlink_act(a, act);
    if (a->fd >= 0 && a->size > REWRITE_BYTES && a->size > 4 * a->live_bytes)
        rewrite(a);
}

struct mmr_act *mmr_acts_next_expiry(struct mmr_acts *a)
{
    struct mmr_act *best = NULL;
    for (struct mmr_act *x = a->first; x; x = x->next)
        if (x->expires_mono && (!best || x->expires_mono < best->expires_mono))
            best = x;
    return best;
}

int64_t mmr_act_expires_ns(const struct mmr_act *act, const struct mmr_host *host)
{
    if (!act->expires_ns || !act->expires_mono)
        return act->expires_ns;
    int64_t now_is = host->now_ns(host->impl, MMR_CLOCK_WALL) + act->expires_mono - host->now_ns(host->impl, MMR_CLOCK_MONOTONIC);
    int64_t moved = now_is > act->expires_ns ? now_is - act->expires_ns : act->expires_ns - now_is;
    return moved < INT64_C(2000000000) ? act->expires_ns : now_is; /* slewed only: the same answer each time */
}

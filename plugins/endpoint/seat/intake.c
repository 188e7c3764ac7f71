/* intake.c - one line of a known sender becomes events, if it speaks for a machine it may speak for. */
#include "seat.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MAX = 8 * 1024 * 1024, STATE_TICKS = 60, TELL_AGAIN_S = 600 };
#define S INT64_C(1000000000)

void mmr_seat_log(struct mmr_seat *t, int level, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (char *p = text; *p; p++) /* names come from outside */
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    t->host->log(t->host->impl, level, text);
}

static int64_t mono(const struct mmr_seat *t)
{
    return t->host->now_ns(t->host->impl, MMR_CLOCK_MONOTONIC);
}

static int64_t wall(const struct mmr_seat *t)
{
    return t->host->now_ns(t->host->impl, MMR_CLOCK_WALL);
}

/* ---- out ---- */

static void keep(struct mmr_seat *t, const void *p, size_t len)
{
    size_t need = t->wait_len + sizeof len + len;
    if (need > t->wait_cap) {
        size_t cap = need * 2 > WAIT_MAX ? WAIT_MAX : need * 2;
        uint8_t *more = need > WAIT_MAX ? NULL : realloc(t->wait, cap);
        if (!more) {
            t->counts.lost++;
            return;
        }
        t->wait = more;
        t->wait_cap = cap;
    }
    memcpy(t->wait + t->wait_len, &len, sizeof len);
    memcpy(t->wait + t->wait_len + sizeof len, p, len);
    t->wait_len = need;
    t->waiting++;
}

static void give(struct mmr_seat *t, const void *p, size_t len)
{
    int r = t->is_full ? MMR_EAGAIN : t->host->emit(t->host->impl, p, len);
    if (r == 0) {
        t->emitted++;
    } else if (r == MMR_EAGAIN) {
        t->is_full = true;
        keep(t, p, len);
    } else {
        t->counts.lost++;
    }
}

void mmr_seat_retry(struct mmr_seat *t)
{
    size_t at = 0, len;
    t->is_full = false;
    while (at < t->wait_len && !t->is_full) {
        memcpy(&len, t->wait + at, sizeof len);
        int r = t->host->emit(t->host->impl, t->wait + at + sizeof len, len);
        if (r == MMR_EAGAIN) {
            t->is_full = true;
            break;
        }
        if (r == 0)
            t->emitted++;
        else
            t->counts.lost++;
        t->waiting--;
        at += sizeof len + len;
    }
    memmove(t->wait, t->wait + at, t->wait_len - at);
    t->wait_len -= at;
}

/* ---- what we say ourselves ---- */

static void say(struct mmr_seat *t, const char *kind, const char *machine, uint32_t status, const char *detail, const char *message,
                const struct mmr_seat_name *m)
{
    struct mmr_event ev;
    mmr_event_begin(&ev, t->buf, sizeof t->buf, kind, MMR_CLASS_EVENT_LOG, 99, wall(t), status == MMR_SEAT_UP ? 1 : 2);
    mmr_event_str(&ev, "device.hostname", machine);
    mmr_event_int(&ev, "status_id", status == MMR_SEAT_UP ? 1 : status == MMR_SEAT_SILENT ? 2 : 0);
    mmr_event_str(&ev, "status_detail", detail);
    mmr_event_str(&ev, "message", message);
    if (m && m->tool[0])
        mmr_event_str(&ev, "unmapped.Tool", m->tool);
    if (m && m->heard_wall_ns)
        mmr_event_int(&ev, "unmapped.LastHeard", m->heard_wall_ns);
    if (mmr_event_end(&ev) == 0)
        give(t, ev.buf, ev.len);
}

static uint64_t hash(const char *p, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)p[i]) * 1099511628211u;
    return h | 1;
}

static void refuse(struct mmr_seat *t, struct mmr_sender *x, const char *host, size_t len, const char *what)
{
    char text[300];
    uint64_t h = hash(host ? host : what, host ? len : strlen(what));
    int64_t now = mono(t);
    x->refused++;
    t->counts.refused++;
    if (x->told_hash == h && now - x->told_ns < TELL_AGAIN_S * S)
        return;
    if (x->told_ns && now - x->told_ns < S && x->told_hash != h) /* one that makes up names is told once a second */
        return;
    x->told_hash = h;
    x->told_ns = now;
    (void)snprintf(text, sizeof text, host ? "%s speaks for '%.*s', which it may not; add the machine to its line in 'senders' if it should" : "%s: %.*s",
                   x->id, host ? (int)(len > 60 ? 60 : len) : 150, host ? host : what);
    mmr_seat_log(t, MMR_LOG_WARN, "seat.refused sender=%s lines=%llu what=\"%s\"", x->id, (unsigned long long)x->refused, text);
    say(t, "seat.refused", mmr_sender_only(t->senders, x), 0, "refused", text, NULL);
}

void mmr_seat_left_out(struct mmr_seat *t, struct mmr_sender *x, const char *why)
{
    int64_t now = mono(t);
    t->counts.left_out++;
    x->left_out++;
    if (x->told_trouble_ns && now - x->told_trouble_ns < TELL_AGAIN_S * S)
        return;
    x->told_trouble_ns = now;
    mmr_seat_log(t, MMR_LOG_WARN, "seat.left_out sender=%s records=%llu what=\"%s\"", x->id, (unsigned long long)x->left_out, why);
}

/* ---- in ---- */

struct turn {
    struct mmr_seat *t;
    struct mmr_sender *x;
};

/* Findings are ours to make; and what a record says of the network is not for a PC to say. */
static bool is_kind_taken(const struct mmr_event_view *v)
{
    static const char *const not_taken[] = {"finding", "flow.end", "flow.start", "dns.answer", "tls.hello"};
    const struct mmr_value *k = mmr_event_get(v, "mamori.kind");
    for (size_t i = 0; i < sizeof not_taken / sizeof not_taken[0]; i++)
        if (!k || mmr_value_is(k, not_taken[i]))
            return false;
    return true;
}

/* Windows writes as its last: 1074 (a shutdown was asked for), 6006 and 1100 (the event log stops), 4609 (Windows is shutting down). */
static bool says_goodbye(const struct mmr_event_view *v)
{
    static const struct {
        const char *log, *code;
    } rows[] = {{"System", "1074"}, {"System", "6006"}, {"Security", "1100"}, {"Security", "4609"}};
    const struct mmr_value *log = mmr_event_get(v, "metadata.log_name"), *code = mmr_event_get(v, "metadata.event_code");
    for (size_t i = 0; log && code && i < sizeof rows / sizeof rows[0]; i++)
        if (mmr_value_is(log, rows[i].log) && mmr_value_is(code, rows[i].code))
            return true;
    return false;
}

static const char *state_name(const struct mmr_seat_name *m)
{
    static const char *const names[] = {"unheard", "up", "silent", "off"};
    return names[m->state];
}

static void heard(struct mmr_seat *t, struct mmr_seat_name *m)
{
    if (says_goodbye(&t->view))
        m->is_going = true;
    else if (m->is_going && mono(t) - m->heard_ns > 60 * S) /* more than what is written on the way down */
        m->is_going = false;
    m->heard_ns = mono(t);
    m->heard_wall_ns = wall(t);
    if (m->state == MMR_SEAT_UP)
        return;
    m->state = MMR_SEAT_UP;
    mmr_seat_log(t, MMR_LOG_INFO, "seat.up machine=%s", m->name);
    say(t, "seat.state", m->name, m->state, state_name(m), NULL, m);
}

static void on_event(void *ctx, const void *msgpack, size_t len, int64_t time_ns)
{
    struct turn *u = ctx;
    struct mmr_seat *t = u->t;
    size_t n = 0;
    (void)time_ns;
    if (mmr_event_read(msgpack, len, &t->view, NULL) != 0) {
        t->counts.lost++;
        return;
    }
    if (!is_kind_taken(&t->view)) {
        refuse(t, u->x, NULL, 0, "sends records of a network sensor, which are not taken from a PC; feed them to the 'log' plugin");
        return;
    }
    const char *host = mmr_event_get_str(&t->view, "device.hostname", &n);
    struct mmr_seat_name *m = host ? mmr_sender_may(t->senders, u->x, host, n) : NULL;
    if (!m) {
        refuse(t, u->x, host, n, "sends records that name no machine, and may speak for several; make the sender write the machine's name");
        return;
    }
    heard(t, m);
    t->counts.events++;
    give(t, msgpack, len);
}

void mmr_seat_line(struct mmr_seat *t, struct mmr_sender *x, char *text, size_t len, int64_t time_ns)
{
    struct turn u = {t, x};
    int64_t now = wall(t);
    if (!x->dec) {
        if (mmr_logdec_new(MMR_LOG_AUTO, NULL, now, &x->dec, NULL) != 0) {
            t->counts.lost++;
            return;
        }
        mmr_logdec_host(x->dec, mmr_sender_only(t->senders, x));
    }
    uint64_t unreadable = mmr_logdec_stats(x->dec)->unreadable;
    bool was_open = mmr_logdec_is_open(x->dec);
    x->lines++;
    t->counts.lines++;
    x->quiet_ticks = 0;
    mmr_logdec_now(x->dec, time_ns > 0 && time_ns < now + 86400 * S ? time_ns : now);
    mmr_logdec_line(x->dec, text, len, 0, on_event, &u);
    if (mmr_logdec_stats(x->dec)->unreadable != unreadable)
        mmr_seat_left_out(t, x, "not of a known log format");
    if (was_open && !mmr_logdec_is_open(x->dec))
        mmr_seat_resolve(t, x);
}

static void flush_quiet(struct mmr_seat *t)
{
    for (uint32_t i = 0; i < t->senders->n && !t->is_full; i++) {
        struct mmr_sender *x = &t->senders->s[i];
        struct turn u = {t, x};
        if (!x->dec || ++x->quiet_ticks < 2 || !mmr_logdec_is_open(x->dec))
            continue;
        mmr_logdec_flush(x->dec, on_event, &u); /* nothing for two seconds: open audit events are complete */
        mmr_seat_resolve(t, x);
    }
}

void mmr_seat_heartbeat(struct mmr_seat *t)
{
    int64_t now = mono(t), limit = t->config->silent_after * 1000000;
    bool is_due = t->ticks % STATE_TICKS == 1;
    t->ticks++;
    flush_quiet(t);
    for (uint32_t i = 0; i < t->senders->n_names && !t->is_full; i++) {
        struct mmr_seat_name *m = &t->senders->name[i];
        int64_t since = m->heard_ns ? m->heard_ns : t->started_ns;
        bool is_new = m->state != MMR_SEAT_SILENT && m->state != MMR_SEAT_OFF && now - since > limit;
        if (is_new) {
            m->state = m->is_going ? MMR_SEAT_OFF : MMR_SEAT_SILENT;
            mmr_seat_log(t, m->is_going ? MMR_LOG_INFO : MMR_LOG_WARN, "seat.silent machine=%s seconds=%lld hint=\"is it switched off, or has its log sender stopped?\"", m->name,
                         (long long)((now - since) / S));
        }
        if (is_new || is_due)
            say(t, "seat.state", m->name, m->state, state_name(m), NULL, m);
    }
}

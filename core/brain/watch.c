/* watch.c - one small ring of hints for each machine. */
#include "brain/watch.h"

#include "entity/entity.h"
#include "util/clock.h"
#include "util/id.h"
#include "util/table.h"

#include <stdlib.h>
#include <string.h>

#define DROPS_BEFORE_NS (10 * MMR_NS_PER_S) /* drops are counted and told together; sooner than this */

enum hint_kind { HINT_ACCOUNT = 1, HINT_FILE, HINT_SENT };
struct hint {
    int64_t time_ns, born_ns; /* born: of a file, when it was made; 0: before anybody looked, or long ago */
    uint32_t kind, bytes;
};
struct birth {
    uint64_t path; /* hash */
    int64_t time_ns;
};
struct host {
    char name[MMR_HOST_NAME_MAX];
    struct mmr_gaps gaps;
    struct hint hint[MMR_WATCH_HINTS_MAX];
    uint32_t n, at;
    int64_t oldest_ns; /* what is before has been forgotten */
    struct birth birth[MMR_WATCH_BIRTHS_MAX]; /* files made lately; a forgotten one counts as somebody's, which is the safe side */
    uint32_t births_at;
    UT_hash_handle hh;
};
struct mmr_watch {
    struct host *hosts;
    struct mmr_watch_ops ops;
    bool has_news;
};

struct mmr_watch *mmr_watch_new(const struct mmr_watch_ops *ops)
{
    struct mmr_watch *w = calloc(1, sizeof *w);
    if (w && ops)
        w->ops = *ops;
    return w;
}

void mmr_watch_free(struct mmr_watch *w)
{
    struct host *h, *next;
    if (!w)
        return;
    HASH_ITER(hh, w->hosts, h, next) {
        HASH_DEL(w->hosts, h);
        free(h);
    }
    free(w);
}

static struct host *find(struct mmr_watch *w, const char *host, bool is_made)
{
    char name[MMR_HOST_NAME_MAX];
    struct host *h;
    mmr_host_normalise(host, name);
    HASH_FIND_STR(w->hosts, name, h);
    if (h || !is_made || HASH_COUNT(w->hosts) >= MMR_WATCH_HOSTS_MAX)
        return h;
    h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    memcpy(h->name, name, sizeof h->name);
    HASH_ADD_STR(w->hosts, name, h);
    return h;
}

static void keep(struct mmr_watch *w, const struct host *h)
{
    uint8_t packed[MMR_GAPS_BYTES_MAX];
    w->has_news = true;
    if (w->ops.keep)
        w->ops.keep(w->ops.ctx, h->name, packed, mmr_gaps_pack(&h->gaps, packed));
}

int mmr_watch_restore(struct mmr_watch *w, const char *host, const void *packed, size_t len, int64_t now_ns, struct mmr_error *err)
{
    struct mmr_gaps g;
    int r = mmr_gaps_unpack(packed, len, &g, err);
    struct host *h = r ? NULL : find(w, host, true);
    if (!h)
        return r ? r : mmr_fail(err, MMR_ENOMEM, "watch: no room for machine '%.60s'", host);
    h->gaps = g;
    h->oldest_ns = now_ns;
    return 0;
}

bool mmr_watch_up(struct mmr_watch *w, const char *host, int64_t since_ns, int64_t now_ns, const uint8_t epoch[16])
{
    static const uint8_t none[16];
    struct host *h = find(w, host, true);
    if (!h)
        return false;
    const bool is_first = !h->gaps.known_ns;
    const bool is_same = epoch && memcmp(h->gaps.epoch, none, sizeof none) != 0 && memcmp(h->gaps.epoch, epoch, sizeof none) == 0;
    if (is_first) {
        h->gaps.known_ns = now_ns;
        if (since_ns && since_ns < now_ns)
            mmr_gaps_add(&h->gaps, MMR_BLIND_STARTING, since_ns, now_ns);
    }
    if (epoch)
        memcpy(h->gaps.epoch, epoch, sizeof none);
    if (is_first || (epoch && !is_same))
        keep(w, h);
    return is_same;
}

void mmr_watch_gap(struct mmr_watch *w, const char *host, const char *reason, enum mmr_blind_cause cause, int64_t at_ns)
{
    struct host *h = find(w, host, false);
    uint32_t before = h ? h->gaps.n_open : 0;
    if (!h || !h->gaps.known_ns)
        return;
    mmr_gaps_begin(&h->gaps, reason, cause, at_ns);
    if (h->gaps.n_open != before)
        keep(w, h);
}

void mmr_watch_gap_end(struct mmr_watch *w, const char *host, const char *reason, int64_t at_ns, bool is_missed)
{
    struct host *h = find(w, host, false);
    struct mmr_blind g;
    if (!h || !mmr_gaps_end(&h->gaps, reason, at_ns, is_missed, &g))
        return;
    if (is_missed && w->ops.over)
        w->ops.over(w->ops.ctx, h->name, &g);
    keep(w, h);
}

void mmr_watch_gap_add(struct mmr_watch *w, const char *host, enum mmr_blind_cause cause, int64_t from_ns, int64_t to_ns)
{
    struct host *h = find(w, host, false);
    if (!h || !h->gaps.known_ns)
        return;
    mmr_gaps_add(&h->gaps, cause, from_ns, to_ns);
    keep(w, h);
}

bool mmr_watch_take_news(struct mmr_watch *w)
{
    bool has_news = w->has_news;
    w->has_news = false;
    return has_news;
}

void mmr_watch_each(struct mmr_watch *w, void (*fn)(void *ctx, const char *host), void *ctx)
{
    struct host *h, *next;
    HASH_ITER(hh, w->hosts, h, next)
        if (h->gaps.known_ns)
            fn(ctx, h->name);
}

static uint64_t path_of(const struct mmr_event_view *v, const char *key)
{
    const struct mmr_value *p = mmr_event_get(v, key);
    return p && p->type == MMR_VAL_STR && p->len ? mmr_hash64(p->p, p->len, 17) | 1 : 0;
}

static void bear(struct host *h, uint64_t path, int64_t time_ns)
{
    h->birth[h->births_at] = (struct birth){path, time_ns};
    h->births_at = (h->births_at + 1) % MMR_WATCH_BIRTHS_MAX;
}

static int64_t born(const struct host *h, uint64_t path)
{
    int64_t at = 0;
    for (uint32_t i = 0; path && i < MMR_WATCH_BIRTHS_MAX; i++)
        if (h->birth[i].path == path && h->birth[i].time_ns > at)
            at = h->birth[i].time_ns;
    return at;
}

static void add_hint(struct host *h, uint32_t kind, int64_t time_ns, int64_t born_ns, uint32_t bytes)
{
    if (h->n == MMR_WATCH_HINTS_MAX)
        h->oldest_ns = h->hint[h->at].time_ns;
    h->hint[h->at] = (struct hint){time_ns, born_ns, kind, bytes};
    h->at = (h->at + 1) % MMR_WATCH_HINTS_MAX;
    if (h->n < MMR_WATCH_HINTS_MAX)
        h->n++;
}

static bool kind_is(const struct mmr_value *k, const char *text)
{
    return mmr_value_is(k, text);
}

void mmr_watch_event(struct mmr_watch *w, const char *host, const struct mmr_event_view *v)
{
    char name[MMR_HOST_NAME_MAX];
    const struct mmr_value *k = mmr_event_get(v, "mamori.kind");
    uint32_t what = 0, bytes = 0;
    const bool is_new = kind_is(k, "file.create"), is_renamed = kind_is(k, "file.rename");
    if (kind_is(k, "auth.logon") || kind_is(k, "account.change"))
        what = HINT_ACCOUNT;
    else if (kind_is(k, "file.change") || kind_is(k, "file.delete") || is_renamed)
        what = HINT_FILE; /* a new file is the attacker's own; a changed one was somebody's */
    else if (kind_is(k, "conn.close")) {
        int64_t out = mmr_event_get_int(v, "traffic.bytes_out", 0);
        what = HINT_SENT;
        bytes = out > UINT32_MAX ? UINT32_MAX : out < 0 ? 0 : (uint32_t)out;
    }
    if (kind_is(k, "events.lost") || kind_is(k, "sensor.drops")) {
        /* only counted, by a sensor that says whose they were: it was not blind (README of files) */
        const bool is_counted = kind_is(k, "events.lost") || mmr_event_get(v, "process.pid");
        const int64_t at = mmr_event_get_int(v, "time", 0);
        mmr_watch_gap_add(w, host, is_counted ? MMR_BLIND_UNSENT : MMR_BLIND_DROPPED, at - DROPS_BEFORE_NS, at);
        return;
    }
    if (!what && !is_new)
        return;
    if (!mmr_event_copy_str(v, "device.hostname", name, sizeof name))
        (void)snprintf(name, sizeof name, "%s", host);
    struct host *h = find(w, name, true);
    if (!h)
        return;
    int64_t at = mmr_event_get_int(v, "time", 0), born_ns = 0;
    if (what == HINT_FILE)
        born_ns = born(h, path_of(v, is_renamed ? "unmapped.OldPath" : "file.path"));
    if (is_new || (is_renamed && born_ns))
        bear(h, path_of(v, "file.path"), is_new ? at : born_ns);
    if (what)
        add_hint(h, what, at, born_ns, bytes);
}

bool mmr_watch_window(struct mmr_watch *w, const char *host, int64_t from_ns, int64_t to_ns, struct mmr_window *ret)
{
    const struct host *h = find(w, host, false);
    uint64_t sent = 0;
    if (!h)
        return false;
    memset(ret, 0, sizeof *ret);
    struct mmr_blind g = {0};
    ret->is_blind = h->gaps.known_ns && mmr_gaps_find(&h->gaps, from_ns, to_ns, false, &g);
    if (ret->is_blind) {
        ret->blind_from_ns = g.from_ns;
        ret->blind_to_ns = g.to_ns;
        ret->blind_why = mmr_blind_cause_name((enum mmr_blind_cause)g.cause);
    }
    ret->is_gap_free = !mmr_gaps_find(&h->gaps, from_ns, to_ns, true, &g) && h->oldest_ns < from_ns;
    for (uint32_t i = 0; i < h->n; i++) {
        const struct hint *x = &h->hint[i];
        if (x->time_ns < from_ns || x->time_ns > to_ns)
            continue;
        ret->account_used |= x->kind == HINT_ACCOUNT;
        ret->others_files_changed |= x->kind == HINT_FILE && x->born_ns < from_ns;
        sent += x->kind == HINT_SENT ? x->bytes : 0;
    }
    ret->data_sent = sent > MMR_WATCH_SENT_MAX;
    return true;
}

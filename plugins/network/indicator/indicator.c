/*
 * indicator.c - the indicator plugin: addresses, names, URLs and hashes of events against lists. New lists are read by a
 * worker beside the old ones and take their place in one step; a list that cannot be read leaves the old ones in force.
 */
#include "lists.h"

#include "net_text.h"

#include <mamori/event.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { TOLD_SLOTS = 8192 };
struct indicator_config {
    struct mmr_strv lists, exclude;
    int64_t check, repeat;
};
struct told {
    uint64_t what;
    int64_t at_ns;
};
struct indicator {
    const struct mmr_host *host;
    const struct indicator_config *cfg, *next_cfg;
    struct ind_lists *lists, *next;
    pthread_t worker;
    bool is_working;
    _Atomic(bool) is_done;
    struct ind_lists *made; /* the worker's, until it is joined */
    struct mmr_error made_err;
    struct told told[TOLD_SLOTS];
    struct mmr_event_view view;
    uint8_t out[16384];
};

/* ---- lists ---- */

static void tell_loaded(const struct indicator *x)
{
    char line[160];
    size_t n = ind_set_count(x->lists->set), bytes = ind_set_bytes(x->lists->set);
    (void)snprintf(line, sizeof line, "indicator.loaded lists=%u entries=%zu bytes=%zu", x->lists->n, n, bytes);
    x->host->log(x->host->impl, MMR_LOG_INFO, line);
}

static void *work(void *arg)
{
    struct indicator *x = arg;
    x->made = NULL;
    x->made_err = (struct mmr_error){.struct_size = sizeof x->made_err};
    (void)ind_lists_load(&x->cfg->lists, &x->cfg->exclude, x->host->now_ns(x->host->impl, MMR_CLOCK_WALL), x->host, &x->made,
                         &x->made_err);
    atomic_store(&x->is_done, true);
    x->host->wake(x->host->impl);
    return NULL;
}

/* The worker's lists, once it has ended; waits for it. NULL: it failed, or there was none. */
static struct ind_lists *join(struct indicator *x)
{
    if (!x->is_working)
        return NULL;
    (void)pthread_join(x->worker, NULL);
    x->is_working = false;
    atomic_store(&x->is_done, false);
    struct ind_lists *l = x->made;
    x->made = NULL;
    return l;
}

static void on_wake(void *self)
{
    struct indicator *x = self;
    if (!x->is_working || !atomic_load(&x->is_done))
        return;
    struct ind_lists *l = join(x);
    if (!l) {
        char line[400];
        (void)snprintf(line, sizeof line, "indicator.not_reloaded error=\"%.250s\" (the lists read before stay in force)",
                       x->made_err.text);
        x->host->log(x->host->impl, MMR_LOG_ERR, line);
        return;
    }
    ind_lists_free(x->lists);
    x->lists = l;
    tell_loaded(x);
}

static void on_timer(void *self, uint64_t cookie)
{
    struct indicator *x = self;
    (void)cookie;
    if (!x->is_working && ind_lists_are_old(x->lists)) {
        atomic_store(&x->is_done, false);
        x->is_working = pthread_create(&x->worker, NULL, work, x) == 0;
        if (!x->is_working)
            x->host->log(x->host->impl, MMR_LOG_WARN, "indicator.no_worker (the changed lists are read at the next check)");
    }
    (void)x->host->set_timer(x->host->impl, x->cfg->check, 0);
}

/* ---- findings ---- */

struct rule {
    const char *id, *title, *phase, *potential, *attack;
};
static const struct rule contact[IND_KINDS] = {
    [IND_ADDR] = {"mamori.indicator.address", "Contact with a listed address", "foothold.c2", "low", "T1071"},
    [IND_DOMAIN] = {"mamori.indicator.domain", "A listed domain was asked for", "foothold.c2", "high", "T1071"},
    [IND_URL] = {"mamori.indicator.url", "A listed URL was fetched", "foothold.c2", "high", "T1071.001"},
    [IND_SHA256] = {"mamori.indicator.file", "A listed file", "foothold.process", "high", "T1204"},
    [IND_JA3] = {"mamori.indicator.ja3", "TLS client of a listed kind (JA3)", "foothold.c2", "low", "T1071.001"},
    [IND_JA4] = {"mamori.indicator.ja4", "TLS client of a listed kind (JA4)", "foothold.c2", "low", "T1071.001"},
};
/* A listed address that knocks: half of the internet does; worth knowing, never a reason to act by itself. */
static const struct rule visit = {"mamori.indicator.visitor", "A listed address connects", "attempt.inbound", "info", "T1595"};

static uint64_t mix(uint64_t h, const char *s)
{
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 0x100000001b3U;
    return h;
}

static bool was_told(struct indicator *x, const struct rule *r, const char *value, const char *src, const char *dst, int64_t now)
{
    uint64_t h = mix(mix(mix(mix(0xcbf29ce484222325U, r->id), value), src), dst) | 1;
    struct told *t = &x->told[(h ^ h >> 32) % TOLD_SLOTS];
    if (t->what == h && now - t->at_ns < x->cfg->repeat * 1000000)
        return true;
    *t = (struct told){h, now};
    return false;
}

static void copy_fields(struct mmr_event *ev, const struct mmr_event_view *v, bool has_dst)
{
    static const char *const texts[] = {
        "device.hostname", "device.ip", "src_endpoint.ip", "connection_info.protocol_name", "connection_info.uid", "mamori.direction",
        "process.name", "process.file.path", "process.cmd_line", "process.uid", "process.file.hashes.sha256", "user.name", "file.path",
        "file.name", "file.hashes.sha256", "query.hostname", "http_request.http_method", "http_request.url.path",
        "http_request.url.hostname", "http_request.user_agent", "tls.sni", "tls.ja3", "tls.ja4", "mamori.input"};
    static const char *const numbers[] = {"src_endpoint.port", "process.pid", "process.start_ticks", "mamori.index"};
    size_t len;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *p = mmr_event_get_str(v, texts[i], &len);
        if (p)
            mmr_event_strn(ev, texts[i], p, len);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const struct mmr_value *n = mmr_event_get(v, numbers[i]);
        if (n && n->type == MMR_VAL_INT)
            mmr_event_int(ev, numbers[i], n->n.i);
    }
    const char *p = has_dst ? mmr_event_get_str(v, "dst_endpoint.ip", &len) : NULL;
    if (p) {
        mmr_event_strn(ev, "dst_endpoint.ip", p, len);
        mmr_event_int(ev, "dst_endpoint.port", mmr_event_get_int(v, "dst_endpoint.port", 0));
    }
}

/* answer: the address a listed name was answered with, in place of the server that was asked; NULL: the event's own. */
static void found(struct indicator *x, const struct rule *r, const struct ind_hit *hit, const char *value, bool is_dns, const char *answer)
{
    const struct mmr_event_view *v = &x->view;
    const struct ind_list_conf *c = &x->lists->conf[hit->list];
    bool is_visit = r == &visit;
    const char *phase = !is_visit && c->phase[0] ? c->phase : r->phase, *potential = !is_visit && c->potential[0] ? c->potential : r->potential;
    char src[64] = "", dst[64] = "", text[512];
    int64_t now = mmr_event_get_int(v, "time", 0);
    struct mmr_event ev;
    (void)mmr_event_copy_str(v, "src_endpoint.ip", src, sizeof src);
    if (!src[0])
        (void)mmr_event_copy_str(v, "device.hostname", src, sizeof src);
    if (!is_dns)
        (void)mmr_event_copy_str(v, "dst_endpoint.ip", dst, sizeof dst);
    if (was_told(x, r, value, src, answer ? answer : dst, now))
        return;
    (void)snprintf(text, sizeof text, "%.150s is on the list \"%s\"%s%.90s%s; %s %s%s%s", value, c->name, hit->label[0] ? " (" : "", hit->label,
                   hit->label[0] ? ")" : "", is_visit ? "it connects to" : "met by", is_visit ? dst : src[0] ? src : "this machine",
                   answer ? ", answered with " : "", answer ? answer : "");
    mmr_event_begin(&ev, x->out, sizeof x->out, "finding", MMR_CLASS_FINDING, 1, now,
                    strcmp(potential, "high") == 0 ? 4 : strcmp(potential, "low") == 0 ? 3 : 1);
    mmr_event_str(&ev, "mamori.rule", r->id);
    mmr_event_str(&ev, "finding_info.title", r->title);
    mmr_event_str(&ev, "message", text);
    mmr_event_str(&ev, "mamori.phase", phase);
    mmr_event_str(&ev, "mamori.potential", potential);
    mmr_event_strv(&ev, "mamori.attack", &r->attack, 1);
    mmr_event_str(&ev, "unmapped.indicator", value);
    mmr_event_str(&ev, "unmapped.indicator_list", c->name);
    mmr_event_str(&ev, "unmapped.indicator_label", hit->label[0] ? hit->label : NULL);
    if (hit->expires_s)
        mmr_event_int(&ev, "unmapped.indicator_expires", (int64_t)hit->expires_s * 1000000000);
    copy_fields(&ev, v, !is_dns);
    if (answer)
        mmr_event_str(&ev, "dst_endpoint.ip", answer);
    if (mmr_event_emit(&ev, x->host) < 0)
        x->host->log(x->host->impl, MMR_LOG_WARN, "indicator.unsent (a finding could not be handed over)");
}

/* ---- events ---- */

static bool read_addr(const char *text, struct mmr_addr *ret)
{
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, text, ret->b + 12) == 1) {
        ret->b[10] = ret->b[11] = 0xff;
        return true;
    }
    return inet_pton(AF_INET6, text, ret->b) == 1;
}

static bool addr_of(const struct indicator *x, const char *key, char *text, size_t cap, uint32_t now_s, struct ind_hit *ret)
{
    struct mmr_addr a;
    struct ind_hit ex;
    return mmr_event_copy_str(&x->view, key, text, cap) && read_addr(text, &a) && ind_set_addr(x->lists->set, &a, now_s, ret) &&
           !ind_set_addr(x->lists->exclude, &a, now_s, &ex);
}

static void on_connection(struct indicator *x, uint32_t now_s)
{
    char text[64];
    struct ind_hit hit;
    if (addr_of(x, "dst_endpoint.ip", text, sizeof text, now_s, &hit))
        found(x, &contact[IND_ADDR], &hit, text, false, NULL);
    if (addr_of(x, "src_endpoint.ip", text, sizeof text, now_s, &hit))
        found(x, &visit, &hit, text, false, NULL);
}

/* The name under key, or a domain above it. */
static void on_name(struct indicator *x, const char *key, uint32_t now_s, bool is_dns, const char *answer)
{
    char name[256];
    struct ind_hit hit, ex;
    if (!mmr_event_copy_str(&x->view, key, name, sizeof name))
        return;
    size_t len = strlen(name);
    if (!ind_set_domain(x->lists->set, name, len, now_s, &hit) || ind_set_domain(x->lists->exclude, name, len, now_s, &ex))
        return;
    found(x, &contact[IND_DOMAIN], &hit, name + hit.at, is_dns, answer);
}

/* The first address of the answers that is of the internet; "" if none. */
static void first_answer(const struct indicator *x, char *buf, size_t cap)
{
    const struct mmr_value *list = mmr_event_get(&x->view, "answers");
    struct mmr_array_it it = {0};
    struct net_ranges inside;
    const char *p;
    size_t n;
    net_ranges_private(&inside);
    buf[0] = '\0';
    while (list && mmr_value_next(list, &it, &p, &n)) {
        char text[64];
        struct mmr_addr a;
        if (n == 0 || n >= sizeof text || n >= cap)
            continue;
        memcpy(text, p, n);
        text[n] = '\0';
        if (read_addr(text, &a) && !net_ranges_has(&inside, &a)) {
            memcpy(buf, text, n + 1);
            return;
        }
    }
}

static void on_url(struct indicator *x, uint32_t now_s)
{
    char host[256], path[2048], url[2400], norm[2400];
    struct ind_hit hit, ex;
    size_t len;
    int64_t port = mmr_event_get_int(&x->view, "dst_endpoint.port", 80);
    if (!mmr_event_copy_str(&x->view, "http_request.url.hostname", host, sizeof host) ||
        !mmr_event_copy_str(&x->view, "http_request.url.path", path, sizeof path))
        return;
    int n = port == 80 || strchr(host, ':') ? snprintf(url, sizeof url, "http://%s%s", host, path)
                                            : snprintf(url, sizeof url, "http://%s:%lld%s", host, (long long)port, path);
    if (n <= 0 || (size_t)n >= sizeof url || !ind_url_normal(url, (size_t)n, norm, sizeof norm, &len))
        return;
    if (ind_set_text(x->lists->set, IND_URL, norm, len, now_s, &hit) && !ind_set_domain(x->lists->exclude, host, strlen(host), now_s, &ex))
        found(x, &contact[IND_URL], &hit, url, false, NULL);
}

static void on_hash(struct indicator *x, enum ind_kind k, const char *key, uint32_t now_s, const struct rule *r)
{
    char text[72];
    struct ind_hit hit;
    if (!mmr_event_copy_str(&x->view, key, text, sizeof text))
        return;
    for (char *p = text; *p && k != IND_JA4; p++)
        if (*p >= 'A' && *p <= 'F')
            *p = (char)(*p + 32);
    if (ind_set_text(x->lists->set, k, text, strlen(text), now_s, &hit))
        found(x, r, &hit, text, false, NULL);
}

static int on_event(void *self, const void *msgpack, size_t len, struct mmr_error *err)
{
    static const struct rule dropped = {"mamori.indicator.file", "A listed file was written", "attempt.user", "high", "T1105"};
    struct indicator *x = self;
    char kind[24] = "", answer[64];
    if (ind_set_count(x->lists->set) == 0)
        return 0;
    int rc = mmr_event_read(msgpack, len, &x->view, err);
    if (rc < 0)
        return rc;
    (void)mmr_event_copy_str(&x->view, "mamori.kind", kind, sizeof kind);
    uint32_t now_s = (uint32_t)(mmr_event_get_int(&x->view, "time", 0) / 1000000000);
    if (strcmp(kind, "flow.start") == 0 || strcmp(kind, "conn.open") == 0) {
        on_connection(x, now_s);
    } else if (strcmp(kind, "dns.query") == 0) {
        on_name(x, "query.hostname", now_s, true, NULL);
    } else if (strcmp(kind, "dns.answer") == 0) {
        first_answer(x, answer, sizeof answer);
        if (answer[0])
            on_name(x, "query.hostname", now_s, true, answer);
    } else if (strcmp(kind, "http.request") == 0) {
        on_name(x, "http_request.url.hostname", now_s, false, NULL);
        on_url(x, now_s);
    } else if (strcmp(kind, "tls.hello") == 0) {
        on_name(x, "tls.sni", now_s, false, NULL);
        on_hash(x, IND_JA3, "tls.ja3", now_s, &contact[IND_JA3]);
        on_hash(x, IND_JA4, "tls.ja4", now_s, &contact[IND_JA4]);
    } else if (strcmp(kind, "process.start") == 0) {
        on_hash(x, IND_SHA256, "process.file.hashes.sha256", now_s, &contact[IND_SHA256]);
    } else {
        on_hash(x, IND_SHA256, "file.hashes.sha256", now_s, &dropped);
    }
    return 0;
}

/* ---- plugin ---- */

static void destroy(void *self)
{
    struct indicator *x = self;
    if (!x)
        return;
    ind_lists_free(join(x));
    ind_lists_free(x->lists);
    ind_lists_free(x->next);
    free(x);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct indicator *x = calloc(1, sizeof *x);
    if (!x)
        return mmr_fail(err, MMR_ENOMEM, "indicator '%s': out of memory", host->instance);
    x->host = host;
    x->cfg = config;
    int rc = ind_lists_load(&x->cfg->lists, &x->cfg->exclude, host->now_ns(host->impl, MMR_CLOCK_WALL), host, &x->lists, err);
    if (rc < 0) {
        free(x);
        return rc;
    }
    tell_loaded(x);
    if (x->lists->n && host->state_dir && host->state_dir[0]) /* recorded input is read with the lists as they are */
        (void)host->set_timer(host->impl, x->cfg->check, 0);
    *ret_self = x;
    return 0;
}

static int reload_prepare(void *self, const void *config, struct mmr_error *err)
{
    struct indicator *x = self;
    x->next_cfg = config;
    return ind_lists_load(&x->next_cfg->lists, &x->next_cfg->exclude, x->host->now_ns(x->host->impl, MMR_CLOCK_WALL), x->host, &x->next, err);
}

static void reload_abort(void *self)
{
    struct indicator *x = self;
    ind_lists_free(x->next);
    x->next = NULL;
}

static void reload_commit(void *self)
{
    struct indicator *x = self;
    ind_lists_free(join(x)); /* it reads what the old configuration named */
    ind_lists_free(x->lists);
    x->lists = x->next;
    x->next = NULL;
    x->cfg = x->next_cfg;
    tell_loaded(x);
    (void)x->host->set_timer(x->host->impl, x->lists->n ? x->cfg->check : -1, 0);
}

static const struct mmr_cfg_key keys[] = {
    MMR_CFG(struct indicator_config, lists, MMR_CFG_STRV, MMR_CFG_RELOADABLE, "", 0, 0,
            "files of indicators (plain lists, MISP or STIX 2.1 JSON), as PATH;name=…;kind=…;phase=…;potential=…;days=…"),
    MMR_CFG(struct indicator_config, exclude, MMR_CFG_STRV, MMR_CFG_RELOADABLE, "", 0, 0,
            "addresses, networks and domains that are never met, whatever a list says"),
    MMR_CFG(struct indicator_config, check, MMR_CFG_MSEC, MMR_CFG_RELOADABLE, "1m", 1000, 86400000, "how often changed files are looked for"),
    MMR_CFG(struct indicator_config, repeat, MMR_CFG_MSEC, MMR_CFG_RELOADABLE, "1h", 1000, 86400000,
            "the same indicator met by the same machine is told this often"),
    {0},
};
static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .event = on_event};

MMR_PLUGIN(indicator) = {
    MMR_PLUGIN_HEAD,
    .side = MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT,
    .detects = MMR_DETECT_INBOUND | MMR_DETECT_OUTBOUND | MMR_DETECT_HOST,
    .id = "org.mamori.indicator",
    .name = "indicator",
    .version = "0.1.0",
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "lists of known bad addresses, domains, URLs, files and TLS clients (plain, MISP, STIX)",
    .events = (const char *const[]){"finding", NULL},
    .config = keys,
    .config_size = sizeof(struct indicator_config),
    .create = create,
    .destroy = destroy,
    .reload_prepare = reload_prepare,
    .reload_commit = reload_commit,
    .reload_abort = reload_abort,
    .on_timer = on_timer,
    .on_wake = on_wake,
    .subscribes = (const char *const[]){"flow.start", "conn.open", "dns.query", "dns.answer", "http.request", "tls.hello",
                                        "process.start", "file.create", "file.change", NULL},
    .analyzer = &analyzer,
};

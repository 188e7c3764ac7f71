/*
 * hours.c - an analyzer outside mamori's tree: a log-in outside working hours is a hint that supports an incident about the same
 * account or machine; one from a place the account never came from, outside working hours, opens one.
 *
 * It reads auth.logon of its host group (the log sensor makes them) and trusts no field of it. Time is the event's own, so recorded
 * logs give the same answer as live ones.
 */
#include <mamori/event.h>
#include <mamori/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES_MAX = 4096, HOUR_S = 3600 };
#define NS_PER_S INT64_C(1000000000)

struct hours_config {
    int64_t from, until, zone; /* hours; zone east of UTC */
    struct mmr_strv ignore;
};
static const struct mmr_cfg_key config_keys[] = {
    MMR_CFG(struct hours_config, from, MMR_CFG_INT, 0, "7", 0, 23, "work begins at this hour"),
    MMR_CFG(struct hours_config, until, MMR_CFG_INT, 0, "20", 1, 24, "and ends before this one"),
    MMR_CFG(struct hours_config, zone, MMR_CFG_INT, 0, "9", -12, 14, "hours east of UTC"),
    MMR_CFG(struct hours_config, ignore, MMR_CFG_STRV, 0, "", 0, 0, "accounts that work at night: backup, batch"),
    {0},
};

struct hours {
    const struct mmr_host *host;
    const struct hours_config *config;
    uint64_t places[PLACES_MAX]; /* hashes of account and address, an open table; 0: free */
    size_t n;
    struct mmr_event_view view; /* too large for a stack that others share */
    uint8_t buf[8192];
};

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    const struct hours_config *c = config;
    if (c->from >= c->until)
        return mmr_fail(err, MMR_ECONFIG, "from: %lld is not before until: %lld", (long long)c->from, (long long)c->until);
    struct hours *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "hours: out of memory");
    s->host = host;
    s->config = c;
    *ret_self = s;
    return MMR_OK;
}

static void destroy(void *self)
{
    free(self);
}

static uint64_t hash(uint64_t h, const char *p, size_t len) /* FNV-1a */
{
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)p[i]) * UINT64_C(1099511628211);
    return h;
}

/* True the first time. A full table forgets nothing and learns nothing: then every place is known. */
static bool is_new_place(struct hours *s, uint64_t place)
{
    place = place ? place : 1;
    size_t at = place % PLACES_MAX;
    for (; s->places[at]; at = (at + 1) % PLACES_MAX)
        if (s->places[at] == place)
            return false;
    if (s->n >= PLACES_MAX / 2)
        return false;
    s->places[at] = place;
    s->n++;
    return true;
}

static bool is_at_work(const struct hours_config *c, int64_t time_ns)
{
    int64_t s = time_ns / NS_PER_S + c->zone * HOUR_S;
    int64_t hour = ((s % (24 * HOUR_S)) + 24 * HOUR_S) % (24 * HOUR_S) / HOUR_S;
    return hour >= c->from && hour < c->until;
}

static int tell(struct hours *s, int64_t time_ns, const char *user, const char *from, bool is_new)
{
    static const char *const keys[] = {"device.hostname", "device.ip", NULL};
    char text[400], value[256];
    struct mmr_event ev;
    (void)snprintf(text, sizeof text, "%.64s logged in outside working hours from %.64s%s", user, from[0] ? from : "this machine",
                   is_new ? ", where this account never came from" : "");
    mmr_event_begin(&ev, s->buf, sizeof s->buf, "finding", MMR_CLASS_FINDING, 1, time_ns, is_new ? 3 : 2);
    mmr_event_str(&ev, "mamori.rule", is_new ? "org.example.hours.new_place" : "org.example.hours.night");
    mmr_event_str(&ev, "finding_info.title", "A log-in outside working hours");
    mmr_event_str(&ev, "message", text);
    if (is_new)
        mmr_event_str(&ev, "mamori.phase", "account"); /* without a phase it would be a hint */
    mmr_event_str(&ev, "mamori.potential", "low");
    mmr_event_str(&ev, "mamori.direction", from[0] ? "internal" : "local");
    mmr_event_str(&ev, "user.name", user);
    if (from[0])
        mmr_event_str(&ev, "src_endpoint.ip", from);
    for (size_t i = 0; keys[i]; i++)
        if (mmr_event_copy_str(&s->view, keys[i], value, sizeof value))
            mmr_event_str(&ev, keys[i], value);
    mmr_event_strv(&ev, "mamori.attack", (const char *const[]){"T1078"}, 1);
    return mmr_event_emit(&ev, s->host);
}

static int event(void *self, const void *msgpack, size_t len, struct mmr_error *err)
{
    struct hours *s = self;
    char user[128] = "", from[64] = "";
    int r = mmr_event_read(msgpack, len, &s->view, err);
    if (r)
        return r;
    if (!mmr_event_copy_str(&s->view, "user.name", user, sizeof user) || user[0] == '\0')
        return MMR_OK;
    (void)mmr_event_copy_str(&s->view, "src_endpoint.ip", from, sizeof from);
    for (size_t i = 0; i < s->config->ignore.n; i++)
        if (strcmp(user, s->config->ignore.v[i]) == 0)
            return MMR_OK;
    uint64_t place = hash(hash(UINT64_C(14695981039346656037), user, strlen(user) + 1), from, strlen(from));
    bool is_new = is_new_place(s, place);
    int64_t time_ns = mmr_event_get_int(&s->view, "time", 0);
    return is_at_work(s->config, time_ns) ? MMR_OK : tell(s, time_ns, user, from, is_new);
}

static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .event = event};

MMR_PLUGIN(hours) = {
    MMR_PLUGIN_HEAD,
    .id = "org.example.hours", .name = "hours", .version = "0.1.0", .vendor = "example", .license = "Apache-2.0",
    .doc = "Log-ins outside working hours, and from places an account never came from",
    .side = MMR_SIDE_ENDPOINT, .detects = MMR_DETECT_HOST,
    .events = (const char *const[]){"finding", NULL}, .subscribes = (const char *const[]){"auth.logon", NULL},
    .config = config_keys, .config_size = sizeof(struct hours_config),
    .create = create, .destroy = destroy, .analyzer = &analyzer,
};

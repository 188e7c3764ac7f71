/* week_log.c - see week_log.h. The log is ours, but a record may be damaged: what cannot be read is counted. */
#include "notify/week_log.h"

#include "util/id.h"
#include "util/table.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_NS INT64_C(1000000000)

struct name {
    uint64_t id;
    char uid[MMR_UUID_TEXT_MAX];
    UT_hash_handle hh;
};
struct told {
    uint64_t id;
    struct mmr_week_told told;
    UT_hash_handle hh;
};
enum { ABSENCES_MAX = 1024, COVERED_MAX = 4096, VISITS_MAX = 256 };
struct covered {
    int64_t time_ns;
    struct mmr_week_coverage c;
};
struct mmr_week_log {
    struct covered *covered; /* in the order of the log */
    uint32_t n_covered;
    int64_t visit_ns[VISITS_MAX]; /* free ones */
    uint32_t n_visits;
    struct mmr_week week;
    struct name *names;
    struct told *told;
    struct mmr_week_absence absence[ABSENCES_MAX]; /* the latest */
    uint32_t n_absences;
    struct mmr_error *err;
    uint64_t unreadable;
    bool has_any;
};

int64_t mmr_week_begin(int64_t ns)
{
    time_t t = (time_t)(ns / SECOND_NS);
    struct tm tm;
    if (!localtime_r(&t, &tm))
        return ns;
    const int64_t days = (tm.tm_wday + 6) % 7, hours = days * 24 + tm.tm_hour, minutes = hours * 60 + tm.tm_min;
    return ((int64_t)t - minutes * 60 - tm.tm_sec) * SECOND_NS;
}

static const char *text_at(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    return o && json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

static struct json_object *object_at(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    return o && json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_object) ? v : NULL;
}

static bool class_of(const char *name, enum mmr_class *ret)
{
    for (int c = MMR_CLASS_OF_PENDING; c <= MMR_CLASS_OF_SEVERE; c++)
        if (strcmp(name, mmr_class_name((enum mmr_class)c)) == 0) {
            *ret = (enum mmr_class)c;
            return true;
        }
    return false;
}

static int name_it(struct mmr_week_log *l, uint64_t id, const char *uid)
{
    struct name *n;
    HASH_FIND(hh, l->names, &id, sizeof id, n);
    if (n)
        return 0;
    n = calloc(1, sizeof *n);
    if (!n)
        return mmr_fail(l->err, MMR_ENOMEM, "weekly reports: out of memory");
    n->id = id;
    (void)snprintf(n->uid, sizeof n->uid, "%s", uid);
    HASH_ADD(hh, l->names, id, sizeof n->id, n);
    return 0;
}

static int take(struct mmr_week_log *l, struct json_object *o, int64_t time_ns)
{
    struct json_object *own = object_at(object_at(o, "unmapped"), "mamori"), *exercise = NULL;
    const char *uid = text_at(object_at(o, "metadata"), "uid");
    enum mmr_class class_;
    if (strlen(uid) != MMR_UUID_TEXT_MAX - 1 || !class_of(text_at(own, "class"), &class_)) {
        l->unreadable++;
        return 0;
    }
    uint64_t id = mmr_hash64(uid, strlen(uid), 3);
    bool is_exercise = json_object_object_get_ex(own, "exercise", &exercise) && json_object_get_boolean(exercise);
    int r = mmr_week_put(&l->week, id, class_, is_exercise, time_ns, l->err);
    return r ? r : name_it(l, id, uid);
}

static int64_t int_at(struct json_object *o, const char *key, int64_t dflt)
{
    struct json_object *v = NULL;
    return o && json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : dflt;
}

static int take_target(struct mmr_week_log *l, struct json_object *o)
{
    const char *text = text_at(o, "incident"), *target = text_at(o, "target");
    uint64_t id = strtoull(text, NULL, 16);
    struct told *t;
    if (strlen(text) != 16 || !*target) {
        l->unreadable++;
        return 0;
    }
    HASH_FIND(hh, l->told, &id, sizeof id, t);
    if (!t) {
        t = calloc(1, sizeof *t);
        if (!t)
            return mmr_fail(l->err, MMR_ENOMEM, "weekly reports: out of memory");
        t->id = id;
        HASH_ADD(hh, l->told, id, sizeof t->id, t);
    }
    t->told = (struct mmr_week_told){.is_known = true, .is_met = strcmp(target, "met") == 0, .elapsed_s = int_at(o, "elapsed_s", -1)};
    return 0;
}

static int take_gap(struct mmr_week_log *l, struct json_object *o)
{
    int64_t from = int_at(o, "from", 0), to = int_at(o, "to", 0);
    if (from <= 0 || to <= from) {
        l->unreadable++;
        return 0;
    }
    if (l->n_absences == ABSENCES_MAX)
        memmove(&l->absence[0], &l->absence[1], --l->n_absences * sizeof l->absence[0]);
    struct mmr_week_absence *a = &l->absence[l->n_absences++];
    *a = (struct mmr_week_absence){.from_ns = from, .to_ns = to};
    (void)snprintf(a->what, sizeof a->what, "%s", text_at(o, "source"));
    (void)snprintf(a->cause, sizeof a->cause, "%s", text_at(o, "cause"));
    return mmr_week_gap(&l->week, from, to, l->err);
}

static uint32_t count_at(struct json_object *o, const char *key)
{
    int64_t v = int_at(o, key, -1);
    return v < 0 || v > 1000000 ? 0 : (uint32_t)v;
}

static int take_coverage(struct mmr_week_log *l, struct json_object *o, int64_t time_ns)
{
    struct json_object *net = object_at(o, "net"), *ep = object_at(o, "ep");
    if (!net || !ep) {
        l->unreadable++;
        return 0;
    }
    if (l->n_covered == COVERED_MAX) /* the oldest weeks are over and sent */
        memmove(&l->covered[0], &l->covered[1], --l->n_covered * sizeof l->covered[0]);
    struct covered *more = realloc(l->covered, (l->n_covered + 1) * sizeof *more);
    if (!more)
        return mmr_fail(l->err, MMR_ENOMEM, "weekly reports: out of memory");
    l->covered = more;
    l->covered[l->n_covered++] = (struct covered){time_ns, {.exits = count_at(net, "want"), .exits_ok = count_at(net, "have"),
                                                            .important = count_at(ep, "want"), .important_ok = count_at(ep, "have")}};
    return 0;
}

static int take_visit(struct mmr_week_log *l, struct json_object *o)
{
    struct json_object *v = NULL;
    int64_t at = int_at(o, "arrived_ns", 0);
    if (at <= 0) {
        l->unreadable++;
        return 0;
    }
    if (!json_object_object_get_ex(o, "counts_as_free", &v) || !json_object_get_boolean(v))
        return 0;
    if (l->n_visits == VISITS_MAX)
        memmove(&l->visit_ns[0], &l->visit_ns[1], --l->n_visits * sizeof l->visit_ns[0]);
    l->visit_ns[l->n_visits++] = at;
    return 0;
}

static int on_record(void *ctx, uint64_t seq, int64_t time_ns, const char *kind, const void *body, size_t len)
{
    struct mmr_week_log *l = ctx;
    (void)seq;
    if (!l->has_any)
        mmr_week_init(&l->week, mmr_week_begin(time_ns));
    l->has_any = true;
    bool is_class = strcmp(kind, "incident.class") == 0, is_target = strcmp(kind, "notice.target") == 0;
    bool is_coverage = strcmp(kind, "coverage") == 0;
    bool is_visit = strcmp(kind, "dispatch") == 0;
    if (!is_class && !is_target && !is_coverage && !is_visit && strcmp(kind, "watch_gap") != 0)
        return 0;
    (void)mmr_week_issue(&l->week, time_ns); /* as it was then: a class that rose later does not change an old report */
    struct json_tokener *t = len <= MMR_EVIDENCE_BODY_MAX ? json_tokener_new() : NULL;
    struct json_object *o = t ? json_tokener_parse_ex(t, body, (int)len) : NULL;
    int r = 0;
    if (json_object_is_type(o, json_type_object))
        r = is_class ? take(l, o, time_ns) : is_target ? take_target(l, o) : is_coverage ? take_coverage(l, o, time_ns) : is_visit ? take_visit(l, o) : take_gap(l, o);
    else
        l->unreadable++;
    (void)json_object_put(o);
    if (t)
        json_tokener_free(t);
    return r;
}

int mmr_week_log_read(struct mmr_db *db, int64_t now_ns, struct mmr_week_log **ret, struct mmr_error *err)
{
    struct mmr_week_log *l = calloc(1, sizeof *l);
    if (!l)
        return mmr_fail(err, MMR_ENOMEM, "weekly reports: out of memory");
    l->err = err;
    int r = mmr_evidence_each(db, 0, on_record, l, err);
    if (r || !l->has_any) {
        mmr_week_log_free(l);
        l = NULL;
    } else {
        (void)mmr_week_issue(&l->week, now_ns);
        l->err = NULL;
    }
    if (!r)
        *ret = l;
    return r;
}

void mmr_week_log_free(struct mmr_week_log *l)
{
    if (!l)
        return;
    struct name *n = l->names;
    HASH_CLEAR(hh, l->names); /* the table goes, the links of its members stay */
    while (n) {
        struct name *next = n->hh.next;
        free(n);
        n = next;
    }
    struct told *t = l->told;
    HASH_CLEAR(hh, l->told);
    while (t) {
        struct told *next = t->hh.next;
        free(t);
        t = next;
    }
    mmr_week_done(&l->week);
    free(l->covered);
    free(l);
}

struct mmr_week_told mmr_week_log_told(const struct mmr_week_log *l, uint64_t incident_id)
{
    struct told *t;
    HASH_FIND(hh, l->told, &incident_id, sizeof incident_id, t);
    return t ? t->told : (struct mmr_week_told){.elapsed_s = -1};
}

uint32_t mmr_week_log_absences(const struct mmr_week_log *l, int64_t from_ns, int64_t to_ns, struct mmr_week_absence *ret, uint32_t cap)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->n_absences && n < cap; i++)
        if (l->absence[i].from_ns < to_ns && l->absence[i].to_ns > from_ns)
            ret[n++] = l->absence[i];
    return n;
}

bool mmr_week_log_coverage(const struct mmr_week_log *l, int64_t from_ns, int64_t to_ns, struct mmr_week_coverage *ret)
{
    for (uint32_t i = l->n_covered; i > 0; i--)
        if (l->covered[i - 1].time_ns >= from_ns && l->covered[i - 1].time_ns < to_ns) {
            *ret = l->covered[i - 1].c;
            return true;
        }
    return false;
}

uint32_t mmr_week_log_visits(const struct mmr_week_log *l, int64_t from_ns, int64_t to_ns)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->n_visits; i++)
        n += l->visit_ns[i] >= from_ns && l->visit_ns[i] < to_ns;
    return n;
}

uint64_t mmr_week_log_id(const uint8_t uid[16])
{
    char text[MMR_UUID_TEXT_MAX];
    mmr_uuid_format(uid, text);
    return mmr_hash64(text, strlen(text), 3);
}

enum mmr_class mmr_week_log_class(const struct mmr_week_log *l, uint64_t id)
{
    uint32_t lo = 0, hi = l->week.n_items;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (l->week.item[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < l->week.n_items && l->week.item[lo].id == id ? l->week.item[lo].class_ : MMR_CLASS_OF_PENDING;
}

const struct mmr_week *mmr_week_log_week(const struct mmr_week_log *l)
{
    return &l->week;
}

const char *mmr_week_log_uid(const struct mmr_week_log *l, uint64_t id)
{
    struct name *n;
    HASH_FIND(hh, l->names, &id, sizeof id, n);
    return n ? n->uid : "";
}

uint64_t mmr_week_log_unreadable(const struct mmr_week_log *l)
{
    return l->unreadable;
}

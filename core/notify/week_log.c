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
struct mmr_week_log {
    struct mmr_week week;
    struct name *names;
    struct mmr_error *err;
    uint64_t unreadable;
    bool has_any;
};

static int64_t monday_before(int64_t ns)
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

static int on_record(void *ctx, uint64_t seq, int64_t time_ns, const char *kind, const void *body, size_t len)
{
    struct mmr_week_log *l = ctx;
    (void)seq;
    if (!l->has_any)
        mmr_week_init(&l->week, monday_before(time_ns));
    l->has_any = true;
    if (strcmp(kind, "incident.class") != 0)
        return 0;
    (void)mmr_week_issue(&l->week, time_ns); /* as it was then: a class that rose later does not change an old report */
    struct json_tokener *t = len <= MMR_EVIDENCE_BODY_MAX ? json_tokener_new() : NULL;
    struct json_object *o = t ? json_tokener_parse_ex(t, body, (int)len) : NULL;
    int r = 0;
    if (o)
        r = take(l, o, time_ns);
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
    mmr_week_done(&l->week);
    free(l);
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

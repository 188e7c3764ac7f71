/*
 * known.c - allow rules in the brain: made from an incident by a named person, kept in the store with evidence, in force
 * at once; their end is told, not silent.
 */
#include "brain/live.h"

#include "brain/request.h"
#include "util/clock.h"
#include "util/log.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RULES_AT_ONCE = 16 };
#define KEY_PREFIX "allow."

static int keep(struct mmr_live *l, const struct mmr_allow_rule *r, const char *event, struct mmr_error *err)
{
    char json[MMR_ALLOW_JSON_MAX], key[40];
    const int64_t now = mmr_clock_wall_ns();
    int e = mmr_allow_to_json(r, now, json, err);
    (void)snprintf(key, sizeof key, KEY_PREFIX "%016llx", (unsigned long long)r->id);
    if (!e)
        e = mmr_persist_state(l->persist, key, json, strlen(json), err);
    return e ? e : mmr_persist_note(l->persist, event, json, now, err);
}

static int restore_one(void *ctx, const char *key, const void *value, size_t len)
{
    struct mmr_live *l = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_allow_rule r;
    char text[MMR_ALLOW_JSON_MAX];
    (void)snprintf(text, sizeof text, "%.*s", (int)(len < sizeof text ? len : 0), (const char *)value);
    if (mmr_allow_from_json(text, &r, &err) != 0 || mmr_allow_add(l->allow, &r, mmr_clock_wall_ns(), &err) != 0)
        mmr_log(MMR_LOG_ERR, "allow.not_restored", "key=%s reason=\"%s\"", key, err.text);
    return 0;
}

int mmr_live_known_restore(struct mmr_live *l, struct mmr_error *err)
{
    l->allow = calloc(1, sizeof *l->allow);
    if (!l->allow)
        return mmr_fail(err, MMR_ENOMEM, "allow rules: out of memory");
    return mmr_db_each(mmr_persist_db(l->persist), KEY_PREFIX, restore_one, l, err);
}

/* Rules that ended: told once, in the log and as evidence; what they allowed is told again from now on. */
void mmr_live_known_tick(struct mmr_live *l)
{
    const int64_t now = mmr_clock_wall_ns();
    struct mmr_error err = {.struct_size = sizeof err};
    for (uint32_t k = 0; k < l->allow->n; k++) {
        struct mmr_allow_rule *r = &l->allow->v[k];
        if (r->expires_ns > now || r->is_over_told)
            continue;
        r->is_over_told = true;
        mmr_log(MMR_LOG_WARN, "allow.expired", "id=%016llx owner=\"%s\" reason=\"%s\" used=%llu", (unsigned long long)r->id, r->owner,
                r->reason, (unsigned long long)r->hits);
        if (keep(l, r, "allow.expired", &err) != 0)
            mmr_log(MMR_LOG_ERR, "allow.not_kept", "id=%016llx reason=\"%s\"", (unsigned long long)r->id, err.text);
        mmr_pipeline_reconsider(l->pipeline, now);
    }
}

/* ---- what people ask ---- */

static void add_str(struct json_object *o, const char *key, const char *text)
{
    (void)json_object_object_add(o, key, json_object_new_string(text));
}

static const char *text_of(struct json_object *o, const char *key)
{
    struct json_object *v;
    return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

static struct json_object *rules_json(const struct mmr_allow_rule *r, uint32_t n)
{
    struct json_object *list = json_object_new_array();
    char json[MMR_ALLOW_JSON_MAX];
    struct mmr_error err = {.struct_size = sizeof err};
    for (uint32_t k = 0; k < n; k++)
        if (mmr_allow_to_json(&r[k], mmr_clock_wall_ns(), json, &err) == 0)
            (void)json_object_array_add(list, json_tokener_parse(json));
    return list;
}

static int wrong(struct json_object *o, int status, const char *text)
{
    add_str(o, "error", text);
    return status;
}

static int allow(struct mmr_live *l, const char *args, struct json_object *o)
{
    static const char *const words[] = {"", "source", "destination", "rule", "process"};
    struct mmr_error err = {.struct_size = sizeof err};
    struct json_object *a = json_tokener_parse(args), *days = NULL;
    struct mmr_allow_rule *rules = calloc(RULES_AT_ONCE, sizeof *rules);
    const int64_t now = mmr_clock_wall_ns();
    uint64_t id;
    size_t what = 0;
    int status = 0, n = 0;
    const char *only = text_of(a, "only");
    while (what < sizeof words / sizeof words[0] && strcmp(words[what], only) != 0)
        what++;
    const struct mmr_incident *i = mmr_request_action_id(args, &id) ? mmr_pipeline_incident(l->pipeline, id) : NULL;
    if (!rules || what == sizeof words / sizeof words[0] || !json_object_object_get_ex(a, "days", &days) ||
        !json_object_is_type(days, json_type_int))
        status = wrong(o, 2, "expected id, by, reason, days (a number), and only: source, destination, rule or process");
    else if (!i)
        status = wrong(o, 1, "no open incident has that number; what is closed allows nothing new");
    else if ((n = mmr_allow_from_incident(i, (enum mmr_allow_what)what, text_of(a, "by"), text_of(a, "reason"), json_object_get_int64(days),
                                          now, rules, RULES_AT_ONCE, &err)) < 0)
        status = wrong(o, 2, err.text);
    for (int k = 0; !status && k < n; k++)
        if (mmr_allow_add(l->allow, &rules[k], now, &err) != 0 || keep(l, &rules[k], "allow.made", &err) != 0)
            status = wrong(o, 3, err.text);
    if (!status) { /* severe falls only when a named person takes it back: this is one */
        if (mmr_pipeline_known_good(l->pipeline, id, text_of(a, "by"), text_of(a, "reason"), now, &err) != 0)
            status = wrong(o, 3, err.text);
        (void)json_object_object_add(o, "allowed", rules_json(rules, (uint32_t)n));
    }
    free(rules);
    json_object_put(a);
    return status;
}

static int end(struct mmr_live *l, const char *args, struct json_object *o)
{
    struct mmr_error err = {.struct_size = sizeof err};
    uint64_t id;
    if (!mmr_request_action_id(args, &id))
        return wrong(o, 2, "'id' must be 16 hex digits");
    for (uint32_t k = 0; k < l->allow->n; k++) {
        struct mmr_allow_rule *r = &l->allow->v[k];
        if (r->id != id || r->expires_ns <= mmr_clock_wall_ns())
            continue;
        r->expires_ns = mmr_clock_wall_ns();
        r->is_over_told = true;
        if (keep(l, r, "allow.ended", &err) != 0)
            return wrong(o, 3, err.text);
        mmr_pipeline_reconsider(l->pipeline, r->expires_ns);
        (void)json_object_object_add(o, "ended", rules_json(r, 1));
        return 0;
    }
    return wrong(o, 1, "no allow rule in force has that number; see 'mamori incident allow --list'");
}

bool mmr_live_known_request(struct mmr_live *l, const char *command, const char *args, struct json_object *o, int *ret_status)
{
    if (strcmp(command, "incident.allow") == 0)
        *ret_status = allow(l, args, o);
    else if (strcmp(command, "incident.allow.end") == 0)
        *ret_status = end(l, args, o);
    else if (strcmp(command, "incident.allow.list") == 0)
        (void)json_object_object_add(o, "rules", rules_json(l->allow->v, l->allow->n));
    else
        return false;
    return true;
}

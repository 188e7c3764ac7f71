/* allow.c - matching, proofs, and rules made from an incident. */
#include "classify/allow.h"

#include "util/clock.h"
#include "util/id.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_NS (24 * 3600 * MMR_NS_PER_S)

static bool is_process(const char *want, const struct mmr_process *p)
{
    return (p->path && strcmp(p->path, want) == 0) || (!strchr(want, '/') && p->name && strcmp(p->name, want) == 0);
}

bool mmr_allow_fits(const struct mmr_allow_rule *r, const struct mmr_finding *f)
{
    char host[MMR_HOST_NAME_MAX] = "", want[MMR_HOST_NAME_MAX];
    if (r->rule[0] && (!f->rule || strncmp(f->rule, r->rule, sizeof r->rule - 1) != 0))
        return false;
    if (r->has_src && !(mmr_addr_is_set(&f->src) && mmr_cidr_has(&r->src, &f->src)))
        return false;
    if (r->has_dst && !(mmr_addr_is_set(&f->dst) && mmr_cidr_has(&r->dst, &f->dst)))
        return false;
    if (r->process[0] && !is_process(r->process, &f->process))
        return false;
    if (r->host[0]) {
        if (f->host)
            mmr_host_normalise(f->host, host);
        mmr_host_normalise(r->host, want);
        if (strcmp(host, want) != 0)
            return false;
    }
    return r->rule[0] || r->has_src || r->has_dst || r->process[0];
}

struct mmr_allow_rule *mmr_allow_of(struct mmr_allow *a, const struct mmr_finding *f, int64_t now_ns)
{
    for (uint32_t k = 0; k < a->n; k++)
        if (a->v[k].expires_ns > now_ns && mmr_allow_fits(&a->v[k], f))
            return &a->v[k];
    return NULL;
}

bool mmr_allow_suppress(struct mmr_allow *a, const struct mmr_finding *f, int64_t now_ns)
{
    struct mmr_allow_rule *r = mmr_finding_is_hint(f) ? NULL : mmr_allow_of(a, f, now_ns);
    if (!r)
        return false;
    r->hits++;
    r->last_ns = now_ns;
    if (r->shown_ns && now_ns >= r->shown_ns && now_ns - r->shown_ns < MMR_ALLOW_SHOW_NS)
        return true;
    r->shown_ns = now_ns;
    return false;
}

size_t mmr_allow_proofs(struct mmr_allow *a, const struct mmr_incident *i, int64_t now_ns, struct mmr_benign_proof *ret, size_t cap)
{
    const struct mmr_allow_rule *first = NULL;
    int64_t expires_ns = INT64_MAX;
    if (i->evicted || cap == 0)
        return 0;
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        const struct mmr_finding *f = i->evidence[k].finding;
        if (mmr_finding_is_hint(f))
            continue;
        const struct mmr_allow_rule *r = mmr_allow_of(a, f, now_ns);
        if (!r)
            return 0;
        first = first ? first : r;
        expires_ns = r->expires_ns < expires_ns ? r->expires_ns : expires_ns;
    }
    if (!first)
        return 0;
    ret[0] = (struct mmr_benign_proof){.kind = MMR_BENIGN_ALLOW_RULE, .owner = first->owner, .reason = first->reason, .expires_ns = expires_ns};
    return 1;
}

/* ---- made from an incident ---- */

static void one_address(const struct mmr_addr *a, struct mmr_cidr *ret, bool *ret_has)
{
    *ret_has = mmr_addr_is_set(a);
    if (*ret_has)
        *ret = (struct mmr_cidr){*a, 128};
}

static bool rule_of(const struct mmr_finding *f, enum mmr_allow_what what, struct mmr_allow_rule *r)
{
    const bool is_all = what == MMR_ALLOW_AS_SEEN;
    const char *process = f->process.path && f->process.path[0] ? f->process.path : f->process.name;
    if ((is_all || what == MMR_ALLOW_RULE) && f->rule)
        (void)snprintf(r->rule, sizeof r->rule, "%s", f->rule);
    if ((is_all || what == MMR_ALLOW_PROCESS) && process)
        (void)snprintf(r->process, sizeof r->process, "%s", process);
    if (is_all || what == MMR_ALLOW_SOURCE)
        one_address(&f->src, &r->src, &r->has_src);
    if (what == MMR_ALLOW_DESTINATION)
        one_address(&f->dst, &r->dst, &r->has_dst);
    if ((is_all || what == MMR_ALLOW_PROCESS) && f->side == MMR_SIDE_ENDPOINT && f->host && !r->has_src)
        (void)snprintf(r->host, sizeof r->host, "%.63s", f->host);
    if (is_all) /* a rule by itself would allow everything of its kind, everywhere */
        return r->has_src || r->process[0] || (r->rule[0] && r->host[0]);
    return r->rule[0] || r->process[0] || r->has_src || r->has_dst;
}

static uint64_t id_of(const struct mmr_allow_rule *r)
{
    char text[900], src[MMR_ADDR_TEXT_MAX + 4] = "", dst[MMR_ADDR_TEXT_MAX + 4] = "";
    if (r->has_src)
        mmr_cidr_format(&r->src, src);
    if (r->has_dst)
        mmr_cidr_format(&r->dst, dst);
    (void)snprintf(text, sizeof text, "%s\n%s\n%s\n%s\n%s", r->rule, r->process, r->host, src, dst);
    uint64_t id = mmr_hash64(text, strlen(text), 41) & INT64_MAX;
    return id ? id : 1;
}

int mmr_allow_from_incident(const struct mmr_incident *i, enum mmr_allow_what what, const char *owner, const char *reason, int64_t days,
                            int64_t now_ns, struct mmr_allow_rule *ret, size_t cap, struct mmr_error *err)
{
    size_t n = 0;
    if (!owner || !owner[0] || strlen(owner) >= sizeof ret->owner)
        return mmr_fail(err, MMR_EINVAL, "who answers for it? a name of 1 to %zu bytes is needed", sizeof ret->owner - 1);
    if (!reason || !reason[0] || strlen(reason) >= sizeof ret->reason)
        return mmr_fail(err, MMR_EINVAL, "why is it known to be good? a reason of 1 to %zu bytes is needed", sizeof ret->reason - 1);
    if (days < 1 || days > MMR_ALLOW_DAYS_MAX)
        return mmr_fail(err, MMR_EINVAL, "it must end after 1 to %d days, not %lld", MMR_ALLOW_DAYS_MAX, (long long)days);
    for (uint32_t k = 0; k < i->n_evidence && n < cap; k++) {
        const struct mmr_finding *f = i->evidence[k].finding;
        struct mmr_allow_rule r = {.incident = i->id, .made_ns = now_ns, .expires_ns = now_ns + days * DAY_NS};
        if (mmr_finding_is_hint(f) || !rule_of(f, what, &r))
            continue;
        (void)snprintf(r.owner, sizeof r.owner, "%s", owner);
        (void)snprintf(r.reason, sizeof r.reason, "%s", reason);
        r.id = id_of(&r);
        bool is_known = false;
        for (size_t m = 0; m < n && !is_known; m++)
            is_known = ret[m].id == r.id;
        if (!is_known)
            ret[n++] = r;
    }
    if (n == 0)
        return mmr_fail(err, MMR_EINVAL, "no finding of incident %016llx names what is to be allowed; choose another with --only",
                        (unsigned long long)i->id);
    return (int)n;
}

int mmr_allow_add(struct mmr_allow *a, const struct mmr_allow_rule *r, int64_t now_ns, struct mmr_error *err)
{
    uint32_t at = a->n;
    for (uint32_t k = 0; k < a->n; k++)
        if (a->v[k].id == r->id)
            at = k;
    for (uint32_t k = 0; at == MMR_ALLOW_MAX && k < a->n; k++)
        if (a->v[k].expires_ns <= now_ns && a->v[k].is_over_told)
            at = k;
    if (at == MMR_ALLOW_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "%d allow rules are in force; end some first ('mamori incident allow --end ID')", MMR_ALLOW_MAX);
    a->v[at] = *r;
    if (at == a->n)
        a->n++;
    return 0;
}

/* ---- JSON ---- */

static void add(struct json_object *o, const char *key, const char *text)
{
    if (text[0])
        (void)json_object_object_add(o, key, json_object_new_string(text));
}

static void add_net(struct json_object *o, const char *key, const struct mmr_cidr *n, bool has)
{
    char text[MMR_ADDR_TEXT_MAX + 4];
    if (!has)
        return;
    mmr_cidr_format(n, text);
    add(o, key, text);
}

int mmr_allow_to_json(const struct mmr_allow_rule *r, int64_t now_ns, char *buf, struct mmr_error *err)
{
    struct json_object *o = json_object_new_object();
    char id[20];
    (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)r->id);
    add(o, "id", id);
    add(o, "rule", r->rule);
    add(o, "process", r->process);
    add(o, "host", r->host);
    add_net(o, "source", &r->src, r->has_src);
    add_net(o, "destination", &r->dst, r->has_dst);
    add(o, "owner", r->owner);
    add(o, "reason", r->reason);
    (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)r->incident);
    add(o, "incident", id);
    (void)json_object_object_add(o, "made_ns", json_object_new_int64(r->made_ns));
    (void)json_object_object_add(o, "expires_ns", json_object_new_int64(r->expires_ns));
    (void)json_object_object_add(o, "over", json_object_new_boolean(r->expires_ns <= now_ns));
    (void)json_object_object_add(o, "over_told", json_object_new_boolean(r->is_over_told));
    (void)json_object_object_add(o, "hits", json_object_new_int64((int64_t)r->hits));
    const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    bool fits = text && strlen(text) < MMR_ALLOW_JSON_MAX;
    if (fits)
        memcpy(buf, text, strlen(text) + 1);
    json_object_put(o);
    return fits ? 0 : mmr_fail(err, MMR_ETOOBIG, "allow rule %016llx: its text is too long", (unsigned long long)r->id);
}

static bool take(struct json_object *o, const char *key, char *buf, size_t cap)
{
    struct json_object *v;
    buf[0] = '\0';
    if (!json_object_object_get_ex(o, key, &v))
        return true;
    if (!json_object_is_type(v, json_type_string) || (size_t)json_object_get_string_len(v) >= cap)
        return false;
    (void)snprintf(buf, cap, "%s", json_object_get_string(v));
    return true;
}

static bool take_net(struct json_object *o, const char *key, struct mmr_cidr *ret, bool *ret_has)
{
    char text[MMR_ADDR_TEXT_MAX + 4];
    if (!take(o, key, text, sizeof text))
        return false;
    *ret_has = text[0] != '\0';
    return !*ret_has || mmr_cidr_parse(text, ret, NULL) == 0;
}

static int64_t number(struct json_object *o, const char *key)
{
    struct json_object *v;
    return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : 0;
}

int mmr_allow_from_json(const char *text, struct mmr_allow_rule *ret, struct mmr_error *err)
{
    struct json_object *o = json_tokener_parse(text), *v;
    struct mmr_allow_rule r = {0};
    char id[20] = "", incident[20] = "";
    bool is_good = json_object_is_type(o, json_type_object) && take(o, "id", id, sizeof id) && take(o, "rule", r.rule, sizeof r.rule) &&
                   take(o, "process", r.process, sizeof r.process) && take(o, "host", r.host, sizeof r.host) &&
                   take_net(o, "source", &r.src, &r.has_src) && take_net(o, "destination", &r.dst, &r.has_dst) &&
                   take(o, "owner", r.owner, sizeof r.owner) && take(o, "reason", r.reason, sizeof r.reason) &&
                   take(o, "incident", incident, sizeof incident);
    if (is_good) {
        r.made_ns = number(o, "made_ns");
        r.expires_ns = number(o, "expires_ns");
        r.is_over_told = json_object_object_get_ex(o, "over_told", &v) && json_object_get_boolean(v);
        r.incident = strtoull(incident, NULL, 16);
        r.id = strtoull(id, NULL, 16);
        is_good = r.id && r.id == id_of(&r) && r.owner[0] && r.reason[0] && r.expires_ns > 0;
    }
    json_object_put(o);
    if (!is_good)
        return mmr_fail(err, MMR_EBADMSG, "what is kept is no allow rule: '%.80s'", text);
    *ret = r;
    return 0;
}

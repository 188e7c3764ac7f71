/* relief.c - CONFORM of SERVICE_STANDARD 3.1, and the same over JSON lines. */
#include "standard/relief.h"

#include "util/json.h"

#include <mamori/plugin.h>

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

uint32_t mmr_caps_of(const struct mmr_cap_source *s)
{
    uint32_t caps = 0;
    const bool is_linked = (s->flags & MMR_PLUGIN_LINKED) != 0;
    if (!s->is_listed || !s->is_loaded || !s->is_healthy)
        return 0;
    if (s->is_detector && s->side == MMR_SIDE_NETWORK) {
        caps |= s->detects & MMR_DETECT_INBOUND ? (uint32_t)MMR_CAP_NET_DETECT_INBOUND : 0;
        caps |= s->detects & MMR_DETECT_OUTBOUND ? (uint32_t)MMR_CAP_NET_DETECT_OUTBOUND : 0;
    }
    if (s->is_detector && s->side == MMR_SIDE_ENDPOINT && (s->detects & MMR_DETECT_HOST))
        caps |= MMR_CAP_EP_DETECT;
    if (s->is_dry_run)
        return caps;
    if (s->side == MMR_SIDE_NETWORK && s->can_defend &&
        !is_linked) /* no linked defence counts for Nu */
        caps |= MMR_CAP_NET_DEFEND;
    if (s->side == MMR_SIDE_ENDPOINT && is_linked)
        caps |= MMR_CAP_EP_DEFEND_LINKED;
    else if (s->side == MMR_SIDE_ENDPOINT && s->can_defend)
        caps |= MMR_CAP_EP_DEFEND;
    return caps;
}

struct mmr_relief mmr_relief_of(uint32_t caps, bool is_linked)
{
    const bool na = caps & MMR_CAP_NET_DETECT_INBOUND, ni = caps & MMR_CAP_NET_DETECT_OUTBOUND,
               nu = caps & MMR_CAP_NET_DEFEND;
    const bool ea = caps & MMR_CAP_EP_DETECT;
    const bool ei = (caps & MMR_CAP_EP_DEFEND) || ((caps & MMR_CAP_EP_DEFEND_LINKED) && is_linked);
    struct mmr_relief r = {
        .network = na && ni && nu,
        .endpoint = ea && ei,
        .combined = na && ni && ea && (nu || ei),
    };
    r.net_defence_relieved = r.combined && !nu;
    r.ep_defence_relieved = r.combined && !ei;
    r.missing |= na ? 0 : (uint32_t)MMR_CAP_NET_DETECT_INBOUND;
    r.missing |= ni ? 0 : (uint32_t)MMR_CAP_NET_DETECT_OUTBOUND;
    r.missing |= ea ? 0 : (uint32_t)MMR_CAP_EP_DETECT;
    if (!nu && !ei) /* either would do */
        r.missing |= (uint32_t)MMR_CAP_NET_DEFEND | (uint32_t)MMR_CAP_EP_DEFEND;
    r.is_linked_idle = (caps & MMR_CAP_EP_DEFEND_LINKED) && !is_linked;
    return r;
}

/* ---- JSON lines ---- */

/* 0 or 1, as number, text or boolean; -1 anything else */
static int flag_of(struct json_object *v)
{
    if (json_object_is_type(v, json_type_boolean))
        return json_object_get_boolean(v) ? 1 : 0;
    if (json_object_is_type(v, json_type_int)) {
        int64_t n = json_object_get_int64(v);
        return n == 0 || n == 1 ? (int)n : -1;
    }
    if (json_object_is_type(v, json_type_string)) {
        const char *s = json_object_get_string(v);
        return strcmp(s, "0") == 0 ? 0 : strcmp(s, "1") == 0 ? 1 : -1;
    }
    return -1;
}

static int read_caps(struct json_object *o, uint32_t *ret_caps, bool *ret_linked,
                     struct mmr_error *err)
{
    static const struct {
        const char *key;
        uint32_t cap;
        bool is_needed;
    } fields[] = {
        {"Na", MMR_CAP_NET_DETECT_INBOUND, true}, {"Ni", MMR_CAP_NET_DETECT_OUTBOUND, true},
        {"Nu", MMR_CAP_NET_DEFEND, true},         {"Ea", MMR_CAP_EP_DETECT, true},
        {"Ei", MMR_CAP_EP_DEFEND, true},          {"Linked", 0, false},
    };
    enum { N = sizeof fields / sizeof fields[0] };
    uint32_t caps = 0;
    bool is_linked = false;
    struct json_object_iterator it = json_object_iter_begin(o), end = json_object_iter_end(o);
    for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
        const char *key = json_object_iter_peek_name(&it);
        size_t k = 0;
        while (k < N && strcmp(key, fields[k].key) != 0)
            k++;
        if (k == N)
            return mmr_fail(err, MMR_EBADMSG,
                            "field '%.40s' is unknown; expected Na, Ni, Nu, Ea, Ei or Linked", key);
    }
    for (size_t k = 0; k < N; k++) {
        struct json_object *v = NULL;
        const bool is_ei = fields[k].cap == MMR_CAP_EP_DEFEND;
        const char *expected = is_ei ? "\"1\", \"0\" or \"linked\"" : "0 or 1";
        if (!json_object_object_get_ex(o, fields[k].key, &v)) {
            if (fields[k].is_needed)
                return mmr_fail(err, MMR_EBADMSG, "field %s is missing; expected %s", fields[k].key,
                                expected);
            continue;
        }
        if (is_ei && json_object_is_type(v, json_type_string) &&
            strcmp(json_object_get_string(v), "linked") == 0) {
            caps |= MMR_CAP_EP_DEFEND_LINKED;
            continue;
        }
        int on = flag_of(v);
        if (on < 0)
            return mmr_fail(err, MMR_EBADMSG, "field %s is '%.40s'; expected %s", fields[k].key,
                            json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN), expected);
        if (fields[k].cap == 0)
            is_linked = on == 1;
        else if (on)
            caps |= fields[k].cap;
    }
    *ret_caps = caps;
    *ret_linked = is_linked;
    return 0;
}

static bool add_text(struct json_object *array, const char *text)
{
    struct json_object *s = json_object_new_string(text);
    if (s && json_object_array_add(array, s) == 0)
        return true;
    mmr_json_putp(&s);
    return false;
}

static bool add_word(struct json_object *o, const char *key, bool conforms)
{
    struct json_object *s = json_object_new_string(conforms ? "conform" : "fail");
    if (s && json_object_object_add(o, key, s) == 0)
        return true;
    mmr_json_putp(&s);
    return false;
}

int mmr_relief_json(const char *line, size_t len, char **ret_json, struct mmr_error *err)
{
    static const struct {
        uint32_t cap;
        const char *name;
    } short_names[] = {
        {MMR_CAP_NET_DETECT_INBOUND, "Na"}, {MMR_CAP_NET_DETECT_OUTBOUND, "Ni"},
        {MMR_CAP_NET_DEFEND, "Nu"},         {MMR_CAP_EP_DETECT, "Ea"},
        {MMR_CAP_EP_DEFEND, "Ei"},
    };
    mmr_autojson struct json_object *in = NULL, *out = NULL;
    uint32_t caps = 0;
    bool is_linked = false;
    int e = mmr_json_line(line, len, "{\"Na\":…,\"Ni\":…,\"Nu\":…,\"Ea\":…,\"Ei\":…}", &in, err);
    if (e < 0 || (e = read_caps(in, &caps, &is_linked, err)) < 0)
        return e;
    const struct mmr_relief r = mmr_relief_of(caps, is_linked);
    out = json_object_new_object();
    bool ok = out && add_word(out, "network", r.network) && add_word(out, "endpoint", r.endpoint) &&
              add_word(out, "combined", r.combined);
    struct json_object *relief = ok ? json_object_new_array() : NULL;
    ok = relief && json_object_object_add(out, "relief", relief) == 0;
    ok = ok && (!r.net_defence_relieved || add_text(relief, "network defence")) &&
         (!r.ep_defence_relieved || add_text(relief, "endpoint defence"));
    struct json_object *missing = ok ? json_object_new_array() : NULL;
    ok = missing && json_object_object_add(out, "missing", missing) == 0;
    for (size_t k = 0; ok && k < sizeof short_names / sizeof short_names[0]; k++)
        ok = !(r.missing & short_names[k].cap) || add_text(missing, short_names[k].name);
    const char *text = ok ? json_object_to_json_string_ext(out, JSON_C_TO_STRING_PLAIN) : NULL;
    char *copy = text ? strdup(text) : NULL;
    if (!copy)
        return mmr_fail(err, MMR_ENOMEM, "answer: out of memory");
    *ret_json = copy;
    return 0;
}

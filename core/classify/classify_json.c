/* classify_json.c - the table over JSON lines (`mamori classify`). Lines come from outside; trust
 * none. */
#include "classify/classify.h"

#include "util/json.h"
#include "util/scope.h"

#include <json-c/json.h>
#include <math.h>
#include <string.h>

static int get_word(struct json_object *o, const char *key, const char *expected, const char **ret,
                    struct mmr_error *err)
{
    struct json_object *v = NULL;
    if (!json_object_object_get_ex(o, key, &v))
        return mmr_fail(err, MMR_EBADMSG, "field %s is missing; expected one of %s", key, expected);
    if (!json_object_is_type(v, json_type_string))
        return mmr_fail(err, MMR_EBADMSG, "field %s is no text; expected one of %s", key, expected);
    *ret = json_object_get_string(v);
    return 0;
}

static int get_flag(struct json_object *o, const char *key, bool *ret, struct mmr_error *err)
{
    struct json_object *v = NULL;
    if (!json_object_object_get_ex(o, key, &v)) {
        *ret = false;
        return 0;
    }
    if (json_object_is_type(v, json_type_boolean)) {
        *ret = json_object_get_boolean(v);
        return 0;
    }
    if (json_object_is_type(v, json_type_int)) {
        int64_t n = json_object_get_int64(v);
        if (n == 0 || n == 1) {
            *ret = n == 1;
            return 0;
        }
    }
    return mmr_fail(err, MMR_EBADMSG, "field %s is '%.40s'; expected true or false", key,
                    json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN));
}

static int get_age(struct json_object *o, int64_t *ret, struct mmr_error *err)
{
    struct json_object *v = NULL;
    if (!json_object_object_get_ex(o, "age_s", &v)) {
        *ret = 0;
        return 0;
    }
    if (!json_object_is_type(v, json_type_int) && !json_object_is_type(v, json_type_double))
        return mmr_fail(err, MMR_EBADMSG, "field age_s is no number; expected seconds since t0");
    double s = json_object_get_double(v);
    if (!isfinite(s) || s < 0 || s > 1e9) /* 1e9 s is 31 years, and fits nanoseconds */
        return mmr_fail(err, MMR_EBADMSG, "field age_s is %g; expected 0 to 1000000000 seconds", s);
    *ret = (int64_t)(s * (double)MMR_NS_PER_S);
    return 0;
}

static int check_keys(struct json_object *o, struct mmr_error *err)
{
    static const char *const known[] = {"H", "S", "D", "B", "R", "A", "U", "age_s"};
    struct json_object_iterator it = json_object_iter_begin(o), end = json_object_iter_end(o);
    for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
        const char *key = json_object_iter_peek_name(&it);
        bool is_known = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            is_known |= strcmp(key, known[i]) == 0;
        if (!is_known)
            return mmr_fail(err, MMR_EBADMSG,
                            "field '%.40s' is unknown; expected H, S, D, B, R, A, U or age_s", key);
    }
    return 0;
}

static int read_facts(struct json_object *o, struct mmr_facts_in *ret, struct mmr_error *err)
{
    const char *h, *s, *d;
    struct mmr_facts_in in = {0};
    int r = check_keys(o, err);
    if (r == 0)
        r = get_word(o, "H", "yes, unknown, no", &h, err);
    if (r == 0)
        r = get_word(o, "S", "high, low, info", &s, err);
    if (r == 0)
        r = get_word(o, "D", "none, in_progress, unverified, partial, failed, lapsed, verified", &d,
                     err);
    if (r != 0)
        return r;
    if (strcmp(h, "yes") == 0)
        in.harm = 'y';
    else if (strcmp(h, "unknown") == 0)
        in.harm = 'u';
    else if (strcmp(h, "no") == 0)
        in.harm = 'n';
    else
        return mmr_fail(err, MMR_EBADMSG, "field H is '%.40s'; expected yes, unknown or no", h);
    if (strcmp(s, "high") == 0)
        in.potential = MMR_POTENTIAL_HIGH;
    else if (strcmp(s, "low") == 0)
        in.potential = MMR_POTENTIAL_LOW;
    else if (strcmp(s, "info") == 0)
        in.potential = MMR_POTENTIAL_INFO;
    else
        return mmr_fail(err, MMR_EBADMSG, "field S is '%.40s'; expected high, low or info", s);
    if (!mmr_defence_parse(d, strlen(d), &in.defence))
        return mmr_fail(err, MMR_EBADMSG,
                        "field D is '%.40s'; expected none, in_progress, unverified, partial, "
                        "failed, lapsed or verified",
                        d);
    if ((r = get_flag(o, "B", &in.is_benign, err)) < 0 ||
        (r = get_flag(o, "R", &in.is_recurring, err)) < 0 ||
        (r = get_flag(o, "A", &in.is_important, err)) < 0 ||
        (r = get_flag(o, "U", &in.has_user_action, err)) < 0 ||
        (r = get_age(o, &in.age_ns, err)) < 0)
        return r;
    *ret = in;
    return 0;
}

static const char *class_text(enum mmr_class c)
{
    switch (c) {
    case MMR_CLASS_OF_SEVERE:
        return "severe";
    case MMR_CLASS_OF_DEFENDED:
        return "defended";
    case MMR_CLASS_OF_NO_RESPONSE:
        return "no_response_needed";
    default:
        return "pending";
    }
}

int mmr_classify_json(const char *line, size_t len, char **ret_json, struct mmr_error *err)
{
    mmr_autojson struct json_object *o = NULL, *out = NULL;
    struct mmr_facts_in in;
    int r = mmr_json_line(line, len, "{\"H\":…,\"S\":…,\"D\":…,\"B\":…,\"R\":…,\"A\":…,\"U\":…,\"age_s\":…}", &o, err);
    if (r < 0 || (r = read_facts(o, &in, err)) < 0)
        return r;
    struct mmr_verdict v = mmr_classify(&in);
    out = json_object_new_object();
    bool ok = out && json_object_object_add(out, "class",
                                            json_object_new_string(class_text(v.class_now))) == 0;
    struct json_object *band = NULL;
    if (v.band != MMR_BAND_NONE)
        band = json_object_new_string(v.band == MMR_BAND_RED ? "red" : "yellow");
    ok = ok && json_object_object_add(out, "band", band) == 0 &&
         json_object_object_add(out, "row", json_object_new_int(v.row)) == 0 &&
         json_object_object_add(out, "why", json_object_new_string(v.why)) == 0;
    const char *text = ok ? json_object_to_json_string_ext(out, JSON_C_TO_STRING_PLAIN |
                                                                    JSON_C_TO_STRING_NOSLASHESCAPE)
                          : NULL;
    char *copy = text ? strdup(text) : NULL;
    if (!copy)
        return mmr_fail(err, MMR_ENOMEM, "answer: out of memory");
    *ret_json = copy;
    return 0;
}

/* selftest_keep.c - results of self-tests as they are kept, and what of them is evidence. */
#include "brain/selftest.h"

#include "util/clock.h"
#include "util/id.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTE_EVERY_S = 24 * 3600, KEPT_MAX = 2048 };

const char *mmr_selftest_result_name(enum mmr_selftest_result r)
{
    static const char *const names[] = {"open", "passed", "failed"};
    return (unsigned)r < sizeof names / sizeof names[0] ? names[r] : names[0];
}

static void put(struct json_object *o, const char *key, const char *text)
{
    (void)json_object_object_add(o, key, json_object_new_string(text));
}

static void put_int(struct json_object *o, const char *key, int64_t v)
{
    (void)json_object_object_add(o, key, json_object_new_int64(v));
}

char *mmr_selftest_pack(const struct mmr_selftest_row *x, char key[64])
{
    char name[300];
    int n = snprintf(name, sizeof name, "%s|%s|%s", x->node, x->instance, x->what);
    (void)snprintf(key, 64, MMR_SELFTEST_STATE "%016llx", (unsigned long long)mmr_hash64(name, (size_t)n, 5));
    struct json_object *o = json_object_new_object();
    put(o, "node", x->node);
    put(o, "instance", x->instance);
    put(o, "what", x->what);
    put(o, "result", mmr_selftest_result_name(x->result));
    put(o, "detail", x->detail);
    put_int(o, "ended_ns", x->ended_ns);
    put_int(o, "passed_ns", x->passed_ns);
    put(o, "noted", mmr_selftest_result_name(x->noted));
    put_int(o, "noted_ns", x->noted_ns);
    const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    char *copy = text ? strdup(text) : NULL;
    json_object_put(o);
    return copy;
}

static const char *text_at(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

static int64_t int_at(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : 0;
}

static enum mmr_selftest_result result_at(struct json_object *o, const char *key)
{
    const char *text = text_at(o, key);
    return strcmp(text, "passed") == 0 ? MMR_SELFTEST_PASSED : strcmp(text, "failed") == 0 ? MMR_SELFTEST_FAILED : MMR_SELFTEST_OPEN;
}

bool mmr_selftest_unpack(struct mmr_selftest *t, const void *json, size_t len)
{
    struct json_tokener *k = len <= KEPT_MAX ? json_tokener_new_ex(4) : NULL;
    struct json_object *o = k ? json_tokener_parse_ex(k, json, (int)len) : NULL;
    struct mmr_selftest_row *x = NULL;
    json_tokener_free(k);
    if (json_object_is_type(o, json_type_object) && *text_at(o, "instance"))
        x = mmr_selftest_row(t, text_at(o, "node"), text_at(o, "instance"), text_at(o, "what"));
    if (x && !x->sent_ns) {
        x->result = result_at(o, "result");
        x->ended_ns = int_at(o, "ended_ns");
        x->passed_ns = int_at(o, "passed_ns");
        x->noted = result_at(o, "noted");
        x->noted_ns = int_at(o, "noted_ns");
        (void)snprintf(x->detail, sizeof x->detail, "%s", text_at(o, "detail"));
    }
    json_object_put(o);
    return x != NULL;
}

bool mmr_selftest_note(struct mmr_selftest_row *x)
{
    const int64_t age = x->ended_ns - x->noted_ns;
    if (x->noted == x->result && x->noted_ns && age >= 0 && age < NOTE_EVERY_S * MMR_NS_PER_S)
        return false;
    x->noted = x->result;
    x->noted_ns = x->ended_ns;
    return true;
}

/* ocsf_common.c - see ocsf_common.h. json-c keeps the order of insertion, so equal input gives equal bytes. */
#include "model/ocsf_common.h"

#include "util/clock.h"

#include <stdlib.h>
#include <string.h>

void mmr_js_add(struct mmr_js *w, struct json_object *to, const char *key, struct json_object *v)
{
    if (!to || !v || json_object_object_add(to, key, v) < 0) {
        w->is_failed = true;
        json_object_put(v);
    }
}

void mmr_js_push(struct mmr_js *w, struct json_object *array, struct json_object *v)
{
    if (!array || !v || json_object_array_add(array, v) < 0) {
        w->is_failed = true;
        json_object_put(v);
    }
}

static struct json_object *inside(struct mmr_js *w, struct json_object *to, const char *key, struct json_object *o)
{
    if (!to || !o || json_object_object_add(to, key, o) < 0) {
        w->is_failed = true;
        json_object_put(o);
        return NULL;
    }
    return o;
}

struct json_object *mmr_js_object(struct mmr_js *w, struct json_object *to, const char *key)
{
    return inside(w, to, key, json_object_new_object());
}

struct json_object *mmr_js_array(struct mmr_js *w, struct json_object *to, const char *key)
{
    return inside(w, to, key, json_object_new_array());
}

/* The text within the writer's limit; cut between two characters. */
static struct json_object *text_of(const struct mmr_js *w, const char *text)
{
    static const char ellipsis[] = "\xe2\x80\xa6";
    size_t n = strlen(text), kept = n;
    if (!w->text_max)
        return json_object_new_string(text);
    if (kept > w->text_max)
        for (kept = w->text_max; kept && ((unsigned char)text[kept] & 0xc0) == 0x80;)
            kept--;
    char *copy = malloc(kept + sizeof ellipsis);
    if (!copy)
        return NULL;
    for (size_t k = 0; k < kept; k++) /* each would be six bytes of JSON */
        copy[k] = (unsigned char)text[k] < 0x20 ? '?' : text[k];
    memcpy(copy + kept, kept < n ? ellipsis : "", kept < n ? sizeof ellipsis : 1);
    struct json_object *o = json_object_new_string(copy);
    free(copy);
    return o;
}

void mmr_js_text(struct mmr_js *w, struct json_object *to, const char *key, const char *text)
{
    if (text && text[0])
        mmr_js_add(w, to, key, text_of(w, text));
}

void mmr_js_push_text(struct mmr_js *w, struct json_object *array, const char *text)
{
    mmr_js_push(w, array, text_of(w, text));
}

void mmr_js_int(struct mmr_js *w, struct json_object *to, const char *key, int64_t v)
{
    mmr_js_add(w, to, key, json_object_new_int64(v));
}

void mmr_js_ms(struct mmr_js *w, struct json_object *to, const char *key, int64_t ns)
{
    mmr_js_int(w, to, key, ns / MMR_NS_PER_MS);
}

void mmr_js_time(struct mmr_js *w, struct json_object *to, const char *key, int64_t ns)
{
    char text[32];
    mmr_time_format(ns, text, sizeof text);
    mmr_js_text(w, to, key, text);
}

void mmr_js_addr(struct mmr_js *w, struct json_object *to, const char *key, const struct mmr_addr *a)
{
    char text[MMR_ADDR_TEXT_MAX];
    if (!mmr_addr_is_set(a))
        return;
    mmr_addr_format(a, text);
    mmr_js_text(w, to, key, text);
}

void mmr_js_head(struct mmr_js *w, int class_uid, int activity_id, int64_t time_ns, int severity_id)
{
    w->root = json_object_new_object();
    mmr_js_int(w, w->root, "activity_id", activity_id);
    mmr_js_int(w, w->root, "category_uid", class_uid / 1000);
    mmr_js_int(w, w->root, "class_uid", class_uid);
    mmr_js_int(w, w->root, "type_uid", (int64_t)class_uid * 100 + activity_id);
    mmr_js_ms(w, w->root, "time", time_ns);
    mmr_js_int(w, w->root, "severity_id", severity_id);
}

void mmr_js_metadata(struct mmr_js *w, const char *uid, const char *profile, const char *correlation_uid, int64_t logged_ns)
{
    struct json_object *m = mmr_js_object(w, w->root, "metadata");
    mmr_js_text(w, m, "version", "1.8.0");
    mmr_js_text(w, m, "uid", uid);
    struct json_object *p = mmr_js_object(w, m, "product");
    mmr_js_text(w, p, "name", "mamori");
    mmr_js_text(w, p, "vendor_name", "mamori project");
    mmr_js_text(w, p, "version", MMR_VERSION);
    if (profile)
        mmr_js_push(w, mmr_js_array(w, m, "profiles"), json_object_new_string(profile));
    mmr_js_text(w, m, "correlation_uid", correlation_uid);
    if (logged_ns)
        mmr_js_ms(w, m, "logged_time", logged_ns);
}

void mmr_js_attacks(struct mmr_js *w, struct json_object *to, const char *const *ids, uint32_t n)
{
    if (n == 0)
        return;
    struct json_object *list = mmr_js_array(w, to, "attacks");
    for (uint32_t i = 0; i < n; i++) {
        struct json_object *a = json_object_new_object();
        char parent[16];
        size_t len = strcspn(ids[i], ".");
        (void)snprintf(parent, sizeof parent, "%.*s", (int)(len < 15 ? len : 15), ids[i]);
        mmr_js_text(w, mmr_js_object(w, a, "technique"), "uid", parent);
        if (ids[i][len] == '.')
            mmr_js_text(w, mmr_js_object(w, a, "sub_technique"), "uid", ids[i]);
        mmr_js_push(w, list, a);
    }
}

int mmr_js_end(struct mmr_js *w, char **ret_json, struct mmr_error *err)
{
    const char *text = w->is_failed || !w->root ? NULL
                       : json_object_to_json_string_ext(w->root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    char *copy = text ? strdup(text) : NULL;
    json_object_put(w->root);
    w->root = NULL;
    if (!copy)
        return mmr_fail(err, MMR_ENOMEM, "OCSF record: out of memory");
    *ret_json = copy;
    return 0;
}

/* reply.c - see reply.h. */
#include "reply.h"

#include <mamori/plugin.h>

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 16, KEY_MAX = 64, TIMEOUT = 408, EARLY = 425, TOO_MANY = 429 };

bool mmr_reply_field(const char *body, size_t len, const char *path, char *buf, size_t cap)
{
    struct json_tokener *t = json_tokener_new_ex(DEPTH_MAX);
    struct json_object *root = t && len <= MMR_REPLY_MAX ? json_tokener_parse_ex(t, body, (int)len) : NULL, *o = root;
    if (t)
        json_tokener_free(t);
    while (o && *path) {
        char key[KEY_MAX], *end;
        size_t n = strcspn(path, ".");
        struct json_object *next = NULL;
        if (n >= sizeof key) {
            o = NULL;
            break;
        }
        memcpy(key, path, n);
        key[n] = '\0';
        path += n + (path[n] == '.');
        unsigned long at = strtoul(key, &end, 10);
        if (json_object_is_type(o, json_type_array))
            o = end != key && !*end && at < json_object_array_length(o) ? json_object_array_get_idx(o, at) : NULL;
        else
            o = json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &next) ? next : NULL;
    }
    bool is_there = o && !json_object_is_type(o, json_type_object) && !json_object_is_type(o, json_type_array);
    if (is_there)
        (void)snprintf(buf, cap, "%s", json_object_get_string(o));
    json_object_put(root);
    return is_there;
}

int mmr_reply_level(const struct mmr_reply_rule *rule, long status, const char *body, size_t len)
{
    char value[64];
    if (status < 200 || status >= 600 || (status >= 500) || status == TIMEOUT || status == EARLY || status == TOO_MANY)
        return MMR_DELIVERY_TRIED;
    if (status >= 300) /* a redirection is not followed: the message must not go to somebody else */
        return MMR_DELIVERY_FAILED;
    if (rule->field && mmr_reply_field(body, len, rule->field, value, sizeof value)) {
        if (rule->delivered && strcmp(value, rule->delivered) == 0)
            return MMR_DELIVERY_RECIPIENT;
        if (rule->failed && strcmp(value, rule->failed) == 0)
            return MMR_DELIVERY_FAILED;
    }
    return rule->level_of_2xx;
}

/* json.c - a strict JSON object from a line. */
#include "util/json.h"

#include <json-c/json.h>
#include <limits.h>

enum { DEPTH_MAX = 8 };

void mmr_json_putp(struct json_object **o)
{
    if (*o)
        (void)json_object_put(*o);
}

static void free_tokener(struct json_tokener **t)
{
    if (*t)
        json_tokener_free(*t);
}

int mmr_json_line(const char *line, size_t len, const char *expected, struct json_object **ret, struct mmr_error *err)
{
    __attribute__((cleanup(free_tokener))) struct json_tokener *tok = json_tokener_new_ex(DEPTH_MAX);
    if (!tok)
        return mmr_fail(err, MMR_ENOMEM, "line: out of memory");
    if (len > INT_MAX)
        return mmr_fail(err, MMR_EBADMSG, "line of %zu bytes is too long", len);
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *o = json_tokener_parse_ex(tok, line, (int)len);
    enum json_tokener_error e = json_tokener_get_error(tok);
    if (e == json_tokener_success && json_object_is_type(o, json_type_object)) {
        *ret = o;
        return 0;
    }
    mmr_json_putp(&o);
    if (e == json_tokener_continue)
        return mmr_fail(err, MMR_EBADMSG, "the line ends in the middle of a JSON value; expected one whole object");
    if (e != json_tokener_success)
        return mmr_fail(err, MMR_EBADMSG, "no JSON object: %s at column %zu", json_tokener_error_desc(e),
                        json_tokener_get_parse_end(tok) + 1);
    return mmr_fail(err, MMR_EBADMSG, "found a JSON value that is no object; expected %s", expected);
}

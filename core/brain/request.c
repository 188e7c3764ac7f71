/* request.c - arguments come from whoever may open the control socket, so that every type and length is looked at. */
#include "brain/request.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

bool mmr_request_action_id(const char *args, uint64_t *ret_id)
{
    enum { DIGITS = 16 };
    struct json_object *o = json_tokener_parse(args), *value = NULL;
    bool is_good = json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, "id", &value) &&
                   json_object_is_type(value, json_type_string) && json_object_get_string_len(value) == DIGITS;
    if (is_good) {
        const char *text = json_object_get_string(value);
        is_good = strspn(text, "0123456789abcdefABCDEF") == DIGITS;
        *ret_id = is_good ? strtoull(text, NULL, 16) : 0;
    }
    json_object_put(o);
    return is_good && *ret_id != 0;
}

/* record.c - see record.h. Content comes from sites: it is parsed before it counts. */
#include "upstream/record.h"

#include "util/id.h"
#include "util/json.h"
#include "util/scope.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECTED "{\"class_uid\":2005,\"metadata\":{…},…}"

static struct json_object *metadata_of(struct json_object *o)
{
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, "metadata", &v) && json_object_is_type(v, json_type_object) ? v : NULL;
}

void mmr_record_id(const char *site, const char *kind, const char *json, size_t len, uint8_t ret_id[16])
{
    char head[128];
    uint8_t part[2][16];
    int n = snprintf(head, sizeof head, "%s%c%s", site, 0, kind);
    mmr_uuid_of(head, n < 0 ? 0 : (size_t)n < sizeof head ? (size_t)n : sizeof head - 1, part[0]);
    mmr_uuid_of(json, len, part[1]);
    mmr_uuid_of(part, sizeof part, ret_id);
}

void mmr_record_of_row(const struct mmr_outbox_row *row, char *site, struct mmr_engine_record *ret)
{
    mmr_autojson struct json_object *o = NULL;
    struct json_object *v = NULL;
    site[0] = '\0';
    if (mmr_json_line(row->json, row->len, EXPECTED, &o, NULL) == 0 && json_object_object_get_ex(metadata_of(o), "tenant_uid", &v))
        (void)snprintf(site, MMR_COLLECTED_SITE_MAX + 1, "%s", json_object_get_string(v));
    *ret = (struct mmr_engine_record){.seq = row->seq, .number = row->seq, .at_ns = row->at_ns, .is_urgent = row->is_urgent, .site = site, .kind = row->kind,
                                      .json = row->json, .len = row->len};
    mmr_record_id(site, row->kind, row->json, row->len, ret->id);
}

int mmr_record_shape(const char *site, const char *kind, const char *json, size_t len, char **ret_json, size_t *ret_len, struct mmr_error *err)
{
    mmr_autojson struct json_object *o = NULL;
    struct json_object *meta, *class = NULL;
    size_t n = 0;
    int r = mmr_json_line(json, len, EXPECTED, &o, err);
    if (r)
        return r;
    meta = metadata_of(o);
    if (!meta || !json_object_object_get_ex(o, "class_uid", &class) || !json_object_is_type(class, json_type_int) || json_object_get_int64(class) <= 0)
        return mmr_fail(err, MMR_EBADMSG, "a %.30s without class_uid or metadata: expected an OCSF event", kind);
    if (json_object_object_add(meta, "tenant_uid", json_object_new_string(site)) < 0) /* whose it is says the key it came with */
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    const char *text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);
    char *copy = text ? malloc(n ? n : 1) : NULL;
    if (!copy)
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    memcpy(copy, text, n);
    *ret_json = copy;
    *ret_len = n;
    return 0;
}

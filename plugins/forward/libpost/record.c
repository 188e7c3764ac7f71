/* record.c - see record.h. */
#include "record.h"

#include <string.h>

enum { DEPTH_MAX = 16, KEY_MAX = 120, TO_MAX = 200 };

const char *mmr_record_text(const struct mmr_record *r, const char *name)
{
    struct json_object *v = NULL;
    return json_object_object_get_ex(r->json, name, &v) && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

static bool is_key(const char *text)
{
    size_t n = strlen(text);
    return n && n <= KEY_MAX && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n;
}

static bool is_one_line(const char *text)
{
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    return true;
}

static bool is_token(const char *text)
{
    return strlen(text) == 32 && strspn(text, "0123456789abcdef") == 32;
}

int mmr_record_read(const void *data, size_t len, struct mmr_record *ret, struct mmr_error *err)
{
    struct mmr_record r = {0};
    struct json_tokener *t = json_tokener_new_ex(DEPTH_MAX);
    if (!t)
        return mmr_fail(err, MMR_ENOMEM, "record: out of memory");
    r.json = len < INT32_MAX ? json_tokener_parse_ex(t, data, (int)len) : NULL;
    json_tokener_free(t);
    if (!json_object_is_type(r.json, json_type_object)) {
        json_object_put(r.json);
        return mmr_fail(err, MMR_EBADMSG, "found no JSON object, expected a record");
    }
    const char *kind = mmr_record_text(&r, "kind");
    r.is_report = strcmp(kind, "report") == 0;
    if (!r.is_report && strcmp(kind, "notice") != 0) {
        json_object_put(r.json);
        return mmr_fail(err, MMR_EUNSUPPORTED, "found a record for machines; this forwarder carries messages to people: give it 'takes: [notice, report]'");
    }
    struct {
        const char **to, *name;
    } fields[] = {{&r.key, "key"}, {&r.channel, "channel"}, {&r.to, "to"}, {&r.lang, "lang"}, {&r.office, "office"}, {&r.service, "service"},
                  {&r.subject, "subject"}, {&r.text, "text"}, {&r.voice, "voice"}, {&r.message, "message"}, {&r.band, "band"},
                  {&r.incident, "incident"}, {&r.contact, "contact"}, {&r.confirm_url, "confirm_url"}, {&r.report_url, "report_url"},
                  {&r.reply_token, "reply_token"}, {&r.report_token, "report_token"}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        *fields[i].to = mmr_record_text(&r, fields[i].name);
    if (!is_token(r.reply_token) || !is_token(r.report_token))
        r.reply_token = r.report_token = "";
    if (!is_key(r.key) || !*r.text || !is_one_line(r.to) || strlen(r.to) > TO_MAX || !is_one_line(r.subject)) {
        json_object_put(r.json);
        return mmr_fail(err, MMR_EBADMSG, "a %s without a plain key, a text, or with an address or subject of several lines", r.is_report ? "report" : "notice");
    }
    *ret = r;
    return 0;
}

void mmr_record_done(struct mmr_record *r)
{
    json_object_put(r->json);
    r->json = NULL;
}

/* line.c - see line.h. Values come from outside: structured data is escaped (RFC 5424 section 6.3.3), the message is JSON. */
#include "line.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEPTH_MAX = 32, VALUE_MAX = 256 };
#define SD_ID "mamori@32473" /* 32473: the number RFC 5612 keeps for what has none of its own */

static struct json_object *at(struct json_object *o, const char *a, const char *b)
{
    struct json_object *v = NULL;
    if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, a, &v))
        return NULL;
    return b ? at(v, b, NULL) : v;
}

static const char *text_at(struct json_object *o, const char *a, const char *b)
{
    struct json_object *v = at(o, a, b);
    return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

/* OCSF's severity, and a notice's band, as syslog has it. */
static int severity_of(struct json_object *o)
{
    static const int of[] = {6, 6, 5, 4, 3, 2, 1};
    struct json_object *v = at(o, "severity_id", NULL);
    const char *band = text_at(o, "band", NULL);
    if (*band)
        return strcmp(band, "red") == 0 ? 2 : 4;
    int64_t s = json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : 0;
    return s >= 0 && s < 7 ? of[s] : 5;
}

static void param(FILE *f, const char *name, const char *value)
{
    if (!*value)
        return;
    (void)fprintf(f, " %s=\"", name);
    size_t n = 0;
    for (const char *p = value; *p && n < VALUE_MAX; p++, n++) {
        if (*p == '"' || *p == '\\' || *p == ']')
            (void)fputc('\\', f);
        (void)fputc((unsigned char)*p < 0x20 || *p == 0x7f ? ' ' : *p, f);
    }
    (void)fputc('"', f);
}

static void header(FILE *f, const struct mmr_syslog_line *l, struct json_object *o, const char *msgid, bool is_cut)
{
    char date[32];
    time_t t = (time_t)(l->now_ns / 1000000000);
    struct tm tm;
    (void)gmtime_r(&t, &tm);
    (void)strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    bool is_plain = *l->hostname && strlen(l->hostname) < 255;
    for (const char *p = l->hostname; *p && is_plain; p++)
        is_plain = *p > 0x20 && *p < 0x7f;
    (void)fprintf(f, "<%d>1 %s.%06lldZ %s mamori %ld %s [" SD_ID, l->facility * 8 + severity_of(o), date, (long long)(l->now_ns % 1000000000 / 1000),
                  is_plain ? l->hostname : "-", l->procid, msgid);
    param(f, "uid", text_at(o, "metadata", "uid"));
    struct json_object *own = at(o, "unmapped", "mamori");
    param(f, "class", text_at(own, "class", NULL));
    param(f, "band", text_at(own, "band", NULL));
    param(f, "incident", text_at(o, "incident", NULL));
    if (is_cut)
        param(f, "cut", "yes");
    (void)fputs("] ", f);
}

static void summary(FILE *f, struct json_object *o, size_t room)
{
    const char *title = text_at(o, "finding_info", "title");
    if (!*title)
        title = text_at(o, "desc", NULL);
    if (!*title)
        title = text_at(o, "message", NULL);
    if (!*title)
        title = text_at(o, "text", NULL);
    for (size_t n = 0; n < room && title[n]; n++)
        (void)fputc((unsigned char)title[n] < 0x20 ? ' ' : title[n], f);
}

int mmr_syslog_format(const struct mmr_syslog_line *l, const void *data, size_t len, char **ret, size_t *ret_len, struct mmr_error *err)
{
    struct json_tokener *t = json_tokener_new_ex(DEPTH_MAX);
    struct json_object *o = t && len < INT32_MAX ? json_tokener_parse_ex(t, data, (int)len) : NULL;
    char *out = NULL;
    size_t out_len = 0;
    if (t)
        json_tokener_free(t);
    if (!json_object_is_type(o, json_type_object)) {
        json_object_put(o);
        return mmr_fail(err, MMR_EBADMSG, "syslog: found no JSON object, expected a record");
    }
    const char *kind = text_at(o, "kind", NULL);
    struct json_object *class_uid = at(o, "class_uid", NULL);
    char msgid[33];
    if (strcmp(kind, "notice") == 0 || strcmp(kind, "report") == 0)
        (void)snprintf(msgid, sizeof msgid, "%s", kind);
    else
        (void)snprintf(msgid, sizeof msgid, "ocsf-%d", class_uid ? json_object_get_int(class_uid) : 0);
    for (int is_cut = 0; is_cut < 2; is_cut++) {
        free(out);
        out = NULL;
        FILE *f = open_memstream(&out, &out_len);
        if (!f)
            break;
        header(f, l, o, msgid, is_cut);
        if (is_cut)
            summary(f, o, 1024);
        else
            (void)fwrite(data, 1, len, f);
        if (fclose(f) != 0) {
            free(out);
            out = NULL;
            break;
        }
        if (out_len <= l->max_bytes)
            break;
    }
    json_object_put(o);
    if (!out)
        return mmr_fail(err, MMR_ENOMEM, "syslog: out of memory");
    for (size_t i = 0; i < out_len; i++) /* a line to receivers that end messages by it */
        if (out[i] == '\n' || out[i] == '\r')
            out[i] = ' ';
    *ret = out;
    *ret_len = out_len;
    return 0;
}

/* nats_answer.c - see nats_answer.h. */
#include "engine/nats_answer.h"

#include "util/json.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INTERVAL_DEFAULT_S = 120, NS_PER_S = 1000000000 };

static struct json_object *part_of(struct json_object *o, const char *key, enum json_type type)
{
    struct json_object *v = NULL;
    return o && json_object_object_get_ex(o, key, &v) && json_object_is_type(v, type) ? v : NULL;
}

void mmr_nats_answer_read(const void *bytes, size_t len, struct mmr_nats_answer *ret)
{
    mmr_autojson struct json_object *o = NULL;
    struct json_object *e, *v;
    *ret = (struct mmr_nats_answer){.what = MMR_NATS_REFUSED, .text = "an answer that is none"};
    if (!len || len > MMR_NATS_ANSWER_MAX || mmr_json_line(bytes, len, "{\"stream\":…,\"seq\":…}", &o, NULL) != 0)
        return;
    if ((e = part_of(o, "error", json_type_object))) {
        if ((v = part_of(e, "err_code", json_type_int)))
            ret->code = json_object_get_int64(v);
        if ((v = part_of(e, "description", json_type_string)))
            (void)snprintf(ret->text, sizeof ret->text, "%s", json_object_get_string(v));
        return;
    }
    v = part_of(o, "seq", json_type_int);
    if (!v || json_object_get_int64(v) <= 0)
        return;
    ret->what = MMR_NATS_STORED;
    ret->text[0] = '\0';
    ret->is_known = (v = part_of(o, "duplicate", json_type_boolean)) && json_object_get_boolean(v);
}

/* The one object in text, from its first brace on; NULL: there is none */
static struct json_object *object_in(const char *text)
{
    struct json_object *o = NULL;
    const char *start = strchr(text, '{');
    size_t n = start ? strlen(start) : 0;
    while (n && strchr(" \r\n", start[n - 1]))
        n--;
    return n && mmr_json_line(start, n, "{…}", &o, NULL) == 0 ? o : NULL;
}

bool mmr_nats_greeting_version(const char *text, char *ret)
{
    mmr_autojson struct json_object *o = strncmp(text, "INFO ", 5) == 0 ? object_in(text) : NULL;
    struct json_object *v = part_of(o, "version", json_type_string);
    const char *version = v ? json_object_get_string(v) : "";
    if (!*version || strlen(version) > MMR_NATS_VERSION_MAX)
        return false;
    (void)snprintf(ret, MMR_NATS_VERSION_MAX + 1, "%s", version);
    return true;
}

bool mmr_nats_page_sync(const char *text, bool *ret_always, int64_t *ret_seconds)
{
    const char *body = strncmp(text, "HTTP/", 5) == 0 ? strstr(text, "\r\n\r\n") : NULL;
    mmr_autojson struct json_object *o = body ? object_in(body) : NULL;
    struct json_object *config = part_of(part_of(o, "jetstream", json_type_object), "config", json_type_object);
    struct json_object *always = part_of(config, "sync_always", json_type_boolean), *interval = part_of(config, "sync_interval", json_type_int);
    if (!config)
        return false;
    *ret_always = always && json_object_get_boolean(always);
    *ret_seconds = interval ? json_object_get_int64(interval) / NS_PER_S : INTERVAL_DEFAULT_S;
    return true;
}

bool mmr_nats_is_older(const char *version, int major, int minor, int patch)
{
    const long want[3] = {major, minor, patch};
    const char *p = version;
    for (int i = 0; i < 3; i++) {
        char *end;
        if (*p < '0' || *p > '9')
            return true;
        long v = strtol(p, &end, 10);
        if (v != want[i])
            return v < want[i];
        p = *end == '.' ? end + 1 : end;
    }
    return false;
}

bool mmr_nats_host_of(const char *url, const char *port_else, char *host, size_t cap, char *port, size_t port_cap)
{
    const char *p = strstr(url, "://");
    p = p ? p + 3 : url;
    const char *end = p + strcspn(p, "/"), *at = memchr(p, '@', (size_t)(end - p));
    p = at ? at + 1 : p;
    const char *host_end = end, *colon = NULL;
    if (*p == '[') {
        host_end = memchr(p, ']', (size_t)(end - p));
        if (!host_end)
            return false;
        colon = host_end + 1 < end && host_end[1] == ':' ? host_end + 1 : NULL;
        p++;
    } else if ((colon = memrchr(p, ':', (size_t)(end - p)))) {
        host_end = colon;
    }
    const size_t port_len = colon ? (size_t)(end - colon) - 1 : strlen(port_else);
    if (host_end <= p || (size_t)(host_end - p) >= cap || port_len >= port_cap)
        return false;
    memcpy(host, p, (size_t)(host_end - p));
    host[host_end - p] = '\0';
    memcpy(port, colon ? colon + 1 : port_else, port_len);
    port[port_len] = '\0';
    return true;
}

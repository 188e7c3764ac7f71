/* finding.c - see finding.h */
#include "finding.h"

#include "remote.h"

#include <stdio.h>
#include <string.h>

enum { FIELD_MAX = 4096, MESSAGE_MAX = 700, PIECE_MAX = 240 };

/* Fields of the event a finding keeps, by beginning; the first names are the entities. */
static const char *const kept[] = {
    "device.", "process.", "actor.", "user.", "session.", "src_endpoint.", "dst_endpoint.", "connection_info.", "file.",
    "query.", "answers", "http_request.", "http_response.", "tls.", "reg_value.", "metadata.log_name",
    "metadata.log_provider", "metadata.event_code", "mamori.input", "mamori.index", "unmapped.ServiceName",
    "unmapped.ImagePath", "unmapped.ServiceFileName", "unmapped.TaskName", "unmapped.ShareName",
    "unmapped.RelativeTargetName", "unmapped.PipeName", "unmapped.GrantedAccess", "unmapped.LogonType",
    "unmapped.TicketEncryptionType", "unmapped.OriginalFileName", "unmapped.ScriptBlockText", "app_name",
};

static bool is_kept(const struct mmr_field *f)
{
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        size_t n = strlen(kept[i]);
        bool is_family = kept[i][n - 1] == '.';
        if (f->key_len >= n && !memcmp(f->key, kept[i], n) && (is_family || f->key_len == n))
            return true;
    }
    return false;
}

static void copy_field(struct mmr_event *ev, const struct mmr_field *f)
{
    char key[MMR_EVENT_KEY_MAX + 1];
    const char *items[MMR_EVENT_ARRAY_MAX];
    static const size_t item_max = 512;
    char text[16][513];
    size_t n = 0, len;
    const char *p;
    struct mmr_array_it it = {0};
    if (f->key_len > MMR_EVENT_KEY_MAX)
        return;
    memcpy(key, f->key, f->key_len);
    key[f->key_len] = 0;
    switch (f->v.type) {
    case MMR_VAL_STR:
        len = f->v.len;
        if (len > FIELD_MAX) /* at a character's start */
            for (len = FIELD_MAX; len && (f->v.p[len] & 0xc0) == 0x80;)
                len--;
        mmr_event_strn(ev, key, (const char *)f->v.p, len);
        break;
    case MMR_VAL_INT:
        mmr_event_int(ev, key, f->v.n.i);
        break;
    case MMR_VAL_BOOL:
        mmr_event_bool(ev, key, f->v.n.i != 0);
        break;
    case MMR_VAL_FLOAT:
        mmr_event_float(ev, key, f->v.n.f);
        break;
    case MMR_VAL_ARRAY:
        while (n < sizeof text / sizeof text[0] && mmr_value_next(&f->v, &it, &p, &len)) {
            len = len < item_max ? len : item_max;
            memcpy(text[n], p, len);
            text[n][len] = 0;
            items[n] = text[n];
            n++;
        }
        mmr_event_strv(ev, key, items, n);
        break;
    default:
        break;
    }
}

/* ---- the line for people ---- */

struct line {
    char text[MESSAGE_MAX];
    size_t n;
};

/* One value: control characters become blanks, long ones are cut at a character's start. */
static void piece(struct line *l, const char *label, const struct mmr_event_view *v, const char *key)
{
    char text[PIECE_MAX];
    const struct mmr_value *val = mmr_event_get(v, key);
    if (!val)
        return;
    if (val->type == MMR_VAL_INT)
        (void)snprintf(text, sizeof text, "%lld", (long long)val->n.i);
    else if (!mmr_event_copy_str(v, key, text, sizeof text))
        return;
    if (!text[0])
        return;
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    int w = snprintf(l->text + l->n, sizeof l->text - l->n, "%s%s%s%s", l->n ? ", " : "", label, *label ? " " : "", text);
    if (w > 0 && (size_t)w < sizeof l->text - l->n)
        l->n += (size_t)w;
    else
        l->text[l->n] = 0; /* no half values */
}

static bool is_kind(const struct mmr_event_view *v, const char *head)
{
    size_t len, n = strlen(head);
    const char *k = mmr_event_get_str(v, "mamori.kind", &len);
    return k && len >= n && !memcmp(k, head, n);
}

static void describe(struct line *l, const struct mmr_event_view *v)
{
    static const struct {
        const char *label, *key;
    } common[] = {
        {"service", "unmapped.ServiceName"}, {"runs", "unmapped.ImagePath"}, {"runs", "unmapped.ServiceFileName"},
        {"task", "unmapped.TaskName"}, {"share", "unmapped.ShareName"}, {"name", "unmapped.RelativeTargetName"},
        {"script", "unmapped.ScriptBlockText"}, {"pipe", "unmapped.PipeName"}, {"value", "reg_value.path"},
        {"data", "reg_value.data"}, {"file", "file.path"}, {"asks", "query.hostname"},
        {"user", "user.name"}, {"by", "actor.user.name"}, {"from", "src_endpoint.ip"},
    };
    piece(l, "on", v, "device.hostname");
    if (is_kind(v, "process.access") || is_kind(v, "process.inject"))
        piece(l, "by", v, "actor.process.file.path");
    if (mmr_event_get(v, "process.cmd_line"))
        piece(l, "command", v, "process.cmd_line");
    else
        piece(l, "program", v, "process.file.path");
    piece(l, "pid", v, "process.pid");
    piece(l, "started by", v, "process.parent_process.file.path");
    if (is_kind(v, "conn.") || is_kind(v, "flow.")) {
        piece(l, "to", v, "dst_endpoint.ip");
        piece(l, "port", v, "dst_endpoint.port");
    }
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        piece(l, common[i].label, v, common[i].key);
    if (l->n < 40)
        piece(l, "", v, "message");
}

/* ---- */

static uint64_t mix(uint64_t h, const void *p, size_t len)
{
    const unsigned char *s = p;
    for (size_t i = 0; i < len; i++)
        h = (h ^ s[i]) * 1099511628211u;
    return (h ^ len) * 1099511628211u;
}

uint64_t finding_key(const struct mmr_sigma_rule *r, const struct mmr_event_view *v, const char *group)
{
    static const char *const with_process[] = {"device.hostname", "process.uid", "process.pid", "process.cmd_line"};
    static const char *const without[] = {"device.hostname", "user.name", "actor.user.name", "src_endpoint.ip",
                                          "dst_endpoint.ip", "file.path", "unmapped.RelativeTargetName",
                                          "unmapped.ServiceName", "unmapped.TaskName", "unmapped.ScriptBlockId"};
    bool has_process = mmr_event_get(v, "process.uid") || mmr_event_get(v, "process.pid");
    const char *const *keys = has_process ? with_process : without;
    size_t n = has_process ? sizeof with_process / sizeof with_process[0] : sizeof without / sizeof without[0];
    uint64_t h = mix(14695981039346656037u, &r->index, sizeof r->index);
    h = mix(h, group, strlen(group));
    for (size_t i = 0; i < n; i++) {
        const struct mmr_value *val = mmr_event_get(v, keys[i]);
        if (val && val->type == MMR_VAL_STR)
            h = mix(h, val->p, val->len);
        else if (val && val->type == MMR_VAL_INT)
            h = mix(h, &val->n.i, sizeof val->n.i);
    }
    return h;
}

static bool is_persistence(const struct mmr_sigma_rule *r)
{
    static const char *const techniques[] = {"T1543", "T1547", "T1053", "T1546", "T1037", "T1098.004", "T1574"};
    for (size_t i = 0; i < r->attack.n; i++)
        for (size_t k = 0; k < sizeof techniques / sizeof techniques[0]; k++)
            if (!strncmp(r->attack.v[i], techniques[k], strlen(techniques[k])))
                return true;
    return false;
}

/* A command that calls somebody, told by a record that does not say whom: its own text does. */
static void put_remote(struct mmr_event *ev, const struct mmr_sigma_rule *r, const struct mmr_event_view *v)
{
    static const char *const texts[] = {"process.cmd_line", "unmapped.ScriptBlockText", "process.parent_process.cmd_line"};
    struct remote to;
    size_t len;
    bool is_call = r->phase && !strcmp(r->phase, "foothold.c2");
    bool is_fetch = r->phase && (!strcmp(r->phase, "foothold.process") || !strcmp(r->phase, "attempt.user"));
    if (!(is_call || is_fetch) || mmr_event_get(v, "dst_endpoint.ip") || mmr_event_get(v, "src_endpoint.ip"))
        return;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *p = mmr_event_get_str(v, texts[i], &len);
        if (!p || !remote_find(p, len, is_call, &to))
            continue;
        mmr_event_str(ev, "dst_endpoint.ip", to.ip);
        if (to.port && !mmr_event_get(v, "dst_endpoint.port"))
            mmr_event_int(ev, "dst_endpoint.port", to.port);
        return;
    }
}

void finding_build(struct mmr_event *ev, void *buf, const struct mmr_sigma_hit *h, const struct mmr_event_view *v,
                   uint64_t count)
{
    const struct mmr_sigma_rule *r = h->rule;
    struct line l = {0};
    char path[MMR_EVENT_KEY_MAX * 8];
    uint32_t severity = r->level ? (uint32_t)r->level : MMR_SIGMA_LOW;
    mmr_event_begin(ev, buf, MMR_EVENT_BYTES_MAX, "finding", MMR_CLASS_FINDING, 1, mmr_event_get_int(v, "time", 0), severity);
    mmr_event_str(ev, "mamori.rule", r->id);
    mmr_event_str(ev, "finding_info.title", r->title);
    l.n = (size_t)snprintf(l.text, PIECE_MAX, "%.200s: ", r->title);
    size_t head = l.n;
    l.n = 0;
    struct line rest = {0};
    describe(&rest, v);
    if (h->group[0] && rest.n < MESSAGE_MAX - 160) {
        int w = snprintf(rest.text + rest.n, sizeof rest.text - rest.n, "%s%.0f times within the span, %.120s", rest.n ? ", " : "", h->count, h->group);
        rest.n += w > 0 && (size_t)w < sizeof rest.text - rest.n ? (size_t)w : 0;
    }
    (void)snprintf(l.text + head, sizeof l.text - head, "%.*s", (int)(sizeof l.text - head - 1), rest.text);
    mmr_event_str(ev, "message", l.text);
    mmr_event_str(ev, "mamori.phase", r->phase);
    mmr_event_str(ev, "mamori.direction", r->direction);
    mmr_event_str(ev, "mamori.potential", r->potential);
    if (r->attack.n)
        mmr_event_strv(ev, "mamori.attack", r->attack.v, r->attack.n < 16 ? r->attack.n : 16);
    if (count > 1)
        mmr_event_int(ev, "count", (int64_t)count);
    if (is_persistence(r) && mmr_event_copy_str(v, "file.path", path, sizeof path))
        mmr_event_str(ev, "mamori.autostart", path);
    for (uint32_t i = 0; i < v->n; i++)
        if (is_kept(&v->f[i]))
            copy_field(ev, &v->f[i]);
    put_remote(ev, r, v);
}

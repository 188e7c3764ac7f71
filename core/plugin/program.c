/* program.c - the description in a program's bytes becomes a descriptor. The text is foreign until it was judged: bounded, strict. */
#include "plugin/program.h"

#include "plugin/describe.h"
#include "util/json.h"
#include "util/nearest.h"
#include "util/scope.h"

#include <json-c/json.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Put together here, so that no file of mamori's own is taken for a program. */
#define MARK "mamori-plugin-description"
enum { LIST_MAX = 256, ROWS_MAX = 255, SLOT = 16 };

struct program { /* one block a description; the texts are the JSON object's */
    struct program *next;
    struct mmr_plugin plugin;
    struct mmr_sensor_ops sensor;
    struct mmr_analyzer_ops analyzer;
    struct mmr_responder_ops responder;
    struct mmr_forwarder_ops forwarder;
    const char *events[LIST_MAX + 1], *actions[LIST_MAX + 1], *subscribes[LIST_MAX + 1];
    struct mmr_cfg_key rows[ROWS_MAX + 1];
    struct json_object *json;
};
static struct program *made; /* all of them: they are never freed, like the code of a loaded file */

/* ---- never called: the descriptor's functions stand for what the program does ---- */

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    (void)host;
    (void)config;
    (void)ret_self;
    return mmr_fail(err, MMR_EUNSUPPORTED, "it is a program, which runs as a process of its own under 'mamori run' only");
}

static void destroy(void *self)
{
    (void)self;
}

static int start(void *self, struct mmr_error *err)
{
    (void)self;
    return mmr_fail(err, MMR_EUNSUPPORTED, "a program is not started from here");
}

static int act(void *self, const struct mmr_action *a, struct mmr_error *err)
{
    (void)a;
    return start(self, err);
}

static int event(void *self, const void *msgpack, size_t len, struct mmr_error *err)
{
    (void)msgpack;
    (void)len;
    return start(self, err);
}

static int reconcile(void *self, const uint64_t *live, size_t n, struct mmr_error *err)
{
    (void)live;
    (void)n;
    return start(self, err);
}

static int forward(void *self, const void *data, size_t len, uint64_t seq, struct mmr_error *err)
{
    (void)data;
    (void)len;
    (void)seq;
    return start(self, err);
}

static int flush(void *self, int64_t deadline_ms, struct mmr_error *err)
{
    (void)deadline_ms;
    return start(self, err);
}

/* ---- from JSON ---- */

struct reader {
    struct program *g;
    const char *name;
    struct mmr_error *err;
};

static int bad(const struct reader *r, const char *key, const char *expected)
{
    return mmr_fail(r->err, MMR_EBADMSG, "program '%.80s': its description's '%.40s' must be %.100s", r->name, key, expected);
}

static int take_text(const struct reader *r, const char *key, struct json_object *v, const char **ret)
{
    if (!json_object_is_type(v, json_type_string) || strlen(json_object_get_string(v)) != (size_t)json_object_get_string_len(v))
        return bad(r, key, "text");
    *ret = json_object_get_string(v);
    return 0;
}

static int take_list(const struct reader *r, const char *key, struct json_object *v, const char **list)
{
    if (!json_object_is_type(v, json_type_array) || json_object_array_length(v) > LIST_MAX)
        return bad(r, key, "a list of at most 256 texts");
    for (size_t i = 0; i < json_object_array_length(v); i++)
        if (take_text(r, key, json_object_array_get_idx(v, i), &list[i]) != 0)
            return bad(r, key, "a list of texts");
    return 0;
}

struct word {
    const char *text;
    uint32_t bit;
};
static const struct word sides[] = {{"network", MMR_SIDE_NETWORK}, {"endpoint", MMR_SIDE_ENDPOINT}, {NULL, 0}};
static const struct word detects[] = {
    {"inbound", MMR_DETECT_INBOUND}, {"outbound", MMR_DETECT_OUTBOUND}, {"host", MMR_DETECT_HOST}, {NULL, 0}};
static const struct word roles[] = {{"sensor", MMR_ROLE_SENSOR}, {"analyzer", MMR_ROLE_ANALYZER}, {"responder", MMR_ROLE_RESPONDER}, {"forwarder", MMR_ROLE_FORWARDER}, {NULL, 0}};
static const struct word types[] = {{"text", MMR_CFG_STR}, {"integer", MMR_CFG_INT}, {"boolean", MMR_CFG_BOOL}, {"duration", MMR_CFG_MSEC},
                                    {"size", MMR_CFG_BYTES}, {"list", MMR_CFG_STRV}, {NULL, 0}};

static bool word_bit(const struct word *words, const char *text, uint32_t *bits)
{
    if (!words) /* needs */
        return mmr_need_parse(text, bits);
    for (; words->text; words++)
        if (strcmp(words->text, text) == 0) {
            *bits = words->bit;
            return true;
        }
    return false;
}

static int take_words(const struct reader *r, const char *key, struct json_object *v, const struct word *words, uint32_t *bits)
{
    const char *list[LIST_MAX + 1] = {0};
    int e = take_list(r, key, v, list);
    for (size_t i = 0; e == 0 && list[i]; i++) {
        uint32_t bit;
        if (!word_bit(words, list[i], &bit))
            return mmr_fail(r->err, MMR_EBADMSG, "program '%.80s': '%.40s' in its description's '%s' is not known; see docs/plugin-protocol.md", r->name,
                            list[i], key);
        *bits |= bit;
    }
    return e;
}

static int take_row(const struct reader *r, struct json_object *o, size_t i)
{
    struct mmr_cfg_key *k = &r->g->rows[i];
    const char *type = "";
    int e = 0;
    if (!json_object_is_type(o, json_type_object))
        return bad(r, "config", "a list of objects");
    k->doc = "";
    k->offset = (uint32_t)(i * SLOT);
    json_object_object_foreach(o, key, v) {
        bool is_int = json_object_is_type(v, json_type_int), is_bool = json_object_is_type(v, json_type_boolean);
        if (strcmp(key, "name") == 0)
            e = take_text(r, "config.name", v, &k->name);
        else if (strcmp(key, "type") == 0)
            e = take_text(r, "config.type", v, &type);
        else if (strcmp(key, "default") == 0)
            e = take_text(r, "config.default", v, &k->dflt);
        else if (strcmp(key, "doc") == 0)
            e = take_text(r, "config.doc", v, &k->doc);
        else if (strcmp(key, "required") == 0 && is_bool)
            k->flags |= json_object_get_boolean(v) ? MMR_CFG_REQUIRED : 0;
        else if (strcmp(key, "secret") == 0 && is_bool)
            k->flags |= json_object_get_boolean(v) ? MMR_CFG_SECRET : 0;
        else if (strcmp(key, "min") == 0 && is_int)
            k->min = json_object_get_int64(v);
        else if (strcmp(key, "max") == 0 && is_int)
            k->max = json_object_get_int64(v);
        else
            return bad(r, "config", "objects of name, type, default, doc (texts), required, secret (true, false), min, max (integers)");
        if (e)
            return e;
    }
    if (!k->name || !word_bit(types, type, &k->type))
        return bad(r, "config", "objects with a name and a type of text, integer, boolean, duration, size, list");
    return 0;
}

static int take_rows(const struct reader *r, struct json_object *v)
{
    if (!json_object_is_type(v, json_type_array) || json_object_array_length(v) > ROWS_MAX)
        return bad(r, "config", "a list of at most 255 objects");
    size_t n = json_object_array_length(v);
    for (size_t i = 0; i < n; i++) {
        int e = take_row(r, json_object_array_get_idx(v, i), i);
        if (e)
            return e;
    }
    if (n) {
        r->g->plugin.config = r->g->rows;
        r->g->plugin.config_size = (uint32_t)(n * SLOT);
    }
    return 0;
}

static int take_protocol(const struct reader *r, struct json_object *v, bool *ret_is_there)
{
    if (!json_object_is_type(v, json_type_int))
        return bad(r, "protocol", "a number");
    if (json_object_get_int64(v) != MMR_PROGRAM_PROTOCOL)
        return mmr_fail(r->err, MMR_EUNSUPPORTED, "program '%.80s' speaks plugin protocol %lld, this mamori speaks %d; update the older", r->name,
                        (long long)json_object_get_int64(v), MMR_PROGRAM_PROTOCOL);
    *ret_is_there = true;
    return 0;
}

static void take_roles(struct program *g, uint32_t bits)
{
    g->sensor = (struct mmr_sensor_ops){.struct_size = sizeof g->sensor, .start = start, .stop = destroy};
    g->analyzer = (struct mmr_analyzer_ops){.struct_size = sizeof g->analyzer, .event = event};
    g->responder = (struct mmr_responder_ops){.struct_size = sizeof g->responder, .act = act, .reconcile = reconcile};
    g->forwarder = (struct mmr_forwarder_ops){.struct_size = sizeof g->forwarder, .forward = forward, .flush = flush};
    g->plugin.sensor = bits & MMR_ROLE_SENSOR ? &g->sensor : NULL;
    g->plugin.analyzer = bits & MMR_ROLE_ANALYZER ? &g->analyzer : NULL;
    g->plugin.responder = bits & MMR_ROLE_RESPONDER ? &g->responder : NULL;
    g->plugin.forwarder = bits & MMR_ROLE_FORWARDER ? &g->forwarder : NULL;
}

static int take_key(const struct reader *r, const char *key, struct json_object *v, uint32_t *role_bits, bool *has_protocol)
{
    struct mmr_plugin *p = &r->g->plugin;
    const struct {
        const char *key;
        const char **to;
    } texts[] = {{"id", &p->id}, {"name", &p->name}, {"version", &p->version}, {"vendor", &p->vendor}, {"license", &p->license}, {"doc", &p->doc}};
    const struct {
        const char *key;
        const struct word *words;
        uint32_t *to;
    } words[] = {{"sides", sides, &p->side}, {"detects", detects, &p->detects}, {"roles", roles, role_bits}, {"needs", NULL, &p->needs}};
    static const char *const others[] = {"protocol", "events", "subscribes", "actions", "config", "external"};
    const char *best = NULL;
    size_t distance = SIZE_MAX;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(key, texts[i].key) == 0)
            return take_text(r, key, v, texts[i].to);
        mmr_nearest(key, texts[i].key, &best, &distance);
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(key, words[i].key) == 0)
            return take_words(r, key, v, words[i].words, words[i].to);
        mmr_nearest(key, words[i].key, &best, &distance);
    }
    if (strcmp(key, "protocol") == 0)
        return take_protocol(r, v, has_protocol);
    if (strcmp(key, "events") == 0)
        return take_list(r, key, v, r->g->events);
    if (strcmp(key, "actions") == 0)
        return take_list(r, key, v, r->g->actions);
    if (strcmp(key, "subscribes") == 0)
        return take_list(r, key, v, r->g->subscribes);
    if (strcmp(key, "config") == 0)
        return take_rows(r, v);
    if (strcmp(key, "external") == 0) {
        if (!json_object_is_type(v, json_type_boolean))
            return bad(r, key, "true or false");
        p->flags |= json_object_get_boolean(v) ? MMR_PLUGIN_EXTERNAL : 0;
        return 0;
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        mmr_nearest(key, others[i], &best, &distance);
    return mmr_fail(r->err, MMR_EBADMSG, "program '%.80s': its description has an unknown key '%.40s'%s%s%s", r->name, key, best ? "; did you mean '" : "",
                    best ? best : "", best ? "'?" : "");
}

static int fill(const struct reader *r)
{
    struct program *g = r->g;
    uint32_t role_bits = 0;
    bool has_protocol = false;
    g->plugin = (struct mmr_plugin){MMR_PLUGIN_HEAD, .create = create, .destroy = destroy, .events = g->events, .actions = g->actions, .subscribes = g->subscribes};
    json_object_object_foreach(g->json, key, v) {
        int e = take_key(r, key, v, &role_bits, &has_protocol);
        if (e)
            return e;
    }
    if (!has_protocol)
        return bad(r, "protocol", "there, with the number of the plugin protocol the program speaks");
    take_roles(g, role_bits);
    return 0;
}

static void discard(struct program *g)
{
    if (g)
        json_object_put(g->json);
    free(g);
}

int mmr_program_parse(const char *text, size_t len, const char *name, const struct mmr_plugin **ret, struct mmr_error *err)
{
    struct mmr_error why = {.struct_size = sizeof why};
    if (len > MMR_PROGRAM_DESCRIPTION_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "program '%.80s': its description has %zu bytes, at most %d", name, len, MMR_PROGRAM_DESCRIPTION_MAX);
    struct program *g = calloc(1, sizeof *g);
    if (!g)
        return mmr_fail(err, MMR_ENOMEM, "program '%.80s': out of memory", name);
    const struct reader r = {.g = g, .name = name, .err = err};
    int e = mmr_json_line(text, len, "an object", &g->json, &why);
    if (e)
        (void)mmr_fail(err, e, "program '%.80s': its description: %.140s", name, why.text);
    if (e == 0)
        e = fill(&r);
    if (e) {
        discard(g);
        return e;
    }
    g->next = made;
    made = g;
    *ret = &g->plugin;
    return 0;
}

bool mmr_program_made(const struct mmr_plugin *p)
{
    return p->create == create;
}

void mmr_program_forget_last(void)
{
    struct program *g = made;
    if (g) {
        made = g->next;
        discard(g);
    }
}

/* ---- in the bytes of a file ---- */

/* The text between the marks. errors MMR_ENOENT there is none; MMR_EBADMSG */
static int find(const char *bytes, size_t size, const char *name, const char **ret_text, size_t *ret_len, struct mmr_error *err)
{
    static const char first[] = "<" MARK ">", last[] = "</" MARK ">";
    const char *from = memmem(bytes, size, first, sizeof first - 1);
    if (!from)
        return mmr_fail(err, MMR_ENOENT, "program '%.80s' holds no description: expected JSON between <%s> and </%s>", name, MARK, MARK);
    from += sizeof first - 1;
    const char *to = memmem(from, size - (size_t)(from - bytes), last, sizeof last - 1);
    if (!to)
        return mmr_fail(err, MMR_EBADMSG, "program '%.80s': its description does not end with </%s>", name, MARK);
    if (memmem(from, size - (size_t)(from - bytes), first, sizeof first - 1))
        return mmr_fail(err, MMR_EBADMSG, "program '%.80s' holds <%s> more than once; which is meant cannot be told", name, MARK);
    *ret_text = from;
    *ret_len = (size_t)(to - from);
    return 0;
}

static void *map(int fd, size_t *ret_size)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size <= 0)
        return NULL;
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    *ret_size = (size_t)st.st_size;
    return p == MAP_FAILED ? NULL : p;
}

bool mmr_program_is(int fd)
{
    const char *text;
    size_t size, len;
    void *bytes = map(fd, &size);
    int r = bytes ? find(bytes, size, "", &text, &len, NULL) : MMR_EIO;
    if (bytes)
        (void)munmap(bytes, size);
    return r == 0 || r == MMR_EBADMSG; /* a damaged one is said when it is read */
}

int mmr_program_read(int fd, const char *name, const struct mmr_plugin **ret, struct mmr_error *err)
{
    const char *text;
    size_t size, len;
    void *bytes = map(fd, &size);
    if (!bytes)
        return mmr_fail(err, MMR_EIO, "program '%.80s' cannot be read", name);
    int r = find(bytes, size, name, &text, &len, err);
    if (r == 0)
        r = mmr_program_parse(text, len, name, ret, err);
    (void)munmap(bytes, size);
    return r == MMR_ENOENT ? MMR_EBADMSG : r;
}

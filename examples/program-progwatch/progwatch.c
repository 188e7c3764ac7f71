/*
 * progwatch.c - an analyzer that is a program, in C: programs of a list, when they start, become findings. The core hands it the events
 * it subscribes to; what it finds goes back. Its description stands below, in the executable's own text.
 */
#include "progwatch.h"

#include "plugin_bus.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

__attribute__((used)) static const char description[] =
    "<mamori-plugin-description>"
    "{\"protocol\": 1, \"id\": \"org.example.progwatch\", \"name\": \"progwatch\", \"version\": \"0.1.0\", \"vendor\": \"mamori\", \"license\": \"Apache-2.0\","
    " \"doc\": \"programs of a list, when they start, become findings\", \"sides\": [\"endpoint\"], \"detects\": [\"host\"], \"roles\": [\"analyzer\"],"
    " \"events\": [\"finding\"], \"subscribes\": [\"process.start\"],"
    " \"config\": [{\"name\": \"programs\", \"type\": \"list\", \"default\": \"nc,ncat,socat\", \"doc\": \"names of programs nobody should start here\"}]}"
    "</mamori-plugin-description>";

int progwatch_is_named(const msgpack_object *list, const char *name, size_t len)
{
    for (uint32_t i = 0; list && list->type == MSGPACK_OBJECT_ARRAY && i < list->via.array.size; i++) {
        const msgpack_object *o = &list->via.array.ptr[i];
        if (o->type == MSGPACK_OBJECT_STR && o->via.str.size == len && memcmp(o->via.str.ptr, name, len) == 0)
            return 1;
    }
    return 0;
}

/* Names that join the finding to the machine, the process, the user: taken over as they came. */
static const char *const kept[] = {"device.hostname", "process.pid", "process.name", "process.cmd_line", "process.created_time", "process.file.path",
                                   "user.name", "actor.user.name"};
enum { KEPT = sizeof kept / sizeof kept[0], OWN = 9 };

void progwatch_finding(const msgpack_object *event, msgpack_sbuffer *ret)
{
    const msgpack_object *name = pb_get(event, "process.name"), *when = pb_get(event, "time");
    struct timespec now;
    char title[160];
    size_t n = OWN;
    msgpack_packer p;
    (void)snprintf(title, sizeof title, "A program that nobody should start here: %.*s", (int)(name->via.str.size < 64 ? name->via.str.size : 64),
                   name->via.str.ptr);
    for (size_t i = 0; i < KEPT; i++)
        n += pb_get(event, kept[i]) != NULL;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    msgpack_packer_init(&p, ret, msgpack_sbuffer_write);
    (void)msgpack_pack_map(&p, n);
    pb_key_str(&p, "mamori.kind", "finding");
    pb_str(&p, "class_uid", 9);
    (void)msgpack_pack_int(&p, 2004);
    pb_str(&p, "activity_id", 11);
    (void)msgpack_pack_int(&p, 1);
    pb_str(&p, "severity_id", 11);
    (void)msgpack_pack_int(&p, 4);
    pb_str(&p, "time", 4); /* of what happened, not of now */
    if (when && when->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        (void)msgpack_pack_uint64(&p, when->via.u64);
    else
        (void)msgpack_pack_int64(&p, now.tv_sec * INT64_C(1000000000) + now.tv_nsec);
    pb_key_str(&p, "mamori.rule", "org.example.progwatch.listed");
    pb_key_str(&p, "finding_info.title", title);
    pb_key_str(&p, "mamori.phase", "foothold.process");
    pb_key_str(&p, "mamori.potential", "high");
    for (size_t i = 0; i < KEPT; i++) {
        const msgpack_object *v = pb_get(event, kept[i]);
        if (v) {
            pb_str(&p, kept[i], strlen(kept[i]));
            (void)msgpack_pack_object(&p, *v);
        }
    }
}

#ifndef PROGWATCH_TEST
static void take(void *ctx, struct pb *bus, const struct pb_record *r)
{
    const msgpack_object *list = ctx;
    msgpack_unpacked u;
    size_t at = 0;
    msgpack_unpacked_init(&u);
    if (r->kind == PB_EVENT && msgpack_unpack_next(&u, r->bytes, r->len, &at) == MSGPACK_UNPACK_SUCCESS) {
        const msgpack_object *name = pb_get(&u.data, "process.name");
        if (name && name->type == MSGPACK_OBJECT_STR && progwatch_is_named(list, name->via.str.ptr, name->via.str.size)) {
            msgpack_sbuffer finding;
            msgpack_sbuffer_init(&finding);
            progwatch_finding(&u.data, &finding);
            if (pb_event(bus, PB_URGENT, finding.data, finding.size) != 0)
                (void)fputs("progwatch: a finding was left out: too many wait for the core\n", stderr);
            msgpack_sbuffer_destroy(&finding);
        }
    }
    msgpack_unpacked_destroy(&u);
}

int main(void)
{
    struct pb *bus;
    int r = pb_open(&bus);
    if (r) {
        (void)fprintf(stderr, "progwatch: is no command; mamori starts it, as the 'exec:' of a plugin (%s)\n", strerror(-r));
        return 2;
    }
    const msgpack_object *list = pb_config(bus, "programs");
    if (!list || list->type != MSGPACK_OBJECT_ARRAY || list->via.array.size == 0) {
        pb_refuse(bus, "programs: is empty, expected at least one name");
        pb_close(bus);
        return 2;
    }
    r = pb_ready(bus);
    union { /* only read */
        const msgpack_object *from;
        void *to;
    } ctx = {.from = list};
    while (r == 0)
        r = pb_work(bus, 500, take, ctx.to);
    pb_close(bus);
    return r < 0;
}
#endif

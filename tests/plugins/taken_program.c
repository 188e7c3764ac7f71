/*
 * taken_program.c - a plugin that is a program, and was taken over (tests/e2e/run/taken_over.py): it tries what taken.c tries, writes into its own
 * folder what came of it, claims to be another in its events, and then floods and fills memory.
 */
#include "plugin_bus.h"
#include "tries.h"

#include <stdbool.h>
#include <time.h>

__attribute__((used)) static const char description[] =
    "<mamori-plugin-description>"
    "{\"protocol\": 1, \"id\": \"test.takenprogram\", \"name\": \"takenprogram\", \"version\": \"0.1.0\", \"vendor\": \"test\", \"license\": \"Apache-2.0\","
    " \"doc\": \"a program that was taken over\", \"sides\": [\"endpoint\"], \"roles\": [\"sensor\"], \"events\": [\"process.start\"],"
    " \"config\": [{\"name\": \"site\", \"type\": \"text\", \"required\": true, \"doc\": \"at: and the test's folder\"},"
    " {\"name\": \"socket\", \"type\": \"text\", \"doc\": \"an abstract socket, with @\"},"
    " {\"name\": \"prey\", \"type\": \"integer\", \"default\": \"1\", \"min\": 1, \"max\": 1073741824, \"doc\": \"a process\"},"
    " {\"name\": \"ends\", \"type\": \"boolean\", \"default\": \"no\", \"doc\": \"flood and fill memory afterwards\"}]}"
    "</mamori-plugin-description>";

static char *text_of(const msgpack_object *o)
{
    return o && o->type == MSGPACK_OBJECT_STR ? strndup(o->via.str.ptr, o->via.str.size) : NULL;
}

static int say(struct pb *bus, int lane, const char *kind, const char *key, const char *value)
{
    msgpack_sbuffer buf;
    msgpack_packer p;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    msgpack_sbuffer_init(&buf);
    msgpack_packer_init(&p, &buf, msgpack_sbuffer_write);
    (void)msgpack_pack_map(&p, key ? 7 : 6);
    pb_key_str(&p, "mamori.kind", kind);
    pb_str(&p, "class_uid", 9);
    (void)msgpack_pack_int(&p, 1007);
    pb_str(&p, "activity_id", 11);
    (void)msgpack_pack_int(&p, 1);
    pb_str(&p, "severity_id", 11);
    (void)msgpack_pack_int(&p, 1);
    pb_str(&p, "time", 4);
    (void)msgpack_pack_int64(&p, now.tv_sec * INT64_C(1000000000) + now.tv_nsec);
    pb_key_str(&p, "process.name", "taken");
    if (key)
        pb_key_str(&p, key, value);
    int r = pb_event(bus, lane, buf.data, buf.size);
    msgpack_sbuffer_destroy(&buf);
    return r;
}

static void intrude(struct pb *bus, struct tries *t)
{
    char path[4096], done[4096];
    (void)snprintf(path, sizeof path, "%s/tries.new", t->state_dir);
    (void)snprintf(done, sizeof done, "%s/tries", t->state_dir);
    t->out = fopen(path, "we");
    if (!t->out)
        return;
    all_tries(t);
    int fd = open("/dev/fd/5", O_WRONLY); /* its own program, sealed */
    note(t, "change_own_program", fd >= 0 && write(fd, "x", 1) == 1);
    fd = (int)syscall(SYS_execveat, 5, "", (char *const[]){(char[]){"x"}, NULL}, (char *const[]){NULL}, AT_EMPTY_PATH | 0x4000);
    note(t, "exec_with_other_flags", fd >= 0);
    (void)fclose(t->out);
    (void)rename(path, done);
    /* the core refuses these one by one and says so */
    (void)say(bus, PB_FINDINGS, "process.start", "mamori.plugin", "org.mamori.nft");
    (void)say(bus, PB_FINDINGS, "process.start", "mamori.node", "another");
    (void)say(bus, PB_FINDINGS, "process.start", "mamori.side", "network");
    (void)say(bus, PB_FINDINGS, "process.start", NULL, NULL);
}

int main(void)
{
    struct pb *bus;
    int n = 0;
    if (pb_open(&bus) != 0 || pb_ready(bus) != 0)
        return 2;
    char *site = text_of(pb_config(bus, "site")), *state = text_of(pb_told(bus, "state_dir"));
    const msgpack_object *prey = pb_config(bus, "prey"), *ends = pb_config(bus, "ends");
    struct tries t = {.state_dir = state, .site = site + strlen("at:"), .socket = text_of(pb_config(bus, "socket")), .prey = (pid_t)prey->via.u64};
    while (pb_work(bus, 100, NULL, NULL) == 0) {
        if (++n == 5)
            intrude(bus, &t);
        if (n <= 20 || !ends->via.boolean)
            continue;
        for (int i = 0; i < 20000 && say(bus, PB_FINDINGS, "process.start", NULL, NULL) == 0; i++)
            ;
        if (n > 40)
            fill_memory();
    }
    pb_close(bus);
    return 0;
}

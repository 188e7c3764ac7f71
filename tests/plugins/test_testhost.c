/* The fake host refuses what the real one refuses, and keeps time as it does. */
#include "testhost.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct config {
    const char *tag;
    int64_t period, size;
    bool loud;
    struct mmr_strv list;
};
static const struct mmr_cfg_key rows[] = {
    MMR_CFG(struct config, tag, MMR_CFG_STR, MMR_CFG_REQUIRED, NULL, 0, 0, "tag"),
    MMR_CFG(struct config, period, MMR_CFG_MSEC, 0, "2s", 1, 10000, "period"),
    MMR_CFG(struct config, size, MMR_CFG_BYTES, 0, "4K", 0, 0, "size"),
    MMR_CFG(struct config, loud, MMR_CFG_BOOL, 0, "yes", 0, 0, "loud"),
    MMR_CFG(struct config, list, MMR_CFG_STRV, 0, "a, bb,c", 0, 0, "list"),
    {0},
};
struct self {
    const struct mmr_host *host;
    const struct config *c;
    unsigned ticks, wakes;
};

static int create(const struct mmr_host *host, const void *config, void **ret, struct mmr_error *err)
{
    struct self *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "no memory");
    s->host = host;
    s->c = config;
    *ret = s;
    return host->set_timer(host->impl, s->c->period, 1);
}
static void destroy(void *self)
{
    free(self);
}
static int start(void *self, struct mmr_error *err)
{
    (void)self;
    (void)err;
    return 0;
}
static void stop(void *self)
{
    (void)self;
}
static int emit(struct self *s, const char *kind)
{
    uint8_t buf[512];
    struct mmr_event ev;
    mmr_event_begin(&ev, buf, sizeof buf, kind, 1007, 1, s->host->now_ns(s->host->impl, MMR_CLOCK_WALL), 1);
    mmr_event_str(&ev, "message", s->c->tag);
    return mmr_event_emit(&ev, s->host);
}
static void on_timer(void *self, uint64_t cookie)
{
    struct self *s = self;
    s->ticks++;
    (void)emit(s, "process.start");
    (void)s->host->set_timer(s->host->impl, s->c->period, cookie);
}
static void on_wake(void *self)
{
    struct self *s = self;
    s->wakes++;
}
static const char *const kinds[] = {"process.start", NULL};
static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = stop};
static const struct mmr_plugin plugin = {
    MMR_PLUGIN_HEAD, .id = "test.th", .name = "th", .version = "0.1.0", .license = "Apache-2.0",
    .side = MMR_SIDE_ENDPOINT, .events = kinds, .config = rows, .config_size = sizeof(struct config),
    .create = create, .destroy = destroy, .on_timer = on_timer, .on_wake = on_wake, .sensor = &sensor,
};

static void configuration_is_filled_and_checked(void **state)
{
    (void)state;
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const good[] = {"tag", "x", "size", "2M", NULL};
    struct self *s = mmr_testhost_self(th, mmr_testhost_add(th, &plugin, good, &err));
    assert_string_equal(s->c->tag, "x");
    assert_int_equal(s->c->period, 2000);
    assert_int_equal(s->c->size, 2 << 20);
    assert_true(s->c->loud);
    assert_int_equal(s->c->list.n, 3);
    assert_string_equal(s->c->list.v[1], "bb");
    static const char *const bad[][5] = {{NULL}, {"tag", "x", "tga", "y", NULL}, {"tag", "x", "period", "11s", NULL},
                                         {"tag", "x", "period", "5 s", NULL}, {"tag", "x", "loud", "maybe", NULL}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (mmr_testhost_add(th, &plugin, bad[i], &err) != MMR_ECONFIG)
            fail_msg("row %zu passed", i);
    mmr_testhost_free(th);
}

static void time_is_turned_by_hand(void **state)
{
    (void)state;
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const cfg[] = {"tag", "x", NULL};
    struct self *s = mmr_testhost_self(th, mmr_testhost_add(th, &plugin, cfg, &err));
    mmr_testhost_advance(th, 2 * MMR_TH_S - 1);
    assert_int_equal(s->ticks, 0);
    mmr_testhost_advance(th, 1);
    assert_int_equal(s->ticks, 1);
    mmr_testhost_advance(th, 10 * MMR_TH_S);
    assert_int_equal(s->ticks, 6);
    assert_int_equal(mmr_testhost_count(th, "process.start"), 6);
    assert_int_equal(mmr_testhost_int(th, mmr_testhost_find(th, "process.start", 0), "time", 0),
                     MMR_TH_START_NS + 2 * MMR_TH_S);
    assert_string_equal(mmr_testhost_text(th, mmr_testhost_find_text(th, NULL, "message", "x"), "message"), "x");
    s->host->wake(s->host->impl);
    assert_int_equal(mmr_testhost_poll(th, 1000), 1);
    assert_int_equal(s->wakes, 1);
    mmr_testhost_free(th);
}

static void mistakes_are_refused_and_counted(void **state)
{
    (void)state;
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const cfg[] = {"tag", "x", NULL}, *why;
    struct self *s = mmr_testhost_self(th, mmr_testhost_add(th, &plugin, cfg, &err));
    assert_int_equal(mmr_testhost_start(th, &err), 0);
    assert_int_equal(emit(s, "process.exit"), MMR_EBADMSG);
    assert_int_equal(mmr_testhost_refusals(th, &why), 1);
    assert_non_null(strstr(why, "process.exit"));
    uint8_t buf[256];
    struct mmr_event ev;
    mmr_event_begin(&ev, buf, sizeof buf, "process.start", 1007, 1, 1, 1);
    mmr_event_int(&ev, "mamori.seq", 1);
    assert_int_equal(mmr_event_emit(&ev, s->host), MMR_EBADMSG);
    mmr_testhost_emit_result(th, MMR_EAGAIN);
    assert_int_equal(emit(s, "process.start"), MMR_EAGAIN);
    mmr_testhost_emit_result(th, 0);
    mmr_testhost_stop(th);
    assert_int_equal(emit(s, "process.start"), MMR_EINVAL);
    assert_int_equal(mmr_testhost_refusals(th, NULL), 3);
    assert_int_equal(mmr_testhost_events(th), 0);
    mmr_testhost_free(th);
}

/* create() of this plugin allocates once; the refusal is its own, and what was made before it is given back (the leak check). */
static void allocate_and_check(void *ctx)
{
    unsigned *refused = ctx;
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const text[] = {"tag", "x", NULL};
    int r = mmr_testhost_add(th, &plugin, text, &err);
    if (mmr_testhost_alloc_failed()) {
        assert_int_equal(r, MMR_ENOMEM);
        assert_string_equal(err.text, "no memory");
        (*refused)++;
    } else {
        assert_int_equal(r, 0);
    }
    mmr_testhost_free(th);
}

static void each_allocation_can_fail(void **state)
{
    unsigned refused = 0;
    (void)state;
    assert_int_equal(mmr_testhost_each_alloc(allocate_and_check, &refused), 1);
    assert_int_equal(refused, 1);
    mmr_testhost_fail_alloc(2);
    void *a = malloc(1), *b = malloc(1), *c = strdup("x");
    assert_true(a && !b && c && mmr_testhost_alloc_failed());
    mmr_testhost_fail_alloc(0);
    free(a);
    free(c);
}

static void *emits(void *host)
{
    const struct mmr_host *h = host;
    (void)h->emit(h->impl, "", 0);
    return NULL;
}

/* A [loop] function called from another thread ends the test with a message that names the function. */
static void thread_tags_are_asserted(void **state)
{
    int fds[2], status;
    char said[256] = "";
    (void)state;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct mmr_testhost *th = mmr_testhost_new();
        struct mmr_error err = {.struct_size = sizeof err};
        const char *const text[] = {"tag", "x", NULL};
        struct mmr_host host;
        pthread_t t;
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(fds[1], STDERR_FILENO);
        if (mmr_testhost_add(th, &plugin, text, &err) != 0)
            _exit(1);
        host = *mmr_testhost_host(th, 0);
        if (pthread_create(&t, NULL, emits, &host) == 0)
            (void)pthread_join(t, NULL);
        _exit(0);
    }
    (void)close(fds[1]);
    assert_true(read(fds[0], said, sizeof said - 1) > 0);
    (void)close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    assert_non_null(strstr(said, "emit() called from another thread"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configuration_is_filled_and_checked),
        cmocka_unit_test(time_is_turned_by_hand),
        cmocka_unit_test(mistakes_are_refused_and_counted),
        cmocka_unit_test(each_allocation_can_fail),
        cmocka_unit_test(thread_tags_are_asserted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

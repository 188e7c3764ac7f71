/* cases.c - the rules, one case each. A case notes faults; how its process ends is judged by the parent. */
#include "check/elf_facts.h"
#include "check/probe.h"
#include "config/config.h"
#include "plugin/describe.h"
#include "plugin/load.h"
#include "plugin/sandbox.h"
#include "util/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

enum {
    SCAN_MS = 100,
    LIVES = 1000, LIVES_MIN = 12, WARM_UP = 8, LIVES_BUDGET_S = 6, /* a plugin that compiles rules lives fewer times */
    LEAK_BYTES = 8, /* a life, in each of three stretches */
};

/* ---- the file ---- */

static bool read_facts(struct mmr_probe *pr, struct mmr_elf_facts *f)
{
    struct stat st;
    struct mmr_error err = {.struct_size = sizeof err};
    if (fstat(pr->fd, &st) != 0)
        return false;
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, pr->fd, 0);
    if (bytes == MAP_FAILED)
        return false;
    int r = mmr_elf_read(bytes, (size_t)st.st_size, f, &err);
    (void)munmap(bytes, (size_t)st.st_size);
    if (r)
        mmr_probe_fault(pr, "%s", err.text);
    return r == 0;
}

static void case_entry(struct mmr_probe *pr)
{
    struct mmr_elf_facts f;
    const char *other = NULL;
    if (!read_facts(pr, &f))
        return;
    for (uint32_t i = 0; i < f.exports && i < MMR_ELF_NAMES_MAX; i++) {
        if (strcmp(f.names[i], MMR_ENTRY_NAME) == 0)
            return;
        if (strncmp(f.names[i], "mmr_plugin_entry_v", 18) == 0)
            other = f.names[i];
    }
    if (other)
        mmr_probe_fault(pr, "the entry symbol is '%s', expected '" MMR_ENTRY_NAME "'; rebuild it against this SDK", other);
    else
        mmr_probe_fault(pr, "there is no symbol '" MMR_ENTRY_NAME "'; use MMR_PLUGIN() and compile with -DMMR_PLUGIN_SHARED");
}

static void case_one_export(struct mmr_probe *pr)
{
    struct mmr_elf_facts f;
    char more[512] = "";
    size_t at = 0;
    if (!read_facts(pr, &f) || f.exports == 1)
        return;
    for (uint32_t i = 0; i < f.exports && i < MMR_ELF_NAMES_MAX; i++)
        if (strncmp(f.names[i], "mmr_plugin_entry_v", 18) != 0 && at < sizeof more)
            at += (size_t)snprintf(more + at, sizeof more - at, "%s%s", at ? ", " : "", f.names[i]);
    if (more[0])
        mmr_probe_fault(pr, "it exports more than its entry: %.200s; compile with -fvisibility=hidden, link with -Wl,--exclude-libs,ALL, and C++ with a version script, too (docs/plugin-author.md)", more);
}

static void case_text(struct mmr_probe *pr)
{
    struct mmr_elf_facts f;
    if (!read_facts(pr, &f))
        return;
    if (f.has_text_relocations)
        mmr_probe_fault(pr, "it has text relocations: something in it was compiled without -fPIC");
    if (f.has_writable_code)
        mmr_probe_fault(pr, "it has a segment that is writable and executable; code must not be writable");
    if (f.has_exec_stack)
        mmr_probe_fault(pr, "it asks for an executable stack; link with -Wl,-z,noexecstack");
}

static void case_search_path(struct mmr_probe *pr)
{
    struct mmr_elf_facts f;
    if (read_facts(pr, &f) && f.search_path[0])
        mmr_probe_fault(pr, "it looks for libraries in '%.100s'; a plugin uses the system's folders or links them in (CMake: "
                            "BUILD_RPATH and INSTALL_RPATH empty)", f.search_path);
}

/* ---- loading ---- */

struct surroundings {
    struct mmr_resources has;
    unsigned long handlers; /* signals with a handler */
    size_t environment;
};

static void look_around(struct surroundings *s)
{
    mmr_resources_now(&s->has);
    s->handlers = 0;
    for (int sig = 1; sig < 32; sig++) {
        struct sigaction sa;
        if (sigaction(sig, NULL, &sa) == 0 && sa.sa_handler != SIG_DFL && sa.sa_handler != SIG_IGN)
            s->handlers |= 1UL << sig;
    }
    s->environment = 5381;
    for (char **e = environ; e && *e; e++)
        for (const char *c = *e; *c; c++)
            s->environment = s->environment * 33 + (unsigned char)*c;
}

static void case_load(struct mmr_probe *pr)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct surroundings before, after;
    struct mmr_stopwatch w;
    int64_t cpu, slept;
    const struct mmr_plugin *p;
    look_around(&before);
    if (mmr_forbid_effects(pr->report, &err) != 0) {
        (void)mmr_probe_skip(pr, "%s", err.text);
        return;
    }
    mmr_stopwatch_start(&w);
    if (mmr_plugin_load(pr->fd, "FILE", &p, &err) != 0)
        mmr_probe_fault(pr, "%s", err.text);
    mmr_stopwatch_stop(&w, &cpu, &slept);
    look_around(&after);
    before.handlers |= 1UL << SIGSYS; /* ours */
    if (after.has.threads != before.has.threads)
        mmr_probe_fault(pr, "loading it makes a thread; do that in create()");
    if (after.has.fds > before.has.fds + 1) /* the copy of the file itself stays open */
        mmr_probe_fault(pr, "loading it opens %zu descriptors; do that in create()", after.has.fds - before.has.fds - 1);
    if (after.handlers & ~before.handlers)
        mmr_probe_fault(pr, "loading it takes a signal handler; a plugin never does");
    if (after.environment != before.environment)
        mmr_probe_fault(pr, "loading it changes the environment; a plugin never does");
    if ((cpu + slept) / 1000000 > SCAN_MS)
        mmr_probe_fault(pr, "loading it takes %lld ms, expected at most %d; constructors and static data cost this, do the work in create()",
                        (long long)((cpu + slept) / 1000000), SCAN_MS);
}

struct by_rule {
    struct mmr_probe *pr;
    const char *rule;
};

static void on_rule(void *ctx, const char *rule, const char *line)
{
    const struct by_rule *b = ctx;
    if (strcmp(rule, b->rule) == 0)
        mmr_probe_fault(b->pr, "%s", line);
}

static void check_rule(struct mmr_probe *pr, const char *rule)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct by_rule b = {pr, rule};
    const struct mmr_plugin *p = pr->opts->builtin;
    if (!p && mmr_plugin_load(pr->fd, "FILE", &p, &err) != 0) {
        if (strcmp(rule, MMR_RULE_ABI) == 0)
            mmr_probe_fault(pr, "%s", err.text);
        else
            (void)mmr_probe_skip(pr, "it does not load");
        return;
    }
    int r = mmr_plugin_check_rules(p, on_rule, &b, &err);
    if (strcmp(rule, MMR_RULE_ABI) != 0) {
        if (r == MMR_EUNSUPPORTED)
            (void)mmr_probe_skip(pr, "it is of another ABI");
        return;
    }
    if (r == MMR_EUNSUPPORTED)
        return;
    struct mmr_report *rep = pr->report;
    rep->abi_major = p->abi_major;
    rep->abi_minor = p->abi_minor;
    rep->needs = p->needs;
    (void)snprintf(rep->id, sizeof rep->id, "%s", p->id ? p->id : "?");
    (void)snprintf(rep->version, sizeof rep->version, "%s", p->version ? p->version : "?");
}

static void case_abi(struct mmr_probe *pr) { check_rule(pr, MMR_RULE_ABI); }
static void case_descriptor(struct mmr_probe *pr) { check_rule(pr, MMR_RULE_DESCRIPTOR); }
static void case_capabilities(struct mmr_probe *pr) { check_rule(pr, MMR_RULE_CAPABILITIES); }
static void case_config_rows(struct mmr_probe *pr) { check_rule(pr, MMR_RULE_CONFIG); }

/* ---- a sound plugin at work ---- */

static void case_extension(struct mmr_probe *pr)
{
    static const char *const ids[] = {"check.no-such-thing/0", "", "mamori.packet/4294967295", "\xff"};
    if (mmr_probe_load(pr) != 0)
        return;
    if (!pr->p->extension)
        return;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        if (pr->p->extension(ids[i]))
            mmr_probe_fault(pr, "extension(\"%s\") answers something, expected NULL for an id it does not know", i == 3 ? "\\xff" : ids[i]);
    static const char *const topics[] = {"mamori.frame/0", "mamori.packet/0", "mamori.stream/0", "mamori.flow/0", "mamori.tx/0", "mamori.alert/0"};
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        const struct mmr_sink *s = pr->p->extension(topics[i]);
        if (s && (!MMR_HAS(s, item) || !s->item))
            mmr_probe_fault(pr, "extension(\"%s\"): struct_size too small, or item missing", topics[i]);
    }
    const struct mmr_replay_ops *r = pr->p->extension("mamori.replay/0");
    if (r && (!MMR_HAS(r, step) || !r->open || !r->next || !r->step))
        mmr_probe_fault(pr, "extension(\"mamori.replay/0\"): struct_size too small, or open, next or step missing");
}

static void case_required_keys(struct mmr_probe *pr)
{
    uint8_t *packed = malloc(MMR_EVENT_BYTES_MAX);
    if (!packed || mmr_probe_load(pr) != 0) {
        free(packed);
        return;
    }
    for (size_t i = 0; pr->p->config; i++) {
        const struct mmr_cfg_key *k = (const void *)((const char *)pr->p->config + i * pr->p->config_stride);
        struct mmr_error err = {.struct_size = sizeof err};
        void *filled = NULL;
        if (!k->name)
            break;
        if (!(k->flags & MMR_CFG_REQUIRED))
            continue;
        size_t len = mmr_probe_config(pr, NULL, k->name, packed);
        if (mmr_config_fill(pr->p, packed, len, &filled, &err) == 0)
            mmr_probe_fault(pr, "config '%s' is required, and yet a configuration without it is taken", k->name);
        else if (!strstr(err.text, k->name))
            mmr_probe_fault(pr, "config '%s' is missing, and the refusal does not name it: %s", k->name, err.text);
        free(filled);
    }
    free(packed);
}

static void case_create(struct mmr_probe *pr)
{
    if (mmr_probe_begin(pr, false) == 0)
        mmr_probe_end(pr);
}

static bool live_once(struct mmr_probe *pr)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_probe_create(pr, NULL, &err) != 0) {
        mmr_probe_fault(pr, "create() refused the same configuration the second time: %s", err.text);
        return false;
    }
    mmr_probe_end(pr);
    return true;
}

struct stretch {
    struct mmr_probe *pr;
    unsigned lives;
    bool is_good;
};

static void *live_on(void *arg)
{
    struct stretch *s = arg;
    s->pr->loop = pthread_self();
    s->is_good = true;
    for (unsigned i = 0; i < s->lives && s->is_good; i++)
        s->is_good = live_once(s->pr);
    return NULL;
}

/* In a thread of its own: what the allocator keeps at hand for a thread counts as used until the thread is gone. */
static bool live_apart(struct mmr_probe *pr, unsigned lives, struct mmr_resources *ret)
{
    struct stretch s = {.pr = pr, .lives = lives};
    pthread_t t;
    if (pthread_create(&t, NULL, live_on, &s) != 0) {
        (void)mmr_probe_skip(pr, "no thread could be made");
        return false;
    }
    (void)pthread_join(t, NULL);
    pr->loop = pthread_self();
    mmr_resources_now(ret);
    return s.is_good;
}

static void case_leak(struct mmr_probe *pr)
{
    struct mmr_resources at[4];
    unsigned each;
    if (mmr_probe_begin(pr, false) != 0)
        return;
    mmr_probe_end(pr);
    int64_t from = mmr_clock_mono_ns();
    if (!live_once(pr))
        return;
    int64_t one = mmr_clock_mono_ns() - from;
    int64_t room = one > 0 ? LIVES_BUDGET_S * MMR_NS_PER_S / one : LIVES;
    each = (unsigned)(room > LIVES ? LIVES : room < LIVES_MIN ? LIVES_MIN : room) / 3;
    if (!live_apart(pr, WARM_UP, &at[0])) /* what is made once stays, and that is well */
        return;
    for (int part = 1; part <= 3; part++)
        if (!live_apart(pr, each, &at[part]))
            return;
    /* What leaks, leaks the same in each stretch; an allocator that only spreads does not. */
    bool is_leaking = true;
    int64_t least = INT64_MAX, most = 0;
    for (int part = 1; part <= 3; part++) {
        int64_t more = (int64_t)at[part].heap_bytes - (int64_t)at[part - 1].heap_bytes;
        is_leaking = is_leaking && more >= (int64_t)LEAK_BYTES * each;
        least = more < least ? more : least;
        most = more > most ? more : most;
    }
    if (is_leaking && most - least <= most / 4)
        mmr_probe_fault(pr, "%u times create() and destroy() leave %zu bytes, %zu each time", 3 * each, at[3].heap_bytes - at[0].heap_bytes,
                        (at[3].heap_bytes - at[0].heap_bytes) / (3 * each));
    if (at[3].fds > at[0].fds)
        mmr_probe_fault(pr, "%u times create() and destroy() leave %zu descriptors open", 3 * each, at[3].fds - at[0].fds);
    if (at[3].threads > at[0].threads)
        mmr_probe_fault(pr, "%u times create() and destroy() leave %zu threads", 3 * each, at[3].threads - at[0].threads);
}

static void case_start_stop(struct mmr_probe *pr)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_probe_rng rng = {pr->opts->seed};
    if (mmr_probe_begin(pr, true) != 0)
        return;
    for (int i = 0; i < 3; i++) {
        mmr_probe_drive(pr, &rng, 20, false);
        mmr_runtime_stop(pr->rt);
        int r = mmr_runtime_start(pr->rt, &err);
        if (r) {
            mmr_probe_fault(pr, "start() after stop() refused: %s", err.text);
            break;
        }
    }
    mmr_probe_end(pr);
}

/* After stop(): timers that are due, descriptors, wakes. */
static void case_after_stop(struct mmr_probe *pr)
{
    struct mmr_probe_rng rng = {pr->opts->seed};
    if (mmr_probe_begin(pr, true) != 0)
        return;
    if (!pr->p->sensor) {
        mmr_probe_end(pr);
        mmr_probe_moot(pr, "it is no sensor");
        return;
    }
    mmr_probe_drive(pr, &rng, 40, false);
    mmr_runtime_stop(pr->rt);
    const struct timespec moment = {.tv_nsec = 60000000}; /* room for a thread of its own to go on */
    (void)nanosleep(&moment, NULL);
    for (int i = 0; i < 40; i++) {
        mmr_runtime_advance(pr->rt, mmr_runtime_now_ns(pr->rt) + (i % 4 ? INT64_C(100000000) : INT64_C(600000000000)));
        for (size_t k = 0; k < pr->n_fds && pr->p->on_fd; k++)
            pr->wrapped.on_fd(pr->self, pr->fds[k].fd, pr->fds[k].rw, pr->fds[k].cookie);
    }
    if (pr->p->on_wake)
        pr->wrapped.on_wake(pr->self);
    mmr_probe_end(pr);
}

static void case_events(struct mmr_probe *pr)
{
    struct mmr_probe_rng rng = {pr->opts->seed};
    if (mmr_probe_begin(pr, true) != 0)
        return;
    mmr_probe_drive(pr, &rng, 400, false);
    mmr_probe_end(pr);
}

static void case_callbacks(struct mmr_probe *pr)
{
    struct mmr_probe_rng rng = {pr->opts->seed};
    if (mmr_probe_begin(pr, true) != 0)
        return;
    pr->is_timed = true;
    mmr_probe_drive(pr, &rng, 200, false);
    pr->is_timed = false;
    mmr_probe_end(pr);
}

static void case_threads(struct mmr_probe *pr)
{
    struct mmr_probe_rng rng = {pr->opts->seed};
    if (mmr_probe_begin(pr, true) != 0)
        return;
    for (int i = 0; i < 10; i++) {
        const struct timespec moment = {.tv_nsec = 10000000};
        mmr_probe_drive(pr, &rng, 20, false);
        (void)nanosleep(&moment, NULL);
    }
    mmr_probe_end(pr);
}

static void case_reload(struct mmr_probe *pr)
{
    struct mmr_error err = {.struct_size = sizeof err};
    uint8_t *packed = malloc(MMR_EVENT_BYTES_MAX);
    struct mmr_probe_rng rng = {pr->opts->seed};
    if (!packed || mmr_probe_begin(pr, true) != 0) {
        free(packed);
        return;
    }
    if (!pr->p->reload_prepare) {
        mmr_probe_end(pr);
        free(packed);
        mmr_probe_moot(pr, "it does not reload; its host is started again instead");
        return;
    }
    size_t len = mmr_probe_config(pr, NULL, NULL, packed);
    for (int i = 0; i < 6; i++) {
        int r = mmr_runtime_prepare(pr->rt, 0, packed, len, &err);
        if (r)
            mmr_probe_fault(pr, "reload_prepare() refused the configuration it runs with: %s", err.text);
        if (r || i % 2)
            mmr_runtime_abort(pr->rt);
        else
            mmr_runtime_commit(pr->rt);
        mmr_probe_drive(pr, &rng, 10, false);
    }
    mmr_probe_end(pr);
    free(packed);
}

static void case_responder(struct mmr_probe *pr)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_probe_rng rng = {pr->opts->seed};
    if (mmr_probe_begin(pr, true) != 0)
        return;
    if (!pr->p->responder) {
        mmr_probe_end(pr);
        mmr_probe_moot(pr, "it is no responder");
        return;
    }
    (void)mmr_runtime_reconcile(pr->rt, 0, NULL, 0, &err);
    for (int i = 0; i < 100; i++)
        mmr_probe_feed_order(pr, &rng);
    const uint64_t unknown[] = {1, UINT64_MAX};
    (void)mmr_runtime_reconcile(pr->rt, 0, unknown, 2, &err);
    mmr_probe_end(pr);
}

static void case_forwarder(struct mmr_probe *pr)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_probe_rng rng = {pr->opts->seed};
    if (mmr_probe_begin(pr, true) != 0)
        return;
    if (!pr->p->forwarder) {
        mmr_probe_end(pr);
        mmr_probe_moot(pr, "it is no forwarder");
        return;
    }
    for (int i = 0; i < 50; i++)
        mmr_probe_feed_record(pr, &rng);
    (void)mmr_runtime_flush(pr->rt, 500, &err);
    mmr_probe_end(pr);
}

static void case_fuzz(struct mmr_probe *pr)
{
    struct mmr_probe_rng rng = {pr->opts->seed};
    if (mmr_probe_begin(pr, true) != 0)
        return;
    mmr_probe_drive(pr, &rng, pr->opts->rounds, true);
    mmr_probe_end(pr);
}

/* As when the supervisor goes away: stop, destroy, and the process ends by itself, with its exit handlers. */
static void case_clean_end(struct mmr_probe *pr)
{
    struct mmr_probe_rng rng = {pr->opts->seed};
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_probe_begin(pr, true) != 0)
        return;
    mmr_probe_drive(pr, &rng, 40, false);
    mmr_runtime_stop(pr->rt);
    (void)mmr_runtime_flush(pr->rt, 2000, &err);
    mmr_probe_end(pr);
    if (pr->opts->is_in_process)
        return;
    pr->report->is_over = 1;
    exit(0);
}

const struct mmr_check_case mmr_check_cases[] = {
    {"entry-symbol", "the file has the one symbol a host looks for", case_entry, true, false, true},
    {"one-export", "and shows nothing else", case_one_export, true, false, true},
    {"no-writable-code", "no text relocations, no writable code, no executable stack", case_text, true, false, true},
    {"no-search-path", "libraries come from the system's folders", case_search_path, true, false, true},
    {"load", "loading it does nothing, and in under 100 ms", case_load, true, true, true},
    {"abi", "built for an ABI of this host", case_abi, false, false, true},
    {"descriptor", "the descriptor is complete: id, version, license, lists, life", case_descriptor, false, false, true},
    {"capabilities", "what it claims is what it has tables for", case_capabilities, false, false, true},
    {"config-rows", "configuration rows: places, defaults, ranges, documentation", case_config_rows, false, false, true},
    {"extension", "an extension it does not know is NULL, one it knows is whole", case_extension, false, false, false},
    {"required-keys", "without a required key the configuration is refused by name", case_required_keys, false, false, false},
    {"create", "create() makes an instance, or refuses with a sentence", case_create, false, false, false},
    {"leak", "1000 times create() and destroy() leave nothing", case_leak, false, false, false},
    {"callbacks", "every callback returns in 50 ms", case_callbacks, false, true, false},
    {"start-stop", "start, stop, start again", case_start_stop, false, false, false},
    {"after-stop", "nothing is emitted after stop()", case_after_stop, false, false, false},
    {"events", "only declared events, and sound ones", case_events, false, false, false},
    {"threads", "threads of its own call nothing but log, wake and now_ns", case_threads, false, false, false},
    {"reload", "a reload is taken, and can be taken back", case_reload, false, false, false},
    {"responder", "orders: dry runs, read-backs and unknown ids are answered", case_responder, false, false, false},
    {"forwarder", "records are taken, told, and flushed in time", case_forwarder, false, false, false},
    {"fuzz", "random time, descriptors, events, items, orders, configuration", case_fuzz, false, false, false},
    {"clean-end", "stop, destroy, end of the process", case_clean_end, false, false, false},
    {0},
};

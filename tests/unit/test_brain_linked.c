/* test_brain_linked.c - what a defence that is not ours says it did: it counts for exactly the file it names, from who may say so. */
#include "brain/pipeline.h"

#include "util/clock.h"

#include <mamori/event.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define T0 (INT64_C(1700000000) * MMR_NS_PER_S)
#define FILE_NAME "C:\\Users\\bob\\a.exe"

struct world {
    struct mmr_pipeline *p;
    enum mmr_class class_now;
    uint32_t actions;
    struct mmr_action_rec last;
};

static void on_incident(void *ctx, const struct mmr_incident *i, enum mmr_activity activity, unsigned change)
{
    struct world *w = ctx;
    (void)activity, (void)change;
    w->class_now = i->class_current;
    w->actions = i->n_actions;
    if (i->n_actions)
        w->last = i->actions[i->n_actions - 1];
}

static bool on_is_linked(void *ctx, const char *node, const char *instance)
{
    (void)ctx;
    return strcmp(node, "hub") == 0 && strcmp(instance, "defender") == 0;
}

static int setup(void **state)
{
    static struct world w;
    struct mmr_pipeline_config c = {.quiet_ns = 0};
    struct mmr_pipeline_ops ops = {.incident = on_incident, .is_linked = on_is_linked, .ctx = &w};
    memset(&w, 0, sizeof w);
    mmr_policy_default(&c.policy);
    assert_int_equal(mmr_pipeline_new(&c, &ops, &w.p, NULL), 0);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    mmr_pipeline_free(((struct world *)*state)->p);
    return 0;
}

static int give(struct world *w, struct mmr_event *ev, uint8_t *buf, int64_t now)
{
    static struct mmr_event_view v;
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_event_end(ev), 0);
    assert_int_equal(mmr_event_read(buf, ev->len, &v, NULL), 0);
    int r = mmr_pipeline_event(w->p, &v, now, &err);
    if (r < 0)
        assert_true(strlen(err.text) > 20);
    (void)mmr_pipeline_work(w->p, now, 100);
    return r;
}

static void find(struct world *w, int64_t now)
{
    static uint8_t buf[4096];
    struct mmr_event ev;
    mmr_event_begin(&ev, buf, sizeof buf, "finding", MMR_CLASS_FINDING, 1, now, 4);
    mmr_event_str(&ev, "mamori.side", "endpoint");
    mmr_event_str(&ev, "mamori.rule", "mamori.defender.found");
    mmr_event_str(&ev, "finding_info.title", "Malware found");
    mmr_event_str(&ev, "mamori.phase", "attempt.user");
    mmr_event_str(&ev, "mamori.potential", "high");
    mmr_event_str(&ev, "device.hostname", "PC1.office.example");
    mmr_event_str(&ev, "file.path", FILE_NAME);
    assert_int_equal(give(w, &ev, buf, now), 0);
}

static int report(struct world *w, const char *instance, const char *host, const char *file, const char *verb, const char *result, const char *verify, int64_t now)
{
    static uint8_t buf[4096];
    struct mmr_event ev;
    mmr_event_begin(&ev, buf, sizeof buf, "defence.report", MMR_CLASS_EVENT_LOG, 1, now, 1);
    mmr_event_str(&ev, "mamori.node", "hub");
    mmr_event_str(&ev, "mamori.instance", instance);
    mmr_event_str(&ev, "device.hostname", host);
    mmr_event_str(&ev, "file.path", file);
    mmr_event_str(&ev, "unmapped.verb", verb);
    mmr_event_str(&ev, "unmapped.result", result);
    mmr_event_str(&ev, "unmapped.verify", verify);
    mmr_event_str(&ev, "message", "said so");
    return give(w, &ev, buf, now);
}

static void a_removal_defends_only_once_it_is_confirmed(void **state)
{
    struct world *w = *state;
    find(w, T0);
    assert_int_equal(w->class_now, MMR_CLASS_OF_SEVERE); /* nobody here can act on that PC */
    assert_int_equal(report(w, "defender", "pc1", "c:\\users\\BOB\\a.exe", "quarantine.file", "applied", "none", T0 + MMR_NS_PER_S), 0);
    assert_int_equal(w->actions, 1);
    assert_int_equal(w->last.verb, MMR_VERB_QUARANTINE_FILE);
    assert_string_equal(w->last.target.text, FILE_NAME);
    assert_int_not_equal(w->class_now, MMR_CLASS_OF_DEFENDED);
    assert_int_equal(report(w, "defender", "PC1", FILE_NAME, "quarantine.file", "applied", "confirmed", T0 + 300 * MMR_NS_PER_S), 0);
    assert_int_equal(w->actions, 1); /* the same action goes on */
    assert_int_equal(w->last.receipt.verified, MMR_VERIFIED_CONFIRMED);
    assert_int_equal(w->last.state, MMR_STATE_EFFECTIVE); /* it was observed */
    /* found again: what was proved is refuted */
    assert_int_equal(report(w, "defender", "PC1", FILE_NAME, "quarantine.file", "applied", "refuted", T0 + 400 * MMR_NS_PER_S), 0);
    assert_int_equal(w->last.receipt.verified, MMR_VERIFIED_REFUTED);
    assert_int_equal(w->class_now, MMR_CLASS_OF_SEVERE);
}

static void what_names_no_threat_of_an_incident_or_comes_from_elsewhere_is_refused(void **state)
{
    static const struct {
        const char *why, *instance, *host, *file, *verb, *result, *verify;
        int want;
    } rows[] = {
        {"another file", "defender", "PC1", "C:\\b.exe", "quarantine.file", "applied", "confirmed", MMR_ENOENT},
        {"another machine", "defender", "PC2", FILE_NAME, "quarantine.file", "applied", "confirmed", MMR_ENOENT},
        {"a plugin that reads no linked defence", "seat", "PC1", FILE_NAME, "quarantine.file", "applied", "confirmed", MMR_EPERM},
        {"a verb that is not its", "defender", "PC1", FILE_NAME, "isolate.host", "applied", "confirmed", MMR_EBADMSG},
        {"no such result", "defender", "PC1", FILE_NAME, "quarantine.file", "done", "confirmed", MMR_EBADMSG},
        {"no such proof", "defender", "PC1", FILE_NAME, "quarantine.file", "applied", "sure", MMR_EBADMSG},
        {"no file", "defender", "PC1", NULL, "quarantine.file", "applied", "confirmed", MMR_EBADMSG},
        {"no machine", "defender", NULL, FILE_NAME, "quarantine.file", "applied", "confirmed", MMR_EBADMSG},
    };
    struct world *w = *state;
    find(w, T0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int r = report(w, rows[i].instance, rows[i].host, rows[i].file, rows[i].verb, rows[i].result, rows[i].verify, T0 + MMR_NS_PER_S);
        if (r != rows[i].want || w->actions != 0 || w->class_now != MMR_CLASS_OF_SEVERE)
            fail_msg("%s: %d, %u actions", rows[i].why, r, w->actions);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_removal_defends_only_once_it_is_confirmed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_names_no_threat_of_an_incident_or_comes_from_elsewhere_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

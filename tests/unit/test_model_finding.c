/* Findings from events: what is kept, what is cut, what is refused; receipts, targets, names. */
#include "model/incident.h"

#include <mamori/action.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

struct made {
    uint8_t buf[MMR_EVENT_BYTES_MAX];
    struct mmr_event ev;
    struct mmr_event_view view;
};

static int decode(struct made *m, struct mmr_finding **ret, struct mmr_error *err)
{
    assert_int_equal(mmr_event_end(&m->ev), 0);
    assert_int_equal(mmr_event_read(m->buf, m->ev.len, &m->view, err), 0);
    return mmr_finding_from_event(&m->view, ret, err);
}

static void every_field_arrives(void **state)
{
    static struct made m;
    struct mmr_finding *f;
    const char *attack[] = {"T1059.004", "T1071"}, *answers[] = {"203.0.113.5", "alias.example", "2001:db8::7"};
    (void)state;
    mmr_event_begin(&m.ev, m.buf, sizeof m.buf, "finding", 2004, 1, 123456789, 4);
    mmr_event_str(&m.ev, "mamori.id", "0193503b-aa00-7000-8000-00000000000a");
    mmr_event_str(&m.ev, "mamori.side", "network");
    mmr_event_str(&m.ev, "mamori.node", "gw");
    mmr_event_int(&m.ev, "mamori.seq", 7);
    mmr_event_str(&m.ev, "mamori.rule", "sid:1");
    mmr_event_str(&m.ev, "mamori.phase", "impact.data");
    mmr_event_str(&m.ev, "mamori.direction", "outbound");
    mmr_event_str(&m.ev, "mamori.potential", "high");
    mmr_event_bool(&m.ev, "mamori.harm", true);
    mmr_event_strv(&m.ev, "mamori.attack", attack, 2);
    mmr_event_strv(&m.ev, "answers", answers, 3);
    mmr_event_str(&m.ev, "src_endpoint.ip", "192.0.2.5");
    mmr_event_int(&m.ev, "src_endpoint.port", 41000);
    mmr_event_str(&m.ev, "dst_endpoint.ip", "::ffff:203.0.113.9");
    mmr_event_str(&m.ev, "dst_endpoint.port", "443"); /* logs carry numbers as text */
    mmr_event_str(&m.ev, "process.file.path", "C:\\Users\\a\\x.exe");
    mmr_event_int(&m.ev, "process.pid", 77);
    mmr_event_str(&m.ev, "actor.user.name", "hanako");
    mmr_event_str(&m.ev, "actor.process.name", "other.exe"); /* the subject is there: the actor is another */
    mmr_event_str(&m.ev, "tls.sni", "c2.example");
    mmr_event_int(&m.ev, "count", 6);
    assert_int_equal(decode(&m, &f, NULL), 0);
    assert_int_equal(f->count, 6);
    assert_int_equal(f->id[0], 0x01);
    assert_int_equal(f->id[15], 0x0a);
    assert_int_equal(f->side, MMR_SIDE_NETWORK);
    assert_int_equal(f->seq, 7);
    assert_string_equal(f->rule, "sid:1");
    assert_int_equal(f->phase, MMR_PHASE_IMPACT);
    assert_int_equal(f->direction, MMR_DIR_OUTBOUND);
    assert_int_equal(f->potential, MMR_POTENTIAL_HIGH);
    assert_true(f->is_harm);
    assert_int_equal(f->n_attack, 2);
    assert_string_equal(f->attack[1], "T1071");
    assert_string_equal(f->answers, "203.0.113.5 2001:db8::7");
    assert_int_equal(f->dst_port, 443);
    assert_true(mmr_addr_is_v4(&f->dst));
    assert_string_equal(f->process.name, "x.exe");
    assert_string_equal(f->user, "hanako");
    assert_string_equal(f->domain, "c2.example");
    assert_null(f->file);
    assert_null(f->process.cmd_line);
    struct mmr_finding *c = mmr_finding_copy(f);
    free(f);
    assert_non_null(c);
    assert_string_equal(c->answers, "203.0.113.5 2001:db8::7");
    assert_string_equal(c->attack[0], "T1059.004");
    assert_string_equal(c->process.path, "C:\\Users\\a\\x.exe");
    free(c);
}

static void hostile_fields_are_made_harmless(void **state)
{
    static struct made m;
    static char big[9000];
    struct mmr_finding *f;
    (void)state;
    memset(big, 'a', sizeof big - 1);
    mmr_event_begin(&m.ev, m.buf, sizeof m.buf, "finding", 2004, 1, 1, 999);
    mmr_event_str(&m.ev, "message", big);
    mmr_event_str(&m.ev, "mamori.phase", "nonsense");
    mmr_event_str(&m.ev, "src_endpoint.ip", "not an address");
    mmr_event_str(&m.ev, "process.pid", "99999999999999999999999");
    mmr_event_int(&m.ev, "count", INT64_MAX);
    mmr_event_strn(&m.ev, "file.path", "a\0b\x1b[31m\xc3\xa9", 10);
    assert_int_equal(decode(&m, &f, NULL), 0);
    assert_int_equal(f->severity_id, 0);
    assert_int_equal(f->count, MMR_FINDING_COUNT_MAX);
    assert_int_equal(strlen(f->what), 4096);
    assert_int_equal(f->phase, MMR_PHASE_NONE);
    assert_false(mmr_addr_is_set(&f->src));
    assert_int_equal(f->process.pid, 0);
    assert_string_equal(f->file, "a?b?[31m\xc3\xa9");
    free(f);
}

static void what_is_missing_is_named(void **state)
{
    static struct made m;
    struct mmr_finding *f;
    struct mmr_error err = {.struct_size = sizeof err};
    (void)state;
    mmr_event_begin_map(&m.ev, m.buf, sizeof m.buf);
    mmr_event_int(&m.ev, "time", 1);
    assert_int_equal(decode(&m, &f, &err), MMR_EBADMSG);
    assert_non_null(strstr(err.text, "mamori.kind"));
    mmr_event_begin_map(&m.ev, m.buf, sizeof m.buf);
    mmr_event_str(&m.ev, "mamori.kind", "finding");
    mmr_event_str(&m.ev, "time", "yesterday");
    assert_int_equal(decode(&m, &f, &err), MMR_EBADMSG);
    assert_non_null(strstr(err.text, "time"));
}

static void recorded_input_gives_the_same_id(void **state)
{
    static struct made m;
    struct mmr_finding *f[3];
    (void)state;
    for (int k = 0; k < 3; k++) {
        mmr_event_begin(&m.ev, m.buf, sizeof m.buf, "finding", 2004, 1, 5, 1);
        mmr_event_str(&m.ev, "mamori.input", "a.pcap");
        mmr_event_int(&m.ev, "mamori.index", k == 2 ? 8 : 7);
        mmr_event_int(&m.ev, "mamori.seq", k); /* depends on what came between */
        assert_int_equal(decode(&m, &f[k], NULL), 0);
    }
    assert_memory_equal(f[0]->id, f[1]->id, 16);
    assert_memory_not_equal(f[0]->id, f[2]->id, 16);
    for (int k = 0; k < 3; k++)
        free(f[k]);
}

static void names_read_what_they_write(void **state)
{
    (void)state;
    for (int v = 1; v < MMR_VERB_COUNT; v++) {
        enum mmr_verb got = MMR_VERB_NONE;
        const char *n = mmr_verb_name((enum mmr_verb)v);
        assert_true(n[0] && mmr_verb_parse(n, strlen(n), &got));
        assert_int_equal(got, v);
    }
    for (int p = 1; p <= MMR_PHASE_IMPACT; p++) {
        enum mmr_phase got = MMR_PHASE_NONE;
        const char *n = mmr_phase_name((enum mmr_phase)p);
        assert_true(n[0] && mmr_phase_parse(n, strlen(n), &got));
        assert_int_equal(got, p);
    }
    for (int r = 1; r <= MMR_RESULT_UNSUPPORTED; r++) {
        enum mmr_result got = MMR_RESULT_NONE;
        const char *n = mmr_result_name((enum mmr_result)r);
        assert_true(n[0] && mmr_result_parse(n, strlen(n), &got));
        assert_int_equal(got, r);
    }
    enum mmr_verb none;
    assert_false(mmr_verb_parse("block.addrs", 11, &none));
    assert_false(mmr_verb_parse("", 0, &none));
    assert_string_equal(mmr_verb_name(MMR_VERB_NONE), "");
}

static void receipts_are_checked(void **state)
{
    uint8_t buf[512];
    struct mmr_event ev;
    struct mmr_receipt r;
    struct mmr_error err = {.struct_size = sizeof err};
    (void)state;
    mmr_event_begin_map(&ev, buf, sizeof buf);
    mmr_event_str(&ev, "result", "applied");
    mmr_event_str(&ev, "verify.result", "confirmed");
    mmr_event_str(&ev, "verify.method", "readback");
    mmr_event_int(&ev, "applied_at", 5);
    mmr_event_int(&ev, "expires_at", 9);
    mmr_event_bool(&ev, "dry_run", true);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_receipt_decode(buf, ev.len, &r, &err), 0);
    assert_int_equal(r.result, MMR_RESULT_APPLIED);
    assert_int_equal(r.verified, MMR_VERIFIED_CONFIRMED);
    assert_true(r.is_dry_run);
    assert_int_equal(r.expires_ns, 9);
    for (size_t cut = 0; cut < ev.len; cut++)
        assert_true(mmr_receipt_decode(buf, cut, &r, &err) < 0);
    static const char *const bad[][2] = {{"result", "great"}, {"verify.result", "surely"}};
    for (size_t k = 0; k < 2; k++) {
        mmr_event_begin_map(&ev, buf, sizeof buf);
        if (k)
            mmr_event_str(&ev, "result", "applied");
        mmr_event_str(&ev, bad[k][0], bad[k][1]);
        assert_int_equal(mmr_event_end(&ev), 0);
        assert_int_equal(mmr_receipt_decode(buf, ev.len, &r, &err), MMR_EBADMSG);
        assert_non_null(strstr(err.text, bad[k][0]));
    }
}

static void targets_read_well_and_travel(void **state)
{
    struct mmr_action_rec a = {.verb = MMR_VERB_KILL_PROCESS};
    struct mmr_event_view v;
    uint8_t buf[2048];
    char text[320];
    size_t len;
    (void)state;
    a.target.pid = 17806;
    a.target.start_ticks = 99;
    (void)snprintf(a.target.exe, sizeof a.target.exe, "/bin/bash");
    (void)snprintf(a.target.host, sizeof a.target.host, "PC1");
    mmr_target_format(a.verb, &a.target, text, sizeof text);
    assert_string_equal(text, "bash (pid 17806) on PC1");
    assert_int_equal(mmr_action_encode(&a, buf, sizeof buf, &len), 0);
    assert_int_equal(mmr_event_read(buf, len, &v, NULL), 0);
    assert_int_equal(mmr_event_get_int(&v, "process.pid", 0), 17806);
    assert_int_equal(mmr_event_get_int(&v, "process.start_ticks", 0), 99);
    assert_true(mmr_value_is(mmr_event_get(&v, "process.file.path"), "/bin/bash"));
    assert_int_equal(mmr_action_encode(&a, buf, 20, &len), MMR_ETOOBIG);

    struct mmr_action_rec b = {.verb = MMR_VERB_BLOCK_ADDR, .target = {.direction = MMR_DIR_OUTBOUND}};
    assert_int_equal(mmr_cidr_parse("198.51.100.6", &b.target.addr, NULL), 0);
    mmr_target_format(b.verb, &b.target, text, sizeof text);
    assert_string_equal(text, "198.51.100.6");
    assert_int_equal(mmr_action_encode(&b, buf, sizeof buf, &len), 0);
    assert_int_equal(mmr_event_read(buf, len, &v, NULL), 0);
    assert_true(mmr_value_is(mmr_event_get(&v, "direction"), "out"));
    assert_false(mmr_target_equal(b.verb, &b.target, &a.target));
    assert_true(mmr_target_equal(b.verb, &b.target, &b.target));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_arrives),         cmocka_unit_test(hostile_fields_are_made_harmless),
        cmocka_unit_test(what_is_missing_is_named),    cmocka_unit_test(recorded_input_gives_the_same_id),
        cmocka_unit_test(names_read_what_they_write),  cmocka_unit_test(receipts_are_checked),
        cmocka_unit_test(targets_read_well_and_travel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

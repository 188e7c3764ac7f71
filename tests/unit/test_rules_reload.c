/* test_rules_reload.c - rule files are read piece by piece, and a set made beside another shares what did not change. */
#include <rules/prefilter.h>
#include <rules/rule.h>

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct told {
    uint32_t ok, bad, last_bad_line;
};

static void on_diag(void *ctx, const struct mmr_rule_diag *d)
{
    struct told *t = ctx;
    t->ok += d->is_ok;
    t->bad += !d->is_ok;
    if (!d->is_ok)
        t->last_bad_line = d->line;
}

static struct mmr_rules *new_set(void)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_rules *set = NULL;
    assert_int_equal(mmr_rules_new(NULL, &set, &err), 0);
    return set;
}

/* Rules, remarks of many lengths and rules over several lines, of some 700 kB: no size of a read falls on the end of a line for long. */
static char *many(size_t *ret_len)
{
    enum { RULES = 1500, CAP = 2 << 20 };
    char *text = malloc(CAP);
    size_t n = 0;
    assert_non_null(text);
    for (int i = 1; i <= RULES; i++) {
        n += (size_t)snprintf(text + n, CAP - n, "# %0*d\n", 1 + i * 37 % 700, i);
        n += (size_t)snprintf(text + n, CAP - n, "alert http any any -> any any (msg:\"%d\"; %shttp.uri; content:\"/page%d\"; sid:%d;)%s", i,
                              i % 5 ? "" : "\\\n  ", i, i, i % 7 ? "\n" : "\r\n\n");
    }
    n += (size_t)snprintf(text + n, CAP - n, "alert tcp any any -> any any (content:\"last\"; sid:%d;)", RULES + 1); /* without an end */
    *ret_len = n;
    return text;
}

static const char *write_file(const char *text, size_t len, size_t times)
{
    static char path[] = "/tmp/mamori-test-rules-XXXXXX";
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (size_t i = 0; i < times; i++)
        assert_int_equal(write(fd, text, len), (ssize_t)len);
    (void)close(fd);
    return path;
}

static void a_file_read_in_pieces_says_what_its_text_says(void **state)
{
    size_t len;
    char *text = many(&len);
    struct mmr_error err = {.struct_size = sizeof err};
    struct told a = {0}, b = {0};
    struct mmr_rules *whole = new_set(), *pieces = new_set();
    (void)state;
    const char *path = write_file(text, len, 1);
    assert_true(len > 500000);
    assert_int_equal(mmr_rules_add_text(whole, "t", text, len, on_diag, &a, &err), 0);
    assert_int_equal(mmr_rules_add_file(pieces, path, on_diag, &b, &err), 0);
    (void)unlink(path);
    assert_int_equal(a.ok, 1501);
    assert_int_equal(b.ok, a.ok);
    assert_int_equal(a.bad + b.bad, 0);
    for (size_t i = 0; i < mmr_rules_count(whole); i++) {
        const struct mmr_rule_info *x = mmr_rules_info(whole, i), *y = mmr_rules_info(pieces, i);
        if (x->sid != y->sid || x->line != y->line || strcmp(x->msg ? x->msg : "", y->msg ? y->msg : "") != 0)
            fail_msg("rule %zu: sid %u line %u, in pieces sid %u line %u", i, x->sid, x->line, y->sid, y->line);
    }
    mmr_rules_free(whole);
    mmr_rules_free(pieces);
    free(text);
}

static void a_line_that_never_ends_costs_only_itself(void **state)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct told t = {0};
    struct mmr_rules *set = new_set();
    static char long_line[1 << 20];
    (void)state;
    memset(long_line, 'a', sizeof long_line);
    memcpy(long_line, "alert ", 6);
    long_line[sizeof long_line / 2] = '\n'; /* 512 kB, and as much again to the end of the text */
    memcpy(long_line + sizeof long_line / 2 + 1, "alert tcp any any -> any any (content:\"x\"; sid:7;)\n#", 52);
    const char *path = write_file(long_line, sizeof long_line, 1);
    assert_int_equal(mmr_rules_add_file(set, path, on_diag, &t, &err), 0);
    (void)unlink(path);
    assert_int_equal(t.bad, 1);
    assert_int_equal(t.last_bad_line, 1);
    assert_int_equal(t.ok, 1);
    assert_int_equal(mmr_rules_info(set, 0)->line, 2);
    mmr_rules_free(set);
}

static struct mmr_rules *compiled(const char *text, const struct mmr_rules *like)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_rules *set = new_set();
    assert_int_equal(mmr_rules_add_text(set, "t", text, strlen(text), NULL, NULL, &err), 0);
    if (mmr_rules_compile_like(set, like, &err) != 0)
        fail_msg("%s", err.text);
    return set;
}

static unsigned alerts(const struct mmr_rules *set, const char *payload)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_rules_options opt = {.is_midstream_ok = true};
    struct mmr_rules_engine *e = NULL;
    assert_int_equal(mmr_rules_engine_new(set, &opt, &e, &err), 0);
    struct mmr_flow flow = {.struct_size = sizeof flow, .ip_version = 4, .proto = IPPROTO_UDP, .id = 1, .client_port = 1000, .server_port = 2000};
    struct mmr_frame frame = {.struct_size = sizeof frame, .time_ns = 1, .index = 1};
    struct mmr_packet p = {.struct_size = sizeof p, .frame = &frame, .flow = &flow, .ip_version = 4, .proto = IPPROTO_UDP,
                           .payload = (const uint8_t *)payload, .payload_len = (uint32_t)strlen(payload)};
    mmr_rules_packet(e, &p);
    const unsigned n = (unsigned)mmr_rules_engine_stats(e)->alerts;
    mmr_rules_engine_free(e);
    return n;
}

static void what_did_not_change_is_shared_and_outlives_either(void **state)
{
    static const char before[] = "alert udp any any -> any any (content:\"one\"; sid:1;)\n"
                                 "alert http any any -> any any (http.uri; content:\"/a\"; sid:2;)\n"
                                 "alert http any any -> any any (http.host; content:\"b.example\"; sid:3;)\n",
                      after[] = "alert udp any any -> any any (content:\"one\"; msg:\"said otherwise\"; sid:1; rev:2;)\n"
                                "alert http any any -> any any (http.uri; content:\"/changed\"; sid:2;)\n"
                                "alert http any any -> any any (http.host; content:\"b.example\"; sid:3;)\n";
    (void)state;
    for (int is_old_first = 0; is_old_first < 2; is_old_first++) {
        struct mmr_rules *old = compiled(before, NULL), *new = compiled(after, old);
        unsigned shared = 0, made = 0;
        for (unsigned i = 0; i < RULES_BUFS; i++) {
            shared += new->buf[i].pf && new->buf[i].pf == old->buf[i].pf;
            made += new->buf[i].pf && new->buf[i].pf != old->buf[i].pf;
        }
        assert_int_equal(shared, 1); /* the host's */
        assert_int_equal(made, 1);   /* the address's */
        assert_ptr_equal(new->pkt.pf, old->pkt.pf);
        assert_int_equal(alerts(old, "xonex"), 1);
        mmr_rules_free(is_old_first ? old : new);
        assert_int_equal(alerts(is_old_first ? new : old, "xonex"), 1);
        assert_int_equal(alerts(is_old_first ? new : old, "none"), 1);
        assert_int_equal(alerts(is_old_first ? new : old, "two"), 0);
        mmr_rules_free(is_old_first ? new : old);
    }
}

static void only_the_very_same_literals_are_shared(void **state)
{
    static const uint8_t abc[] = "abc", abd[] = "abd";
    static const struct {
        const char *why;
        struct literal lits[2];
        uint32_t n;
        bool want;
    } rows[] = {
        {"the same", {{abc, 3, false}, {abd, 3, true}}, 2, true},
        {"another order", {{abd, 3, true}, {abc, 3, false}}, 2, false},
        {"another case flag", {{abc, 3, true}, {abd, 3, true}}, 2, false},
        {"a shorter one", {{abc, 2, false}, {abd, 3, true}}, 2, false},
        {"another byte", {{abd, 3, false}, {abd, 3, true}}, 2, false},
        {"fewer", {{abc, 3, false}}, 1, false},
        {"none", {{0}}, 0, false},
    };
    struct mmr_error err = {.struct_size = sizeof err};
    struct prefilter *pf = NULL;
    (void)state;
    assert_int_equal(mmr_prefilter_new(rows[0].lits, 2, false, &pf, &err), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct prefilter *got = mmr_prefilter_share(pf, rows[i].lits, rows[i].n);
        if (got != (rows[i].want ? pf : NULL))
            fail_msg("%s", rows[i].why);
        mmr_prefilter_free(got);
    }
    assert_null(mmr_prefilter_share(NULL, rows[0].lits, 2));
    mmr_prefilter_free(pf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_read_in_pieces_says_what_its_text_says),
        cmocka_unit_test(a_line_that_never_ends_costs_only_itself),
        cmocka_unit_test(what_did_not_change_is_shared_and_outlives_either),
        cmocka_unit_test(only_the_very_same_literals_are_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

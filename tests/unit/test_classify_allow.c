/* Known good: what fits, what is proof, what is only counted, and when it ends. */
#include "classify/allow.h"

#include "util/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S MMR_NS_PER_S
#define NOW (INT64_C(1700000000) * S)

static struct mmr_addr addr(const char *text)
{
    struct mmr_addr a;
    assert_true(mmr_addr_parse(text, strlen(text), &a));
    return a;
}

static struct mmr_finding scan(int port)
{
    return (struct mmr_finding){.kind = "finding", .side = MMR_SIDE_NETWORK, .rule = "net.scan", .phase = MMR_PHASE_ATTEMPT_INBOUND,
                                .potential = MMR_POTENTIAL_HIGH, .time_ns = NOW, .src = addr("192.0.2.9"), .dst = addr("192.0.2.5"),
                                .dst_port = (uint16_t)port};
}

static struct mmr_finding update(void)
{
    return (struct mmr_finding){.kind = "finding", .side = MMR_SIDE_ENDPOINT, .rule = "ep.rewrites", .phase = MMR_PHASE_FOOTHOLD_PROCESS,
                                .potential = MMR_POTENTIAL_HIGH, .time_ns = NOW, .host = "PC1.example",
                                .process = {.name = "updater", .path = "/opt/u/updater", .pid = 9}};
}

static struct mmr_incident *incident_of(const struct mmr_finding *f, uint32_t n)
{
    struct mmr_incident *i = mmr_incident_new(77, NULL);
    for (uint32_t k = 0; k < n; k++) {
        struct mmr_evidence e = {.finding = mmr_finding_copy(&f[k]), .count = 1, .fold = k + 1};
        assert_int_equal(mmr_incident_insert_evidence(i, &e, NULL), 0);
    }
    return i;
}

static void from_an_incident_in_one_step(void **state)
{
    (void)state;
    const struct mmr_finding f[] = {scan(22), scan(80), update()};
    struct mmr_incident *i = incident_of(f, 3);
    struct mmr_allow *a = calloc(1, sizeof *a);
    struct mmr_allow_rule r[8];
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_benign_proof p;
    assert_int_equal(mmr_allow_from_incident(i, MMR_ALLOW_AS_SEEN, "A. Person", "our own scanner and updater", 7, NOW, r, 8, &err), 2);
    assert_int_equal(mmr_allow_proofs(a, i, NOW, &p, 1), 0);
    assert_int_equal(mmr_allow_add(a, &r[0], NOW, &err), 0);
    assert_int_equal(mmr_allow_proofs(a, i, NOW, &p, 1), 0); /* half of it is no proof */
    assert_int_equal(mmr_allow_add(a, &r[1], NOW, &err), 0);
    assert_int_equal(mmr_allow_add(a, &r[1], NOW, &err), 0);
    assert_int_equal(a->n, 2);
    assert_int_equal(mmr_allow_proofs(a, i, NOW, &p, 1), 1);
    assert_string_equal(p.owner, "A. Person");
    assert_int_equal(p.expires_ns, NOW + 7 * 24 * 3600 * S);
    assert_int_equal(mmr_allow_proofs(a, i, p.expires_ns, &p, 1), 0); /* over */
    i->evicted = 1; /* something that nobody can look at */
    assert_int_equal(mmr_allow_proofs(a, i, NOW, &p, 1), 0);

    struct mmr_finding other = scan(22);
    other.src = addr("192.0.2.10"); /* another machine does the same */
    assert_null(mmr_allow_of(a, &other, NOW));
    other = update();
    other.process.path = "/tmp/updater";
    assert_null(mmr_allow_of(a, &other, NOW));
    other = update();
    other.host = "pc2";
    assert_null(mmr_allow_of(a, &other, NOW));
    other.host = "pc1";
    assert_non_null(mmr_allow_of(a, &other, NOW)); /* a machine's name, however it is written */
    free(a);
    mmr_incident_free(i);
}

static void by_one_thing_alone(void **state)
{
    (void)state;
    const struct mmr_finding f[] = {scan(22), update()};
    struct mmr_incident *i = incident_of(f, 2);
    struct mmr_allow_rule r[8];
    struct mmr_error err = {.struct_size = sizeof err};
    static const struct {
        enum mmr_allow_what what;
        int n;
    } rows[] = {{MMR_ALLOW_SOURCE, 1}, {MMR_ALLOW_DESTINATION, 1}, {MMR_ALLOW_RULE, 2}, {MMR_ALLOW_PROCESS, 1}};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
        assert_int_equal(mmr_allow_from_incident(i, rows[k].what, "A", "b", 1, NOW, r, 8, &err), rows[k].n);
    assert_int_equal(mmr_allow_from_incident(i, MMR_ALLOW_AS_SEEN, "", "b", 1, NOW, r, 8, &err), MMR_EINVAL);
    assert_int_equal(mmr_allow_from_incident(i, MMR_ALLOW_AS_SEEN, "A", "", 1, NOW, r, 8, &err), MMR_EINVAL);
    assert_int_equal(mmr_allow_from_incident(i, MMR_ALLOW_AS_SEEN, "A", "b", 0, NOW, r, 8, &err), MMR_EINVAL);
    assert_int_equal(mmr_allow_from_incident(i, MMR_ALLOW_AS_SEEN, "A", "b", 367, NOW, r, 8, &err), MMR_EINVAL);
    struct mmr_incident *none = incident_of(f, 0);
    assert_int_equal(mmr_allow_from_incident(none, MMR_ALLOW_AS_SEEN, "A", "b", 1, NOW, r, 8, &err), MMR_EINVAL);
    mmr_incident_free(none);
    mmr_incident_free(i);
    const struct mmr_allow_rule empty = {.id = 1};
    assert_false(mmr_allow_fits(&empty, &f[0])); /* nothing said is not everything allowed */
}

/* A scanner over the whole office is one kept finding an hour. */
static void repeats_are_only_counted(void **state)
{
    (void)state;
    struct mmr_finding f = scan(1);
    struct mmr_incident *i = incident_of(&f, 1);
    struct mmr_allow *a = calloc(1, sizeof *a);
    struct mmr_allow_rule r;
    struct mmr_error err = {.struct_size = sizeof err};
    unsigned kept = 0;
    assert_int_equal(mmr_allow_from_incident(i, MMR_ALLOW_AS_SEEN, "A", "b", 1, NOW, &r, 1, &err), 1);
    assert_int_equal(mmr_allow_add(a, &r, NOW, &err), 0);
    for (int k = 0; k < 20000; k++) {
        f = scan(1 + k % 60000);
        kept += !mmr_allow_suppress(a, &f, NOW + k * S / 4);
    }
    assert_int_equal(kept, 2);
    assert_int_equal(a->v[0].hits, 20000);
    f.phase = MMR_PHASE_NONE;
    assert_false(mmr_allow_suppress(a, &f, NOW)); /* hints are nobody's noise */
    f = scan(1);
    assert_false(mmr_allow_suppress(a, &f, r.expires_ns)); /* over: told again */
    free(a);
    mmr_incident_free(i);
}

static void kept_and_read_with_care(void **state)
{
    (void)state;
    const struct mmr_finding f[] = {scan(22), update()};
    struct mmr_incident *i = incident_of(f, 2);
    struct mmr_allow_rule r[4], back;
    struct mmr_error err = {.struct_size = sizeof err};
    char json[MMR_ALLOW_JSON_MAX];
    assert_int_equal(mmr_allow_from_incident(i, MMR_ALLOW_AS_SEEN, "A \"quoted\" \\ name", "\xe7\x90\x86\xe7\x94\xb1", 30, NOW, r, 4, &err), 2);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(mmr_allow_to_json(&r[k], NOW, json, &err), 0);
        assert_int_equal(mmr_allow_from_json(json, &back, &err), 0);
        assert_memory_equal(&back, &r[k], sizeof back);
    }
    static const char *const bad[] = {"", "{}", "[]", "{\"id\":1}", "{\"id\":\"0000000000000001\",\"owner\":\"a\",\"reason\":\"b\",\"expires_ns\":5}"};
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++)
        assert_int_equal(mmr_allow_from_json(bad[k], &back, &err), MMR_EBADMSG);
    mmr_incident_free(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_an_incident_in_one_step),
        cmocka_unit_test(by_one_thing_alone),
        cmocka_unit_test(repeats_are_only_counted),
        cmocka_unit_test(kept_and_read_with_care),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

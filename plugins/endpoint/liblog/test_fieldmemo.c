/* test_fieldmemo.c - what is remembered of a field's name is what the table of fields says of it, whoever asked before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fieldmemo.h"
#include "sigma/fields.h"

static void same(struct mmr_fieldmemo *m, const char *kind, const char *code, const char *name, size_t n)
{
    const struct mmr_sigma_field *want = mmr_sigma_field_find(kind, code, name, n);
    const struct mmr_field_place *got = mmr_fieldmemo_find(m, (struct mmr_slice){name, (uint32_t)n, 0});
    if (got->ocsf != (want ? want->ocsf : NULL))
        fail_msg("%s in %s %s: remembered as %s, is %s", name, kind, code, got->ocsf ? got->ocsf : "none", want ? want->ocsf : "none");
    assert_int_equal(got->form == MMR_FIELD_UNMAPPED, !want);
    assert_int_equal(got->form == MMR_FIELD_HASHES, want && want->form == MMR_SIGMA_HASHES);
    assert_int_equal(got->form == MMR_FIELD_ACCOUNT, want && want->form == MMR_SIGMA_ACCOUNT);
}

static void what_is_remembered_is_what_the_table_says(void **state)
{
    (void)state;
    static const char *const kinds[] = {"process.start", "process.access", "conn.open", "file.create", "registry.set",
                                        "auth.fail", "log.record", "dns.query", "module.load"};
    static const char *const codes[] = {"", "1", "3", "4688", "5156", "4625", "123456789012345"};
    struct mmr_fieldmemo *m = calloc(1, sizeof *m);
    assert_non_null(m);
    size_t n;
    const struct mmr_sigma_field *rows = mmr_sigma_fields(&n);
    for (int pass = 0; pass < 2; pass++) /* the second finds what the first left, or what took its place */
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
            for (size_t c = 0; c < sizeof codes / sizeof codes[0]; c++) {
                mmr_fieldmemo_event(m, kinds[k], codes[c]);
                for (size_t i = 0; i < n; i++) {
                    same(m, kinds[k], codes[c], rows[i].name, strlen(rows[i].name));
                    same(m, kinds[k], codes[c], rows[i].name, strlen(rows[i].name) - 1);
                }
            }
    free(m);
}

static void names_of_any_number_and_length_are_answered(void **state)
{
    (void)state;
    struct mmr_fieldmemo *m = calloc(1, sizeof *m);
    assert_non_null(m);
    char name[200];
    mmr_fieldmemo_event(m, "process.start", "1");
    for (int i = 0; i < 5000; i++) { /* more than the table holds */
        int len = snprintf(name, sizeof name, "Made%d", i * 7919);
        same(m, "process.start", "1", name, (size_t)len);
        same(m, "process.start", "1", "Image", 5);
        same(m, "process.start", "1", "CommandLine", 11);
    }
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (size_t n = MMR_FIELDMEMO_NAME_MAX - 1; n < sizeof name; n++)
        same(m, "process.start", "1", name, n);
    same(m, "process.start", "1", "", 0);
    mmr_fieldmemo_event(m, "process.start", "an event code of more than fifteen bytes");
    same(m, "process.start", "", "ProcessId", 9);
    free(m);
}

static void a_place_knows_what_its_value_needs(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *code, *name;
        enum mmr_field_form form;
        enum mmr_field_base base;
    } rows[] = {
        {"process.start", "1", "Image", MMR_FIELD_TEXT, MMR_FIELD_BASE_PROCESS},
        {"process.start", "1", "ParentImage", MMR_FIELD_TEXT, MMR_FIELD_BASE_PARENT},
        {"file.create", "11", "TargetFilename", MMR_FIELD_TEXT, MMR_FIELD_BASE_FILE},
        {"process.start", "1", "ProcessId", MMR_FIELD_INT, MMR_FIELD_BASE_NONE},
        {"process.start", "1", "ProcessGuid", MMR_FIELD_UID, MMR_FIELD_BASE_NONE},
        {"process.start", "1", "Hashes", MMR_FIELD_HASHES, MMR_FIELD_BASE_NONE},
        {"process.start", "1", "User", MMR_FIELD_ACCOUNT, MMR_FIELD_BASE_NONE},
        {"conn.open", "3", "SourceIp", MMR_FIELD_ADDR, MMR_FIELD_BASE_NONE},
        {"conn.open", "3", "DestinationPort", MMR_FIELD_INT, MMR_FIELD_BASE_NONE},
        {"conn.open", "5156", "Protocol", MMR_FIELD_INT, MMR_FIELD_BASE_NONE},
        {"process.start", "1", "RuleName", MMR_FIELD_UNMAPPED, MMR_FIELD_BASE_NONE},
    };
    struct mmr_fieldmemo *m = calloc(1, sizeof *m);
    assert_non_null(m);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mmr_fieldmemo_event(m, rows[i].kind, rows[i].code);
        const struct mmr_field_place *p = mmr_fieldmemo_find(m, (struct mmr_slice){rows[i].name, (uint32_t)strlen(rows[i].name), 0});
        if (p->form != rows[i].form || p->base != rows[i].base)
            fail_msg("%s in %s: form %d, base %d", rows[i].name, rows[i].kind, p->form, p->base);
    }
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_remembered_is_what_the_table_says),
        cmocka_unit_test(names_of_any_number_and_length_are_answered),
        cmocka_unit_test(a_place_knows_what_its_value_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_sigma_fields.c - the field table finds rows by name, kind and event id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sigma/fields.h"

static const char *ocsf_of(const char *kind, const char *code, const char *name)
{
    const struct mmr_sigma_field *f = mmr_sigma_field_find(kind, code, name, strlen(name));
    return f ? f->ocsf : NULL;
}

static void names_map_by_context(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *code, *name, *want;
    } t[] = {
        {"process.start", "1", "Image", "process.file.path"},
        {"process.start", "1", "image", "process.file.path"},
        {"process.start", "4688", "NewProcessName", "process.file.path"},
        {"process.start", "4688", "ProcessId", "process.parent_process.pid"},
        {"process.start", "1", "ProcessId", "process.pid"},
        {"process.start", "4688", "SubjectUserName", "user.name"},
        {"auth.logon", "4624", "SubjectUserName", "actor.user.name"},
        {"auth.logon", "4624", "TargetUserName", "user.name"},
        {"process.start", "4688", "TargetUserName", NULL},
        {"auth.fail", "4625", "IpAddress", "src_endpoint.ip"},
        {"process.access", "10", "SourceImage", "actor.process.file.path"},
        {"process.access", "10", "TargetImage", "process.file.path"},
        {"process.access", "10", "GrantedAccess", NULL},
        {"module.load", "7", "ImageLoaded", "file.path"},
        {"module.load", "7", "Hashes", "file.hashes."},
        {"process.start", "1", "Hashes", "process.file.hashes."},
        {"file.create", "11", "TargetFilename", "file.path"},
        {"dns.query", "22", "QueryName", "query.hostname"},
        {"log.record", "1", "ImageLoaded", NULL},
        {NULL, NULL, "Image", "process.file.path"},
        {"process.start", "1", "Imag", NULL},
        {"process.start", "1", "Images", NULL},
        {"process.start", "1", "", NULL},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        const char *got = ocsf_of(t[i].kind, t[i].code, t[i].name);
        if ((got == NULL) != (t[i].want == NULL) || (got && strcmp(got, t[i].want) != 0))
            fail_msg("%s in %s: got %s, want %s", t[i].name, t[i].kind ? t[i].kind : "any",
                     got ? got : "none", t[i].want ? t[i].want : "none");
    }
}

static void table_is_sorted_and_every_row_is_reachable(void **state)
{
    (void)state;
    size_t n;
    const struct mmr_sigma_field *f = mmr_sigma_fields(&n);
    assert_true(n > 100);
    for (size_t i = 0; i < n; i++) {
        if (i && strcasecmp(f[i - 1].name, f[i].name) > 0)
            fail_msg("%s stands after %s", f[i].name, f[i - 1].name);
        if (!f[i].ocsf)
            continue;
        char kind[64] = "log.record";
        if (f[i].kinds) { /* the first kind named, a family's with some member */
            int len = (int)strcspn(f[i].kinds, " *");
            (void)snprintf(kind, sizeof kind, "%.*s%s", len, f[i].kinds, f[i].kinds[len] == '*' ? "start" : "");
        }
        const char *got = ocsf_of(kind, f[i].code, f[i].name);
        if (!got || strcmp(got, f[i].ocsf) != 0)
            fail_msg("row %zu (%s, %s) is shadowed", i, f[i].name, kind);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_map_by_context),
        cmocka_unit_test(table_is_sorted_and_every_row_is_reachable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

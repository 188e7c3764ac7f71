/* test_local.c - a notice stands in the file once, whatever it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "testhost.h"

#include <stdio.h>
#include <string.h>

extern const struct mmr_plugin mmr_plugin_local;

static void a_notice_stands_in_the_file_once(void **state)
{
    (void)state;
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    char path[4200], text[4096];
    const char *dir = mmr_testhost_make_state_dir(th);
    static const char *const cfg[] = {"terminals", "no", NULL};
    if (mmr_testhost_add(th, &mmr_plugin_local, cfg, &err) != 0)
        fail_msg("%s", err.text);
    static const char json[] = "{\"kind\":\"notice\",\"key\":\"a.0.owner.push\",\"service\":\"S\",\"incident\":\"00aa\",\"text\":\"【至急】\\u001b[2J電話\\nください\"}";
    for (uint64_t seq = 1; seq <= 2; seq++)
        assert_int_equal(mmr_testhost_forward(th, 0, json, seq, &err), 0);
    assert_int_equal(mmr_testhost_deliveries(th), 2);
    assert_int_equal(mmr_testhost_delivery(th, 1)->level, MMR_DELIVERY_GATEWAY); /* nobody knows whether a person sat there */
    (void)snprintf(path, sizeof path, "%s/notices.txt", dir);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    (void)fclose(f);
    assert_string_equal(text, "\n---- S  00aa ----\n【至急】 [2J電話\nください\n");
    assert_int_equal(mmr_testhost_forward(th, 0, "{\"class_uid\":2005}", 3, &err), MMR_EUNSUPPORTED);
    mmr_testhost_free(th);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_notice_stands_in_the_file_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

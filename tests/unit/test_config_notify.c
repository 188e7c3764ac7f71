/* test_config_notify.c - whom to tell: what would only be found out in the night is said when the file is read, with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/config.h"

#include <stdio.h>
#include <string.h>

#define MAIL "plugins: {mail: {plugin: org.mamori.smtp, takes: [notice]}}\n"

struct said {
    char text[4096];
    unsigned lines;
};

static void collect(void *ctx, const char *line)
{
    struct said *s = ctx;
    size_t at = strlen(s->text);
    (void)snprintf(s->text + at, sizeof s->text - at, "%s\n", line);
    s->lines++;
}

static void wrong_contacts_are_named_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *says; /* NULL: it is good */
    } rows[] = {
        {MAIL "notify: {contacts: {owner: {mail: owner@example.jp}}}", NULL},
        {MAIL "notify: {contacts: {owner: {mail: owner@example.jp}}, channels: {mail: {through: mail, second: mail, second_carrier: other}}}", NULL},
        {"notify: {contacts: {owner: {mail: owner@example.jp}}}", "a.yaml:1:35: channel 'mail' goes through 'mail', but there is no such instance"},
        {"plugins: {mail: {plugin: x.y.z, enabled: no}}\nnotify: {contacts: {owner: {mail: owner@example.jp}}}", "is not enabled; write 'plugins: {mail: {enabled: yes}}'"},
        {MAIL "notify: {contacts: {owner: {mail: owner}}}", "found 'owner', expected one mail address"},
        {MAIL "notify: {contacts: {owner: {mail: \"a@b, c@d\"}}}", "expected one mail address"},
        {MAIL "notify: {contacts: {owner: {sms: \"call me\"}}, channels: {sms: {through: mail}}}", "expected a telephone number in quotes"},
        {MAIL "notify: {contacts: {owner: {sms: \"+81 90-1234-5678\"}}, channels: {sms: {through: mail}}}", NULL},
        {MAIL "notify: {contacts: {owner: {role: user}}}", "contact 'owner' has no address"},
        {MAIL "notify: {contacts: {owner: {role: boss, mail: a@b}}}", "must be one of: user duty manager partner"},
        {MAIL "notify: {contacts: {owner: {fax: \"1\"}}}", "unknown key 'notify.contacts.owner.fax'"},
        {MAIL "notify: {contacts: {owner: {mail: a@b}}, channels: {mail: {through: gone}}}", "goes through 'gone'"},
        {"notify: {contacts: {owner: {mail: a@b}}, channels: {mail: {through: \"sink:ok\"}}}", NULL},
        {"notify: {contacts: {owner: {mail: a@b}}, channels: {mail: {through: \"sink:maybe\"}}}", "expected sink:ok"},
        {"profile: service\nnotify: {contacts: {owner: {mail: a@b}}, channels: {mail: {through: \"sink:ok\"}}}", "which is for tests; 'profile: service' needs"},
        {"notify: {confirm_url: \"http://m.example.jp\"}", "expected https://NAME"},
        {"notify: {confirm_url: \"https://m.example.jp\"}", NULL},
        {"plugins: {f: {plugin: x.y.z, takes: [incident, everything]}}", "found 'everything', expected incident, receipt, notice or report"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct mmr_config_source src = {.name = "a.yaml", .text = rows[i].yaml};
        struct mmr_error err = {.struct_size = sizeof err};
        struct said s = {.lines = 0};
        struct mmr_config *c = NULL;
        int r = mmr_config_load(&src, 1, collect, &s, &c, &err);
        if (r != (rows[i].says ? MMR_ECONFIG : 0) || (rows[i].says && !strstr(s.text, rows[i].says)))
            fail_msg("row %zu: %d\n%s", i, r, s.text);
        mmr_config_free(c);
    }
    char many[4096] = MAIL "notify:\n  contacts:\n";
    for (int i = 0; i < 17; i++)
        (void)snprintf(many + strlen(many), sizeof many - strlen(many), "    c%d: {mail: c%d@example.jp}\n", i, i);
    const struct mmr_config_source src = {.name = "a.yaml", .text = many};
    struct mmr_error err = {.struct_size = sizeof err};
    struct said s = {.lines = 0};
    struct mmr_config *c = NULL;
    assert_int_equal(mmr_config_load(&src, 1, collect, &s, &c, &err), MMR_ECONFIG);
    assert_non_null(strstr(s.text, "more than 16 contacts"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(wrong_contacts_are_named_with_their_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

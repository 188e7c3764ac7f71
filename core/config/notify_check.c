/* notify_check.c - whom to tell: what a person would find out only in the night when it matters. */
#include "config/schema.h"

#include "config/value.h"

#include <mamori/plugin.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { CONTACTS_MAX = 16, NAME_MAX_CHARS = 31, ADDRESS_MAX = 95, THROUGH_MAX = 63 };
static const char *const channels[] = {"mail", "sms", "voice", "push"};
static const char *const sinks[] = {"ok", "accept-only", "tempfail", "permfail", NULL};
static const char *const records[] = {"incident", "receipt", "notice", "report", NULL};

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(*words, text) != 0)
        words++;
    return *words != NULL;
}

struct check {
    const struct mmr_yaml *root;
    mmr_diag_fn diag;
    void *ctx;
    unsigned problems;
    bool is_service;
};

static const char *text_of(const struct mmr_yaml *map, const char *key)
{
    const struct mmr_yaml *n = map && map->type == MMR_YAML_MAP ? mmr_yaml_child(map, key) : NULL;
    return n && n->type == MMR_YAML_SCALAR ? n->text : NULL;
}

#define PROBLEM(...)                                                                               \
    do {                                                                                           \
        mmr_yaml_diag(c->diag, c->ctx, __VA_ARGS__);                                               \
        c->problems++;                                                                             \
    } while (0)

/* Is there an instance of that name, and does it start? */
static void check_through(struct check *c, const struct mmr_yaml *at, const char *channel, const char *through)
{
    const struct mmr_yaml *plugins = mmr_yaml_child(c->root, "plugins");
    const struct mmr_yaml *inst = plugins && plugins->type == MMR_YAML_MAP ? mmr_yaml_child(plugins, through) : NULL;
    char why[200];
    int64_t on = 1;
    if (strncmp(through, "sink:", 5) == 0) {
        if (c->is_service)
            PROBLEM(at, "channel '%s' goes to '%.40s', which is for tests; 'profile: service' needs an instance that sends", channel, through);
        else if (!is_one_of(through + 5, sinks))
            PROBLEM(at, "found '%.40s', expected sink:ok, sink:accept-only, sink:tempfail or sink:permfail", through);
        return;
    }
    if (!inst || strlen(through) > THROUGH_MAX) {
        PROBLEM(at, "channel '%s' goes through '%.40s', but there is no such instance under 'plugins'; name one with 'notify.channels.%s.through'",
                channel, through, channel);
        return;
    }
    const char *enabled = text_of(inst, "enabled");
    if (enabled && mmr_value_parse(MMR_CFG_BOOL, enabled, 0, 0, &on, why, sizeof why) && !on)
        PROBLEM(at, "channel '%s' goes through '%.40s', which is not enabled; write 'plugins: {%.40s: {enabled: yes}}'", channel, through, through);
}

static bool is_plain(const char *text)
{
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '<' || *p == '>' || *p == '"' || *p == '\\')
            return false;
    return *text != '\0';
}

static bool is_mail(const char *text)
{
    const char *at = strchr(text, '@');
    return is_plain(text) && !strchr(text, ' ') && !strchr(text, ',') && at && at != text && at[1] && !strchr(at + 1, '@');
}

static bool is_number(const char *text)
{
    size_t digits = 0;
    for (const char *p = text; *p; p++) {
        if (!isdigit((unsigned char)*p) && !strchr("+-() ", *p))
            return false;
        digits += isdigit((unsigned char)*p) != 0;
    }
    return digits >= 6 && digits <= 18;
}

static void check_address(struct check *c, const struct mmr_yaml *at, const char *channel, const char *text)
{
    bool is_phone = strcmp(channel, "sms") == 0 || strcmp(channel, "voice") == 0;
    if (strlen(text) > ADDRESS_MAX)
        PROBLEM(at, "an address of %zu bytes, at most %d", strlen(text), ADDRESS_MAX);
    else if (strcmp(channel, "mail") == 0 && !is_mail(text))
        PROBLEM(at, "found '%.60s', expected one mail address, as in owner@example.jp", text);
    else if (is_phone && !is_number(text))
        PROBLEM(at, "found '%.60s', expected a telephone number in quotes, as in \"+81901234567\"", text);
    else if (!is_plain(text))
        PROBLEM(at, "'%.60s' holds a character that no address has", text);
}

static void check_contact(struct check *c, const struct mmr_yaml *contact, const struct mmr_yaml *settings)
{
    unsigned has = 0;
    if (contact->type != MMR_YAML_MAP) {
        PROBLEM(contact, "contact '%.40s' needs an address, as in '%.40s: {mail: owner@example.jp}'", contact->key, contact->key);
        return;
    }
    if (strlen(contact->key) > NAME_MAX_CHARS || strspn(contact->key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != strlen(contact->key))
        PROBLEM(contact, "contact '%.40s': a name has 1 to %d letters, digits, - and _", contact->key, NAME_MAX_CHARS);
    for (size_t k = 0; k < sizeof channels / sizeof channels[0]; k++) {
        const struct mmr_yaml *at = mmr_yaml_child(contact, channels[k]);
        char path[64];
        if (!at || at->type != MMR_YAML_SCALAR)
            continue;
        has++;
        check_address(c, at, channels[k], at->text);
        (void)snprintf(path, sizeof path, "notify.channels.%s.through", channels[k]);
        const struct mmr_yaml *one = settings ? mmr_yaml_child(settings, channels[k]) : NULL;
        const char *through = text_of(one, "through"), *second = text_of(one, "second");
        const struct mmr_schema_row *row = mmr_schema_find(path);
        check_through(c, through ? mmr_yaml_child(one, "through") : at, channels[k], through ? through : row ? row->dflt : "");
        if (second)
            check_through(c, mmr_yaml_child(one, "second"), channels[k], second);
    }
    if (!has)
        PROBLEM(contact, "contact '%.40s' has no address; give it mail, sms, voice or push", contact->key);
}

unsigned mmr_notify_check(const struct mmr_yaml *root, mmr_diag_fn diag, void *ctx)
{
    struct check check = {.root = root, .diag = diag, .ctx = ctx}, *c = &check;
    const struct mmr_yaml *notify = mmr_yaml_child(root, "notify"), *plugins = mmr_yaml_child(root, "plugins");
    const struct mmr_yaml *contacts = notify && notify->type == MMR_YAML_MAP ? mmr_yaml_child(notify, "contacts") : NULL;
    const struct mmr_yaml *settings = contacts ? mmr_yaml_child(notify, "channels") : NULL;
    const struct mmr_yaml *url = notify && notify->type == MMR_YAML_MAP ? mmr_yaml_child(notify, "confirm_url") : NULL;
    const char *profile = text_of(root, "profile");
    unsigned n = 0;
    c->is_service = profile && strcmp(profile, "service") == 0;
    if (settings && settings->type != MMR_YAML_MAP)
        settings = NULL;
    for (const struct mmr_yaml *x = contacts && contacts->type == MMR_YAML_MAP ? contacts->first : NULL; x; x = x->next) {
        if (++n == CONTACTS_MAX + 1)
            PROBLEM(x, "more than %d contacts", CONTACTS_MAX);
        check_contact(c, x, settings);
    }
    if (url && url->type == MMR_YAML_SCALAR && ((strncmp(url->text, "https://", 8) != 0 && strncmp(url->text, "http://127.0.0.1", 16) != 0) ||
                                                strlen(url->text) > 120 || !is_plain(url->text)))
        PROBLEM(url, "found '%.60s', expected https://NAME of at most 120 bytes; a link in a message must not be read on the way", url->text);
    for (const struct mmr_yaml *p = plugins && plugins->type == MMR_YAML_MAP ? plugins->first : NULL; p; p = p->next) {
        const struct mmr_yaml *takes = p->type == MMR_YAML_MAP ? mmr_yaml_child(p, "takes") : NULL;
        for (const struct mmr_yaml *k = takes && takes->type == MMR_YAML_LIST ? takes->first : NULL; k; k = k->next)
            if (!is_one_of(k->text, records))
                PROBLEM(k, "'plugins.%.40s.takes': found '%.40s', expected incident, receipt, notice or report", p->key, k->text);
    }
    return c->problems;
}

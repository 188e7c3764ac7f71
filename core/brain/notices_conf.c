/* notices_conf.c - contacts, channels and words of the configuration; it was checked when it was loaded. */
#include "brain/notices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *at(const struct mmr_config *c, const char *section, const char *name, const char *key)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s.%s.%s", section, name, key);
    const char *text = mmr_config_str(c, path);
    return text ? text : "";
}

static bool is_japanese(const struct mmr_config *c)
{
    const char *language = mmr_config_str(c, "language"), *lang = getenv("LC_ALL");
    if (strcmp(language, "auto") != 0)
        return strcmp(language, "ja") == 0;
    if (!lang || !*lang)
        lang = getenv("LC_MESSAGES");
    if (!lang || !*lang)
        lang = getenv("LANG");
    return !lang || !*lang || strncmp(lang, "en", 2) != 0; /* a service has no language of its own: its people are in Japan */
}

static void read_office(const struct mmr_config *c, struct mmr_office *o)
{
    const char *names[MMR_PLACES_MAX];
    time_t now = time(NULL);
    struct tm tm;
    (void)snprintf(o->lang, sizeof o->lang, "%s", is_japanese(c) ? "ja" : "en");
    (void)snprintf(o->name, sizeof o->name, "%s", mmr_config_str(c, "site.name"));
    (void)snprintf(o->service, sizeof o->service, "%s", mmr_config_str(c, "site.service"));
    const char *phone = mmr_config_str(c, "notify.phone"), *word = mmr_config_str(c, "notify.watchword");
    (void)snprintf(o->phone, sizeof o->phone, "%s", phone ? phone : "");
    (void)snprintf(o->watchword, sizeof o->watchword, "%s", word ? word : "");
    o->free_visits = (uint32_t)mmr_config_int(c, "support.free_visits");
    if (sscanf(mmr_config_str(c, "support.year_from"), "%2d-%2d", &o->year_month, &o->year_day) != 2 || o->year_month < 1 || o->year_month > 12 ||
        o->year_day < 1 || o->year_day > 31)
        o->year_month = o->year_day = 1;
    o->is_acting = strcmp(mmr_config_str(c, "defence.mode"), "auto") == 0;
    o->utc_offset_s = localtime_r(&now, &tm) ? (int32_t)tm.tm_gmtoff : 0;
    size_t n = mmr_config_names(c, "assets", names, MMR_PLACES_MAX);
    for (size_t i = 0; i < n && i < MMR_PLACES_MAX; i++) {
        const char *place = at(c, "assets", names[i], "place");
        if (!*place)
            continue;
        (void)snprintf(o->place[o->n_places].host, sizeof o->place[0].host, "%s", names[i]);
        (void)snprintf(o->place[o->n_places++].place, sizeof o->place[0].place, "%s", place);
    }
}

int mmr_notices_config(const struct mmr_config *c, struct mmr_outlet_config *ret, struct mmr_error *err)
{
    static const enum mmr_notice_channel channels[] = {MMR_NOTICE_PUSH, MMR_NOTICE_MAIL, MMR_NOTICE_SMS, MMR_NOTICE_VOICE};
    const char *names[MMR_CONTACTS_MAX];
    memset(ret, 0, sizeof *ret);
    read_office(c, &ret->office);
    const char *url = mmr_config_str(c, "notify.confirm_url");
    (void)snprintf(ret->confirm_url, sizeof ret->confirm_url, "%s", url ? url : "");
    for (size_t len = strlen(ret->confirm_url); len && ret->confirm_url[len - 1] == '/';)
        ret->confirm_url[--len] = '\0';
    size_t n = mmr_config_names(c, "notify.contacts", names, MMR_CONTACTS_MAX);
    if (n > MMR_CONTACTS_MAX)
        return mmr_fail(err, MMR_ECONFIG, "notify.contacts: %zu contacts, at most %d", n, MMR_CONTACTS_MAX);
    for (size_t k = 0; k < 4; k++) {
        const char *name = mmr_notice_channel_name(channels[k]);
        struct mmr_outlet_channel *x = &ret->channel[channels[k]];
        (void)snprintf(x->through[0], sizeof x->through[0], "%s", at(c, "notify.channels", name, "through"));
        (void)snprintf(x->through[1], sizeof x->through[1], "%s", at(c, "notify.channels", name, "second"));
    }
    for (size_t i = 0; i < n; i++) {
        static const char *const roles[] = {"user", "duty", "manager", "partner"};
        struct mmr_contact *x = &ret->contact[ret->n_contacts++];
        const char *role = at(c, "notify.contacts", names[i], "role");
        (void)snprintf(x->name, sizeof x->name, "%s", names[i]);
        for (int k = 0; k < 4; k++)
            if (strcmp(roles[k], role) == 0)
                x->role = (enum mmr_contact_role)k;
        for (size_t k = 0; k < 4; k++) {
            const char *name = mmr_notice_channel_name(channels[k]);
            (void)snprintf(x->address[channels[k]], sizeof x->address[0], "%s", at(c, "notify.contacts", names[i], name));
            (void)snprintf(x->carrier[channels[k]][0], sizeof x->carrier[0][0], "%s", at(c, "notify.channels", name, "carrier"));
            if (ret->channel[channels[k]].through[1][0])
                (void)snprintf(x->carrier[channels[k]][1], sizeof x->carrier[0][1], "%s", at(c, "notify.channels", name, "second_carrier"));
        }
    }
    return 0;
}

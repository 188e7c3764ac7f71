/* compose.c - see compose.h. */
#include "notify/compose.h"

#include "notify/catalogue.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PLACES = 16, LISTED_MAX = 5 };
#define SECOND_NS INT64_C(1000000000)

static bool is_ja(const struct mmr_office *o)
{
    return o->lang[0] == 'j';
}

void mmr_office_time(const struct mmr_office *o, int64_t wall_ns, char *buf, size_t cap)
{
    static const char *const months[] = {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"};
    time_t t = (time_t)(wall_ns / SECOND_NS + o->utc_offset_s);
    struct tm tm;
    if (!gmtime_r(&t, &tm))
        (void)snprintf(buf, cap, "-");
    else if (is_ja(o))
        (void)snprintf(buf, cap, "%d月%d日 %d:%02d", tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min);
    else
        (void)snprintf(buf, cap, "%d:%02d on %d %s", tm.tm_hour, tm.tm_min, tm.tm_mday, months[tm.tm_mon]);
}

static const struct mmr_host_ref *main_host(const struct mmr_incident *i)
{
    const struct mmr_host_ref *best = NULL;
    for (uint32_t k = 0; i && k < i->n_hosts; k++) {
        const struct mmr_host_ref *h = &i->hosts[k];
        bool is_better = !best || (best->role == MMR_ROLE_ATTACKER && h->role != MMR_ROLE_ATTACKER) ||
                         (!best->name[0] && h->name[0] && h->role != MMR_ROLE_ATTACKER);
        if (is_better)
            best = h;
    }
    return best;
}

static void name_of(const struct mmr_office *o, const struct mmr_host_ref *h, char *buf, size_t cap)
{
    char addr[MMR_ADDR_TEXT_MAX] = "";
    if (h && !h->name[0] && mmr_addr_is_set(&h->addr[0]))
        mmr_addr_format(&h->addr[0], addr);
    (void)snprintf(buf, cap, "%s", h && h->name[0] ? h->name : addr[0] ? addr : is_ja(o) ? "会社" : "the company's");
}

static const char *place_of(const struct mmr_office *o, const char *host)
{
    for (uint32_t k = 0; k < o->n_places; k++)
        if (strcasecmp(o->place[k].host, host) == 0 && o->place[k].place[0])
            return o->place[k].place;
    return host;
}

void mmr_office_machine(const struct mmr_office *o, const struct mmr_incident *i, char *machine, size_t machine_cap, char *place, size_t place_cap)
{
    name_of(o, main_host(i), machine, machine_cap);
    (void)snprintf(place, place_cap, "%s", place_of(o, machine));
}

/* Names of the machines of an incident and of an umbrella's members: each once, the rest as a number. */
struct names {
    const struct mmr_office *o;
    char text[400];
    size_t len;
    char seen[LISTED_MAX][80];
    uint32_t n, beyond;
};

static void add_names(struct names *x, const struct mmr_incident *i)
{
    for (uint32_t k = 0; i && k < i->n_hosts; k++) {
        char name[80];
        uint32_t s = 0;
        if (i->hosts[k].role == MMR_ROLE_ATTACKER && i->n_hosts > 1)
            continue;
        name_of(x->o, &i->hosts[k], name, sizeof name);
        while (s < x->n && strcmp(x->seen[s], name) != 0)
            s++;
        if (s < x->n)
            continue;
        if (x->n == LISTED_MAX) {
            x->beyond++;
            continue;
        }
        memcpy(x->seen[x->n++], name, sizeof name);
        int n = snprintf(x->text + x->len, sizeof x->text - x->len, "%s%s", x->n > 1 ? is_ja(x->o) ? "、" : ", " : "", name);
        x->len += n > 0 && (size_t)n < sizeof x->text - x->len ? (size_t)n : 0;
    }
}

static void end_names(struct names *x)
{
    if (x->beyond)
        (void)snprintf(x->text + x->len, sizeof x->text - x->len, is_ja(x->o) ? "、ほか%u台" : " and %u more", x->beyond);
    else if (!x->n)
        (void)snprintf(x->text, sizeof x->text, "%s", is_ja(x->o) ? "会社のパソコン" : "the company's PCs");
}

static bool is_outbound(const struct mmr_incident *i)
{
    for (uint32_t k = 0; i && k < i->n_evidence; k++)
        if (i->evidence[k].finding->phase == MMR_PHASE_FOOTHOLD_C2 || i->evidence[k].finding->direction == MMR_DIR_OUTBOUND)
            return true;
    return false;
}

static bool is_proved(const struct mmr_action_rec *a)
{
    return (a->state == MMR_STATE_PROVED || a->state == MMR_STATE_EFFECTIVE) && a->receipt.verified == MMR_VERIFIED_CONFIRMED;
}

/* Was anything really done, and was it proved? The words must not say more. */
static uint32_t done(const struct mmr_incident *i, int64_t *ret_stopped_ns, int64_t *ret_checked_ns)
{
    uint32_t n = 0;
    for (uint32_t k = 0; i && k < i->n_actions; k++) {
        const struct mmr_action_rec *a = &i->actions[k];
        if (a->is_planned_only || a->receipt.is_dry_run || a->verb == MMR_VERB_CUT_FLOW || !is_proved(a)) /* who was cut off may come back */
            continue;
        n++;
        if (a->receipt.applied_ns > *ret_stopped_ns)
            *ret_stopped_ns = a->receipt.applied_ns;
        if (a->receipt.verified_ns > *ret_checked_ns)
            *ret_checked_ns = a->receipt.verified_ns;
    }
    return n;
}

static const char *name_for(const struct mmr_office *o, const struct mmr_notice *n, enum mmr_text_kind kind, const struct mmr_incident *i, uint32_t stopped)
{
    switch (kind) {
    case MMR_TEXT_TASK: return "task.call";
    case MMR_TEXT_CHANGE: return "change";
    case MMR_TEXT_FOLLOWUP: return "followup.contained";
    case MMR_TEXT_CORRECTION: return "correction";
    default: break;
    }
    if (n->is_umbrella)
        return "severe.many";
    if (n->band == MMR_BAND_RED)
        return stopped || o->is_acting ? "severe.red" : "severe.red.open";
    return is_outbound(i) && stopped ? "severe.outbound" : "severe.yellow";
}

int mmr_compose(const struct mmr_office *o, const struct mmr_notice *n, enum mmr_text_kind kind, int64_t (*wall_of)(void *ctx, int64_t ns),
                mmr_incident_fn incident, void *ctx, char *buf, size_t cap, struct mmr_error *err)
{
    const struct mmr_incident *i = incident(ctx, n->is_umbrella && n->n_members ? n->member[0].id : n->id);
    struct names names = {.o = o};
    struct mmr_message_text t;
    char time[64], stopped_time[64], checked_time[64], machine[80], place[80], count[16];
    int64_t stopped_ns = 0, checked_ns = 0;
    uint32_t stopped = done(i, &stopped_ns, &checked_ns);
    int64_t noticed = wall_of(ctx, n->t0_ns);
    mmr_office_time(o, noticed, time, sizeof time);
    mmr_office_time(o, stopped_ns ? stopped_ns : noticed, stopped_time, sizeof stopped_time);
    mmr_office_time(o, checked_ns ? checked_ns : noticed, checked_time, sizeof checked_time);
    mmr_office_machine(o, i, machine, sizeof machine, place, sizeof place);
    add_names(&names, i);
    for (uint32_t k = 1; n->is_umbrella && k < n->n_members; k++)
        add_names(&names, incident(ctx, n->member[k].id));
    end_names(&names);
    uint32_t machines = names.n + names.beyond;
    (void)snprintf(count, sizeof count, "%u", machines ? machines : n->n_members + n->members_beyond);
    const char *phone = o->phone[0] ? o->phone : is_ja(o) ? "いつもの窓口" : "your usual contact";
    const struct mmr_place places[PLACES] = {
        {"time", time}, {"stopped_time", stopped_time}, {"checked_time", checked_time}, {"machine", machine}, {"place", place},
        {"machines", names.text}, {"count", count}, {"phone", phone}, {"watchword", o->watchword[0] ? o->watchword : is_ja(o) ? "未設定" : "not set"},
        {"who", n->closed_by[0] ? n->closed_by : o->service}, {"service", o->service}};
    const char *mark = n->is_exercise ? is_ja(o) ? "【訓練】これは練習です。\n" : "[EXERCISE] This is a rehearsal.\n" : "";
    size_t mark_len = strlen(mark);
    int r = mark_len < cap ? mmr_catalogue_find(o->lang, name_for(o, n, kind, i, stopped), &t, err) : MMR_ETOOBIG;
    if (!r) {
        memcpy(buf, mark, mark_len + 1);
        r = mmr_catalogue_render(&t, places, 11, buf + mark_len, cap - mark_len, err);
    }
    if (r)
        (void)snprintf(buf, cap, is_ja(o) ? "【至急】会社のパソコンで悪い動きを見つけました。%sへご連絡ください。" : "[URGENT] Something bad is happening on a PC of your company. Please call %s.", phone);
    return r;
}

/* Up to the first end of a sentence, without the mark in front and the watchword behind. */
static void first_sentence(const char *text, char *buf, size_t cap)
{
    const char *mark = strncmp(text, "【", strlen("【")) == 0 ? strstr(text, "】") : NULL, *from = mark ? mark + strlen("】") : text;
    if (*from == '[' && strchr(from, ']'))
        from = strchr(from, ']') + 1;
    while (*from == ' ')
        from++;
    size_t n = strcspn(from, "\n");
    static const char *const ends[] = {"。", "(合言葉", "(", " (watchword", ". "};
    for (size_t k = 0; k < sizeof ends / sizeof ends[0]; k++) {
        const char *at = strstr(from, ends[k]);
        if (at && (size_t)(at - from) < n)
            n = (size_t)(at - from);
    }
    if (n >= cap)
        for (n = cap - 1; n && ((unsigned char)from[n] & 0xc0) == 0x80; n--) {
        }
    memcpy(buf, from, n);
    buf[n] = '\0';
}

int mmr_compose_voice(const struct mmr_office *o, const char *text, char *buf, size_t cap, struct mmr_error *err)
{
    char sentence[300];
    struct mmr_message_text t;
    first_sentence(text, sentence, sizeof sentence);
    const struct mmr_place places[] = {{"service", o->service}, {"watchword", o->watchword[0] ? o->watchword : is_ja(o) ? "未設定" : "not set"}, {"sentence", sentence}};
    int r = mmr_catalogue_find(o->lang, "voice.red", &t, err);
    return r ? r : mmr_catalogue_render(&t, places, sizeof places / sizeof places[0], buf, cap, err);
}

int mmr_compose_test(const struct mmr_office *o, int64_t wall_ns, char *buf, size_t cap, struct mmr_error *err)
{
    char time[64];
    struct mmr_message_text t;
    mmr_office_time(o, wall_ns, time, sizeof time);
    const struct mmr_place places[] = {{"time", time}, {"service", o->service}, {"watchword", o->watchword[0] ? o->watchword : is_ja(o) ? "未設定" : "not set"}};
    int r = mmr_catalogue_find(o->lang, "test", &t, err);
    return r ? r : mmr_catalogue_render(&t, places, sizeof places / sizeof places[0], buf, cap, err);
}

void mmr_compose_subject(const char *text, char buf[MMR_SUBJECT_MAX])
{
    size_t n = strcspn(text, "\n");
    static const char *const ends[] = {"(合言葉", " (watchword"};
    for (size_t k = 0; k < sizeof ends / sizeof ends[0]; k++) {
        const char *at = strstr(text, ends[k]);
        if (at && (size_t)(at - text) < n)
            n = (size_t)(at - text);
    }
    if (n >= MMR_SUBJECT_MAX)
        for (n = MMR_SUBJECT_MAX - 1; n && ((unsigned char)text[n] & 0xc0) == 0x80; n--) {
        }
    memcpy(buf, text, n);
    buf[n] = '\0';
}

/* cmd_notice.c - `mamori notice test`: a harmless message by every way, and how far it got. `mamori notice drill`: the 60-minute
 * clock on a simulated clock and sinks, so that a provider sees whom it would tell when, and what a dead channel costs. */
#include "cli/person.h"
#include "cli/site.h"
#include "notify/deadline.h"
#include "util/clock.h"

#include <mamori/plugin.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MINUTE (60 * MMR_NS_PER_S)
enum { HOW_OK = 0, HOW_ACCEPT, HOW_TEMPFAIL, HOW_PERMFAIL, HOW_NONE, DAY_MIN = 1440 };
static const char *const hows[] = {"ok", "accept-only", "tempfail", "permfail", "none", NULL};

struct drill {
    int how[MMR_NOTICE_CHANNELS];
    int64_t t0_ns, now_ns;
    struct mmr_deadline d;
    struct mmr_attempt_key out[MMR_NOTICE_ATTEMPTS_MAX];
    uint32_t n_out;
};

static void compose(void *ctx, const struct mmr_notice *n, enum mmr_text_kind kind, char *buf, size_t cap)
{
    (void)ctx;
    (void)n;
    (void)snprintf(buf, cap, "%s", kind == MMR_TEXT_TASK ? "drill: call the user by hand" : "drill");
}

static void on_send(void *ctx, const struct mmr_notice *n, const struct mmr_attempt *a, const struct mmr_contact *c)
{
    struct drill *x = ctx;
    (void)printf("minute %3lld  step %u  try %u  %-6s by %-5s  %s\n", (long long)((x->now_ns - x->t0_ns) / MINUTE), a->step, a->tries, c->name,
                 mmr_notice_channel_name((enum mmr_notice_channel)a->channel), hows[x->how[a->channel]]);
    x->out[x->n_out++] = (struct mmr_attempt_key){n->id, a->step, a->contact, a->channel};
}

static void contact(struct drill *x, struct mmr_contact *c, const char *name, enum mmr_contact_role role, unsigned channels)
{
    memset(c, 0, sizeof *c);
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    c->role = role;
    for (unsigned ch = 0; ch < MMR_NOTICE_CHANNELS; ch++)
        if (channels & 1U << ch && x->how[ch] != HOW_NONE) {
            (void)snprintf(c->address[ch], sizeof c->address[ch], "%s", name);
            (void)snprintf(c->carrier[ch][0], sizeof c->carrier[ch][0], "%s", ch < MMR_NOTICE_SMS ? "internet" : "telephone");
        }
}

static int drill(struct drill *x, enum mmr_band band, int64_t minutes)
{
    static const struct mmr_deadline_ops ops = {.compose = compose};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_contact who[3];
    const unsigned all = (1U << MMR_NOTICE_CHANNELS) - 1;
    const struct mmr_severe s = {.id = 1, .band = band, .t0_ns = x->t0_ns, .classed_ns = x->t0_ns};
    contact(x, &who[0], "owner", MMR_CONTACT_USER, all);
    contact(x, &who[1], "deputy", MMR_CONTACT_USER, all & ~(1U << MMR_NOTICE_PUSH));
    contact(x, &who[2], "duty", MMR_CONTACT_DUTY, 1U << MMR_NOTICE_SMS | 1U << MMR_NOTICE_MAIL);
    if (mmr_deadline_init(&x->d, who, 3, &ops, &err) != 0 || mmr_deadline_severe(&x->d, &s, x->now_ns, &err) < 0) {
        (void)fprintf(stderr, "mamori notice: %s\n", err.text);
        return MMR_EXIT_USAGE;
    }
    const struct mmr_notice *n = mmr_deadline_find(&x->d, 1);
    for (int64_t until = x->t0_ns + minutes * MINUTE; x->now_ns <= until;) {
        x->n_out = 0;
        (void)mmr_deadline_tick(&x->d, x->now_ns, &err);
        mmr_deadline_send(&x->d, on_send, x);
        for (uint32_t i = 0; i < x->n_out; i++) {
            static const int level[] = {MMR_DELIVERY_RECIPIENT, MMR_DELIVERY_GATEWAY, MMR_NOTICE_TEMPFAIL, MMR_DELIVERY_FAILED, MMR_DELIVERY_FAILED};
            int how = x->how[x->out[i].channel];
            (void)mmr_deadline_result(&x->d, &x->out[i], level[how], x->now_ns, hows[how], x->now_ns, &err);
        }
        int64_t next = mmr_deadline_next(&x->d);
        x->now_ns = next > x->now_ns ? next : x->now_ns;
    }
    if (n->target == MMR_TARGET_MET)
        (void)printf("target met: minute %lld; nobody confirmed, so it goes on\n", (long long)((n->first_l2_ns - x->t0_ns) / MINUTE));
    else
        (void)printf("target %s%s\n", n->target == MMR_TARGET_OPEN ? "open: ask for 60 minutes or more" : "missed: ", n->reason);
    int status = n->target == MMR_TARGET_MET ? MMR_EXIT_OK : MMR_EXIT_NO;
    mmr_deadline_done(&x->d);
    return status;
}

/* ---- test ---- */

enum { ASK_MS = 10000, LOOK_MS = 500, ANSWERS_S = 75 };

struct trial {
    struct mmr_cli_site site;
    struct json_object *tests;
};

static int keep(void *ctx, struct json_object *o, const char *text, size_t len)
{
    struct trial *t = ctx;
    struct json_object *list = NULL;
    (void)text;
    (void)len;
    if (json_object_object_get_ex(o, "tests", &list)) {
        json_object_put(t->tests);
        t->tests = json_object_get(list);
    }
    return 0;
}

static const char *level_word(const struct mmr_cli_site *s, struct json_object *test)
{
    struct json_object *v = NULL;
    if (!json_object_object_get_ex(test, "level", &v) || !v)
        return mmr_cli_word(s, "… 返事がありません", "… no answer");
    switch (json_object_get_int(v)) {
    case MMR_DELIVERY_FAILED: return mmr_cli_word(s, "■ 送れません", "■ refused");
    case MMR_DELIVERY_TRIED: return mmr_cli_word(s, "▲ いま送れません", "▲ not now");
    case MMR_DELIVERY_GATEWAY: return mmr_cli_word(s, "✔ L1 中継が受け取りました", "✔ L1 the gateway took it");
    case MMR_DELIVERY_RECIPIENT: return mmr_cli_word(s, "✔ L2 相手の機器に届きました", "✔ L2 the recipient's system has it");
    case MMR_DELIVERY_SHOWN: return mmr_cli_word(s, "✔ L3 表示されました", "✔ L3 shown");
    default: return mmr_cli_word(s, "✔ L4 確認されました", "✔ L4 confirmed");
    }
}

static bool are_answered(const struct trial *t)
{
    size_t n = t->tests ? json_object_array_length(t->tests) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *v = NULL;
        if (!json_object_object_get_ex(json_object_array_get_idx(t->tests, i), "level", &v) || !v)
            return false;
    }
    return n > 0;
}

static int show(const struct trial *t)
{
    bool is_good = true;
    size_t n = t->tests ? json_object_array_length(t->tests) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *x = json_object_array_get_idx(t->tests, i), *v = NULL;
        is_good &= json_object_object_get_ex(x, "level", &v) && v && json_object_get_int(v) >= MMR_DELIVERY_GATEWAY;
        mmr_person_column(stdout, mmr_cli_json_text(x, "contact"), 16);
        mmr_person_column(stdout, mmr_cli_json_text(x, "channel"), 8);
        mmr_person_column(stdout, mmr_cli_json_text(x, "through"), 16);
        mmr_person_column(stdout, level_word(&t->site, x), 32);
        mmr_person_text(stdout, mmr_cli_json_text(x, "detail"));
        (void)fputc('\n', stdout);
    }
    return is_good && n ? MMR_EXIT_OK : MMR_EXIT_NO;
}

static int try_all(const char *dir, bool is_json, const char *contact)
{
    struct trial t = {.site = {.command = "notice", .dir = dir, .is_json = is_json}};
    int status = mmr_cli_site_open(&t.site);
    struct json_object *args = json_object_new_object();
    if (contact)
        json_object_object_add(args, "contact", json_object_new_string(contact));
    if (status == MMR_EXIT_OK)
        status = mmr_cli_site_ask(&t.site, "notice.test", args, ASK_MS, keep, &t, NULL);
    for (int k = 0; status == MMR_EXIT_OK && k < ANSWERS_S * 1000 / LOOK_MS && !are_answered(&t); k++) {
        (void)usleep(LOOK_MS * 1000);
        status = mmr_cli_site_ask(&t.site, "notice.state", NULL, ASK_MS, keep, &t, NULL);
    }
    if (status == MMR_EXIT_OK && is_json && t.tests)
        (void)printf("{\"tests\":%s}\n", json_object_to_json_string_ext(t.tests, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    else if (status == MMR_EXIT_OK)
        status = show(&t);
    json_object_put(t.tests);
    json_object_put(args);
    mmr_cli_site_done(&t.site);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"push", required_argument, NULL, 'p'}, {"mail", required_argument, NULL, 'm'},
                                            {"sms", required_argument, NULL, 's'}, {"voice", required_argument, NULL, 'v'},
                                            {"band", required_argument, NULL, 'b'}, {"minutes", required_argument, NULL, 'n'},
                                            {"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    const char *dir = NULL;
    bool is_json = false;
    struct drill *x = calloc(1, sizeof *x);
    enum mmr_band band = MMR_BAND_RED;
    long minutes = 60;
    int status = MMR_EXIT_OK;
    if (!x)
        return MMR_EXIT_FAILED;
    x->t0_ns = x->now_ns = INT64_C(12) * 60 * MINUTE; /* noon of a day of its own: the clock is simulated */
    for (int o; status == MMR_EXIT_OK && (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        const char *at = o && o != '?' ? strchr("pmsv", o) : NULL;
        char *end = NULL;
        if (at) {
            int k = 0;
            while (hows[k] && strcmp(hows[k], optarg) != 0)
                k++;
            if (hows[k])
                x->how[at - "pmsv"] = k;
            else {
                (void)fprintf(stderr, "mamori notice: found '%s', expected ok, accept-only, tempfail, permfail or none\n", optarg);
                status = MMR_EXIT_USAGE;
            }
        } else if (o == 'b' && (strcmp(optarg, "red") == 0 || strcmp(optarg, "yellow") == 0)) {
            band = optarg[0] == 'r' ? MMR_BAND_RED : MMR_BAND_YELLOW;
        } else if (o == 'n' && (minutes = strtol(optarg, &end, 10)) >= 0 && minutes <= DAY_MIN && end != optarg && !*end) {
            continue;
        } else if (o == 'c') {
            dir = optarg;
        } else if (o == 'j') {
            is_json = true;
        } else {
            if (o != '?')
                (void)fprintf(stderr, "mamori notice: found '%s', expected %s\n", optarg, o == 'b' ? "red or yellow" : "0 to 1440 minutes");
            status = MMR_EXIT_USAGE;
        }
    }
    if (status == MMR_EXIT_OK && optind < argc && strcmp(argv[optind], "test") == 0 && argc - optind <= 2) {
        free(x);
        return try_all(dir, is_json, argc - optind == 2 ? argv[optind + 1] : NULL);
    }
    if (status == MMR_EXIT_OK && (argc - optind != 1 || strcmp(argv[optind], "drill") != 0)) {
        (void)fprintf(stderr, "mamori notice: found '%s', expected 'test [CONTACT]' or 'drill'\n", optind < argc ? argv[optind] : "nothing");
        status = MMR_EXIT_USAGE;
    }
    if (status == MMR_EXIT_OK)
        status = drill(x, band, minutes);
    free(x);
    return status;
}

MMR_COMMAND(notice) = {
    .name = "notice",
    .help = "test: a harmless message by every way; drill: whom the 60-minute clock would tell when",
    .usage = "mamori notice test [CONTACT] [--config DIR] [--json]\n"
             "mamori notice drill [--push HOW] [--mail HOW] [--sms HOW] [--voice HOW] [--band red|yellow] [--minutes N]\n"
             "\n"
             "test: the running mamori sends a message that says it is a test, to every contact (or that one) by every\n"
             "channel, and shows how far each got: L1 a gateway took it, L2 the recipient's system has it, L3 shown,\n"
             "L4 confirmed. Exit status 1: one did not get to L1.\n"
             "drill: on a simulated clock; nothing is sent. HOW is what the channel does: ok (the recipient's system has\n"
             "it), accept-only (a gateway took it), tempfail, permfail, or none (no contact has it). Two users and the\n"
             "provider's duty are told; nobody confirms. Exit status 0: the target of 60 minutes is met; 1: it is missed,\n"
             "with the reason.\n",
    .run = run,
};

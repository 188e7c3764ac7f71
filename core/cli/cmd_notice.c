/* cmd_notice.c - `mamori notice drill`: the 60-minute clock on a simulated clock and sinks, so that a provider sees whom it
 * would tell when, and what a dead channel costs. Nothing is sent. */
#include "cli/command.h"
#include "notify/deadline.h"
#include "util/clock.h"

#include <mamori/plugin.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"push", required_argument, NULL, 'p'}, {"mail", required_argument, NULL, 'm'},
                                            {"sms", required_argument, NULL, 's'}, {"voice", required_argument, NULL, 'v'},
                                            {"band", required_argument, NULL, 'b'}, {"minutes", required_argument, NULL, 'n'},
                                            {"config", required_argument, NULL, 'c'}, {0}};
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
        } else if (o != 'c') {
            if (o != '?')
                (void)fprintf(stderr, "mamori notice: found '%s', expected %s\n", optarg, o == 'b' ? "red or yellow" : "0 to 1440 minutes");
            status = MMR_EXIT_USAGE;
        }
    }
    if (status == MMR_EXIT_OK && (argc - optind != 1 || strcmp(argv[optind], "drill") != 0)) {
        (void)fprintf(stderr, "mamori notice: found '%s', expected 'drill'\n", optind < argc ? argv[optind] : "nothing");
        status = MMR_EXIT_USAGE;
    }
    if (status == MMR_EXIT_OK)
        status = drill(x, band, minutes);
    free(x);
    return status;
}

MMR_COMMAND(notice) = {
    .name = "notice",
    .help = "drill: whom the 60-minute clock would tell when, on a simulated clock",
    .usage = "mamori notice drill [--push HOW] [--mail HOW] [--sms HOW] [--voice HOW] [--band red|yellow] [--minutes N]\n"
             "\n"
             "HOW is what the channel does: ok (the recipient's system has it), accept-only (a gateway took it),\n"
             "tempfail, permfail, or none (no contact has it). Two users and the provider's duty are told; nobody\n"
             "confirms. Exit status 0: the target of 60 minutes is met; 1: it is missed, with the reason.\n"
             "Nothing is sent, and the live brain does not send notices by this clock yet.\n",
    .run = run,
};

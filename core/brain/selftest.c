/* selftest.c - harmless tries of what this deployment says it can do. */
#include "brain/selftest.h"

#include "plugin/describe.h"
#include "util/clock.h"
#include "util/id.h"

#include <arpa/inet.h>
#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_S = 5, HOUR_S = 3600, DAY_S = 24 * HOUR_S, MONTH_S = 30 * DAY_S, DISCARD_PORT = 9 };
static const char *const nobody[] = {MMR_SELFTEST_ADDR, "198.51.100.254", "203.0.113.254"}; /* RFC 5737 */
static const char dry_run[] = "block.addr as a dry run", sees_start[] = "sees a program start", sees_packet[] = "sees a packet leave";

static bool is_nobody(const struct mmr_value *ip)
{
    for (size_t i = 0; i < sizeof nobody / sizeof nobody[0]; i++)
        if (mmr_value_is(ip, nobody[i]))
            return true;
    return false;
}

struct mmr_selftest_row *mmr_selftest_row(struct mmr_selftest *t, const char *node, const char *instance, const char *what)
{
    const char *const known[] = {dry_run, sees_start, sees_packet};
    const char *text = NULL;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i], what) == 0)
            text = known[i];
    for (uint32_t i = 0; i < t->n; i++)
        if (strcmp(t->row[i].node, node) == 0 && strcmp(t->row[i].instance, instance) == 0 && strcmp(t->row[i].what, what) == 0)
            return &t->row[i];
    if (!text)
        return NULL;
    struct mmr_selftest_row *x = NULL;
    for (uint32_t i = 0; i < t->n && t->n == MMR_SELFTEST_MAX && !x; i++)
        x = t->row[i].sent_ns ? NULL : &t->row[i]; /* of something that is no longer here */
    if (!x && t->n == MMR_SELFTEST_MAX)
        return NULL;
    x = x ? x : &t->row[t->n++];
    memset(x, 0, sizeof *x);
    (void)snprintf(x->node, sizeof x->node, "%s", node);
    (void)snprintf(x->instance, sizeof x->instance, "%s", instance);
    x->what = text;
    return x;
}

/* At the start, each month, each hour while it fails; and when the wall clock was set back. */
static bool is_due(const struct mmr_selftest_row *x, int64_t now_ns)
{
    const int64_t after_s = x->result == MMR_SELFTEST_FAILED ? HOUR_S : MONTH_S;
    if (x->is_waiting)
        return false;
    return !x->sent_ns || now_ns - x->sent_ns >= after_s * MMR_NS_PER_S || now_ns + DAY_S * MMR_NS_PER_S < x->sent_ns;
}

static void begin(struct mmr_selftest_row *x, int64_t now_ns)
{
    x->sent_ns = now_ns;
    x->is_waiting = true;
}

static void end(struct mmr_selftest_row *x, bool is_ok, const char *detail, int64_t now_ns)
{
    x->result = is_ok ? MMR_SELFTEST_PASSED : MMR_SELFTEST_FAILED;
    x->is_waiting = false;
    x->is_news = true;
    x->ended_ns = now_ns;
    if (is_ok)
        x->passed_ns = now_ns;
    (void)snprintf(x->detail, sizeof x->detail, "%s", detail);
}

static void try_responder(struct mmr_selftest *t, const struct mmr_responder *r, mmr_selftest_order_fn order, void *ctx, int64_t now_ns)
{
    struct mmr_action_rec a = {.verb = MMR_VERB_BLOCK_ADDR, .side = r->side, .ordered_ns = now_ns, .ttl_ms = 60000};
    if (!r->is_healthy || !(r->verbs & mmr_verb_bit(MMR_VERB_BLOCK_ADDR)))
        return;
    struct mmr_selftest_row *x = mmr_selftest_row(t, r->node, r->instance, dry_run);
    if (!x || !is_due(x, now_ns))
        return;
    (void)mmr_addr_parse(MMR_SELFTEST_ADDR, strlen(MMR_SELFTEST_ADDR), &a.target.addr.addr);
    a.target.addr.bits = 128;
    (void)snprintf(a.node, sizeof a.node, "%.39s", r->node);
    (void)snprintf(a.instance, sizeof a.instance, "%.39s", r->instance);
    (void)snprintf(a.target.host, sizeof a.target.host, "%.63s", r->host);
    (void)snprintf(a.reason, sizeof a.reason, "self-test");
    char text[128];
    int n = snprintf(text, sizeof text, "selftest|%s|%s|%lld", r->node, r->instance, (long long)now_ns);
    x->id = a.id = mmr_hash64(text, (size_t)n, 3) | 1;
    if (order(ctx, &a, MMR_ACT_DRY_RUN)) /* else tried again at the next call */
        begin(x, now_ns);
}

static const struct mmr_roster_instance *find_plugin(const struct mmr_roster *r, const char *tail)
{
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX; s++)
        for (uint32_t i = 0; r->slot[s].is_up && r->slot[s].instance && i < MMR_LOCAL_INSTANCES_MAX; i++) {
            const struct mmr_roster_instance *x = &r->slot[s].instance[i];
            size_t n = strlen(x->plugin), m = strlen(tail);
            if (x->is_used && n >= m && strcmp(x->plugin + n - m, tail) == 0)
                return x;
        }
    return NULL;
}

static void try_process_sensor(struct mmr_selftest *t, const struct mmr_roster *r, int64_t now_ns)
{
    static const char *const argv[] = {"true", NULL};
    const struct mmr_roster_instance *x = find_plugin(r, ".proc");
    char *args[2], *env[1] = {NULL};
    memcpy(args, argv, sizeof args);
    struct mmr_selftest_row *row = x ? mmr_selftest_row(t, r->node, x->name, sees_start) : NULL;
    if (!row || !is_due(row, now_ns) || t->child > 0)
        return;
    begin(row, now_ns);
    t->child_ns = now_ns;
    int e = posix_spawn(&t->child, "/bin/true", NULL, NULL, args, env);
    if (e) {
        t->child = 0;
        end(row, false, strerror(e), now_ns);
    }
}

/* A datagram to each documentation range: where one of them is used as a local network, nobody answers its neighbour
 * question and nothing leaves, but the others go by the router. */
static void try_packet_side(struct mmr_selftest *t, const struct mmr_roster *r, int64_t now_ns)
{
    const struct mmr_roster_instance *x = find_plugin(r, ".flow");
    struct mmr_selftest_row *row = x ? mmr_selftest_row(t, r->node, x->name, sees_packet) : NULL;
    bool is_sent = false;
    if (!row || !is_due(row, now_ns))
        return;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), why = errno;
    begin(row, now_ns);
    for (size_t i = 0; fd >= 0 && i < sizeof nobody / sizeof nobody[0]; i++) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(DISCARD_PORT)};
        (void)inet_pton(AF_INET, nobody[i], &to.sin_addr);
        if (sendto(fd, "mamori self-test", 16, 0, (struct sockaddr *)&to, sizeof to) >= 0)
            is_sent = true;
        else
            why = errno;
    }
    if (!is_sent)
        end(row, false, why == ENETUNREACH ? "this machine has no route to send the packet on" : strerror(why), now_ns);
    if (fd >= 0)
        (void)close(fd);
}

void mmr_selftest_run(struct mmr_selftest *t, const struct mmr_roster *r, mmr_selftest_order_fn order, void *ctx, int64_t now_ns)
{
    struct mmr_responder list[MMR_SELFTEST_MAX];
    uint32_t n = mmr_roster_responders(r, list, MMR_SELFTEST_MAX);
    for (uint32_t i = 0; i < n; i++)
        try_responder(t, &list[i], order, ctx, now_ns);
    try_process_sensor(t, r, now_ns);
    try_packet_side(t, r, now_ns);
}

bool mmr_selftest_receipt(struct mmr_selftest *t, uint64_t id, const struct mmr_receipt *r)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (t->row[i].id && t->row[i].id == id) {
            if (t->row[i].is_waiting) /* else it came too late, or twice */
                end(&t->row[i], r->is_dry_run && r->result == MMR_RESULT_APPLIED, r->detail, mmr_clock_wall_ns());
            return true;
        }
    return false;
}

/* Also when it is seen after the five seconds: it was seen. */
static void passed(struct mmr_selftest *t, const char *what)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (!t->row[i].id && t->row[i].sent_ns && (t->row[i].is_waiting || t->row[i].result != MMR_SELFTEST_PASSED) && t->row[i].what == what)
            end(&t->row[i], true, "seen", mmr_clock_wall_ns());
}

void mmr_selftest_event(struct mmr_selftest *t, const struct mmr_event_view *v)
{
    if (t->child > 0 && mmr_value_is(mmr_event_get(v, "mamori.kind"), "process.start") &&
        mmr_event_get_int(v, "process.pid", 0) == t->child)
        passed(t, sees_start);
    if (t->n && mmr_value_is(mmr_event_get(v, "mamori.kind"), "flow.start") && is_nobody(mmr_event_get(v, "dst_endpoint.ip")))
        passed(t, sees_packet);
}

void mmr_selftest_tick(struct mmr_selftest *t, int64_t now_ns)
{
    if (t->child > 0 && now_ns - t->child_ns > ANSWER_S * MMR_NS_PER_S && waitpid(t->child, NULL, WNOHANG) == t->child)
        t->child = 0;
    for (uint32_t i = 0; i < t->n; i++)
        if (t->row[i].is_waiting && (now_ns - t->row[i].sent_ns > ANSWER_S * MMR_NS_PER_S || now_ns < t->row[i].sent_ns - MMR_NS_PER_S))
            end(&t->row[i], false, "no answer in 5 s", now_ns);
}

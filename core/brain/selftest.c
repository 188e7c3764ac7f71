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

enum { ANSWER_S = 5, DISCARD_PORT = 9 };
static const char *const nobody[] = {MMR_SELFTEST_ADDR, "198.51.100.254", "203.0.113.254"}; /* RFC 5737 */

static bool is_nobody(const struct mmr_value *ip)
{
    for (size_t i = 0; i < sizeof nobody / sizeof nobody[0]; i++)
        if (mmr_value_is(ip, nobody[i]))
            return true;
    return false;
}

static struct mmr_selftest_row *row_of(struct mmr_selftest *t, const char *node, const char *instance, const char *what)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (strcmp(t->row[i].node, node) == 0 && strcmp(t->row[i].instance, instance) == 0 && strcmp(t->row[i].what, what) == 0)
            return &t->row[i];
    return NULL;
}

static struct mmr_selftest_row *add(struct mmr_selftest *t, const char *node, const char *instance, const char *what, int64_t now_ns)
{
    if (t->n == MMR_SELFTEST_MAX)
        return NULL;
    struct mmr_selftest_row *x = &t->row[t->n++];
    memset(x, 0, sizeof *x);
    (void)snprintf(x->node, sizeof x->node, "%s", node);
    (void)snprintf(x->instance, sizeof x->instance, "%s", instance);
    x->what = what;
    x->sent_ns = now_ns;
    return x;
}

static void end(struct mmr_selftest_row *x, bool is_ok, const char *detail)
{
    x->result = is_ok ? MMR_SELFTEST_PASSED : MMR_SELFTEST_FAILED;
    (void)snprintf(x->detail, sizeof x->detail, "%s", detail);
}

static void try_responder(struct mmr_selftest *t, const struct mmr_responder *r, mmr_selftest_order_fn order, void *ctx, int64_t now_ns)
{
    static const char *const what = "block.addr as a dry run";
    struct mmr_action_rec a = {.verb = MMR_VERB_BLOCK_ADDR, .side = r->side, .ordered_ns = now_ns, .ttl_ms = 60000};
    if (!r->is_healthy || !(r->verbs & mmr_verb_bit(MMR_VERB_BLOCK_ADDR)) || row_of(t, r->node, r->instance, what))
        return;
    struct mmr_selftest_row *x = add(t, r->node, r->instance, what, now_ns);
    if (!x)
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
    if (!order(ctx, &a, MMR_ACT_DRY_RUN))
        t->n--; /* tried again at the next call */
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
    struct mmr_selftest_row *row = x ? add(t, r->node, x->name, "sees a program start", now_ns) : NULL;
    if (!row)
        return;
    int e = posix_spawn(&t->child, "/bin/true", NULL, NULL, args, env);
    if (e)
        end(row, false, strerror(e));
}

/* A datagram to each documentation range: where one of them is used as a local network, nobody answers its neighbour
 * question and nothing leaves, but the others go by the router. */
static void try_packet_side(struct mmr_selftest *t, const struct mmr_roster *r, int64_t now_ns)
{
    const struct mmr_roster_instance *x = find_plugin(r, ".flow");
    struct mmr_selftest_row *row = x ? add(t, r->node, x->name, "sees a packet leave", now_ns) : NULL;
    int fd = row ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1, why = errno;
    bool is_sent = false;
    if (!row)
        return;
    for (size_t i = 0; fd >= 0 && i < sizeof nobody / sizeof nobody[0]; i++) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(DISCARD_PORT)};
        (void)inet_pton(AF_INET, nobody[i], &to.sin_addr);
        if (sendto(fd, "mamori self-test", 16, 0, (struct sockaddr *)&to, sizeof to) >= 0)
            is_sent = true;
        else
            why = errno;
    }
    if (!is_sent)
        end(row, false, why == ENETUNREACH ? "this machine has no route to send the packet on" : strerror(why));
    if (fd >= 0)
        (void)close(fd);
}

void mmr_selftest_run(struct mmr_selftest *t, const struct mmr_roster *r, mmr_selftest_order_fn order, void *ctx, int64_t now_ns)
{
    struct mmr_responder list[MMR_SELFTEST_MAX];
    uint32_t n = mmr_roster_responders(r, list, MMR_SELFTEST_MAX);
    for (uint32_t i = 0; i < n; i++)
        try_responder(t, &list[i], order, ctx, now_ns);
    if (t->is_sensors_tried || !(find_plugin(r, ".proc") || find_plugin(r, ".flow")))
        return;
    t->is_sensors_tried = true;
    try_process_sensor(t, r, now_ns);
    try_packet_side(t, r, now_ns);
}

bool mmr_selftest_receipt(struct mmr_selftest *t, uint64_t id, const struct mmr_receipt *r)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (t->row[i].id && t->row[i].id == id) {
            end(&t->row[i], r->is_dry_run && r->result == MMR_RESULT_APPLIED, r->detail);
            return true;
        }
    return false;
}

static void passed(struct mmr_selftest *t, const char *what)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (!t->row[i].id && t->row[i].result != MMR_SELFTEST_PASSED && strcmp(t->row[i].what, what) == 0)
            end(&t->row[i], true, "seen");
}

void mmr_selftest_event(struct mmr_selftest *t, const struct mmr_event_view *v)
{
    if (t->child > 0 && mmr_value_is(mmr_event_get(v, "mamori.kind"), "process.start") &&
        mmr_event_get_int(v, "process.pid", 0) == t->child)
        passed(t, "sees a program start");
    if (t->n && mmr_value_is(mmr_event_get(v, "mamori.kind"), "flow.start") && is_nobody(mmr_event_get(v, "dst_endpoint.ip")))
        passed(t, "sees a packet leave");
}

void mmr_selftest_tick(struct mmr_selftest *t, int64_t now_ns)
{
    if (t->child > 0 && waitpid(t->child, NULL, WNOHANG) == t->child && now_ns - t->row[0].sent_ns > ANSWER_S * MMR_NS_PER_S)
        t->child = 0;
    for (uint32_t i = 0; i < t->n; i++)
        if (t->row[i].result == MMR_SELFTEST_OPEN && now_ns - t->row[i].sent_ns > ANSWER_S * MMR_NS_PER_S)
            end(&t->row[i], false, "no answer in 5 s");
}

/* link: mmr_upstream mmr_lib_nats */
/*
 * bench_outlet.c - records a second through the outlet to NATS JetStream, as a collector that keeps nothing uses it: given to the outlet's program,
 * published with id and expected stream, acknowledged by the server, told done. Beside it the floor of the same run: the same library's
 * asynchronous publishing of messages of the same size to the same server, without ids, windows and order. Debian's nats-server, one
 * and three of them with the stream on all, on loopback; their disk is the folder given (or /tmp). Without nats-server: nothing.
 */
#include "upstream/outlet.h"
#include "util/clock.h"
#include "util/id.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <nats/nats.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RECORD = 2900, SITES = 1000, SERVERS_MAX = 3 }; /* as an incident with six pieces of evidence; offices */

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_outlet: %s\n", what);
    exit(1);
}

static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    must(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && getsockname(fd, (struct sockaddr *)&a, &len) == 0, "a port");
    (void)close(fd);
    return ntohs(a.sin_port);
}

struct cluster {
    const char *dir;
    int n, port[SERVERS_MAX], route[SERVERS_MAX];
    pid_t pid[SERVERS_MAX];
};

static void start_server(struct cluster *c, int i)
{
    char conf[400];
    (void)snprintf(conf, sizeof conf, "%s/nats%d-%d.conf", c->dir, c->n, i);
    FILE *f = fopen(conf, "we");
    must(f && fprintf(f, "server_name: s%d\nlisten: 127.0.0.1:%d\njetstream { store_dir: \"%s/js%d-%d\" }\n", i, c->port[i], c->dir, c->n, i) > 0, "the server's settings");
    if (c->n > 1) {
        must(fprintf(f, "cluster { name: bench, listen: 127.0.0.1:%d, routes: [", c->route[i]) > 0, "the server's settings");
        for (int k = 0; k < c->n; k++)
            must(k == i || fprintf(f, "\"nats://127.0.0.1:%d\", ", c->route[k]) > 0, "the server's settings");
        must(fprintf(f, "] }\n") > 0, "the server's settings");
    }
    must(fclose(f) == 0, "the server's settings");
    (void)fflush(NULL); /* else the child writes it, too */
    c->pid[i] = fork();
    must(c->pid[i] >= 0, "fork");
    if (c->pid[i] == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!freopen("/dev/null", "we", stderr) || !freopen("/dev/null", "we", stdout))
            _exit(127);
        (void)execlp("nats-server", "nats-server", "-c", conf, (char *)NULL);
        _exit(127);
    }
}

static void start(struct cluster *c)
{
    for (int i = 0; i < c->n; i++) {
        c->port[i] = free_port();
        c->route[i] = free_port();
    }
    for (int i = 0; i < c->n; i++)
        start_server(c, i);
}

static void end(struct cluster *c)
{
    for (int i = 0; i < c->n; i++) {
        (void)kill(c->pid[i], SIGKILL);
        (void)waitpid(c->pid[i], NULL, 0);
    }
}

static double seconds_of(int who)
{
    struct rusage u;
    (void)getrusage(who, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* ---- the floor ---- */

static natsConnection *connect_to(int port)
{
    natsConnection *nc = NULL;
    char url[64];
    (void)snprintf(url, sizeof url, "nats://127.0.0.1:%d", port);
    for (int i = 0; i < 100 && natsConnection_ConnectTo(&nc, url) != NATS_OK; i++) {
        const struct timespec wait = {.tv_nsec = 100 * 1000000};
        (void)nanosleep(&wait, NULL);
    }
    must(nc != NULL, "no connection to the server");
    return nc;
}

/* A cluster that just came up has no leader yet. */
static void make_stream(jsCtx *js, const char *name, const char *subject, int replicas)
{
    natsStatus r = NATS_ERR;
    const char *subjects[] = {subject};
    jsStreamConfig c;
    jsErrCode code = 0;
    (void)jsStreamConfig_Init(&c);
    c.Name = name;
    c.Subjects = subjects;
    c.SubjectsLen = 1;
    c.Storage = js_FileStorage;
    c.Replicas = replicas;
    for (int i = 0; i < 100 && r != NATS_OK; i++) {
        const struct timespec wait = {.tv_nsec = 200 * 1000000};
        r = js_AddStream(NULL, js, &c, NULL, &code);
        if (r != NATS_OK)
            (void)nanosleep(&wait, NULL);
    }
    must(r == NATS_OK, "a stream");
}

static double floor_per_s(const struct cluster *cluster, double seconds)
{
    natsConnection *nc = connect_to(cluster->port[0]);
    jsCtx *js = NULL;
    jsOptions o;
    char body[RECORD];
    uint64_t n = 0;
    memset(body, 'x', sizeof body);
    (void)jsOptions_Init(&o);
    o.PublishAsync.StallWait = 10000;
    o.PublishAsync.MaxPending = MMR_ENGINE_WINDOW; /* as many as the outlet has under way */
    must(natsConnection_JetStream(&js, nc, &o) == NATS_OK, "JetStream");
    make_stream(js, "floor", "floor.>", cluster->n);
    const int64_t start = mmr_clock_mono_ns();
    while ((double)(mmr_clock_mono_ns() - start) < seconds * 1e9)
        for (int i = 0; i < 256; i++, n++)
            must(js_PublishAsync(js, "floor.a.b.urgent.incident", body, sizeof body, NULL) == NATS_OK, "publishing");
    natsStatus last = js_PublishAsyncComplete(js, NULL);
    must(last == NATS_OK, natsStatus_GetText(last));
    const double took = (double)(mmr_clock_mono_ns() - start) / 1e9;
    printf("{\"what\":\"floor: libnats, publish async to JetStream, %d server%s\",\"n\":%llu,\"per_s\":%.0f,\"bytes_each\":%d}\n", cluster->n, cluster->n > 1 ? "s" : "",
           (unsigned long long)n, (double)n / took, RECORD);
    jsErrCode code = 0;
    (void)js_DeleteStream(js, "floor", NULL, &code);
    jsCtx_Destroy(js);
    natsConnection_Destroy(nc);
    return (double)n / took;
}

/* ---- the outlet ---- */

struct world {
    struct event_base *base;
    struct mmr_outlet *o;
    uint64_t given, done, until; /* until: 0 go on */
    char body[RECORD];
    bool is_over;
};

static void pump(struct world *w)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char site[40];
    for (;;) {
        struct mmr_engine_record r = {.seq = w->given + 1, .number = w->given + 1, .is_urgent = w->given % 20 == 0, .kind = "incident", .json = w->body, .len = sizeof w->body};
        (void)snprintf(site, sizeof site, "tenant.site%u", (unsigned)(w->given % SITES));
        mmr_uuid_of(&r.seq, sizeof r.seq, r.id);
        r.site = site;
        if (w->is_over || w->o->ops->submit(w->o, &r, &err) != 0)
            break;
        w->given++;
    }
    (void)w->o->ops->settle(w->o, &err);
}

static void on_done(void *ctx, struct mmr_outlet *o, uint64_t seq)
{
    struct world *w = ctx;
    (void)o;
    (void)seq;
    w->done++;
}

static void on_never(void *ctx, struct mmr_outlet *o, uint64_t seq, const char *why)
{
    (void)ctx;
    (void)o;
    (void)seq;
    must(false, why);
}

static void on_ready(void *ctx, struct mmr_outlet *o)
{
    (void)o;
    (void)ctx;
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    pump(ctx);
}

static void stop(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    (void)event_base_loopbreak(((struct world *)ctx)->base);
}

static void run_for(struct world *w, double seconds)
{
    const struct timeval tv = {.tv_sec = (time_t)seconds, .tv_usec = (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6)};
    struct event *e = event_new(w->base, -1, 0, stop, w);
    must(e && event_add(e, &tv) == 0, "a timer");
    (void)event_base_dispatch(w->base);
    event_free(e);
}

static struct mmr_config *settings(const struct cluster *cluster)
{
    char text[200];
    struct mmr_config *c = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    (void)snprintf(text, sizeof text, "deployment: none\ncollector: {engine: [\"nats://127.0.0.1:%d\"], engine_replicas: %d}\n", cluster->port[0], cluster->n);
    const struct mmr_config_source src = {.name = "bench", .text = text};
    if (mmr_config_load(&src, 1, NULL, NULL, &c, &err) != 0)
        must(false, err.text);
    return c;
}

static void outlet(const struct cluster *cluster, double seconds, double floor)
{
    struct world w = {.base = event_base_new()};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_config *c = settings(cluster);
    const struct mmr_outlet_sink sink = {.done = on_done, .never = on_never, .ready = on_ready, .ctx = &w};
    const struct timeval turn = {.tv_usec = 1000};
    memset(w.body, 'x', sizeof w.body);
    w.body[0] = '"';
    w.body[sizeof w.body - 1] = '"';
    if (mmr_outlet_program_open(w.base, c, &sink, &w.o, &err) != 0)
        must(false, err.text);
    struct event *e = event_new(w.base, -1, EV_PERSIST, on_turn, &w);
    must(e && event_add(e, &turn) == 0, "a timer");
    for (int i = 0; i < 300 && w.done == 0; i++) /* connected, stream made, first records through */
        run_for(&w, 0.1);
    must(w.done > 0, "the outlet does not come up");
    const int pid = mmr_outlet_program_pid(w.o);
    const uint64_t before = w.done;
    const double cpu = seconds_of(RUSAGE_SELF);
    const int64_t start = mmr_clock_mono_ns();
    run_for(&w, seconds);
    const double took = (double)(mmr_clock_mono_ns() - start) / 1e9, own = seconds_of(RUSAGE_SELF) - cpu;
    const uint64_t n = w.done - before;
    w.is_over = true;
    for (int i = 0; i < 200 && w.done < w.given; i++)
        run_for(&w, 0.1);
    must(w.done == w.given && mmr_outlet_program_pid(w.o) == pid, "everything is told done, by the one program");
    printf("{\"what\":\"outlet to NATS JetStream, acknowledged, %d server%s\",\"n\":%llu,\"per_s\":%.0f,\"of_the_floor\":%.2f,\"collector_cpu_us_each\":%.1f,\"bytes_each\":%d,"
           "\"sites\":%d}\n",
           cluster->n, cluster->n > 1 ? "s" : "", (unsigned long long)n, (double)n / took, (double)n / took / floor, own * 1e6 / (double)(n ? n : 1), RECORD, SITES);
    event_free(e);
    w.o->ops->close(w.o);
    event_base_free(w.base);
    mmr_config_free(c);
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? strtod(argv[1], NULL) : 4;
    char dir[300], clean[340];
    if (access("/usr/sbin/nats-server", X_OK) != 0 && access("/usr/bin/nats-server", X_OK) != 0)
        return 0;
    (void)snprintf(dir, sizeof dir, "%.250s/mmr-bench-outlet-XXXXXX", argc > 2 ? argv[2] : "/tmp");
    must(mkdtemp(dir) != NULL, "a folder");
    for (int n = 1; n <= SERVERS_MAX; n += 2) {
        struct cluster c = {.dir = dir, .n = n};
        start(&c);
        outlet(&c, seconds, floor_per_s(&c, seconds));
        end(&c);
    }
    (void)snprintf(clean, sizeof clean, "rm -rf '%s'", dir);
    return system(clean) == 0 ? 0 : 1;
}

/* site.c - drop-ins, keys, processes. */
#include "demo/site.h"

#include "bus/keys.h"
#include "control/client.h"
#include "demo/demo.h"
#include "util/clock.h"

#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HUB_PORT "7440"
enum { STOP_MS = 6000, STATUS_MS = 1500 };

/* ---- configuration ---- */

static int make_dir(const char *path, struct mmr_error *err)
{
    return mkdir(path, 0700) != 0 && errno != EEXIST ? mmr_fail(err, MMR_EIO, "folder '%s': %s", path, strerror(errno)) : 0;
}

static int place_keys(const struct mmr_site_node *n, struct mmr_error *err)
{
    char path[MMR_LAB_PATH + 64], text[MMR_PUBLIC_TEXT_MAX], line[MMR_PUBLIC_TEXT_MAX + 1];
    struct mmr_keys keys;
    int r = mmr_keys_new(&keys, err);
    if (r)
        return r;
    (void)snprintf(path, sizeof path, "%s/node.key", n->state);
    r = mmr_keys_save(&keys, path, err);
    mmr_public_keys_format(&keys.pub, text);
    (void)snprintf(line, sizeof line, "%s\n", text);
    (void)snprintf(path, sizeof path, "%s/node.pub", n->conf);
    mmr_keys_done(&keys);
    return r ? r : mmr_lab_write(path, line, 0644, err);
}

static int configure_hub(const struct mmr_site *s, struct mmr_error *err)
{
    const struct mmr_site_node *n = &s->node[0];
    char path[MMR_LAB_PATH + 64], text[4096];
    const bool is_tap = !s->plan.does_gateway_block && s->lab->is_mirrored;
    int len = snprintf(text, sizeof text,
                       "# written by the demonstration\n"
                       "deployment: %s\n"
                       "node: {name: gateway, state_dir: %s, run_dir: %s}\n"
                       "site:\n"
                       "  name: demo\n"
                       "  home_net: [192.168.77.0/24]\n"
                       "  gateway: [" MMR_DEMO_GATEWAY "]\n"
                       "  listen: tcp://" MMR_DEMO_GATEWAY ":" HUB_PORT "\n"
                       "  nodes:\n"
                       "    pc1: {key: %s/node.pub, ip: [%s]}\n"
                       "    pc2: {key: %s/node.pub, ip: [%s]}\n"
                       "assets:\n"
                       "  pc1: {ip: [%s], role: client}\n"
                       "  pc2: {ip: [%s], role: server}\n"
                       "  printer: {ip: [%s], role: printer, important_info: no}\n"
                       "defence: {mode: auto, auto_actions_agreed: [all]}\n"
                       "plugins:\n"
                       "  capture: {config: {interfaces: [%s], immediate: true}}\n"
                       "  file: {config: {path: %s/upstream.jsonl}}\n"
                       "  proc: null\n  files: null\n  integrity: null\n  ransom: null\n  log: null\n  authfail: null\n  sigma: null\n  contain: null\n",
                       s->plan.does_gateway_block ? "inline-gateway" : "passive-tap", n->state, n->run, s->node[1].conf, s->node[1].m->ip,
                       s->node[2].conf, s->node[2].m->ip, s->node[1].m->ip, s->node[2].m->ip, mmr_lab_machine(s->lab, "printer")->ip,
                       is_tap ? "tap0" : "lan0", n->state);
    (void)snprintf(path, sizeof path, "%s/50-demo.yaml", n->conf);
    return len > 0 && (size_t)len < sizeof text ? mmr_lab_write(path, text, 0644, err) : mmr_fail(err, MMR_ETOOBIG, "'%s': too long", path);
}

static int configure_pc(const struct mmr_site *s, size_t k, struct mmr_error *err)
{
    const struct mmr_site_node *n = &s->node[k];
    char path[MMR_LAB_PATH + 64], text[4096];
    int len = snprintf(text, sizeof text,
                       "# written by the demonstration\n"
                       "deployment: endpoint\n"
                       "node: {name: %s, state_dir: %s, run_dir: %s}\n"
                       "site: {hub: \"tcp://" MMR_DEMO_GATEWAY ":" HUB_PORT "\", hub_key: %s/node.pub, home_net: [192.168.77.0/24]}\n"
                       "defence: {mode: auto, auto_actions_agreed: [all]}\n"
                       "plugins:\n"
                       "  proc: {config: {scope: netns}}\n"
                       "  files: {config: {scope: netns, places: [/tmp, /etc/cron.d, /root, /home, /var/spool/cron]}}\n"
                       "  integrity: null\n"
                       "  ransom: {config: {scope: netns, places: [/root, /home]}}\n"
                       "  log: {config: {files: [/var/log/auth.log]}}\n"
                       "%s",
                       n->m->name, n->state, n->run, s->node[0].conf,
                       s->plan.do_endpoints_block ? "  contain: {config: {scope: netns}}\n" : "  contain: null\n");
    (void)snprintf(path, sizeof path, "%s/50-demo.yaml", n->conf);
    return len > 0 && (size_t)len < sizeof text ? mmr_lab_write(path, text, 0644, err) : mmr_fail(err, MMR_ETOOBIG, "'%s': too long", path);
}

/* ---- processes ---- */

static int run_mamori(const struct mmr_machine *m, void *arg)
{
    const struct mmr_site_node *n = arg;
    char *argv[] = {(char[]){"mamori"}, (char[]){"run"}, (char[]){"--quiet"}, (char[]){"--config"}, (char *)(uintptr_t)n->conf, NULL};
    (void)m;
    (void)execv("/proc/self/exe", argv);
    return 127;
}

static int start_node(struct mmr_site *s, struct mmr_site_node *n, struct mmr_error *err)
{
    n->starts++;
    char out[32];
    (void)snprintf(out, sizeof out, "mamori-%s.log", s->plan.name);
    return mmr_lab_spawn(s->lab, n->m, out, run_mamori, n, &n->pid, err);
}

int mmr_site_start(struct mmr_lab *lab, const struct mmr_site_plan *plan, struct mmr_site *s, struct mmr_error *err)
{
    static const char *const names[MMR_SITE_NODES] = {"gateway", "pc1", "pc2"};
    int r = 0;
    memset(s, 0, sizeof *s);
    s->lab = lab;
    s->plan = *plan;
    for (size_t i = 0; i < MMR_SITE_NODES && !r; i++) {
        struct mmr_site_node *n = &s->node[i];
        n->m = mmr_lab_machine(lab, names[i]);
        (void)snprintf(n->state, sizeof n->state, "%.*s/state-%.8s", MMR_LAB_PATH - 1, n->m->dir, plan->name);
        (void)snprintf(n->run, sizeof n->run, "%.*s/run", MMR_LAB_PATH - 1, n->m->dir);
        (void)snprintf(n->conf, sizeof n->conf, "%.*s/conf-%.8s", MMR_LAB_PATH - 1, n->m->dir, plan->name);
        r = make_dir(n->state, err);
        if (!r)
            r = make_dir(n->conf, err);
        if (!r)
            r = place_keys(n, err);
    }
    if (!r)
        r = configure_hub(s, err);
    for (size_t i = 1; i < MMR_SITE_NODES && !r; i++)
        r = configure_pc(s, i, err);
    for (size_t i = 0; i < MMR_SITE_NODES && !r; i++)
        r = start_node(s, &s->node[i], err);
    return r;
}

unsigned mmr_site_mend(struct mmr_site *s)
{
    unsigned n = 0;
    struct mmr_error err = {.struct_size = sizeof err};
    for (size_t i = 0; i < MMR_SITE_NODES; i++) {
        int status;
        if (s->node[i].pid <= 0 || mmr_lab_wait(s->lab, s->node[i].pid, 0, &status) != 0)
            continue;
        s->node[i].pid = 0;
        if (start_node(s, &s->node[i], &err) == 0)
            n++;
    }
    return n;
}

/* What a killed supervisor left: its own parts end by themselves, but not at once. */
static void end_left_over(const struct mmr_site *s, const struct mmr_site_node *n)
{
    struct stat own, theirs;
    DIR *d = n->m && stat("/proc/self/exe", &own) == 0 ? opendir("/proc") : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[64], text[64];
        char *end;
        long pid = strtol(e->d_name, &end, 10);
        if (*end || pid <= 1)
            continue;
        (void)snprintf(path, sizeof path, "/proc/%ld/exe", pid);
        if (stat(path, &theirs) != 0 || theirs.st_ino != own.st_ino || theirs.st_dev != own.st_dev || mmr_lab_of(s->lab, (pid_t)pid) != n->m)
            continue;
        (void)snprintf(path, sizeof path, "/proc/%ld/cmdline", pid);
        FILE *f = fopen(path, "re");
        size_t len = f ? fread(text, 1, sizeof text - 1, f) : 0;
        if (f)
            (void)fclose(f);
        text[len] = '\0';
        static const char *const roles[] = {"run", "brain", "agent", "plugin-host"};
        for (size_t i = 0; i < 4; i++) /* the parts of the demo itself carry its own arguments */
            if (strlen(text) + 1 < len && strcmp(text + strlen(text) + 1, roles[i]) == 0)
                (void)kill((pid_t)pid, SIGKILL);
    }
    if (d)
        (void)closedir(d);
}

void mmr_site_stop(struct mmr_site *s)
{
    int status;
    for (size_t i = 0; i < MMR_SITE_NODES; i++)
        if (s->node[i].pid > 0)
            (void)kill(s->node[i].pid, SIGTERM);
    int64_t until = mmr_clock_mono_ns() + STOP_MS * MMR_NS_PER_MS;
    for (size_t i = 0; i < MMR_SITE_NODES; i++) {
        int64_t left = (until - mmr_clock_mono_ns()) / MMR_NS_PER_MS;
        if (s->node[i].pid > 0 && mmr_lab_wait(s->lab, s->node[i].pid, left > 0 ? left : 0, &status) != 0)
            mmr_lab_end(s->lab, s->node[i].pid);
        s->node[i].pid = 0;
        end_left_over(s, &s->node[i]);
    }
    mmr_lab_reap(s->lab);
}

/* ---- what they say ---- */

static int take(void *ctx, struct json_object *line, const char *text, size_t len)
{
    struct json_object **ret = ctx;
    (void)text;
    (void)len;
    if (!*ret)
        *ret = json_object_get(line);
    return 0;
}

static const char *text_of(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) && v ? json_object_get_string(v) : "";
}

static bool is_node_up(struct json_object *status, const char *name)
{
    struct json_object *brain = NULL, *nodes = NULL, *up = NULL;
    if (!json_object_object_get_ex(status, "brain", &brain) || !json_object_object_get_ex(brain, "nodes", &nodes))
        return false;
    for (size_t i = 0; i < json_object_array_length(nodes); i++) {
        struct json_object *o = json_object_array_get_idx(nodes, i);
        if (strcmp(text_of(o, "name"), name) == 0)
            return json_object_object_get_ex(o, "up", &up) && json_object_get_boolean(up) && strstr(text_of(o, "instances"), "sigma");
    }
    return false;
}

/* What is missing on this node; "" when nothing is. */
static void missing_of(const struct mmr_site *s, size_t k, char ret[200])
{
    const struct mmr_site_node *n = &s->node[k];
    struct json_object *status = NULL, *hosts = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    int code = 0;
    ret[0] = '\0';
    if (mmr_control_ask(n->run, "status", NULL, STATUS_MS, take, &status, &code, &err) != 0 || !status) {
        (void)snprintf(ret, 200, "%s: %.150s", n->m->name, err.text[0] ? err.text : "no answer");
        json_object_put(status);
        return;
    }
    (void)json_object_object_get_ex(status, "hosts", &hosts);
    for (size_t i = 0; hosts && i < json_object_array_length(hosts) && !ret[0]; i++) {
        struct json_object *h = json_object_array_get_idx(hosts, i);
        if (strcmp(text_of(h, "state"), "running") != 0)
            (void)snprintf(ret, 200, "%s: part '%.40s' is %.20s %.80s", n->m->name, text_of(h, "name"), text_of(h, "state"), text_of(h, "last_end"));
    }
    if (k == 0 && !ret[0]) {
        const char *const pcs[] = {"pc1", "pc2"};
        for (size_t i = 0; i < 2 && !ret[0]; i++)
            if (!is_node_up(status, pcs[i]))
                (void)snprintf(ret, 200, "%s has not joined the hub", pcs[i]);
    }
    json_object_put(status);
}

int mmr_site_await(struct mmr_site *s, int64_t timeout_ms, struct mmr_error *err)
{
    int64_t until = mmr_clock_mono_ns() + timeout_ms * MMR_NS_PER_MS;
    char missing[200] = "";
    for (size_t k = MMR_SITE_NODES; k-- > 0;) /* the hub last: the PCs join it */
        for (;;) {
            missing_of(s, k, missing);
            if (!missing[0])
                break;
            if (mmr_clock_mono_ns() > until)
                return mmr_fail(err, MMR_EIO, "the watch did not come up: %s", missing);
            if (!mmr_lab_sleep(50))
                return mmr_fail(err, MMR_EIO, "stopped");
        }
    return 0;
}

size_t mmr_site_processes(const struct mmr_site *s, size_t k, struct mmr_site_process *ret, size_t cap)
{
    const struct mmr_site_node *node = &s->node[k];
    struct json_object *status = NULL, *hosts = NULL, *pid = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    size_t n = 0;
    int code = 0;
    if (node->pid > 0 && n < cap) {
        ret[n].pid = node->pid;
        (void)snprintf(ret[n].machine, sizeof ret[n].machine, "%s", node->m->name);
        (void)snprintf(ret[n++].name, sizeof ret[0].name, "run");
    }
    if (mmr_control_ask(node->run, "status", NULL, STATUS_MS, take, &status, &code, &err) == 0 && status)
        (void)json_object_object_get_ex(status, "hosts", &hosts);
    for (size_t i = 0; hosts && i < json_object_array_length(hosts) && n < cap; i++) {
        struct json_object *h = json_object_array_get_idx(hosts, i);
        if (!json_object_object_get_ex(h, "pid", &pid) || json_object_get_int(pid) <= 1)
            continue;
        ret[n].pid = json_object_get_int(pid);
        (void)snprintf(ret[n].machine, sizeof ret[n].machine, "%s", node->m->name);
        (void)snprintf(ret[n++].name, sizeof ret[0].name, "%s", text_of(h, "name"));
    }
    json_object_put(status);
    return n;
}

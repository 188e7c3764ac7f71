/* host_group.c - the supervisor's side of a plugin host: what it is assigned, and what it says of its plugins. */
#include "plugin/supervise_internal.h"

#include <mamori/action.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void mmr_group_free(struct mmr_group *g)
{
    if (!g)
        return;
    for (size_t i = 0; g->instances && i < g->n; i++) {
        struct mmr_group_instance *in = &g->instances[i];
        for (size_t j = 0; j < in->n_actions; j++)
            free(in->actions[j]);
        free(in->actions);
        free(in->state_dir);
        free(in->packed);
        free(in->next_packed);
        if (in->file_fd >= 0)
            (void)close(in->file_fd);
    }
    free(g->instances);
    free(g->wants);
    explicit_bzero(g->secret, sizeof g->secret);
    free(g);
}

static bool copy_instance(struct mmr_group_instance *in, const struct mmr_host_instance *from)
{
    (void)snprintf(in->name, sizeof in->name, "%s", from->name);
    (void)snprintf(in->plugin, sizeof in->plugin, "%s", from->plugin);
    in->side = from->side;
    in->is_tool_named = from->is_tool_named;
    in->is_program = from->is_program;
    in->needs = from->needs;
    in->state_dir = strdup(from->state_dir ? from->state_dir : "");
    if (!in->state_dir)
        return false;
    if (from->packed_len) {
        in->packed = malloc(from->packed_len);
        if (!in->packed)
            return false;
        memcpy(in->packed, from->packed, from->packed_len);
        in->packed_len = from->packed_len;
    }
    if (from->actions.v) {
        in->actions = calloc(from->actions.n + 1, sizeof(char *));
        for (size_t i = 0; in->actions && i < from->actions.n; i++, in->n_actions++)
            if (!(in->actions[i] = strdup(from->actions.v[i])))
                return false;
        if (!in->actions)
            return false;
    }
    if (from->file_fd >= 0 && (in->file_fd = fcntl(from->file_fd, F_DUPFD_CLOEXEC, 16)) < 0)
        return false;
    return true;
}

static char *join_lines(const char *const *list)
{
    size_t len = 1;
    for (size_t i = 0; list && list[i]; i++)
        len += strlen(list[i]) + 1;
    char *out = malloc(len), *at = out;
    for (size_t i = 0; out && list && list[i]; i++) {
        size_t n = strlen(list[i]);
        memcpy(at, list[i], n);
        at[n] = '\n';
        at += n + 1;
    }
    if (out)
        *at = '\0';
    return out;
}

static struct mmr_group *copy_conf(const struct mmr_host_conf *conf)
{
    struct mmr_group *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->uid = conf->uid;
    g->gid = conf->gid;
    g->group_id = conf->group;
    (void)snprintf(g->node, sizeof g->node, "%s", conf->node);
    (void)snprintf(g->endpoint, sizeof g->endpoint, "%s", conf->endpoint);
    memcpy(g->secret, conf->secret, sizeof g->secret);
    g->wants = join_lines(conf->wants);
    g->instances = calloc(conf->n, sizeof *g->instances);
    bool is_ok = g->wants && g->instances;
    for (size_t i = 0; is_ok && i < conf->n; i++) {
        g->instances[i].file_fd = -1;
        g->n = i + 1;
        is_ok = copy_instance(&g->instances[i], &conf->instances[i]);
    }
    if (is_ok)
        return g;
    mmr_group_free(g);
    return NULL;
}

int mmr_host_new(struct mmr_supervisor *sup, const struct mmr_host_conf *conf, struct mmr_child **ret_child,
                 struct mmr_error *err)
{
    static const char *const argv[] = {"plugin-host", NULL};
    struct mmr_child_conf child = {.name = conf->name, .argv = argv, .limits = conf->limits, .is_sensor = true};
    if (conf->n == 0 || conf->n > MMR_RUNTIME_INSTANCES_MAX)
        return mmr_fail(err, MMR_EINVAL, "host '%s' has %zu instances, expected 1 to %d", conf->name, conf->n,
                        MMR_RUNTIME_INSTANCES_MAX);
    if (strlen(conf->endpoint) > MMR_LOCAL_ENDPOINT_MAX)
        return mmr_fail(err, MMR_EINVAL, "host '%s': endpoint '%.60s...' is over %d bytes; use a shorter run folder",
                        conf->name, conf->endpoint, MMR_LOCAL_ENDPOINT_MAX);
    for (size_t i = 0; i < conf->n; i++)
        if (strlen(conf->instances[i].name) > MMR_RUNTIME_NAME_MAX || strlen(conf->instances[i].plugin) > 63)
            return mmr_fail(err, MMR_EINVAL, "host '%s': instance '%.70s' of '%.70s': a name is over 63 bytes",
                            conf->name, conf->instances[i].name, conf->instances[i].plugin);
    struct mmr_group *g = copy_conf(conf);
    if (!g)
        return mmr_fail(err, MMR_ENOMEM, "host '%s': out of memory", conf->name);
    int r = mmr_child_new(sup, &child, ret_child, err);
    if (r)
        mmr_group_free(g);
    else
        (*ret_child)->group = g;
    return r;
}

int mmr_group_assign(struct mmr_child *c, struct mmr_error *err)
{
    uint8_t buf[32 * 1024];
    struct mmr_event map;
    const struct mmr_group *g = c->group;

    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_str(&map, "host", c->name);
    mmr_event_str(&map, "node", g->node);
    mmr_event_str(&map, "endpoint", g->endpoint);
    mmr_event_bin(&map, "secret", g->secret, sizeof g->secret);
    mmr_event_int(&map, "uid", g->uid);
    mmr_event_int(&map, "gid", g->gid);
    mmr_event_int(&map, "group", g->group_id);
    mmr_event_int(&map, "memory", c->limits.memory_bytes);
    mmr_event_int(&map, "instances", (int64_t)g->n);
    int r = mmr_channel_send(c->channel, MMR_MSG_ASSIGN, &map, g->wants, strlen(g->wants), -1);
    explicit_bzero(buf, sizeof buf);
    for (size_t i = 0; i < g->n && r == 0; i++) {
        const struct mmr_group_instance *in = &g->instances[i];
        g->instances[i].info = (struct mmr_host_info){0};
        mmr_event_begin_map(&map, buf, sizeof buf);
        mmr_event_str(&map, "name", in->name);
        mmr_event_str(&map, "plugin", in->plugin);
        mmr_event_str(&map, "state_dir", in->state_dir);
        mmr_event_int(&map, "side", in->side);
        mmr_event_int(&map, "is_tool_named", in->is_tool_named);
        mmr_event_int(&map, "needs", in->needs);
        mmr_event_bool(&map, "has_file", in->file_fd >= 0);
        if (in->actions) {
            const char *verbs[MMR_EVENT_ARRAY_MAX];
            size_t n = in->n_actions < MMR_EVENT_ARRAY_MAX ? in->n_actions : MMR_EVENT_ARRAY_MAX;
            for (size_t j = 0; j < n; j++)
                verbs[j] = in->actions[j];
            mmr_event_strv(&map, "actions", verbs, n);
        }
        r = mmr_channel_send(c->channel, MMR_MSG_INSTANCE, &map, in->packed, in->packed_len, in->file_fd);
    }
    return r ? mmr_fail(err, r, "host '%s': its assignment does not fit into messages", c->name) : 0;
}

bool mmr_group_is_program(const struct mmr_child *c)
{
    return c->group && c->group->n == 1 && c->group->instances[0].is_program;
}

void mmr_group_info(struct mmr_child *c, const struct mmr_message *m)
{
    int64_t i = mmr_event_get_int(m->map, "index", -1);
    if (!c->group || i < 0 || (uint64_t)i >= c->group->n)
        return;
    struct mmr_host_info *info = &c->group->instances[i].info;
    if (info->is_known && mmr_group_is_program(c)) { /* what it may be was said before it was started */
        mmr_child_nonsense(c, "it describes itself anew on its tether");
        return;
    }
    *info = (struct mmr_host_info){
        .is_known = true, .side = (uint32_t)mmr_event_get_int(m->map, "side", 0),
        .caps = (uint32_t)mmr_event_get_int(m->map, "caps", 0), .roles = (uint32_t)mmr_event_get_int(m->map, "roles", 0),
        .needs = (uint32_t)mmr_event_get_int(m->map, "needs", 0),
    };
    (void)mmr_event_copy_str(m->map, "version", info->version, sizeof info->version);
    (void)mmr_event_copy_str(m->map, "maker", info->maker, sizeof info->maker);
    (void)mmr_event_copy_str(m->map, "model", info->model, sizeof info->model);
    (void)mmr_event_copy_str(m->map, "actions", info->actions, sizeof info->actions);
    (void)mmr_event_copy_str(m->map, "subscribes", info->subscribes, sizeof info->subscribes);
    (void)mmr_event_copy_str(m->map, "events", info->events, sizeof info->events);
}

void mmr_group_sandbox(struct mmr_child *c, const struct mmr_message *m)
{
    if (!c->group)
        return;
    struct mmr_host_sandbox *x = &c->group->sandbox;
    if (c->group->instances[0].info.is_known && mmr_group_is_program(c)) { /* the host says it before INFO */
        mmr_child_nonsense(c, "it describes its sandbox anew on its tether");
        return;
    }
    *x = (struct mmr_host_sandbox){.is_known = true, .landlock = (int)mmr_event_get_int(m->map, "landlock", 0),
                                   .has_ceiling = c->has_ceiling,
                                   .user = (uint32_t)mmr_event_get_int(m->map, "user", 0)};
    (void)mmr_event_copy_str(m->map, "no_landlock", x->no_landlock, sizeof x->no_landlock);
}

const struct mmr_host_sandbox *mmr_host_sandbox(const struct mmr_child *c)
{
    return c->group ? &c->group->sandbox : NULL;
}

size_t mmr_host_instances(const struct mmr_child *c)
{
    return c->group ? c->group->n : 0;
}

const char *mmr_host_instance_name(const struct mmr_child *c, size_t i)
{
    return i < mmr_host_instances(c) ? c->group->instances[i].name : "";
}

const char *mmr_host_instance_plugin(const struct mmr_child *c, size_t i)
{
    return i < mmr_host_instances(c) ? c->group->instances[i].plugin : "";
}

const struct mmr_host_info *mmr_host_info(const struct mmr_child *c, size_t i)
{
    return i < mmr_host_instances(c) ? &c->group->instances[i].info : NULL;
}

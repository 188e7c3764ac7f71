/* instances.c - configuration entries become descriptors; what is wrong is said with its place. */
#include "plugin/instances.h"

#include "plugin/admit.h"
#include "util/scope.h"

#include <mamori/net.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool mmr_plugin_has_sink(const struct mmr_plugin *p)
{
    static const char *const topics[] = {MMR_TOPIC_FRAME, MMR_TOPIC_PACKET, MMR_TOPIC_STREAM, MMR_TOPIC_FLOW, MMR_TOPIC_TX};
    for (size_t i = 0; p->extension && i < sizeof topics / sizeof topics[0]; i++)
        if (p->extension(topics[i]))
            return true;
    return false;
}

size_t mmr_plugin_dirs(const struct mmr_config *c, char *buf, size_t cap, const char **ret, size_t max)
{
    struct mmr_strv dirs = mmr_config_strv(c, "node.plugin_dirs");
    size_t n = 0;
    for (; n < dirs.n && n < max; n++)
        ret[n] = dirs.v[n];
    return n ? n : mmr_plugin_own_dirs(buf, cap, ret, max);
}

size_t mmr_plugin_own_dirs(char *buf, size_t cap, const char **ret, size_t max)
{
    size_t n = 0;
    char exe[2048];
    ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (len <= 0)
        return 0;
    exe[len] = '\0';
    char *slash = strrchr(exe, '/');
    static const char *const tails[] = {"plugins", "../" MMR_LIBDIR "/mamori/plugins", "../lib/mamori/plugins"};
    size_t at = 0;
    struct stat st;
    if (slash)
        *slash = '\0';
    for (size_t i = 0; i < sizeof tails / sizeof tails[0] && n < max; i++) {
        char path[2200];
        (void)snprintf(path, sizeof path, "%s/%s", exe, tails[i]);
        mmr_autofree char *real = realpath(path, NULL); /* as a person would write it, and as a registration has it */
        int m = real && stat(real, &st) == 0 && S_ISDIR(st.st_mode) ? snprintf(buf + at, cap - at, "%s", real) : -1;
        if (m < 0 || (size_t)m >= cap - at)
            continue;
        ret[n++] = buf + at;
        at += (size_t)m + 1;
    }
    return n;
}

struct loading {
    const struct mmr_config *c;
    const struct mmr_plugin *const *builtins;
    mmr_diag_fn diag;
    void *ctx;
    unsigned problems;
    const struct mmr_trust *trust;
};

__attribute__((format(printf, 3, 4))) static void say(struct loading *l, const struct mmr_instance_conf *conf,
                                                      const char *fmt, ...)
{
    char text[400], line[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)snprintf(line, sizeof line, "plugins.%s: %s", conf->name, text);
    l->problems++;
    if (l->diag)
        l->diag(l->ctx, line);
}

/* Into this process: what was admitted, and is what it says. */
static int load_plugin(struct loading *l, struct mmr_instance *i, struct mmr_error *err)
{
    struct mmr_admission a;
    int r = mmr_plugin_admit(l->c, l->trust, l->builtins, i->conf, &a, err);
    if (r == 0)
        r = mmr_plugin_load_admitted(l->builtins, l->trust, i->conf->plugin, &a, &i->plugin, err);
    if (r == 0) {
        i->file = a.path;
        a.path = NULL; /* the instance's now */
    }
    mmr_admission_done(&a);
    return r;
}

static void load_one(struct loading *l, struct mmr_instance *i)
{
    struct mmr_error err = {.struct_size = sizeof err};
    const struct mmr_instance_conf *conf = i->conf;
    if (load_plugin(l, i, &err) != 0) {
        say(l, conf, "%s", err.text);
        return;
    }
    uint32_t sides = i->plugin->side;
    i->side = conf->side ? conf->side : sides;
    if (i->side != MMR_SIDE_NETWORK && i->side != MMR_SIDE_ENDPOINT) {
        say(l, conf, "%s can be of either side; 'side: network' or 'side: endpoint' must say which", i->plugin->id);
        return;
    }
    if (!(sides & i->side)) {
        say(l, conf, "%s is not of the %s side", i->plugin->id, i->side == MMR_SIDE_NETWORK ? "network" : "endpoint");
        return;
    }
    if (mmr_config_check_instance(l->c, conf, i->plugin, l->diag, l->ctx) != 0) {
        l->problems++;
        return;
    }
    if (mmr_config_pack(l->c, conf, &i->packed, &i->packed_len, &err) != 0)
        say(l, conf, "%s", err.text);
}

int mmr_instances_load(const struct mmr_config *c, const struct mmr_plugin *const *builtins, mmr_diag_fn diag,
                       void *ctx, struct mmr_instances *ret, struct mmr_error *err)
{
    struct mmr_trust trust;
    struct loading l = {.c = c, .builtins = builtins, .diag = diag, .ctx = ctx, .trust = &trust};
    size_t n = mmr_config_instances(c);
    struct mmr_instances out = {.v = calloc(n ? n : 1, sizeof *out.v)};
    if (!out.v)
        return mmr_fail(err, MMR_ENOMEM, "plugins: out of memory");
    int r = mmr_trust_open(c, &trust, err);
    if (r) {
        free(out.v);
        return r;
    }
    for (size_t k = 0; k < n; k++) {
        const struct mmr_instance_conf *conf = mmr_config_instance(c, k);
        if (!conf->is_enabled)
            continue;
        out.v[out.n].conf = conf;
        load_one(&l, &out.v[out.n++]);
    }
    mmr_trust_done(&trust);
    if (l.problems) {
        mmr_instances_done(&out);
        return mmr_fail(err, MMR_ECONFIG, "plugins: %u problem%s, see above", l.problems, l.problems == 1 ? "" : "s");
    }
    *ret = out;
    return 0;
}

void mmr_instances_done(struct mmr_instances *i)
{
    for (size_t k = 0; k < i->n; k++) {
        free(i->v[k].file);
        free(i->v[k].packed);
    }
    free(i->v);
    i->v = NULL;
    i->n = 0;
}

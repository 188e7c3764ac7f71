/* admit.c - every way to a running plugin goes through here. */
#include "plugin/admit.h"

#include "plugin/describe.h"
#include "plugin/instances.h"
#include "plugin/load.h"
#include "plugin/program.h"
#include "trust/bundled.h"
#include "util/log.h"
#include "util/scope.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { DIRS_MAX = 8, GRANT_ALL = (1 << MMR_NEEDS) - 1 };

/* Does the file lie in a folder of the installation itself, and on its list? A list that cannot be read bundles nothing: why is said. */
static void find_bundled(const char *path, char ret[MMR_SHA256_TEXT])
{
    char texts[4096];
    const char *dirs[DIRS_MAX];
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_autofree char *real = realpath(path, NULL);
    char *cut = real ? strrchr(real, '/') : NULL;
    size_t n = mmr_plugin_own_dirs(texts, sizeof texts, dirs, DIRS_MAX);
    if (!cut)
        return;
    *cut = '\0';
    for (size_t i = 0; i < n; i++) {
        mmr_autofree char *own = realpath(dirs[i], NULL);
        if (!own || strcmp(own, real) != 0)
            continue;
        int r = mmr_bundled_hash(own, cut + 1, ret, &err);
        if (r && r != MMR_ENOENT)
            mmr_log(MMR_LOG_WARN, "trust.bundled", "text=\"%s\"", err.text);
        return;
    }
}

struct mmr_trust_ask mmr_admission_ask(const struct mmr_admission *a, const char *id)
{
    return (struct mmr_trust_ask){.id = id, .path = a->path, .fd = a->fd, .bundled = a->bundled[0] ? a->bundled : NULL};
}

int mmr_plugin_lookup(const struct mmr_config *c, const struct mmr_plugin *const *builtins, const char *id, const char *file,
                    struct mmr_admission *ret, struct mmr_error *err)
{
    char texts[4096];
    const char *dirs[DIRS_MAX];
    struct mmr_admission a = {.fd = -1, .needs = GRANT_ALL};
    size_t n;
    *ret = a;
    if (!file && mmr_plugin_builtin(builtins, id))
        return 0;
    n = file ? 0 : mmr_plugin_dirs(c, texts, sizeof texts, dirs, DIRS_MAX);
    for (size_t i = 0; i < n && !a.path; i++)
        (void)mmr_plugin_locate(dirs[i], id, &a.path, err);
    if (file)
        a.path = strdup(file);
    if (!a.path)
        return file ? mmr_fail(err, MMR_ENOMEM, "plugin file '%s': out of memory", file)
                    : mmr_fail(err, MMR_ENOENT, "no plugin '%s' is built in or lies in a plugin folder; see 'mamori plugin list'", id);
    find_bundled(a.path, a.bundled);
    int r = mmr_plugin_seal(a.path, &a.fd, err);
    if (r == MMR_EPERM)
        a.verdict.reason = MMR_TRUST_OWNER;
    if (r && err)
        (void)snprintf(a.verdict.text, sizeof a.verdict.text, "%s", err->text);
    *ret = a;
    return r;
}

/* What the registration grants, as the host wants to hear it. */
static int take_grant(struct mmr_admission *a, struct mmr_error *err)
{
    const struct mmr_registration *g = &a->verdict.registration;
    char need[32];
    size_t n = 0;
    a->needs = 0;
    for (const char *p = g->needs; *p; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");
        uint32_t bit;
        if (len >= sizeof need)
            return mmr_fail(err, MMR_EPERM, "plugin %s: its registration grants '%.40s', which is no need; register again", g->id, p);
        memcpy(need, p, len);
        need[len] = '\0';
        if (!mmr_need_parse(need, &bit))
            return mmr_fail(err, MMR_EPERM, "plugin %s: its registration grants '%s', which is no need; register again", g->id, need);
        a->needs |= bit;
        p += len;
    }
    for (const char *p = g->actions; *p; p++)
        n += *p == ' ';
    a->words = strdup(g->actions);
    const char **list = calloc(n + 2, sizeof *list);
    a->actions.v = list;
    if (!a->words || !list)
        return mmr_fail(err, MMR_ENOMEM, "plugin %s: out of memory", g->id);
    for (char *p = a->words; *p;) {
        size_t len = strcspn(p, " ");
        list[a->actions.n++] = p;
        p += len;
        if (*p)
            *p++ = '\0';
    }
    return 0;
}

/* Not what the entry says it is: left out like any other refused file, the others run. */
static int refuse_kind(struct mmr_admission *a, struct mmr_error *err, const char *what)
{
    a->verdict.reason = MMR_TRUST_KIND;
    (void)snprintf(a->verdict.text, sizeof a->verdict.text, "'%.80s' %s", a->path, what);
    return mmr_fail(err, MMR_EPERM, "'%.80s' %s", a->path, what);
}

int mmr_plugin_admit(const struct mmr_config *c, const struct mmr_trust *t, const struct mmr_plugin *const *builtins,
                     const struct mmr_instance_conf *conf, struct mmr_admission *ret, struct mmr_error *err)
{
    *ret = (struct mmr_admission){.fd = -1};
    if (!conf->plugin) /* a file alone could be any plugin */
        return mmr_fail(err, MMR_EINVAL, "entry '%s' names a file but no plugin; add 'plugin:' with the id it must hold", conf->name);
    int r = mmr_plugin_lookup(c, builtins, conf->plugin, conf->file, ret, err);
    if (r)
        return r;
    ret->is_program = ret->fd >= 0 && mmr_program_is(ret->fd);
    if (conf->is_program && !ret->is_program)
        return refuse_kind(ret, err, "holds no description of a program, expected one in the file's own text (docs/plugin-protocol.md); a shared object is named with 'file:'");
    if (!conf->is_program && ret->is_program)
        return refuse_kind(ret, err, "is a program; name it with 'exec:', not with 'file:'");
    const struct mmr_trust_ask ask = mmr_admission_ask(ret, conf->plugin);
    r = mmr_trust_judge(t, &ask, &ret->verdict, err);
    return r == 0 && ret->verdict.has_registration ? take_grant(ret, err) : r;
}

int mmr_admission_check(const struct mmr_admission *a, const struct mmr_trust *t, const char *id, const struct mmr_plugin *p,
                        struct mmr_error *err)
{
    uint32_t side;
    if (strcmp(p->id, id) != 0)
        return mmr_fail(err, MMR_EBADMSG, "plugin file '%s' holds %s, expected %s", a->path ? a->path : "(built in)", p->id, id);
    int r = mmr_trust_version(t, id, p->version, err);
    if (r || !a->verdict.has_registration)
        return r;
    return mmr_plugin_check_grant(p, p->side & MMR_SIDE_NETWORK ? MMR_SIDE_NETWORK : MMR_SIDE_ENDPOINT, a->needs, a->actions, NULL, NULL, &side, err);
}

int mmr_plugin_load_admitted(const struct mmr_plugin *const *builtins, const struct mmr_trust *t, const char *id,
                             const struct mmr_admission *a, const struct mmr_plugin **ret, struct mmr_error *err)
{
    const struct mmr_plugin *p = a->path ? NULL : mmr_plugin_builtin(builtins, id);
    int r = a->path ? mmr_plugin_load(a->fd, a->path, &p, err) : 0;
    if (r == 0)
        r = mmr_plugin_check(p, NULL, NULL, err);
    if (r == 0)
        r = mmr_admission_check(a, t, id, p, err);
    if (r == 0)
        *ret = p;
    return r;
}

void mmr_admission_done(struct mmr_admission *a)
{
    union { /* ours, but the host's type is const */
        const char *const *from;
        void *to;
    } list = {.from = a->actions.v};
    free(a->path);
    free(a->words);
    free(list.to);
    if (a->fd >= 0)
        (void)close(a->fd);
    *a = (struct mmr_admission){.fd = -1};
}

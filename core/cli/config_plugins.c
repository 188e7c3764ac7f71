/* config_plugins.c - plugins are asked in processes of their own; of this one's, nothing of a file runs. */
#include "cli/config_plugins.h"

#include "cli/plugin_facts.h"
#include "plugin/builtin.h"
#include "plugin/load.h"
#include "util/scope.h"

#include <stdio.h>

static size_t check_one(const struct mmr_config *c, const struct mmr_instance_conf *x, mmr_diag_fn diag, mmr_diag_fn note, void *ctx)
{
    struct mmr_admission a;
    struct mmr_error err = {.struct_size = sizeof err};
    struct json_object *facts = NULL;
    struct mmr_plugin p = {.config = NULL};
    char text[400];
    size_t problems = 0;
    int r = x->plugin ? mmr_plugin_lookup(c, mmr_builtin_plugins, x->plugin, x->file, &a, &err)
                      : mmr_fail(&err, MMR_ENOENT, "names a file but no plugin; add 'plugin:' with the id it must hold");
    if (r == 0) {
        r = mmr_plugin_facts(a.path ? NULL : mmr_plugin_builtin(mmr_builtin_plugins, x->plugin), a.fd, a.path ? a.path : x->plugin, &facts, &err);
        mmr_admission_done(&a);
    } else if (x->plugin) {
        mmr_admission_done(&a);
    }
    if (r == 0)
        r = mmr_plugin_fact_rows(facts, &p, &err);
    if (r == 0)
        problems = mmr_config_check_instance(c, x, &p, diag, ctx) != 0;
    (void)snprintf(text, sizeof text, "plugins.%s: %s", x->name, err.text);
    if (r == MMR_ENOENT) {
        diag(ctx, text);
        problems = 1;
    } else if (r) {
        note(ctx, text);
    }
    union { /* ours, but the descriptor's type is const */
        const struct mmr_cfg_key *from;
        void *to;
    } rows = {.from = p.config};
    free(rows.to);
    (void)json_object_put(facts);
    return problems;
}

size_t mmr_cli_check_plugins(const struct mmr_config *c, mmr_diag_fn diag, mmr_diag_fn note, void *ctx)
{
    size_t problems = 0;
    for (size_t i = 0; i < mmr_config_instances(c); i++) {
        const struct mmr_instance_conf *x = mmr_config_instance(c, i);
        if (x->is_enabled)
            problems += check_one(c, x, diag, note, ctx);
    }
    return problems;
}

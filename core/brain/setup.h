/* setup.h - what the pipeline needs to know, from the configuration: nets, assets, policy, responders. */
#ifndef MMR_BRAIN_SETUP_H
#define MMR_BRAIN_SETUP_H

#include "brain/pipeline.h"
#include "config/config.h"
#include "plugin/instances.h"

struct mmr_setup { /* owns what it points to, but for texts borrowed from the configuration */
    struct mmr_cidr *home;
    struct mmr_asset *assets;
    struct mmr_responder *responder;
    size_t n_home, n_assets;
    uint32_t n_responder;
    const char **never_block;
    size_t n_never_block;
    struct mmr_policy policy;
    struct mmr_rails_limits rails;
    struct mmr_yaml_pool *pool; /* texts of an assets file */
};

/*
 * mmr_setup_new - read it.
 *
 * assets_file  YAML `hosts: [{name, ip: […], role, important_info}]` in place of the configured assets; NULL: those
 * is_replay    every order is planned only; the endpoint responder is taken to be on every machine that sends events
 * errors       MMR_ECONFIG after diag; MMR_ENOMEM
 */
int mmr_setup_new(const struct mmr_config *c, const struct mmr_instances *inst, const char *assets_file, bool is_replay,
                  mmr_diag_fn diag, void *ctx, struct mmr_setup *ret, struct mmr_error *err);
void mmr_setup_done(struct mmr_setup *s);
/* Borrowed from s. */
void mmr_setup_pipeline(const struct mmr_config *c, const struct mmr_setup *s, struct mmr_pipeline_config *ret);
/* The responder of one instance; false: it is none. */
bool mmr_setup_responder(const struct mmr_plugin *p, const char *instance, uint32_t side, struct mmr_responder *ret);

#endif

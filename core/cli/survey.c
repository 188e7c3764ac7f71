/* survey.c - see survey.h. */
#include "cli/survey.h"

#include <stdio.h>
#include <unistd.h>

enum { STATUS_MS = 10000 };

static int keep(void *ctx, struct json_object *o, const char *text, size_t len)
{
    struct mmr_survey *v = ctx;
    (void)text;
    (void)len;
    if (!v->status)
        v->status = json_object_get(o);
    return 0;
}

int mmr_survey_take(struct mmr_survey *v)
{
    bool is_down = false;
    int status = mmr_cli_site_ask(&v->site, "status", NULL, STATUS_MS, keep, v, &is_down);
    if (!is_down && status != MMR_EXIT_OK)
        return MMR_EXIT_FAILED;
    v->own = mmr_config_str(v->site.config, "node.name");
    (void)gethostname(v->hostname, sizeof v->hostname - 1);
    if (!v->own)
        v->own = v->hostname;
    v->notes = json_object_new_array();
    return v->notes ? MMR_EXIT_OK : MMR_EXIT_FAILED;
}

int mmr_survey_coverage(struct mmr_survey *v, bool is_net, struct mmr_coverage *ret)
{
    struct mmr_watched w = {.config = v->site.config, .status = v->status, .notes = v->notes, .own = v->own, .hostname = v->hostname};
    int r = mmr_watched_coverage(&w, is_net, ret);
    v->notes = w.notes;
    return r;
}

void mmr_survey_done(struct mmr_survey *v)
{
    json_object_put(v->status);
    json_object_put(v->notes);
    mmr_cli_site_done(&v->site);
}

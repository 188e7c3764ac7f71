/* survey.h - what covers this office (standard/watched.h), as the running mamori says when it is asked. */
#ifndef MMR_CLI_SURVEY_H
#define MMR_CLI_SURVEY_H

#include "cli/site.h"
#include "standard/watched.h"

struct mmr_survey {
    struct mmr_cli_site site;   /* opened by the caller, closed by mmr_survey_done() */
    struct json_object *status; /* of the running mamori; NULL: none */
    struct json_object *notes;  /* what was not measured */
    const char *own;            /* this machine's name */
    char hostname[64];
};

/* Ask the running mamori; that none runs is no failure (status stays NULL). Returns enum mmr_exit */
int mmr_survey_take(struct mmr_survey *v);
/* Measure the ways out (is_net), or the agents. notes holds what could not be measured. errors MMR_ENOMEM */
int mmr_survey_coverage(struct mmr_survey *v, bool is_net, struct mmr_coverage *ret);
void mmr_survey_done(struct mmr_survey *v);

#endif

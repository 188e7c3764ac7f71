/* linked.c - reads reports of a linked defence, and ties them to evidence. */
#include "brain/linked.h"

#include "entity/entity.h"
#include "util/id.h"

#include <string.h>
#include <strings.h>

bool mmr_linked_is(const struct mmr_event_view *stamped)
{
    return mmr_value_is(mmr_event_get(stamped, "mamori.kind"), "defence.report");
}

int mmr_linked_read(const struct mmr_event_view *v, struct mmr_linked *ret, struct mmr_error *err)
{
    struct mmr_linked l = {.action = {.side = MMR_SIDE_ENDPOINT, .state = MMR_STATE_ORDERED}};
    struct mmr_action_rec *a = &l.action;
    size_t n, m;
    const char *verb = mmr_event_get_str(v, "unmapped.verb", &n), *result = mmr_event_get_str(v, "unmapped.result", &m);
    if (!verb || !mmr_verb_parse(verb, n, &a->verb) || (a->verb != MMR_VERB_QUARANTINE_FILE && a->verb != MMR_VERB_DENY_EXEC))
        return mmr_fail(err, MMR_EBADMSG, "defence.report: 'verb' is not quarantine.file or deny.exec");
    if (!result || !mmr_result_parse(result, m, &l.receipt.result))
        return mmr_fail(err, MMR_EBADMSG, "defence.report: 'result' is no result of a receipt");
    const char *proof = mmr_event_get_str(v, "unmapped.verify", &n);
    if (proof && !mmr_verified_parse(proof, n, &l.receipt.verified))
        return mmr_fail(err, MMR_EBADMSG, "defence.report: 'verify' is no result of a verification");
    if (!mmr_event_copy_str(v, "device.hostname", a->target.host, sizeof a->target.host) ||
        !mmr_event_copy_str(v, "file.path", a->target.text, sizeof a->target.text) || !a->target.text[0])
        return mmr_fail(err, MMR_EBADMSG, "defence.report: it names no machine or no file, so it cannot be tied to anything");
    (void)mmr_event_copy_str(v, "mamori.node", a->node, sizeof a->node);
    (void)mmr_event_copy_str(v, "mamori.instance", a->instance, sizeof a->instance);
    (void)mmr_event_copy_str(v, "message", l.receipt.detail, sizeof l.receipt.detail);
    if (l.receipt.verified != MMR_VERIFIED_NONE)
        (void)snprintf(l.receipt.method, sizeof l.receipt.method, "observe");
    (void)snprintf(a->reason, sizeof a->reason, "done by the machine's own virus protection");
    a->ordered_ns = mmr_event_get_int(v, "time", 0);
    *ret = l;
    return 0;
}

static bool same_host(const char *a, const char *b)
{
    char x[MMR_HOST_NAME_MAX], y[MMR_HOST_NAME_MAX];
    mmr_host_normalise(a, x);
    mmr_host_normalise(b, y);
    return x[0] && strcmp(x, y) == 0;
}

bool mmr_linked_ties(const struct mmr_incident *i, struct mmr_linked *l)
{
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        const struct mmr_finding *f = i->evidence[k].finding;
        const char *paths[] = {f->file, f->process.path};
        for (size_t j = 0; f->host && j < 2; j++)
            if (paths[j] && strcasecmp(paths[j], l->action.target.text) == 0 && same_host(f->host, l->action.target.host)) {
                (void)snprintf(l->action.target.text, sizeof l->action.target.text, "%s", paths[j]);
                (void)snprintf(l->action.target.host, sizeof l->action.target.host, "%s", f->host);
                l->action.incident = i->id;
                l->action.id = mmr_hash64(l->action.target.text, strlen(l->action.target.text), i->id ^ l->action.verb) | 1;
                return true;
            }
    }
    return false;
}

/* covers.c - see covers.h. */
#include "standard/covers.h"

#include "standard/watched.h"

#include <stdlib.h>

int mmr_covers_measure(const struct mmr_config *c, struct json_object *status, const char *own, const char *hostname, struct mmr_covers *ret)
{
    struct mmr_watched w = {.config = c, .status = status, .notes = json_object_new_array(), .own = own, .hostname = hostname};
    struct mmr_coverage *net = calloc(1, sizeof *net), *ep = calloc(1, sizeof *ep);
    int r = net && ep ? mmr_watched_coverage(&w, true, net) : MMR_ENOMEM;
    if (!r)
        r = mmr_watched_coverage(&w, false, ep);
    if (!r)
        *ret = (struct mmr_covers){.exits = net->want, .exits_ok = net->have, .important = ep->want, .important_ok = ep->have, .is_net_ok = net->is_ok, .is_ep_ok = ep->is_ok};
    free(net);
    free(ep);
    json_object_put(w.notes);
    return r;
}

/*
 * undo.h - takes back every block of this machine with nothing else running: the configured responders are loaded into
 * this process, each with its own journal, and told that no action lives. What was taken back is noted in the store,
 * so that a brain that starts later does not block again.
 */
#ifndef MMR_CONTROL_UNDO_H
#define MMR_CONTROL_UNDO_H

#include "config/config.h"
#include "model/action.h"

enum mmr_undo_what {
    MMR_UNDO_DONE,    /* this action was taken back */
    MMR_UNDO_FAILED,  /* it may still be in force: the responder did not work (text says why) */
    MMR_UNDO_CLEARED, /* an instance keeps nothing any more, whatever its journal held (action NULL) */
    MMR_UNDO_ELSEWHERE, /* an action of another machine; not reached */
    MMR_UNDO_UNKNOWN, /* its responder is not configured any more; it ends with its lease */
};
struct mmr_undo_news { /* borrowed for the call */
    enum mmr_undo_what what;
    const char *instance, *text; /* text: "" or one sentence */
    const struct mmr_action_rec *action; /* NULL: about the whole instance */
};
typedef void (*mmr_undo_fn)(void *ctx, const struct mmr_undo_news *n);

struct mmr_undo_result {
    unsigned undone, failed, elsewhere;
    bool is_noted; /* the store knows; false: there is none, or it could not be written (which was said) */
};

/*
 * mmr_undo_all - do it. Holds the lock of run_dir meanwhile, so that no mamori starts into the middle.
 *
 * node            this machine's name in the store
 * who             for the evidence log
 * are_hosts_gone  a supervisor runs (and holds the lock) but has stopped its responders' hosts
 * errors          MMR_EPERM a mamori runs here; MMR_EIO, MMR_ENOMEM. A responder that fails is told through fn
 */
int mmr_undo_all(const struct mmr_config *c, const struct mmr_plugin *const *builtins, const char *node, const char *who,
                 bool are_hosts_gone, mmr_undo_fn fn, void *ctx, struct mmr_undo_result *ret, struct mmr_error *err);

/* Can it be taken back at all? An ended process and a cut connection cannot. */
bool mmr_undo_is_possible(enum mmr_verb v);

#endif

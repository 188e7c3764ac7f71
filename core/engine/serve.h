/* serve.h - an outlet program's end of the pipe: its loop, and what it says. Everything is called from the one thread of the loop. */
#ifndef MMR_ENGINE_SERVE_H
#define MMR_ENGINE_SERVE_H

#include "engine/engine.h"

struct mmr_engine_host;
struct mmr_engine_ops {
    const char *name;
    /* Settings as they stand in the configuration (borrowed for the call); a connection may come later. *ret_fd: readable when work is to
     * be called, or -1. errors MMR_ECONFIG and others: the program says why and ends */
    int (*open)(void *ctx, struct mmr_engine_host *h, const char *const pairs[][2], size_t n, int *ret_fd, struct mmr_error *err);
    void (*record)(void *ctx, const struct mmr_engine_record *r); /* borrowed; at most MMR_ENGINE_WINDOW that were not told done */
    /* After records came, when the descriptor is readable, and each tenth of a second. errors: the program ends, and is started again */
    int (*work)(void *ctx, int64_t mono_ns, struct mmr_error *err);
};
/* Until the collector closes the pipe. Returns the exit status: 0; 2 settings; 3 failed. */
int mmr_engine_serve(const struct mmr_engine_ops *ops, void *ctx);

void mmr_engine_done(struct mmr_engine_host *h, uint64_t seq); /* the engine has it durably */
void mmr_engine_never(struct mmr_engine_host *h, uint64_t seq, const char *why);
void mmr_engine_again(struct mmr_engine_host *h); /* from work: there is more to do, call it again at once */
void mmr_engine_ready(struct mmr_engine_host *h);
void mmr_engine_away(struct mmr_engine_host *h, const char *why); /* said again only when why is another */

#endif

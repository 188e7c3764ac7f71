/*
 * stories.h - Sigma correlation rules over the findings of all nodes: what no single finding tells. The rules are
 * those of sdk/sigma; a detection with `logsource: {product: mamori, service: finding}` picks findings by their fields
 * (mamori.rule, mamori.phase, src_endpoint.ip, …), a correlation counts or orders them. What it completes is a finding of
 * its own; the findings it is made of become one incident with it, joined by "rule".
 */
#ifndef MMR_CORRELATE_STORIES_H
#define MMR_CORRELATE_STORIES_H

#include "model/finding.h"

enum { MMR_STORIES_MADE_MAX = 4, MMR_STORIES_TEXT_MAX = 1000 };
struct mmr_stories;

/*
 * mmr_stories_new - load and compile.
 *
 * paths   rule files, or folders of .yml and .yaml files
 * say     one line for each rule that cannot be used and was left out; may be NULL
 * errors  MMR_ECONFIG a path cannot be read or holds no usable correlation; MMR_ENOMEM
 */
int mmr_stories_new(const char *const *paths, size_t n, void (*say)(void *ctx, const char *line), void *ctx,
                    struct mmr_stories **ret, struct mmr_error *err);
void mmr_stories_free(struct mmr_stories *s); /* accepts NULL */

/*
 * mmr_stories_take - a finding goes into the stories it is part of.
 *
 * view      its event, whose time is corrected by time_ns
 * f         in: the finding. out: the same, or another in its place that knows its stories; owned by the caller as before
 * ret_made  findings that stories completed by it are; returned, free()
 * Returns how many were made; 0 also when memory is short: the finding stands for itself
 */
size_t mmr_stories_take(struct mmr_stories *s, const struct mmr_event_view *view, struct mmr_finding **f,
                        struct mmr_finding *ret_made[MMR_STORIES_MADE_MAX]);

/* After a restart: a finding that mmr_stories_take() has seen before. It counts again, and completes nothing anew. */
void mmr_stories_learn(struct mmr_stories *s, const struct mmr_event_view *view);

/* One story that a finding is part of, from its text; *at: where to read on, at first f->stories. False at the end. */
struct mmr_story_part {
    bool is_told;     /* this finding tells it: from from_ns on */
    int64_t from_ns;
    char rule[80], title[120], group[240];
};
bool mmr_stories_next(const char **at, struct mmr_story_part *ret);

#endif

/* story.h - the incidents of a hub as its store has them, and what an act must find in them. */
#ifndef MMR_DEMO_STORY_H
#define MMR_DEMO_STORY_H

#include "model/incident.h"

enum { MMR_STORY_MAX = 16 };
struct mmr_story {
    struct mmr_incident *incident[MMR_STORY_MAX]; /* in order of t0 */
    size_t n;
};
/* errors MMR_ENOENT no store yet; MMR_EIO, MMR_EBADMSG */
int mmr_story_load(const char *state_dir, struct mmr_story *ret, struct mmr_error *err);
void mmr_story_done(struct mmr_story *s);
/* The weightiest that has evidence about this host; NULL: none. */
const struct mmr_incident *mmr_story_of(const struct mmr_story *s, const char *host, const char *host_ip);
unsigned mmr_story_sides(const struct mmr_incident *i); /* bits of enum mmr_side */

#endif

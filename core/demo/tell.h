/* tell.h - what the demo says: one timeline for people in Japanese or English, or one JSON object for machines. */
#ifndef MMR_DEMO_TELL_H
#define MMR_DEMO_TELL_H

#include "demo/story.h"

#include <json-c/json.h>

struct mmr_tell {
    bool is_ja, is_json, is_colour;
    struct json_object *root, *act; /* for --json */
    unsigned wrong, right;
};

void mmr_tell_init(struct mmr_tell *t, const char *lang, bool is_json);
void mmr_tell_done(struct mmr_tell *t, int64_t total_ms); /* the last words */
void mmr_tell_head(struct mmr_tell *t, bool is_mirrored);
void mmr_tell_act(struct mmr_tell *t, char letter, const char *ja, const char *en);
void mmr_tell_note(struct mmr_tell *t, const char *ja, const char *en);
void mmr_tell_chaos(struct mmr_tell *t, unsigned kills, unsigned mended);
/* The timeline of one incident from the attack's first packet on, its class with the reason. NULL: there is none. */
void mmr_tell_incident(struct mmr_tell *t, const struct mmr_incident *i, int64_t first_ns);
__attribute__((format(printf, 6, 7))) void mmr_tell_check(struct mmr_tell *t, bool is_right, const char *name, const char *ja, const char *en,
                                                          const char *detail, ...); /* detail: shown when wrong */
void mmr_tell_trouble(struct mmr_tell *t, const char *text); /* the act could not be played */

#endif

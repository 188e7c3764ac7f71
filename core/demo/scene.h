/* scene.h - one act being played. */
#ifndef MMR_DEMO_SCENE_H
#define MMR_DEMO_SCENE_H

#include "demo/parts.h"
#include "demo/site.h"
#include "demo/story.h"
#include "demo/tell.h"
#include "demo/truth.h"

enum { MMR_CHAOS_TARGETS = 64 };
struct mmr_chaos { /* what is still to be killed, and what was */
    struct mmr_site_process list[MMR_CHAOS_TARGETS];
    size_t n, at;
    int64_t next_ns;
    unsigned kills, mended;
    bool has_died_with_core; /* a plugin host did not outlive its brain or agent */
};
enum { MMR_SEEN_MAX = 512 };
struct mmr_demo_seen { /* a finding the store ever had: committed, so never to be lost */
    uint8_t id[16];
    char rule[96], host[64];
};
struct mmr_scene {
    struct mmr_lab *lab;
    struct mmr_parts *parts;
    struct mmr_site site;
    struct mmr_tell *tell;
    struct mmr_truth *truth;
    struct mmr_story story;
    bool is_chaos;
    struct mmr_chaos chaos;
    struct mmr_demo_seen seen[MMR_SEEN_MAX];
    size_t n_seen;
};

#endif

/* sigma_world.h - for the tests of the Sigma library: rules from text, events from name=value lines. */
#ifndef TEST_SIGMA_WORLD_H
#define TEST_SIGMA_WORLD_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sigma/sigma.h"

struct world_hits {
    size_t n;
    char ids[16][64];
    double count[16];
    char group[16][128];
};

static inline void world_hit(void *ctx, const struct mmr_sigma_hit *h)
{
    struct world_hits *w = ctx;
    if (w->n < 16) {
        (void)snprintf(w->ids[w->n], sizeof w->ids[0], "%s", h->rule->id);
        (void)snprintf(w->group[w->n], sizeof w->group[0], "%s", h->group);
        w->count[w->n] = h->count;
    }
    w->n++;
}

/* "key=value" entries, NULL at the end; "key:=12" an integer, "key[]=a|b" an array */
static inline size_t world_event(uint8_t *buf, size_t cap, const char *kind, int64_t time_ns,
                                 const char *const *fields)
{
    struct mmr_event ev;
    mmr_event_begin(&ev, buf, cap, kind, 1007, 1, time_ns, 1);
    for (; fields && *fields; fields++) {
        char key[128];
        const char *eq = strchr(*fields, '=');
        size_t n = (size_t)(eq - *fields);
        bool is_int = n && (*fields)[n - 1] == ':', is_array = n > 2 && !memcmp(*fields + n - 2, "[]", 2);
        n -= is_array ? 2 : is_int;
        memcpy(key, *fields, n);
        key[n] = 0;
        if (is_int) {
            mmr_event_int(&ev, key, strtoll(eq + 1, NULL, 10));
        } else if (is_array) {
            char items[512], *save = NULL;
            const char *v[16];
            size_t k = 0;
            (void)snprintf(items, sizeof items, "%s", eq + 1);
            for (char *t = strtok_r(items, "|", &save); t && k < 16; t = strtok_r(NULL, "|", &save))
                v[k++] = t;
            mmr_event_strv(&ev, key, v, k);
        } else {
            mmr_event_str(&ev, key, eq + 1);
        }
    }
    return mmr_event_end(&ev) ? 0 : ev.len;
}

static inline struct world_hits world_match(struct mmr_sigma *s, const char *kind, int64_t time_ns,
                                            const char *const *fields)
{
    static uint8_t buf[MMR_EVENT_BYTES_MAX];
    static struct mmr_event_view view;
    struct world_hits hits = {0};
    size_t len = world_event(buf, sizeof buf, kind, time_ns, fields);
    if (len && !mmr_event_read(buf, len, &view, NULL))
        mmr_sigma_match(s, &view, world_hit, &hits);
    return hits;
}

/* A compiled set of one text; NULL where even that failed */
static inline struct mmr_sigma *world_rules(const char *text)
{
    struct mmr_sigma *s = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_sigma_new(&s, &err) || mmr_sigma_add_text(s, "test.yml", text, strlen(text), &err) ||
        mmr_sigma_compile(s, &err)) {
        (void)fprintf(stderr, "%s\n", err.text);
        mmr_sigma_free(s);
        return NULL;
    }
    return s;
}

/* A rule around a detection given as indented text */
static inline struct mmr_sigma *world_rule(const char *detection)
{
    char text[8192];
    (void)snprintf(text, sizeof text,
                   "title: t\nid: r\nlogsource: {category: process_creation}\ndetection:\n%s\n", detection);
    return world_rules(text);
}

#endif

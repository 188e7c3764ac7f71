/* list_internal.h - between list.c (forms, plain lists) and list_json.c (MISP, STIX). */
#ifndef MMR_INDICATOR_LIST_INTERNAL_H
#define MMR_INDICATOR_LIST_INTERNAL_H

#include "list.h"

enum { TEXT_MAX = 4096, DEPTH_MAX = 48, KEY_MAX = 24 };
enum { F_TYPE, F_VALUE, F_TO_IDS, F_DELETED, F_INFO, F_PATTERN, F_VALID_UNTIL, F_REVOKED, F_NAME, F_LAST_SEEN, F_PATTERN_TYPE, FIELDS };

struct frame { /* one open object or array: where its fields' texts stand in the pool */
    char is_array;
    uint8_t has;        /* the object is one that has a field */
    uint16_t pad;
    uint32_t pool_from; /* the pool's fill when it was opened */
    uint32_t at[FIELDS], len[FIELDS]; /* len 0: not given */
};
struct reader {
    const struct ind_list_options *o;
    struct ind_set *set;
    struct ind_list_stats *stats;
    bool is_known, is_json, is_long;
    uint64_t line;
    char text[TEXT_MAX]; /* the line or JSON token at hand */
    size_t used;
    /* JSON */
    struct frame frame[DEPTH_MAX];
    unsigned depth;
    char key[KEY_MAX];
    char pool[32 * 1024]; /* texts of known fields of the open objects */
    uint32_t pooled;
    uint8_t state, escape;
    bool is_key, is_cut, is_over;
    uint32_t code;
    uint64_t at; /* bytes read, for messages */
};

/* One value of a kind (0: by its looks). MMR_EBADMSG: not of that form. */
int ind_take(struct reader *r, enum ind_kind k, const char *p, size_t n, uint32_t expires_s, const char *label);
int ind_plain_push(struct reader *r, const char *p, size_t n);
int ind_plain_end(struct reader *r);
int ind_json_push(struct reader *r, const char *p, size_t n, struct mmr_error *err);
int ind_json_end(struct reader *r, struct mmr_error *err);

#endif

/*
 * jsonscan.h - one JSON text into a flat table of nodes, in place and without allocation. For the
 * hot path of log lines only; everything else uses json-c, against which this one is tested.
 * Bytes come from the network or a file; trust none.
 */
#ifndef MMR_JSONSCAN_H
#define MMR_JSONSCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mamori/error.h>

enum {
    MMR_JS_DEPTH_MAX = 16,   /* containers inside each other */
    MMR_JS_NODES_MAX = 1024, /* values kept of one text; more are checked, counted and left out */
    MMR_JS_ROOT = 0,
    MMR_JS_NONE = -1,
};
enum mmr_js_type {
    MMR_JS_NULL = 0, MMR_JS_BOOL, MMR_JS_NUMBER, MMR_JS_STRING, MMR_JS_OBJECT, MMR_JS_ARRAY,
};
struct mmr_js_node {
    const char *key, *val; /* unescaped, not NUL-terminated; key NULL inside arrays */
    uint32_t key_len, val_len; /* val: text of scalars; nothing for containers */
    int32_t parent;            /* node number of the container, MMR_JS_NONE for the root */
    int32_t end;               /* first node number after this one and everything inside it */
    uint32_t type, reserved;
};
struct mmr_js_doc {
    int32_t n;        /* node[0] is the root */
    uint32_t dropped; /* values beyond MMR_JS_NODES_MAX */
    struct mmr_js_node node[MMR_JS_NODES_MAX];
};

/*
 * mmr_js_parse - index text (changed in place: escapes are resolved where they stand).
 *
 * Strings may hold raw control characters and bytes that are no UTF-8 (senders do that); a lone
 * surrogate becomes U+FFFD. Everything else follows RFC 8259. White space may surround the value.
 * Everything in ret_doc is borrowed from text.
 *
 * errors  MMR_EBADMSG no JSON, truncated, bytes after it; MMR_ETOOBIG deeper than MMR_JS_DEPTH_MAX
 */
int mmr_js_parse(char *text, size_t len, struct mmr_js_doc *ret_doc, struct mmr_error *err);

/* The member `key` of container `at`, or MMR_JS_NONE (also when `at` is MMR_JS_NONE or no object). */
int32_t mmr_js_get(const struct mmr_js_doc *doc, int32_t at, const char *key);
/* Text of scalar node `at` ("" and 0 for containers, null and MMR_JS_NONE). */
const char *mmr_js_text(const struct mmr_js_doc *doc, int32_t at, size_t *ret_len);

#endif

/* ocsf_common.h - pieces of OCSF 1.8.0 JSON the three writers share. Built with json-c, in fixed order. */
#ifndef MMR_MODEL_OCSF_COMMON_H
#define MMR_MODEL_OCSF_COMMON_H

#include "model/incident.h"

#include <json-c/json.h>

/*
 * A writer with a sticky failure: an allocation that fails shows once, at mmr_js_end(). Every add takes
 * its value, also on failure.
 */
struct mmr_js {
    struct json_object *root;
    bool is_failed;
    size_t text_max; /* bytes kept of each text, an ellipsis behind them; 0: all. Where it cuts, control bytes become '?' */
};
void mmr_js_add(struct mmr_js *w, struct json_object *to, const char *key, struct json_object *v);
void mmr_js_push(struct mmr_js *w, struct json_object *array, struct json_object *v);
void mmr_js_push_text(struct mmr_js *w, struct json_object *array, const char *text);
struct json_object *mmr_js_object(struct mmr_js *w, struct json_object *to, const char *key); /* new, inside to */
struct json_object *mmr_js_array(struct mmr_js *w, struct json_object *to, const char *key);
void mmr_js_text(struct mmr_js *w, struct json_object *to, const char *key, const char *text); /* NULL, "": left out */
void mmr_js_int(struct mmr_js *w, struct json_object *to, const char *key, int64_t v);
void mmr_js_ms(struct mmr_js *w, struct json_object *to, const char *key, int64_t ns);   /* OCSF time */
void mmr_js_time(struct mmr_js *w, struct json_object *to, const char *key, int64_t ns); /* RFC 3339 */
void mmr_js_addr(struct mmr_js *w, struct json_object *to, const char *key, const struct mmr_addr *a); /* unset: left out */
/* class, category, type, activity; then metadata with product, profiles, id, times. */
void mmr_js_head(struct mmr_js *w, int class_uid, int activity_id, int64_t time_ns, int severity_id);
void mmr_js_metadata(struct mmr_js *w, const char *uid, const char *profile, const char *correlation_uid, int64_t logged_ns);
void mmr_js_attacks(struct mmr_js *w, struct json_object *to, const char *const *ids, uint32_t n);
/* The line; frees everything, also on failure. errors MMR_ENOMEM */
int mmr_js_end(struct mmr_js *w, char **ret_json, struct mmr_error *err);

#endif

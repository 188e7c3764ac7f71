/* json.h - one JSON object from one line of outside, through json-c: strict, bounded depth, UTF-8 checked. */
#ifndef MMR_UTIL_JSON_H
#define MMR_UTIL_JSON_H

#include <mamori/error.h>

#include <stddef.h>

struct json_object;

/*
 * mmr_json_line - parse one whole object.
 *
 * expected  what to say was expected, "{\"H\":…}"
 * ret       returned; json_object_put()
 * errors    MMR_EBADMSG naming what was found and where; MMR_ENOMEM
 */
int mmr_json_line(const char *line, size_t len, const char *expected, struct json_object **ret, struct mmr_error *err);
void mmr_json_putp(struct json_object **o);
#define mmr_autojson __attribute__((cleanup(mmr_json_putp)))

#endif

/* template.h - a request's body from a template with {places}, each value written as its place in the body needs it. */
#ifndef MMR_WEBHOOK_TEMPLATE_H
#define MMR_WEBHOOK_TEMPLATE_H

#include <mamori/error.h>

#include <stddef.h>

enum mmr_template_type { MMR_TEMPLATE_JSON = 0, MMR_TEMPLATE_FORM, MMR_TEMPLATE_TEXT };
enum { MMR_TEMPLATE_MAX = 64 * 1024, MMR_TEMPLATE_BODY_MAX = 256 * 1024 };

typedef const char *(*mmr_template_fn)(void *ctx, const char *name); /* "" when there is none; NULL: no such place */
/*
 * mmr_template_fill - "{to}" becomes the value: escaped inside a JSON string, percent-encoded in a form, as it is in text.
 * A brace that begins no [a-z_] name with a closing brace is a brace.
 *
 * ret     returned; free()
 * errors  MMR_ECONFIG a place nobody knows (named); MMR_ETOOBIG; MMR_ENOMEM
 */
int mmr_template_fill(const char *text, enum mmr_template_type type, mmr_template_fn value, void *ctx, char **ret, struct mmr_error *err);

#endif

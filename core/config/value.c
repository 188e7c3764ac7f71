/* value.c - "5s", "64K", "yes": written values as numbers, with one meaning everywhere. */
#include "config/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};
static const struct unit time_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit size_units[] = {
    {"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", INT64_C(1) << 40}, {NULL, 0}};
static const struct unit plain[] = {{"", 1}, {NULL, 0}};

const char *mmr_value_type_name(uint32_t type)
{
    switch (type) {
    case MMR_CFG_STR: return "text";
    case MMR_CFG_INT: return "a whole number";
    case MMR_CFG_BOOL: return "yes or no";
    case MMR_CFG_MSEC: return "a time such as 200ms, 5s, 10m, 1h or 7d";
    case MMR_CFG_BYTES: return "a size such as 64K, 2M or 1G";
    case MMR_CFG_STRV: return "a list";
    default: return "a value";
    }
}

static bool parse_scaled(const char *text, const struct unit *units, int64_t *ret)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || end == text || strchr(" \t+", text[0]))
        return false;
    for (const struct unit *u = units; u->name; u++)
        if (strcmp(end, u->name) == 0)
            return !__builtin_mul_overflow(v, u->factor, ret);
    return v == 0 && !*end && ((*ret = 0), true);
}

static bool parse_bool(const char *text, int64_t *ret)
{
    static const struct {
        const char *word;
        int64_t v;
    } words[] = {{"yes", 1}, {"true", 1}, {"on", 1}, {"no", 0}, {"false", 0}, {"off", 0}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(text, words[i].word) == 0) {
            *ret = words[i].v;
            return true;
        }
    return false;
}

bool mmr_value_parse(uint32_t type, const char *text, int64_t min, int64_t max, int64_t *ret,
                     char *ret_why, size_t cap)
{
    int64_t v = 0;
    bool is_ok = type == MMR_CFG_BOOL    ? parse_bool(text, &v)
                 : type == MMR_CFG_MSEC  ? parse_scaled(text, time_units, &v)
                 : type == MMR_CFG_BYTES ? parse_scaled(text, size_units, &v)
                                         : parse_scaled(text, plain, &v);
    if (!is_ok) {
        (void)snprintf(ret_why, cap, "must be %s, found '%.60s'", mmr_value_type_name(type), text);
        return false;
    }
    if ((min || max) && (v < min || v > max)) {
        (void)snprintf(ret_why, cap, "must be from %lld to %lld%s, found '%.60s'", (long long)min, (long long)max,
                       type == MMR_CFG_MSEC    ? " ms"
                       : type == MMR_CFG_BYTES ? " bytes"
                                               : "",
                       text);
        return false;
    }
    *ret = v;
    return true;
}

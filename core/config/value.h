/* value.h - one written value as a number, a switch, a time or a size; the words of its errors. */
#ifndef MMR_CONFIG_VALUE_H
#define MMR_CONFIG_VALUE_H

#include <mamori/plugin.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * mmr_value_parse - text of a MMR_CFG_INT, _BOOL, _MSEC or _BYTES as a number (bool: 0 or 1).
 *
 * min, max  both 0: unbounded
 * ret_why   at least cap bytes: "must be …, found '…'" on failure
 */
bool mmr_value_parse(uint32_t type, const char *text, int64_t min, int64_t max, int64_t *ret,
                     char *ret_why, size_t cap);
const char *mmr_value_type_name(uint32_t type); /* "text", "a whole number", … */

#endif

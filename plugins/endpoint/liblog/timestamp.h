/* timestamp.h - the time stamps that logs carry, as far as they say what they mean. */
#ifndef MMR_TIMESTAMP_H
#define MMR_TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mmr_stamp {
    int64_t ns;      /* UTC when has_zone, else the wall clock read as if it were UTC */
    bool has_zone;   /* Z or an offset was written (and may still be wrong, see zone.h) */
    bool has_year;   /* false: ns is of 1972 (a leap year); see mmr_stamp_year() */
    bool has_offset; /* the zone was a numeric offset, not Z */
    size_t len;      /* bytes used */
};

/*
 * mmr_stamp_read - a stamp at the start of text. Known: "2022-05-11T18:10:20.4Z" (also with space,
 * ',' before the fraction, '/' in the date, offsets, no zone), "May 11 18:10:20" (also with a year in its middle or
 * behind it), "Wed May 11 18:10:20.123 2022", "11/May/2022:18:10:20 +0200",
 * "11-May-2022 18:10:20 +0200", "Wed 2022-05-11 18:10:20 JST", "/Date(1652292620400)/",
 * "@" and 24 hex digits (TAI64N). False: none of these, or a date that does not exist.
 */
bool mmr_stamp_read(const char *text, size_t len, struct mmr_stamp *ret);

/* A stamp without year: the most recent year that does not put it more than a day after ref_ns. */
int64_t mmr_stamp_year(int64_t ns, int64_t ref_ns);

/* Unix seconds "1481076992.414", at most nanoseconds; the bytes used, or 0. */
size_t mmr_stamp_epoch(const char *text, size_t len, int64_t *ret_ns);

#endif

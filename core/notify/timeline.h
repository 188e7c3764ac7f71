/*
 * timeline.h - the time the 60 minutes are counted in. Wall clocks are set back and forward, by a day when a battery is
 * empty; so the time of this line follows the machine's time since boot, and the wall only across a restart of the machine,
 * where nothing else says how long it was off. It never goes back. Pure: every clock is passed in.
 *
 *   the process restarts                 the line goes on as if nothing had been: same boot, same offset
 *   the wall is set while it runs        no effect; what comes with a wall time is moved by the difference of that moment
 *   the machine restarts                 as much is added as the wall says has passed, never less than nothing
 */
#ifndef MMR_NOTIFY_TIMELINE_H
#define MMR_NOTIFY_TIMELINE_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MMR_BOOT_ID_MAX = 40, MMR_TIMELINE_PACKED = 8 * 4 + MMR_BOOT_ID_MAX };

struct mmr_timeline {
    char boot[MMR_BOOT_ID_MAX]; /* which boot the offset is of */
    int64_t offset_ns;          /* line = time since boot + offset */
    int64_t last_ns;            /* the latest time of the line that was seen */
    int64_t skew_ns;            /* line - wall at that moment */
};

/* Go on from what was stored (all zero: begin at the wall). boot_ns: time since boot, with what the machine slept. */
void mmr_timeline_start(struct mmr_timeline *t, const char *boot, int64_t boot_ns, int64_t wall_ns);
/* Now, on the line; remembers it. */
int64_t mmr_timeline_now(struct mmr_timeline *t, int64_t boot_ns, int64_t wall_ns);
/* A moment that was told in wall time, on the line; a moment that has not come yet is now. */
int64_t mmr_timeline_of(const struct mmr_timeline *t, int64_t wall_ns);
/* A moment of the line as this machine's clock would show it. */
int64_t mmr_timeline_wall(const struct mmr_timeline *t, int64_t line_ns);

void mmr_timeline_pack(const struct mmr_timeline *t, uint8_t ret[MMR_TIMELINE_PACKED]);
/* errors MMR_EBADMSG: another length or version, or times that cannot be */
int mmr_timeline_unpack(struct mmr_timeline *t, const uint8_t *p, size_t len, struct mmr_error *err);

/* The id of this machine's boot; "" where it has none. */
void mmr_boot_id(char buf[MMR_BOOT_ID_MAX]);

#endif

/* clock.h - time is passed in: a struct that answers "now", real or turned by hand. */
#ifndef MMR_UTIL_CLOCK_H
#define MMR_UTIL_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define MMR_NS_PER_S INT64_C(1000000000)
#define MMR_NS_PER_MS INT64_C(1000000)

int64_t mmr_clock_wall_ns(void);
int64_t mmr_clock_mono_ns(void);
int64_t mmr_clock_boot_ns(void); /* since the start of the machine, sleep included */
/* Tests only (`mamori run --clock=sim`): wall and boot clock of this process are ahead by so much; the monotonic one, by which
 * the process keeps itself alive, is not. Any thread. */
void mmr_clock_simulate(int64_t ahead_ns);
/* RFC 3339 in UTC with milliseconds, "2022-05-11T18:10:20.900Z"; buf of at least 32 bytes */
void mmr_time_format(int64_t ns, char *buf, size_t cap);

#endif

/* ahead.h - a host that others wait for, or that has to stop somebody, does not stand in line. */
#ifndef MMR_PLUGIN_AHEAD_H
#define MMR_PLUGIN_AHEAD_H

/*
 * mmr_ahead_start - from now on this thread, the process's first, runs before every ordinary program (SCHED_RR), until it has
 * used a processor for 200 ms without ever waiting: then it is ordinary again, at nice -10. Threads and processes it makes are
 * ordinary. Where the kernel refuses real time, nice -10; where it refuses that too, nothing changes.
 * Before privileges are given away: it needs CAP_SYS_NICE. Takes SIGXCPU.
 */
void mmr_ahead_start(void);
/* Ordinary again, for good: what was granted is not what the plugin declares. Nothing where it was not started. */
void mmr_ahead_end(void);
/* To be called now and then, as each second: once more, if the 200 ms were used up. Needs no privilege where the one before could raise the limit. */
void mmr_ahead_again(void);

#endif

/* memory.h - what a long-lived process keeps resident. */
#ifndef MMR_UTIL_MEMORY_H
#define MMR_UTIL_MEMORY_H

/*
 * mmr_memory_begin - call first in a process: large pieces always have pages of their own (glibc would take them from the heap once a
 * large one was freed, which rule compilers do, and fill tables that are mostly empty with zeros there).
 */
void mmr_memory_begin(void);

/*
 * mmr_memory_settle - give back what only the start needed: freed heap, and the pages of program code (rule compilers, loaders, key
 * making). Code that is used again comes back from the page cache at its first call, some microseconds each. Linux; never fails.
 */
void mmr_memory_settle(void);

#endif

/* nearest.h - the known word nearest to a mistyped one, for error messages. */
#ifndef MMR_UTIL_NEAREST_H
#define MMR_UTIL_NEAREST_H

#include <stddef.h>

/* Keep in *best the candidate if it is nearer to word than *best_distance (start: NULL, SIZE_MAX).
 * A candidate further than half the word's length (at least 2) is never taken, nor one over 63 bytes. */
void mmr_nearest(const char *word, const char *candidate, const char **best, size_t *best_distance);

#endif

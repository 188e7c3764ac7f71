/* nearest.h - the known word nearest to a mistyped one, for error messages. */
#ifndef MMR_UTIL_NEAREST_H
#define MMR_UTIL_NEAREST_H

#include <stddef.h>

/* Edit distance with neighbouring swaps; words over 63 bytes count as far away (SIZE_MAX). */
size_t mmr_edit_distance(const char *a, const char *b);
/* Keep in *best the candidate if it is nearer to word than *best_distance (start: NULL, SIZE_MAX).
 * A candidate further than half the word's length (at least 2) is never taken. */
void mmr_nearest(const char *word, const char *candidate, const char **best, size_t *best_distance);

#endif

/* nearest.c - optimal string alignment distance (Damerau-Levenshtein without repeated edits). */
#include "util/nearest.h"

#include <stdint.h>
#include <string.h>

enum { WORD_MAX = 63 };

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* With neighbouring swaps; words over 63 bytes count as far away (SIZE_MAX). */
static size_t edit_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    size_t row[3][WORD_MAX + 1]; /* the current row of the table and the two above it */
    if (la > WORD_MAX || lb > WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= lb; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
            now[j] = min3(up[j] + 1, now[j - 1] + 1, up[j - 1] + change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && up2[j - 2] + 1 < now[j])
                now[j] = up2[j - 2] + 1;
        }
    }
    return row[la % 3][lb];
}

void mmr_nearest(const char *word, const char *candidate, const char **best, size_t *best_distance)
{
    size_t limit = strlen(word) / 2 < 2 ? 2 : strlen(word) / 2;
    size_t d = edit_distance(word, candidate);
    if (d <= limit && d < *best_distance) {
        *best = candidate;
        *best_distance = d;
    }
}

/* bundled.c - reads the list of bundled plugin files; every line is judged, the first that fits is the answer. */
#include "trust/bundled.h"

#include "util/scope.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HASH = MMR_SHA256_TEXT - 1 };

/* "HASH  NAME" or "HASH *NAME" */
static bool is_row(const char *line, size_t len)
{
    if (len < HASH + 3 || strspn(line, "0123456789abcdef") != HASH || line[HASH] != ' ' || (line[HASH + 1] != ' ' && line[HASH + 1] != '*'))
        return false;
    for (size_t i = HASH + 2; i < len; i++)
        if (line[i] == '/' || (unsigned char)line[i] < ' ')
            return false;
    return true;
}

int mmr_bundled_find(const char *name, const char *text, const char *base, char ret[MMR_SHA256_TEXT], struct mmr_error *err)
{
    const char *found = NULL;
    unsigned n = 0;
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        n++;
        if (!is_row(line, len))
            return mmr_fail(err, MMR_EBADMSG, "list of bundled plugins '%.120s', line %u: expected a SHA-256, two spaces and a file name; install mamori again", name, n);
        if (!found && len - HASH - 2 == strlen(base) && memcmp(line + HASH + 2, base, len - HASH - 2) == 0)
            found = line;
        line += len + (line[len] == '\n');
    }
    if (!found)
        return mmr_fail(err, MMR_ENOENT, "'%.80s' is not on the list of bundled plugins '%.120s'", base, name);
    memcpy(ret, found, HASH);
    ret[HASH] = '\0';
    return 0;
}

int mmr_bundled_hash(const char *dir, const char *base, char ret[MMR_SHA256_TEXT], struct mmr_error *err)
{
    mmr_autofree char *path = NULL, *text = NULL;
    size_t len;
    if (asprintf(&path, "%s/%s", dir, MMR_BUNDLED_FILE) < 0) {
        path = NULL;
        return mmr_fail(err, MMR_ENOMEM, "list of bundled plugins: out of memory");
    }
    int r = mmr_place_read("list of bundled plugins", path, MMR_BUNDLED_MAX, &text, &len, err);
    if (r == 0 && strlen(text) != len)
        r = mmr_fail(err, MMR_EBADMSG, "list of bundled plugins '%.120s' holds a NUL byte; install mamori again", path);
    return r ? r : mmr_bundled_find(path, text, base, ret, err);
}

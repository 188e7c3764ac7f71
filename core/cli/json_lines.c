/* json_lines.c - the loop of the commands that answer JSON lines. */
#include "cli/json_lines.h"

#include "cli/command.h"
#include "util/scope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 64 * 1024 };

/* The next line without its end into buf; *ret_len may be LINE_MAX_BYTES + 1: too long, the rest
 * was skipped. */
static bool next_line(char *buf, size_t *ret_len)
{
    size_t n = 0;
    int c = getc_unlocked(stdin);
    if (c == EOF)
        return false;
    for (; c != EOF && c != '\n'; c = getc_unlocked(stdin))
        if (n <= LINE_MAX_BYTES)
            buf[n++] = (char)c;
    if (n > 0 && n <= LINE_MAX_BYTES && buf[n - 1] == '\r')
        n--;
    *ret_len = n;
    return true;
}

static bool is_blank(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] != ' ' && s[i] != '\t')
            return false;
    return true;
}

int mmr_json_lines(const char *command, mmr_json_line_fn answer)
{
    mmr_autofree char *buf = malloc(LINE_MAX_BYTES + 2);
    int status = MMR_EXIT_OK;
    size_t len;
    if (!buf) {
        (void)fprintf(stderr, "%s: out of memory\n", command);
        return MMR_EXIT_FAILED;
    }
    for (unsigned long line = 1; next_line(buf, &len); line++) {
        struct mmr_error err = {.struct_size = sizeof err};
        mmr_autofree char *out = NULL;
        if (len > LINE_MAX_BYTES) {
            (void)fprintf(stderr, "%s: line %lu: longer than %d bytes\n", command, line,
                          LINE_MAX_BYTES);
            status = MMR_EXIT_USAGE;
            continue;
        }
        if (is_blank(buf, len))
            continue;
        int r = answer(buf, len, &out, &err);
        if (r == MMR_ENOMEM) {
            (void)fprintf(stderr, "%s: line %lu: %s\n", command, line, err.text);
            return MMR_EXIT_FAILED;
        }
        if (r < 0) {
            (void)fprintf(stderr, "%s: line %lu: %s\n", command, line, err.text);
            status = MMR_EXIT_USAGE;
            continue;
        }
        if (puts(out) == EOF)
            break;
    }
    if (ferror(stdin)) {
        (void)fprintf(stderr, "%s: standard input: %s\n", command, strerror(errno));
        return MMR_EXIT_FAILED;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fprintf(stderr, "%s: standard output: %s\n", command, strerror(errno));
        return MMR_EXIT_FAILED;
    }
    return status;
}

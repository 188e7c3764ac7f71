/* lines.c - see lines.h. */
#include <rules/lines.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { RULE_FILE_MAX = 256 * 1024 * 1024 };

void mmr_lines_of_text(struct lines *l, const char *name, const char *text, size_t len)
{
    *l = (struct lines){.name = name, .p = text, .len = len, .is_end = true};
}

int mmr_lines_of_file(struct lines *l, const char *path, struct mmr_error *err)
{
    errno = 0;
    gzFile f = gzopen(path, "rbe"); /* reads plain files as they are */
    if (!f)
        return mmr_fail(err, MMR_EIO, "rule file '%s': %s", path, errno ? strerror(errno) : "cannot be opened");
    char *buf = malloc(LINES_MAX);
    if (!buf) {
        (void)gzclose_r(f);
        return mmr_fail(err, MMR_ENOMEM, "rule file '%s': out of memory", path);
    }
    *l = (struct lines){.name = path, .p = buf, .file = f, .buf = buf};
    return 0;
}

void mmr_lines_done(struct lines *l)
{
    if (l->file)
        (void)gzclose_r(l->file);
    free(l->buf);
    *l = (struct lines){0};
}

/* What is not read yet moves to the front, and more of the file behind it. */
static int refill(struct lines *l, struct mmr_error *err)
{
    memmove(l->buf, l->buf + l->at, l->len - l->at);
    l->len -= l->at;
    l->at = 0;
    int got = gzread(l->file, l->buf + l->len, (unsigned)(LINES_MAX - l->len));
    if (got < 0)
        return mmr_fail(err, MMR_EIO, "rule file '%s' cannot be read", l->name);
    l->is_end = got == 0;
    l->len += (size_t)got;
    l->taken += (size_t)got;
    if (l->taken > RULE_FILE_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "rule file '%s' is over %d bytes; split it", l->name, RULE_FILE_MAX);
    return 0;
}

int mmr_lines_next(struct lines *l, const char **ret_line, size_t *ret_len, struct mmr_error *err)
{
    for (;;) {
        const char *from = l->p + l->at;
        const size_t left = l->len - l->at;
        const char *nl = left ? memchr(from, '\n', left) : NULL;
        const bool is_full = !nl && !l->is_end && left == LINES_MAX, is_rest = l->is_cut;
        if (!nl && !l->is_end && !is_full) {
            int rc = refill(l, err);
            if (rc < 0)
                return rc;
            continue;
        }
        if (!left)
            return 0;
        l->at += nl ? (size_t)(nl - from) + 1 : left;
        l->is_cut = is_full;
        if (is_rest)
            continue; /* of a line whose beginning was given already */
        *ret_line = from;
        *ret_len = nl ? (size_t)(nl - from) : left;
        return 1;
    }
}

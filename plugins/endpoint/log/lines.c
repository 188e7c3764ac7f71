/* lines.c - bounded reading of lines, or of records over several lines, with zlib and UTF-16 behind it. */
#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "decode.h"
#include "docs.h"

enum { RAW_BYTES = 256 * 1024, WIDE_BYTES = 64 * 1024 };

enum wide { WIDE_NONE = 0, WIDE_LITTLE, WIDE_BIG }; /* UTF-16 by its byte order mark */

struct mmr_lines {
    int fd;
    bool is_gzip, is_end, has_z;
    z_stream z;
    uint8_t *raw; /* compressed input */
    char *buf;    /* text: [at, used) is not given out yet */
    size_t cap, at, used;
    uint64_t in_bytes, out_bytes, line_no, skipped;
    int64_t mtime_ns;
    const char *trouble;
    bool is_skipping; /* inside a line over the limit */
    enum wide wide;
    uint8_t *wide_buf; /* WIDE_BYTES, of UTF-16 only */
    size_t wide_used;
    struct mmr_docs docs;
    char *doc; /* MMR_LOG_LINE_MAX + 1: a record of several lines, where its reader may change it */
};

/* Fills p with up to n bytes of the input; 0 at the end or at the first thing that is wrong. */
static size_t read_bytes(struct mmr_lines *l, char *p, size_t n)
{
    if (l->is_end)
        return 0;
    if (!l->is_gzip) {
        ssize_t got;
        do
            got = read(l->fd, p, n);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            l->trouble = "reading failed; what came before is used";
        if (got <= 0)
            l->is_end = true;
        return got > 0 ? (size_t)got : 0;
    }
    l->z.next_out = (Bytef *)p;
    l->z.avail_out = (uInt)(n > 1u << 30 ? 1u << 30 : n);
    size_t want = l->z.avail_out;
    while (l->z.avail_out == want) {
        if (!l->z.avail_in) {
            ssize_t got;
            do
                got = read(l->fd, l->raw, RAW_BYTES);
            while (got < 0 && errno == EINTR);
            if (got <= 0) {
                l->trouble = "the gzip stream ends before its end mark; what came before is used";
                l->is_end = true;
                break;
            }
            l->z.next_in = l->raw;
            l->z.avail_in = (uInt)got;
            l->in_bytes += (uint64_t)got;
        }
        int r = inflate(&l->z, Z_NO_FLUSH);
        if (r == Z_STREAM_END) {
            if (!l->z.avail_in) { /* look for one more member */
                ssize_t got = read(l->fd, l->raw, RAW_BYTES);
                if (got <= 0) {
                    l->is_end = true;
                    break;
                }
                l->z.next_in = l->raw;
                l->z.avail_in = (uInt)got;
                l->in_bytes += (uint64_t)got;
            }
            if (l->z.next_in[0] != 0x1f || inflateReset(&l->z) != Z_OK) {
                l->is_end = true; /* padding behind the last member */
                break;
            }
        } else if (r != Z_OK && r != Z_BUF_ERROR) {
            l->trouble = "the gzip stream is damaged; what came before is used";
            l->is_end = true;
            break;
        }
    }
    size_t out = want - l->z.avail_out;
    l->out_bytes += out;
    if (l->out_bytes > (l->in_bytes + RAW_BYTES) * MMR_LINES_RATIO_MAX) {
        l->trouble = "the gzip stream unpacks to more than it can hold; reading ends here";
        l->is_end = true;
    }
    return out;
}

static char *put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* UTF-16 as UTF-8, which needs three bytes for two at most; half a pair becomes U+FFFD */
static size_t read_wide(struct mmr_lines *l, char *p, size_t n)
{
    char *out = p;
    size_t want = n / 3 * 2 < WIDE_BYTES ? n / 3 * 2 : WIDE_BYTES, i = 0;
    while (out == p && !(l->is_end && l->wide_used < 2) && want > l->wide_used + 1) {
        l->wide_used += read_bytes(l, (char *)l->wide_buf + l->wide_used, want - l->wide_used);
        for (i = 0; i + 1 < l->wide_used; i += 2) {
            const uint8_t *b = l->wide_buf + i;
            bool is_big = l->wide == WIDE_BIG;
            uint32_t c = is_big ? (uint32_t)b[0] << 8 | b[1] : (uint32_t)b[1] << 8 | b[0];
            if (c >= 0xd800 && c < 0xdc00) {
                if (i + 3 >= l->wide_used && !l->is_end)
                    break; /* its other half is still to come */
                uint32_t low = i + 3 < l->wide_used ? (is_big ? (uint32_t)b[2] << 8 | b[3] : (uint32_t)b[3] << 8 | b[2]) : 0;
                if (low >= 0xdc00 && low < 0xe000) {
                    c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                    i += 2;
                } else {
                    c = 0xfffd;
                }
            } else if (c >= 0xdc00 && c < 0xe000) {
                c = 0xfffd;
            }
            out = put_utf8(out, c);
        }
        l->wide_used -= i;
        memmove(l->wide_buf, l->wide_buf + i, l->wide_used);
    }
    return (size_t)(out - p);
}

/* Fills p with up to n bytes of text; 0 at the end or at the first thing that is wrong. */
static size_t read_text(struct mmr_lines *l, char *p, size_t n)
{
    return l->wide ? read_wide(l, p, n) : read_bytes(l, p, n);
}

/* A byte order mark of UTF-16 at the very beginning is taken out of the text, and what follows is read as it says. */
static int find_wide(struct mmr_lines *l)
{
    while (l->used < 2 && !l->is_end)
        l->used += read_bytes(l, l->buf + l->used, 2 - l->used);
    if (l->used < 2 || (memcmp(l->buf, "\xff\xfe", 2) != 0 && memcmp(l->buf, "\xfe\xff", 2) != 0))
        return 0;
    l->wide = l->buf[0] == '\xff' ? WIDE_LITTLE : WIDE_BIG;
    l->used = 0;
    l->wide_buf = malloc(WIDE_BYTES);
    return l->wide_buf ? 0 : MMR_ENOMEM;
}

static bool make_room(struct mmr_lines *l)
{
    if (l->at) {
        memmove(l->buf, l->buf + l->at, l->used - l->at);
        l->used -= l->at;
        l->at = 0;
    }
    return l->used + 1 < l->cap;
}

int mmr_lines_open(const char *path, struct mmr_lines **ret, struct mmr_error *err)
{
    struct stat st;
    struct mmr_lines *l = calloc(1, sizeof *l);
    if (!l)
        return mmr_fail(err, MMR_ENOMEM, "log '%s': out of memory", path);
    l->fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (l->fd < 0 || fstat(l->fd, &st) != 0) {
        int e = errno;
        mmr_lines_close(l);
        return mmr_fail(err, e == ENOENT ? MMR_ENOENT : MMR_EIO, "log '%s': %s", path, strerror(e));
    }
    if (S_ISDIR(st.st_mode)) {
        mmr_lines_close(l);
        return mmr_fail(err, MMR_EIO, "log '%s' is a folder; name a file", path);
    }
    if (S_ISREG(st.st_mode))
        l->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    l->cap = MMR_LINES_HEAD_MAX + 1;
    l->buf = malloc(l->cap);
    l->raw = malloc(RAW_BYTES);
    if (!l->buf || !l->raw) {
        mmr_lines_close(l);
        return mmr_fail(err, MMR_ENOMEM, "log '%s': out of memory", path);
    }
    size_t head = 0; /* the first two bytes say whether it is gzip */
    while (head < 2) {
        ssize_t got = read(l->fd, l->raw + head, 2 - head);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int e = errno;
            mmr_lines_close(l);
            return mmr_fail(err, MMR_EIO, "log '%s': %s", path, strerror(e));
        }
        if (got == 0)
            break;
        head += (size_t)got;
    }
    if (head == 2 && l->raw[0] == 0x1f && l->raw[1] == 0x8b) {
        if (inflateInit2(&l->z, 15 + 16) != Z_OK) {
            mmr_lines_close(l);
            return mmr_fail(err, MMR_ENOMEM, "log '%s': zlib has no memory", path);
        }
        l->is_gzip = l->has_z = true;
        l->z.next_in = l->raw;
        l->z.avail_in = 2;
        l->in_bytes = 2;
    } else {
        memcpy(l->buf, l->raw, head);
        l->used = head;
        l->is_end = head < 2;
    }
    if (find_wide(l) != 0) {
        mmr_lines_close(l);
        return mmr_fail(err, MMR_ENOMEM, "log '%s': out of memory", path);
    }
    while (l->used + 1 < l->cap) {
        size_t got = read_text(l, l->buf + l->used, l->cap - 1 - l->used);
        l->used += got;
        if (!got)
            break;
    }
    l->docs.form = mmr_docs_form_of(l->buf, l->used);
    if (l->docs.form != MMR_DOCS_LINES && !(l->doc = malloc(MMR_LOG_LINE_MAX + 1))) {
        mmr_lines_close(l);
        return mmr_fail(err, MMR_ENOMEM, "log '%s': out of memory", path);
    }
    *ret = l;
    return 0;
}

void mmr_lines_close(struct mmr_lines *l)
{
    if (!l)
        return;
    if (l->has_z)
        (void)inflateEnd(&l->z);
    if (l->fd >= 0)
        (void)close(l->fd);
    free(l->buf);
    free(l->raw);
    free(l->wide_buf);
    free(l->doc);
    free(l);
}

enum mmr_docs_form mmr_lines_form(const struct mmr_lines *l)
{
    return l->docs.form;
}

const char *mmr_lines_head(const struct mmr_lines *l, size_t *ret_len, bool *ret_is_whole)
{
    *ret_len = l->used - l->at;
    *ret_is_whole = l->is_end;
    return l->buf + l->at;
}

int64_t mmr_lines_mtime_ns(const struct mmr_lines *l)
{
    return l->mtime_ns;
}

/* A record that stands over several lines; its number instead of a line's */
static bool next_doc(struct mmr_lines *l, char **ret_line, size_t *ret_len, uint64_t *ret_index)
{
    for (;;) {
        size_t at, len, used;
        char *text = l->buf + l->at;
        bool is_found = mmr_docs_next(&l->docs, text, l->used - l->at, l->is_end, &at, &len, &used);
        l->at += used;
        if (is_found) {
            l->line_no++;
            if (len > MMR_LOG_LINE_MAX) {
                l->skipped++;
                continue;
            }
            *ret_len = mmr_docs_copy(l->docs.form, text + at, len, l->doc, MMR_LOG_LINE_MAX + 1);
            *ret_line = l->doc;
            *ret_index = l->line_no;
            return true;
        }
        if (l->is_end)
            return false;
        if (!make_room(l)) { /* a record that fills all there is */
            l->skipped++;
            l->at = l->used;
            l->docs = (struct mmr_docs){.form = l->docs.form};
            (void)make_room(l);
        }
        l->used += read_text(l, l->buf + l->used, l->cap - 1 - l->used);
    }
}

bool mmr_lines_next(struct mmr_lines *l, char **ret_line, size_t *ret_len, uint64_t *ret_index)
{
    if (l->docs.form != MMR_DOCS_LINES)
        return next_doc(l, ret_line, ret_len, ret_index);
    size_t seen = 0; /* bytes of the open line already searched */
    for (;;) {
        char *start = l->buf + l->at;
        char *nl = memchr(start + seen, '\n', l->used - l->at - seen);
        if (!nl && !l->is_end) {
            seen = l->used - l->at;
            if (seen > MMR_LOG_LINE_MAX) { /* drop what there is of it and go on behind its end */
                l->is_skipping = true;
                l->at = l->used;
                seen = 0;
            }
            (void)make_room(l);
            size_t got = read_text(l, l->buf + l->used, l->cap - 1 - l->used);
            l->used += got;
            continue;
        }
        size_t len = nl ? (size_t)(nl - start) : l->used - l->at;
        if (!nl && !len && !l->is_skipping)
            return false;
        l->at += len + (nl ? 1 : 0);
        l->line_no++;
        seen = 0;
        if (l->is_skipping || len > MMR_LOG_LINE_MAX) {
            l->is_skipping = false;
            l->skipped++;
            if (!nl && l->at == l->used)
                return false;
            continue;
        }
        start[len] = '\0';
        *ret_line = start;
        *ret_len = len;
        *ret_index = l->line_no;
        return true;
    }
}

const char *mmr_lines_trouble(const struct mmr_lines *l, uint64_t *ret_skipped)
{
    *ret_skipped = l->skipped;
    return l->trouble;
}

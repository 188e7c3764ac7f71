/* inflate.c - a capture file as a plain byte stream. */
#include "inflate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { IN_BYTES = 64 * 1024 };
struct stream {
    int fd;
    int is_gzip, is_over;
    size_t at, have; /* unread part of in */
    uint64_t left;   /* inflated bytes still allowed */
    z_stream z;
    uint8_t peek[CAP_MAGIC_BYTES];
    size_t peek_at, peek_have; /* plain bytes read ahead for recognition */
    uint8_t in[IN_BYTES];
};

static int fill(struct stream *s)
{
    if (s->at < s->have)
        return 1;
    ssize_t n;
    do
        n = read(s->fd, s->in, sizeof s->in);
    while (n < 0 && errno == EINTR);
    s->at = 0;
    s->have = n > 0 ? (size_t)n : 0;
    return n > 0 ? 1 : (int)n;
}

static ssize_t read_gzip(struct stream *s, uint8_t *out, size_t cap)
{
    if (s->is_over)
        return 0;
    if (cap > s->left)
        cap = (size_t)s->left;
    if (cap > IN_BYTES)
        cap = IN_BYTES;
    s->z.next_out = out;
    s->z.avail_out = (uInt)cap;
    while (s->z.avail_out == cap && cap > 0) {
        if (fill(s) <= 0)
            break;
        s->z.next_in = s->in + s->at;
        s->z.avail_in = (uInt)(s->have - s->at);
        int rc = inflate(&s->z, Z_NO_FLUSH);
        s->at = s->have - s->z.avail_in;
        if (rc == Z_STREAM_END) {
            /* members may follow one another; anything else at the end is ignored as gzip(1) does */
            if (fill(s) <= 0 || s->in[s->at] != 0x1f || inflateReset(&s->z) != Z_OK) {
                s->is_over = 1;
                break;
            }
        } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
            s->is_over = 1; /* damaged: what came before it counts */
            break;
        }
    }
    size_t got = cap - s->z.avail_out;
    s->left -= got;
    return (ssize_t)got;
}

static ssize_t read_plain(struct stream *s, uint8_t *out, size_t cap)
{
    int rc = fill(s);
    if (rc <= 0)
        return rc;
    size_t n = s->have - s->at < cap ? s->have - s->at : cap;
    memcpy(out, s->in + s->at, n);
    s->at += n;
    return (ssize_t)n;
}

static ssize_t stream_read(void *cookie, char *buf, size_t cap)
{
    struct stream *s = cookie;
    if (s->peek_at < s->peek_have) {
        size_t n = s->peek_have - s->peek_at < cap ? s->peek_have - s->peek_at : cap;
        memcpy(buf, s->peek + s->peek_at, n);
        s->peek_at += n;
        return (ssize_t)n;
    }
    return s->is_gzip ? read_gzip(s, (uint8_t *)buf, cap) : read_plain(s, (uint8_t *)buf, cap);
}

static int stream_close(void *cookie)
{
    struct stream *s = cookie;
    if (s->is_gzip)
        (void)inflateEnd(&s->z);
    if (s->fd > STDIN_FILENO)
        (void)close(s->fd);
    free(s);
    return 0;
}

int cap_stream_open(const char *path, uint64_t max_bytes, uint8_t ret_magic[CAP_MAGIC_BYTES],
                    FILE **ret_file, struct mmr_error *err)
{
    static const cookie_io_functions_t ops = {.read = stream_read, .close = stream_close};
    struct stream *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "capture '%s': out of memory", path);
    s->left = max_bytes;
    s->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0 || fill(s) < 0) {
        int e = errno;
        (void)stream_close(s);
        return mmr_fail(err, MMR_EIO, "capture '%s': %s", path, strerror(e));
    }
    if (s->have >= 2 && s->in[0] == 0x1f && s->in[1] == 0x8b) {
        if (inflateInit2(&s->z, 15 + 16) != Z_OK) { /* 15 + 16: largest window, gzip wrapper */
            (void)stream_close(s);
            return mmr_fail(err, MMR_ENOMEM, "capture '%s': out of memory for inflating", path);
        }
        s->is_gzip = 1;
    }
    while (s->peek_have < sizeof s->peek) {
        uint8_t *to = s->peek + s->peek_have;
        size_t want = sizeof s->peek - s->peek_have;
        ssize_t n = s->is_gzip ? read_gzip(s, to, want) : read_plain(s, to, want);
        if (n <= 0)
            break;
        s->peek_have += (size_t)n;
    }
    memset(ret_magic, 0, CAP_MAGIC_BYTES);
    memcpy(ret_magic, s->peek, s->peek_have);
    FILE *f = fopencookie(s, "r", ops);
    if (!f) {
        (void)stream_close(s);
        return mmr_fail(err, MMR_ENOMEM, "capture '%s': out of memory", path);
    }
    (void)setvbuf(f, NULL, _IOFBF, IN_BYTES);
    *ret_file = f;
    return MMR_OK;
}

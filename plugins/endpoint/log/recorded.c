/*
 * recorded.c - a recorded log. Records of several machines stand in a file as they arrived, not as
 * they happened: a bounded window puts them in the order of their times.
 */
#include "recorded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mamori/event.h>

#include "decode.h"
#include "lines.h"

enum {
    WINDOW_EVENTS = 16384,
    WINDOW_BYTES = 48 * 1024 * 1024,
    LEARN_LINES = 4000, /* looked at before the first record is given out, to know the hosts' zones */
};

struct held {
    int64_t time_ns;
    uint64_t seq; /* equal times stay in the order of the file */
    uint8_t *bytes;
    uint32_t len, reserved;
};
struct mmr_recorded {
    const struct mmr_host *host;
    struct mmr_lines *lines;
    struct mmr_logdec *dec;
    char *name;
    struct held *heap; /* smallest time first */
    size_t n, bytes;
    uint64_t seq;
    bool is_drained, is_told, is_out_of_memory;
};

static bool is_before(const struct held *a, const struct held *b)
{
    return a->time_ns < b->time_ns || (a->time_ns == b->time_ns && a->seq < b->seq);
}

static void swap(struct held *a, struct held *b)
{
    struct held t = *a;
    *a = *b;
    *b = t;
}

static void push(void *ctx, const void *msgpack, size_t len, int64_t time_ns)
{
    struct mmr_recorded *r = ctx;
    uint8_t *copy = r->n < WINDOW_EVENTS + 64 ? malloc(len) : NULL; /* 64: one line can complete that many */
    if (!copy) {
        r->is_out_of_memory = true;
        return;
    }
    memcpy(copy, msgpack, len);
    size_t i = r->n++;
    r->heap[i] = (struct held){time_ns, r->seq++, copy, (uint32_t)len, 0};
    r->bytes += len;
    for (; i && is_before(&r->heap[i], &r->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&r->heap[i], &r->heap[(i - 1) / 2]);
}

static struct held pop(struct mmr_recorded *r)
{
    struct held top = r->heap[0];
    r->heap[0] = r->heap[--r->n];
    r->bytes -= top.len;
    for (size_t i = 0;;) {
        size_t l = 2 * i + 1, m = i;
        if (l < r->n && is_before(&r->heap[l], &r->heap[m]))
            m = l;
        if (l + 1 < r->n && is_before(&r->heap[l + 1], &r->heap[m]))
            m = l + 1;
        if (m == i)
            return top;
        swap(&r->heap[i], &r->heap[m]);
        i = m;
    }
}

/* The records of the head that stand over several lines: zones from each of them. */
static void learn_docs(struct mmr_recorded *r, enum mmr_docs_form form, const char *head, size_t len, char *copy)
{
    struct mmr_docs d = {.form = form};
    size_t at, n, used;
    for (int i = 0; i < LEARN_LINES && mmr_docs_next(&d, head, len, false, &at, &n, &used); i++) {
        if (n <= MMR_LOG_LINE_MAX)
            mmr_logdec_learn(r->dec, copy, mmr_docs_copy(form, head + at, n, copy, MMR_LOG_LINE_MAX + 1));
        head += used;
        len -= used;
    }
}

/* Which format the input has, by its first lines, or by its first record that stands over several. */
static int recognise(const struct mmr_lines *lines, const char *head, size_t len, enum mmr_log_format *ret, struct mmr_error *err)
{
    struct mmr_docs d = {.form = mmr_lines_form(lines)};
    size_t at, n, used;
    if (d.form == MMR_DOCS_LINES || !mmr_docs_next(&d, head, len, true, &at, &n, &used) || n > MMR_LOG_LINE_MAX)
        return mmr_log_recognise(head, len, ret, err);
    char *copy = malloc(MMR_LOG_LINE_MAX + 1);
    if (!copy)
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    n = mmr_docs_copy(d.form, head + at, n, copy, MMR_LOG_LINE_MAX + 1);
    int code = mmr_log_recognise(copy, n, ret, err);
    free(copy);
    return code;
}

/* Zones of hosts from the first lines, on copies: the lines themselves come again. */
static int learn(struct mmr_recorded *r, const char *head, size_t len, struct mmr_error *err)
{
    char *copy = malloc(MMR_LOG_LINE_MAX + 1);
    if (!copy)
        return mmr_fail(err, MMR_ENOMEM, "log '%s': out of memory", r->name);
    enum mmr_docs_form form = mmr_lines_form(r->lines);
    int n = 0;
    if (form != MMR_DOCS_LINES)
        learn_docs(r, form, head, len, copy);
    for (const char *p = head, *end = head + len; form == MMR_DOCS_LINES && p < end && n < LEARN_LINES; n++) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t l = (size_t)((nl ? nl : end) - p);
        if (l && l <= MMR_LOG_LINE_MAX) {
            memcpy(copy, p, l);
            copy[l] = '\0';
            mmr_logdec_learn(r->dec, copy, l);
        }
        p = nl ? nl + 1 : end;
    }
    free(copy);
    return 0;
}

int mmr_recorded_open(const struct mmr_host *host, const char *path, const char *name, const char *format,
                      struct mmr_recorded **ret, struct mmr_error *err)
{
    enum mmr_log_format f;
    size_t len;
    bool is_whole;
    struct mmr_recorded *r = calloc(1, sizeof *r);
    if (!r)
        return mmr_fail(err, MMR_ENOMEM, "log '%s': out of memory", path);
    r->host = host;
    r->name = strdup(name ? name : path);
    r->heap = calloc(WINDOW_EVENTS + 64, sizeof *r->heap);
    int code = r->name && r->heap ? mmr_log_format_by_name(format, &f, err)
                                  : mmr_fail(err, MMR_ENOMEM, "log '%s': out of memory", path);
    if (code == 0)
        code = mmr_lines_open(path, &r->lines, err);
    if (code == 0) {
        const char *head = mmr_lines_head(r->lines, &len, &is_whole);
        if (!format || strcmp(format, "auto") == 0) {
            struct mmr_error why = {.struct_size = sizeof why};
            code = recognise(r->lines, head, len, &f, &why);
            if (code != 0)
                (void)mmr_fail(err, code, "log '%s': %s", r->name, why.text);
        }
        int64_t now = mmr_lines_mtime_ns(r->lines);
        if (code == 0)
            code = mmr_logdec_new(f, r->name, now ? now : host->now_ns(host->impl, MMR_CLOCK_WALL), &r->dec, err);
        if (code == 0)
            code = learn(r, head, len, err);
    }
    if (code != 0) {
        mmr_recorded_close(r);
        return code;
    }
    *ret = r;
    return 0;
}

void mmr_recorded_close(struct mmr_recorded *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        free(r->heap[i].bytes);
    mmr_lines_close(r->lines);
    mmr_logdec_free(r->dec);
    free(r->heap);
    free(r->name);
    free(r);
}

static void fill(struct mmr_recorded *r)
{
    char *line;
    size_t len;
    uint64_t index;
    while (!r->is_drained && r->n < WINDOW_EVENTS && r->bytes < WINDOW_BYTES && !r->is_out_of_memory) {
        if (mmr_lines_next(r->lines, &line, &len, &index)) {
            mmr_logdec_line(r->dec, line, len, index, push, r);
        } else {
            mmr_logdec_flush(r->dec, push, r);
            r->is_drained = true;
        }
    }
}

/* One warning for all that was left out; what stopped the reading is an error of next(). */
static void tell(struct mmr_recorded *r, uint64_t skipped)
{
    char text[300];
    const struct mmr_logdec_stats *s = mmr_logdec_stats(r->dec);
    if (!skipped && !s->unreadable && !s->cut)
        return;
    (void)snprintf(text, sizeof text,
                   "log.left_out input=%.120s lines_too_long=%llu lines_unreadable=%llu fields_cut=%llu of_lines=%llu",
                   r->name, (unsigned long long)skipped, (unsigned long long)s->unreadable,
                   (unsigned long long)s->cut, (unsigned long long)s->lines);
    r->host->log(r->host->impl, MMR_LOG_WARN, text);
}

int mmr_recorded_next(struct mmr_recorded *r, int64_t *ret_time_ns, struct mmr_error *err)
{
    fill(r);
    if (r->n) {
        *ret_time_ns = r->heap[0].time_ns;
        return 0;
    }
    if (!r->is_told) {
        uint64_t skipped;
        const char *trouble = mmr_lines_trouble(r->lines, &skipped);
        r->is_told = true;
        tell(r, skipped);
        if (r->is_out_of_memory)
            return mmr_fail(err, MMR_ENOMEM, "log '%s': out of memory; what came before is used", r->name);
        if (trouble)
            return mmr_fail(err, MMR_EBADMSG, "log '%s': %s", r->name, trouble);
    }
    return mmr_fail(err, MMR_ENOENT, "log '%s' has ended", r->name);
}

int mmr_recorded_step(struct mmr_recorded *r, struct mmr_error *err)
{
    fill(r);
    if (!r->n)
        return mmr_fail(err, MMR_ENOENT, "log '%s' has ended", r->name);
    struct held h = pop(r);
    int code = r->host->emit(r->host->impl, h.bytes, h.len);
    free(h.bytes);
    return code == 0 ? 0 : mmr_fail(err, code, "log '%s': the host refused a record (%d)", r->name, code);
}

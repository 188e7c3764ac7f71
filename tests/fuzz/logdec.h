/* logdec.h - hostile lines through the log decoder, for the fuzz target of each format: whatever comes, the events are valid. */
#ifndef MMR_FUZZ_LOGDEC_H
#define MMR_FUZZ_LOGDEC_H

#include <stdlib.h>
#include <string.h>

#include <mamori/event.h>

#include "decode.h"

static void check(void *ctx, const void *msgpack, size_t len, int64_t time_ns)
{
    struct mmr_event_view *v = ctx;
    (void)time_ns;
    if (mmr_event_read(msgpack, len, v, NULL) != 0 || !mmr_event_get(v, "mamori.kind") || !mmr_event_get(v, "class_uid") ||
        !mmr_event_get(v, "time"))
        abort();
}

__attribute__((unused)) static int fuzz_lines(enum mmr_log_format format, const uint8_t *data, size_t size)
{
    static struct mmr_event_view view;
    enum mmr_log_format f;
    struct mmr_logdec *d;
    uint64_t index = 0;
    if (size > 64 * 1024)
        return 0;
    (void)mmr_log_recognise((const char *)data, size, &f, NULL);
    if (mmr_logdec_new(format, "fuzz", INT64_C(1700000000000000000), &d, NULL) != 0)
        return 0;
    for (size_t at = 0; at < size;) { /* each line in memory of exactly its size */
        const uint8_t *nl = memchr(data + at, '\n', size - at);
        size_t len = nl ? (size_t)(nl - data) - at : size - at;
        char *line = malloc(len ? len : 1);
        if (!line)
            break;
        memcpy(line, data + at, len);
        mmr_logdec_learn(d, line, len);
        memcpy(line, data + at, len);
        mmr_logdec_line(d, line, len, ++index, check, &view);
        free(line);
        at += len + 1;
    }
    mmr_logdec_flush(d, check, &view);
    mmr_logdec_free(d);
    return 0;
}

#endif

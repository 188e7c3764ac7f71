/* link: mmr_engine */
/* fuzz_engine.c - what comes over the pipe of an outlet program, and what NATS servers say. The first byte chooses. */
#include "engine/engine.h"
#include "engine/nats_answer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *pairs[MMR_ENGINE_PAIRS_MAX][2], *why;
    struct mmr_engine_record r;
    struct mmr_nats_answer a;
    char version[MMR_NATS_VERSION_MAX + 1], host[40], port[8];
    bool is_always;
    int64_t seconds;
    uint64_t seq;
    size_t n = 0;
    if (size == 0)
        return 0;
    const uint8_t *bytes = data + 1;
    const size_t len = size - 1;
    char *text = malloc(len + 1);
    if (!text)
        return 0;
    memcpy(text, bytes, len);
    text[len] = '\0';
    switch (data[0] % 4) {
    case 0:
        if (mmr_engine_record_read(bytes, len, &r, NULL) == 0 && (strlen(r.site) > 64 || strlen(r.kind) > 64 || r.json + r.len != (const char *)data + size))
            abort();
        break;
    case 1:
        if (mmr_engine_pairs_read(bytes, len, pairs, &n, NULL) == 0)
            for (size_t i = 0; i < n; i++)
                if (strlen(pairs[i][0]) + strlen(pairs[i][1]) > len || !mmr_engine_pair(pairs, n, pairs[i][0]))
                    abort();
        if (mmr_engine_never_read(bytes, len, &seq, &why, NULL) == 0 && strlen(why) > len)
            abort();
        break;
    case 2:
        mmr_nats_answer_read(bytes, len, &a);
        if (a.what < MMR_NATS_STORED || a.what > MMR_NATS_REFUSED || strlen(a.text) > MMR_NATS_REASON_MAX)
            abort();
        break;
    default:
        if (mmr_nats_greeting_version(text, version))
            (void)mmr_nats_is_older(version, 2, 12, 0);
        (void)mmr_nats_page_sync(text, &is_always, &seconds);
        if (mmr_nats_host_of(text, "4222", host, sizeof host, port, sizeof port) && (!*host || strlen(port) >= sizeof port))
            abort();
    }
    free(text);
    return 0;
}

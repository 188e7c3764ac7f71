/* link: mmr_libfluent mamori-sdk */
/* A receiver's answers, in any order; what is taken must lie inside what was read. The bytes are also a record on its way out. */
#include "wire.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(const uint8_t *data, size_t size, struct mmr_fluent_text t)
{
    const uint8_t *p = (const uint8_t *)t.p;
    if (t.n && (p < data || p + t.n > data + size))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct mmr_fluent_self self = {.name = "hub", .key = "key", .user = "u", .password = "p"};
    struct mmr_fluent_session s = {0};
    struct mmr_fluent_answer a;
    struct mmr_error err = {.struct_size = sizeof err};
    char chunk[MMR_FLUENT_CHUNK_TEXT + 1];
    uint8_t *p = NULL;
    size_t at = 0, used = 0, n = 0;
    if (sodium_init() < 0)
        abort();
    while (mmr_fluent_answer(data + at, size - at, &used, &a, &err) == 1) {
        if (!used || used > size - at)
            abort();
        inside(data + at, used, a.reason);
        inside(data + at, used, a.name);
        inside(data + at, used, a.digest);
        inside(data + at, used, a.nonce);
        inside(data + at, used, a.auth);
        inside(data + at, used, a.chunk);
        if (a.kind == MMR_FLUENT_HELO && mmr_fluent_hello(&s, &a, &err) == 0) {
            if (mmr_fluent_ping(&self, &s, &p, &n, &err) != 0)
                abort();
            free(p);
        }
        if (a.kind == MMR_FLUENT_PONG && mmr_fluent_pong(&self, &s, &a, &err) == 0)
            abort(); /* nobody guesses a SHA-512 over a salt made just now */
        at += used;
    }
    if (mmr_fluent_chunk("mamori", data, size, 1, 0, chunk, &p, &n, &err) == 0) {
        if (strlen(chunk) != MMR_FLUENT_CHUNK_TEXT)
            abort();
        free(p);
    }
    return 0;
}

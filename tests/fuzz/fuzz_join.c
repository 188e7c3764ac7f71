/* link: mmr_bus */
/* fuzz_join.c - tokens and the messages of joining: what is read is written again as it was, names are clean. */
#include "bus/join.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[1024], again[MMR_TOKEN_TEXT_MAX];
    uint8_t body[MMR_JOIN_BODY_MAX];
    struct mmr_token t, u;
    struct mmr_join_request r;
    struct mmr_join_answer a;
    if (size < sizeof text) {
        memcpy(text, data, size);
        text[size] = '\0';
        if (mmr_token_parse(text, &t, NULL) == 0 &&
            (mmr_token_format(&t, again, NULL) != 0 || mmr_token_parse(again, &u, NULL) != 0 || memcmp(&t, &u, sizeof t) != 0))
            abort();
    }
    if (mmr_join_request_read(data, size, &r, NULL) == 0) {
        size_t n = mmr_join_request_put(&r, body);
        struct mmr_join_request s;
        if (n > sizeof body || !mmr_join_name_is_good(r.name) || mmr_join_request_read(body, n, &s, NULL) != 0)
            abort();
    }
    if (mmr_join_answer_read(data, size, &a, NULL) == 0) {
        size_t n = mmr_join_answer_put(&a, body);
        struct mmr_join_answer b;
        if (n > sizeof body || mmr_join_answer_read(body, n, &b, NULL) != 0)
            abort();
    }
    return 0;
}

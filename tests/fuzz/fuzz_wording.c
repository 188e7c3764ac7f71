/* link: mmr_notify */
/* A text somebody wrote: as one message, as a file of messages, and with its places filled. */
#include "notify/catalogue.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_finding(void *ctx, unsigned line, const char *what)
{
    size_t *n = ctx;
    (void)line;
    *n += strlen(what) > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mmr_place places[] = {{"time", "14:05"}, {"place", "{time}\n"}};
    const char *text = (const char *)data;
    struct mmr_message_text t;
    char buf[256];
    size_t pos = 0, n = 0;
    int r = mmr_wording_lint(text, size, MMR_WORDING_NOTICE, 1, on_finding, &n, NULL);
    if (r >= 0 && (size_t)r != n)
        abort();
    (void)mmr_catalogue_is(text, size);
    while (mmr_catalogue_next(text, size, &pos, &t, NULL) == 0)
        if (mmr_catalogue_render(&t, places, 2, buf, sizeof buf, NULL) == 0 && strlen(buf) >= sizeof buf)
            abort();
    return 0;
}

/* link: mamori-sigma mamori-sdk */
/* fuzz_sigma.c - a rule file of any bytes, compiled and matched against an event of some of the same bytes. */
#include "sigma/sigma.h"

#include <string.h>

enum { INPUT_MAX = 4096 }; /* a rule of the public ones has 1 to 3 KiB */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hit(void *ctx, const struct mmr_sigma_hit *h)
{
    size_t *n = ctx;
    *n += strlen(h->rule->id) + strlen(h->group);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t buf[MMR_EVENT_BYTES_MAX];
    static struct mmr_event_view view;
    const uint8_t *cut = memchr(data, 0, size); /* rules, NUL, the event's text */
    size_t rules = cut ? (size_t)(cut - data) : size, hits = 0;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_sigma *s = NULL;
    struct mmr_event ev;
    if (size > INPUT_MAX)
        return 0;
    if (mmr_sigma_new(&s, &err))
        return 0;
    mmr_sigma_without_hyperscan(s); /* compiling its automata is its business, and takes hundred times as long as ours */
    if (!mmr_sigma_placeholder(s, "p", "a*b", &err) && !mmr_sigma_add_text(s, "fuzz", (const char *)data, rules, &err) &&
        !mmr_sigma_compile(s, &err)) {
        mmr_event_begin(&ev, buf, sizeof buf, "process.start", MMR_CLASS_PROCESS, 1, 0, 1);
        mmr_event_strn(&ev, "process.cmd_line", (const char *)(cut ? cut + 1 : data), cut ? size - rules - 1 : size);
        mmr_event_str(&ev, "process.file.path", "C:\\Windows\\System32\\cmd.exe");
        mmr_event_str(&ev, "user.name", "bob");
        mmr_event_str(&ev, "user.domain", "CORP");
        mmr_event_int(&ev, "process.pid", 42);
        if (!mmr_event_end(&ev) && !mmr_event_read(ev.buf, ev.len, &view, NULL))
            for (int i = 0; i < 3; i++)
                mmr_sigma_match(s, &view, hit, &hits);
        /* and the event's bytes as an event */
        if (cut && !mmr_event_read(cut + 1, size - rules - 1, &view, NULL))
            mmr_sigma_match(s, &view, hit, &hits);
    }
    mmr_sigma_free(s);
    return 0;
}

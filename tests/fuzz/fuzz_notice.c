/* link: mmr_notify */
/* A stored notice, then one of weekly reports: what is read must be usable and pack to the same again. */
#include "notify/deadline.h"
#include "notify/week.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compose(void *ctx, const struct mmr_notice *n, enum mmr_text_kind kind, char *buf, size_t cap)
{
    (void)ctx;
    (void)snprintf(buf, cap, "%d %u", (int)kind, n->n_assets);
}

static void on_send(void *ctx, const struct mmr_notice *n, const struct mmr_attempt *a, const struct mmr_contact *c)
{
    (void)ctx;
    if (!c->name[0] || a->text >= n->n_texts || !n->text[a->text])
        abort();
}

static void week(const uint8_t *data, size_t size)
{
    static const int64_t now_ns = INT64_C(1767571200) * 1000000000;
    struct mmr_week w, x;
    uint8_t *p, *q;
    size_t n, m;
    struct mmr_week_report r;
    if (mmr_week_unpack(&w, data, size, NULL) < 0)
        return;
    if (mmr_week_pack(&w, &p, &n, NULL) < 0 || n != size || memcmp(p, data, n) != 0 || mmr_week_unpack(&x, p, n, NULL) < 0 ||
        mmr_week_pack(&x, &q, &m, NULL) < 0)
        abort();
    (void)mmr_week_issue(&w, now_ns);
    if (mmr_week_report(&w, w.issued, now_ns, &r, NULL) == 0)
        free(r.ids);
    free(p);
    free(q);
    mmr_week_done(&w);
    mmr_week_done(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mmr_deadline_ops ops = {.compose = compose};
    static const struct mmr_contact owner = {.name = "owner", .address = {"a", "a", "a", "a"}, .carrier = {{"x"}, {"x"}, {"y"}, {"y", "x"}}};
    static struct mmr_deadline d; /* large, and empty again at the end */
    uint8_t *p, *q;
    size_t n, m;
    week(data, size);
    if (mmr_deadline_init(&d, &owner, 1, &ops, NULL) < 0)
        abort();
    if (mmr_notice_unpack(&d, data, size, NULL) == 0) {
        if (mmr_notice_pack(d.notice[0], &p, &n, NULL) < 0)
            abort();
        mmr_deadline_done(&d);
        if (mmr_notice_unpack(&d, p, n, NULL) < 0 || mmr_notice_pack(d.notice[0], &q, &m, NULL) < 0 || n != m || memcmp(p, q, n) != 0)
            abort();
        free(p);
        free(q);
        int64_t now_ns = d.notice[0]->t0_ns;
        for (int i = 0; i < 8; i++, now_ns += INT64_C(1000) * 1000000000) {
            (void)mmr_deadline_tick(&d, now_ns, NULL);
            mmr_deadline_send(&d, on_send, NULL);
            (void)mmr_deadline_next(&d);
        }
    }
    mmr_deadline_done(&d);
    return 0;
}

/* unseen.c - an attacker who pads a command line until its end is lost must at least be seen doing it. */
#include "unseen.h"

#include <stdio.h>
#include <string.h>

enum { WHOLE_MAX = MMR_EVENT_STR_MAX - 4 }; /* a cut falls between two characters: up to three bytes earlier */

static void note(struct unseen *l, const struct mmr_event_view *v, const char *key, size_t len)
{
    l->cut++;
    l->cut_unsaid++;
    (void)snprintf(l->field, sizeof l->field, "%.*s", (int)(len > MMR_EVENT_KEY_MAX ? MMR_EVENT_KEY_MAX : len), key);
    if (!mmr_event_copy_str(v, "mamori.kind", l->kind, sizeof l->kind))
        l->kind[0] = '\0';
}

void unseen_look(struct unseen *l, const struct mmr_event_view *v)
{
    const struct mmr_value *named = mmr_event_get(v, "mamori.cut");
    struct mmr_array_it it = {0};
    const char *p;
    size_t len;
    for (uint32_t i = 0; i < v->n; i++)
        if (v->f[i].v.type == MMR_VAL_STR && v->f[i].v.len > WHOLE_MAX)
            note(l, v, v->f[i].key, v->f[i].key_len);
    while (named && named->type == MMR_VAL_ARRAY && mmr_value_next(named, &it, &p, &len)) {
        const struct mmr_value *f = NULL;
        for (uint32_t i = 0; !f && i < v->n; i++)
            if (v->f[i].key_len == len && memcmp(v->f[i].key, p, len) == 0)
                f = &v->f[i].v;
        if (!f || f->type != MMR_VAL_STR || f->len <= WHOLE_MAX) /* else counted above */
            note(l, v, p, len);
    }
}

static bool count_said(uint64_t now, uint64_t *said, uint64_t *ret_new)
{
    *ret_new = now >= *said ? now - *said : now; /* a new rule set counts from 0 */
    *said = now;
    return *ret_new > 0;
}

void unseen_say(struct unseen *l, const struct mmr_sigma_stats *st, int64_t now_ns, void (*say)(void *ctx, const char *text), void *ctx)
{
    char text[512];
    uint64_t n;
    bool is_new = l->cut_unsaid || st->regex_limits != l->regex_said || st->text_limits != l->text_said;
    if (!is_new || (l->said_ns && now_ns - l->said_ns < MMR_SIGMA_UNSEEN_SAY_S * INT64_C(1000000000)))
        return;
    l->said_ns = now_ns ? now_ns : 1;
    if (l->cut_unsaid) {
        (void)snprintf(text, sizeof text, "sigma.value_cut field=%s kind=%s count=%llu text=\"longer than an event holds (%d bytes): rules saw "
                       "its beginning only; look at what wrote it\"", l->field, l->kind, (unsigned long long)l->cut_unsaid, MMR_EVENT_STR_MAX);
        l->cut_unsaid = 0;
        say(ctx, text);
    }
    if (count_said(st->regex_limits, &l->regex_said, &n)) {
        (void)snprintf(text, sizeof text, "sigma.regex_limit count=%llu text=\"a regular expression took too many steps for a value; %s\"",
                       (unsigned long long)n, st->has_hyperscan ? "the coarser search decided" : "it counts as no match");
        say(ctx, text);
    }
    if (count_said(st->text_limits, &l->text_said, &n)) {
        (void)snprintf(text, sizeof text, "sigma.text_limit count=%llu text=\"an event held more text than is searched at once; part of it was left out\"",
                       (unsigned long long)n);
        say(ctx, text);
    }
}

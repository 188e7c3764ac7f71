/* stories.c - Sigma's correlator in the brain; who was part of what travels with the finding as text. */
#include "correlate/stories.h"

#include "sigma/sigma.h"
#include "util/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "m TAB rule TAB title TAB group LF" for a part, "t TAB first_ns TAB rule TAB title TAB group LF" for who tells it. */
struct mmr_stories {
    struct mmr_sigma *rules;
    /* of one call */
    const struct mmr_finding *f;
    char text[MMR_STORIES_TEXT_MAX];
    size_t len;
    struct mmr_finding **made;
    size_t n_made;
};

static const char *field(const char *text, char buf[240])
{
    size_t n = 0;
    for (; text && text[n] && n < 239; n++)
        buf[n] = (unsigned char)text[n] < 0x20 ? ' ' : text[n];
    buf[n] = '\0';
    return buf;
}

static void on_member(void *ctx, const struct mmr_sigma_rule *r, const char *group, int64_t span_ns)
{
    struct mmr_stories *s = ctx;
    char id[240], title[240], where[240];
    (void)span_ns;
    size_t left = sizeof s->text - s->len;
    int n = snprintf(s->text + s->len, left, "m\t%.79s\t%.119s\t%s\n", field(r->id, id), field(r->title, title), field(group, where));
    if (n > 0 && (size_t)n < left)
        s->len += (size_t)n;
    else
        s->text[s->len] = '\0'; /* part of more stories than there is room for: of the first ones */
}

static enum mmr_potential potential_of(const char *text)
{
    return !strcmp(text, "high") ? MMR_POTENTIAL_HIGH : !strcmp(text, "low") ? MMR_POTENTIAL_LOW : MMR_POTENTIAL_INFO;
}

static void on_hit(void *ctx, const struct mmr_sigma_hit *h)
{
    struct mmr_stories *s = ctx;
    const struct mmr_sigma_rule *r = h->rule;
    char text[600], what[400], seed[400], id[240], title[240], where[240];
    if (r->kind != MMR_SIGMA_CORRELATION || s->n_made == MMR_STORIES_MADE_MAX)
        return;
    struct mmr_finding f = *s->f; /* about the same machines, programs and people as what completed it */
    (void)snprintf(text, sizeof text, "t\t%lld\t%.79s\t%.119s\t%s\n", (long long)h->first_ns, field(r->id, id), field(r->title, title),
                   field(h->group, where));
    (void)snprintf(what, sizeof what, "%.119s%s%s%s: %g in %.0f s", title, where[0] ? " (" : "", where, where[0] ? ")" : "", h->count,
                   (double)(mmr_finding_time(s->f) - h->first_ns) / 1e9);
    int n = snprintf(seed, sizeof seed, "%s %s ", id, where);
    size_t len = n > 0 && (size_t)n < sizeof seed - 16 ? (size_t)n : 0;
    memcpy(seed + len, s->f->id, 16);
    mmr_uuid_of(seed, len + 16, f.id);
    f.plugin = "org.mamori.core";
    f.instance = "stories";
    f.rule = r->id;
    f.title = r->title;
    f.what = what;
    f.stories = text;
    f.severity_id = (uint32_t)r->level;
    f.count = 1;
    f.phase = MMR_PHASE_NONE;
    if (r->phase)
        (void)mmr_phase_parse(r->phase, strlen(r->phase), &f.phase);
    f.potential = potential_of(r->potential);
    f.is_harm = false;
    f.n_attack = 0;
    for (size_t k = 0; k < r->attack.n && f.n_attack < MMR_FINDING_ATTACKS_MAX; k++)
        f.attack[f.n_attack++] = r->attack.v[k];
    struct mmr_finding *c = mmr_finding_copy(&f);
    if (c)
        s->made[s->n_made++] = c;
}

int mmr_stories_new(const char *const *paths, size_t n, void (*say)(void *ctx, const char *line), void *ctx,
                    struct mmr_stories **ret, struct mmr_error *err)
{
    struct mmr_stories *s = calloc(1, sizeof *s);
    size_t usable = 0;
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "stories: out of memory");
    int r = mmr_sigma_load(paths, n, &s->rules, err);
    for (size_t i = 0; !r && i < mmr_sigma_count(s->rules); i++) {
        const struct mmr_sigma_rule *x = mmr_sigma_get(s->rules, i);
        char line[500];
        if (mmr_sigma_rule_ok(x)) {
            usable += x->kind == MMR_SIGMA_CORRELATION;
            continue;
        }
        (void)snprintf(line, sizeof line, "%.200s:%d: rule '%.80s' is left out: %.150s", x->file, x->line, x->title,
                       x->error ? x->error : x->unsupported.n ? x->unsupported.v[0] : "not usable");
        if (say)
            say(ctx, line);
    }
    if (!r && !usable)
        r = mmr_fail(err, MMR_ECONFIG, "correlate.rules: '%.150s' holds no correlation rule that can be used", n ? paths[0] : "");
    if (r) {
        mmr_stories_free(s);
        return r;
    }
    mmr_sigma_members(s->rules, on_member, s);
    *ret = s;
    return 0;
}

void mmr_stories_free(struct mmr_stories *s)
{
    if (!s)
        return;
    mmr_sigma_free(s->rules);
    free(s);
}

size_t mmr_stories_take(struct mmr_stories *s, const struct mmr_event_view *view, struct mmr_finding **f,
                        struct mmr_finding *ret_made[MMR_STORIES_MADE_MAX])
{
    s->f = *f;
    s->len = s->n_made = 0;
    s->text[0] = '\0';
    s->made = ret_made;
    mmr_sigma_match(s->rules, view, on_hit, s);
    if (s->len) {
        struct mmr_finding with = **f;
        with.stories = s->text;
        struct mmr_finding *c = mmr_finding_copy(&with);
        if (c) {
            free(*f);
            *f = c;
        }
    }
    return s->n_made;
}

void mmr_stories_learn(struct mmr_stories *s, const struct mmr_event_view *view)
{
    s->len = 0;
    s->n_made = MMR_STORIES_MADE_MAX; /* no room: what it completes was told then */
    mmr_sigma_match(s->rules, view, on_hit, s);
}

static bool take(const char **at, char *buf, size_t cap, char end)
{
    const char *e = strchr(*at, end);
    if (!e)
        return false;
    size_t n = (size_t)(e - *at);
    (void)snprintf(buf, cap, "%.*s", (int)(n < cap - 1 ? n : cap - 1), *at);
    *at = e + 1;
    return true;
}

bool mmr_stories_next(const char **at, struct mmr_story_part *ret)
{
    char number[32] = "0";
    if (!*at || ((*at)[0] != 'm' && (*at)[0] != 't') || (*at)[1] != '\t')
        return false;
    *ret = (struct mmr_story_part){.is_told = (*at)[0] == 't'};
    *at += 2;
    if (ret->is_told && !take(at, number, sizeof number, '\t'))
        return false;
    ret->from_ns = strtoll(number, NULL, 10);
    return take(at, ret->rule, sizeof ret->rule, '\t') && take(at, ret->title, sizeof ret->title, '\t') &&
           take(at, ret->group, sizeof ret->group, '\n');
}

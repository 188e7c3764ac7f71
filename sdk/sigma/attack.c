/*
 * attack.c - what mamori makes of a rule: its own `mamori:` map, else a phase from its ATT&CK tactics.
 *
 * A phase makes a finding able to open an incident and to order a defence, so rules from elsewhere get one
 * only where their author calls them high or critical; the rest stay hints that support an incident.
 */
#include "sigma/set.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *tactic, *phase;
} tactics[] = { /* the first that a rule has, so the most telling first */
    {"command-and-control", "foothold.c2"},   {"lateral-movement", "spread"},
    {"exfiltration", "impact.data"},          {"impact", "impact.service"},
    {"credential-access", "account"},         {"execution", "foothold.process"},
    {"persistence", "foothold.process"},      {"privilege-escalation", "foothold.process"},
    {"defense-evasion", "foothold.process"},  {"stealth", "foothold.process"},
    {"defense-impairment", "foothold.process"}, {"collection", "foothold.process"},
    {"discovery", "foothold.process"},        {"initial-access", "attempt.inbound"},
};

static const char *const phases[] = {"attempt.inbound", "attempt.user", "foothold.process", "foothold.c2",
                                     "spread", "account", "impact.data", "impact.service", NULL};
static const char *const directions[] = {"inbound", "outbound", "internal", "local", NULL};
static const char *const potentials[] = {"high", "low", "info", NULL};

static const char *one_of(struct sigma_build *b, const struct sigma_yaml *map, const char *key,
                          const char *const *allowed)
{
    const char *text = sigma_yaml_text(map, key);
    for (; text && *allowed; allowed++)
        if (!strcmp(text, *allowed))
            return *allowed;
    if (text)
        sigma_broken(b, sigma_yaml_get(map, key), "mamori.%s: '%s' is none of the known words (docs/vocabulary.md)", key, text);
    return NULL;
}

static void read_attack(struct sigma_build *b)
{
    struct mmr_sigma_rule *r = &b->rule->pub;
    const char **v = r->tags.n ? mmr_sigma_alloc(&b->s->arena, r->tags.n, sizeof *v) : NULL;
    size_t n = 0;
    for (size_t i = 0; v && i < r->tags.n; i++) {
        const char *t = r->tags.v[i];
        if (strncasecmp(t, "attack.t", 8) != 0 || t[8] < '0' || t[8] > '9')
            continue;
        char *id = mmr_sigma_strndup(&b->s->arena, t + 7, strlen(t + 7));
        if (!id) {
            b->is_out_of_memory = true;
            return;
        }
        id[0] = 'T';
        v[n++] = id;
    }
    r->attack = (struct mmr_sigma_strv){v, n};
}

static const char *phase_of_tags(const struct mmr_sigma_rule *r)
{
    for (size_t k = 0; k < sizeof tactics / sizeof tactics[0]; k++)
        for (size_t i = 0; i < r->tags.n; i++) {
            const char *t = r->tags.v[i];
            if (strncasecmp(t, "attack.", 7) != 0)
                continue;
            char name[40];
            size_t n = 0;
            for (const char *c = t + 7; *c && n < sizeof name - 1; c++)
                name[n++] = *c == '_' ? '-' : *c; /* older rules: attack.lateral_movement */
            name[n] = 0;
            if (!strcasecmp(name, tactics[k].tactic))
                return tactics[k].phase;
        }
    return NULL;
}

void sigma_mapping(struct sigma_build *b, const struct sigma_yaml *doc)
{
    struct mmr_sigma_rule *r = &b->rule->pub;
    const struct sigma_yaml *own = sigma_yaml_get(doc, "mamori");
    read_attack(b);
    r->potential = r->level >= MMR_SIGMA_HIGH ? "high" : r->level == MMR_SIGMA_MEDIUM ? "low" : "info";
    if (!own) {
        if (r->level >= MMR_SIGMA_HIGH)
            r->phase = phase_of_tags(r);
        return;
    }
    if (own->type != SIGMA_YAML_MAP) {
        sigma_broken(b, own, "`mamori` is a map of phase, potential, direction and needs");
        return;
    }
    r->has_mapping = true;
    for (const struct sigma_yaml *c = own->child; c; c = c->next)
        if (strcmp(c->key, "phase") != 0 && strcmp(c->key, "potential") != 0 && strcmp(c->key, "direction") != 0 &&
            strcmp(c->key, "needs") != 0)
            sigma_broken(b, c, "mamori.%.40s is not known; expected phase, potential, direction or needs", c->key);
    r->phase = one_of(b, own, "phase", phases);
    r->direction = one_of(b, own, "direction", directions);
    const char *potential = one_of(b, own, "potential", potentials);
    if (potential)
        r->potential = potential;
    const struct sigma_yaml *needs = sigma_yaml_get(own, "needs");
    size_t n = 0;
    const char **v = needs && needs->type == SIGMA_YAML_LIST ? mmr_sigma_alloc(&b->s->arena, 16, sizeof *v) : NULL;
    for (const struct sigma_yaml *c = v ? needs->child : NULL; c && n < 16; c = c->next)
        if (c->type == SIGMA_YAML_TEXT && (v[n] = mmr_sigma_strndup(&b->s->arena, c->text, c->len)))
            n++;
    r->needs = (struct mmr_sigma_strv){v, n};
}

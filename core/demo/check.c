/* check.c - one conclusion a function. */
#include "demo/check.h"

#include "demo/demo.h"
#include "store/evidence.h"
#include "util/id.h"
#include "util/scope.h"

#include <stdio.h>
#include <string.h>

void mmr_check_class(struct mmr_scene *s, const struct mmr_incident *i, enum mmr_class want)
{
    const char *ja = want == MMR_CLASS_OF_DEFENDED ? "判定は「止めた」" : "判定は「至急」";
    const char *en = want == MMR_CLASS_OF_DEFENDED ? "the class is 'defended'" : "the class is 'severe'";
    char why[400] = "";
    for (uint32_t k = 0; i && k < i->n_why; k++) {
        size_t at = strlen(why);
        (void)snprintf(why + at, sizeof why - at, "%s%.100s", at ? "; " : "", i->why[k]);
    }
    bool is_right = i && i->class_current == want;
    if (s->is_chaos && want == MMR_CLASS_OF_DEFENDED && i) {
        /* A part that lay dead while it was needed is a failed order or a gap in the watch: severe, rightly; but in
         * the end everything must be in force and proved. */
        is_right |= i->class_current == MMR_CLASS_OF_SEVERE && i->is_contained;
        ja = "判定は「止めた」、または「至急、いまは止まっている」";
        en = "the class is 'defended', or 'severe' and contained since";
    }
    mmr_tell_check(s->tell, is_right, "class", ja, en, "%s (%s)", i ? mmr_class_name(i->class_current) : "no incident", why);
}

/* An order that could not be handed over, and was given again. */
static bool is_done_again(const struct mmr_incident *i, const struct mmr_action_rec *a)
{
    for (uint32_t k = 0; k < i->n_actions; k++) {
        const struct mmr_action_rec *b = &i->actions[k];
        if (b != a && b->verb == a->verb && mmr_target_equal(a->verb, &a->target, &b->target) && b->receipt.verified == MMR_VERIFIED_CONFIRMED)
            return true;
    }
    return false;
}

void mmr_check_receipts(struct mmr_scene *s, const struct mmr_incident *i)
{
    uint32_t n = 0, proved = 0;
    char bad[200] = "nothing was ordered";
    for (uint32_t k = 0; i && k < i->n_actions; k++) {
        const struct mmr_action_rec *a = &i->actions[k];
        if (a->verb == MMR_VERB_QUERY_CONNECTION_OWNER)
            continue;
        n++;
        if (a->receipt.verified == MMR_VERIFIED_CONFIRMED || (s->is_chaos && is_done_again(i, a)))
            proved++;
        else
            (void)snprintf(bad, sizeof bad, "%s: %s, %s %.100s", mmr_verb_name(a->verb), mmr_result_name(a->receipt.result),
                           mmr_verified_name(a->receipt.verified), a->receipt.detail);
    }
    mmr_tell_check(s->tell, n > 0 && proved == n, "receipts", "どの守りも、効いていることを読み返して確かめた", "every action was read back and proved", "%s", bad);
}

void mmr_check_sides(struct mmr_scene *s, const struct mmr_incident *i, unsigned want)
{
    unsigned sides = i ? mmr_story_sides(i) : 0;
    const bool is_both = want == (MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT);
    mmr_tell_check(s->tell, (sides & want) == want, "sides", is_both ? "通信とパソコンの両方から見えた" : "パソコンの記録から見えた",
                   is_both ? "network and endpoint both saw it" : "the endpoint's log saw it", "sides seen: %u of %u", sides, want);
}

void mmr_check_one_story(struct mmr_scene *s, const struct mmr_incident *i)
{
    size_t other = 0;
    char title[120] = "";
    for (size_t k = 0; k < s->story.n; k++) {
        const struct mmr_incident *x = s->story.incident[k];
        if (x == i || x->potential == MMR_POTENTIAL_INFO || x->n_evidence == 0)
            continue;
        other++;
        const struct mmr_finding *f = x->evidence[0].finding;
        (void)snprintf(title, sizeof title, "%.80s on %.30s", f->title ? f->title : f->rule ? f->rule : "?", f->host ? f->host : "?");
    }
    bool is_joined = i && i->n_evidence > 1 && i->n_joins > 0;
    mmr_tell_check(s->tell, i && other == 0 && is_joined, "one_story", "ひと続きの攻撃を、一つのできごとにまとめた", "one attack became one incident, joined by what its findings share",
                   "%zu other incidents%s%s; %u findings, %u joins", other, other ? ": " : "", title, i ? i->n_evidence : 0, i ? i->n_joins : 0);
}

/* Did the forwarder hand this incident on, in the class the store has? */
static bool is_upstream(const struct mmr_scene *s, const struct mmr_incident *i)
{
    char path[MMR_LAB_PATH + 64], uid[64], want[64];
    mmr_autofree char *line = NULL;
    size_t cap = 0;
    bool is_there = false;
    (void)snprintf(path, sizeof path, "%s/upstream.jsonl", s->site.node[0].state);
    FILE *f = fopen(path, "re");
    mmr_uuid_format(i->uid, uid);
    (void)snprintf(want, sizeof want, "\"class\":\"%s\"", mmr_class_name(i->class_current));
    while (f && getline(&line, &cap, f) > 0)
        if (strstr(line, uid) && strstr(line, "\"class_uid\":2005"))
            is_there |= strstr(line, want) != NULL;
    if (f)
        (void)fclose(f);
    return is_there;
}

void mmr_check_evidence(struct mmr_scene *s)
{
    struct mmr_evidence_report report;
    struct mmr_error err = {.struct_size = sizeof err};
    int r = mmr_evidence_verify(s->site.node[0].state, &report, &err);
    mmr_tell_check(s->tell, r == 0 && report.bad_seq == 0 && report.records > 0, "evidence", "記録の鎖に、すき間も書き換えもない", "the evidence chain verifies",
                   "%s", r ? err.text : report.bad);
    bool is_all = s->story.n > 0;
    for (size_t k = 0; k < s->story.n; k++)
        is_all &= is_upstream(s, s->story.incident[k]);
    mmr_tell_check(s->tell, is_all, "upstream", "できごとは、見守る会社へ届いた", "the incident was sent upstream as it was classed", "an incident is missing upstream, or in another class");
}

void mmr_check_own_processes(struct mmr_scene *s)
{
    unsigned right = 0, wrong = 0, unknown = 0;
    char bad[160] = "no finding names a process";
    mmr_truth_look(s->truth);
    for (size_t k = 0; k < s->story.n; k++)
        for (uint32_t e = 0; e < s->story.incident[k]->n_evidence; e++) {
            const struct mmr_finding *f = s->story.incident[k]->evidence[e].finding;
            if (f->side != MMR_SIDE_ENDPOINT || f->process.pid <= 0 || !f->host)
                continue;
            int was = mmr_truth_was(s->truth, f->process.pid, f->host);
            right += was == 1;
            unknown += was < 0;
            wrong += was == 0;
            if (was == 0)
                (void)snprintf(bad, sizeof bad, "%.40s reported process %lld (%.60s), which was not its own", f->host, (long long)f->process.pid,
                               f->process.path ? f->process.path : "?");
        }
    (void)unknown;
    mmr_tell_check(s->tell, wrong == 0 && right > 0, "own_processes", "どのパソコンも、自分のプログラムだけを報告した", "no PC reported another's process", "%s", bad);
}

void mmr_check_office_works(struct mmr_scene *s)
{
    const char *printer = mmr_lab_machine(s->lab, "printer")->ip, *pc2 = mmr_lab_machine(s->lab, "pc2")->ip;
    bool prints = mmr_parts_reaches(s->lab, "pc1", NULL, printer, MMR_DEMO_PRINT_PORT) && mmr_parts_reaches(s->lab, "pc2", NULL, printer, MMR_DEMO_PRINT_PORT);
    bool talks = mmr_parts_reaches(s->lab, "pc1", NULL, pc2, MMR_DEMO_SSH_PORT);
    mmr_tell_check(s->tell, prints && talks, "office", "会社の仕事（印刷など）は、止まっていない", "the office goes on working: PCs reach the printer and each other",
                   "printer %s, PC2 %s", prints ? "reached" : "not reached", talks ? "reached" : "not reached");
}

/* Itself, or repeats of which an earlier one, told late, now stands for all. */
static bool has_finding(const struct mmr_story *s, const struct mmr_demo_seen *seen)
{
    for (size_t k = 0; k < s->n; k++)
        for (uint32_t e = 0; e < s->incident[k]->n_evidence; e++) {
            const struct mmr_evidence *x = &s->incident[k]->evidence[e];
            const struct mmr_finding *f = x->finding;
            bool is_alike = strcmp(f->rule ? f->rule : "", seen->rule) == 0 && strcmp(f->host ? f->host : "", seen->host) == 0;
            if (memcmp(f->id, seen->id, 16) == 0 || (x->count > 1 && is_alike))
                return true;
        }
    return false;
}

void mmr_check_note_seen(struct mmr_scene *s)
{
    for (size_t k = 0; s->is_chaos && k < s->story.n; k++)
        for (uint32_t e = 0; e < s->story.incident[k]->n_evidence; e++) {
            const struct mmr_finding *f = s->story.incident[k]->evidence[e].finding;
            bool is_known = false;
            for (size_t i = 0; i < s->n_seen && !is_known; i++)
                is_known = memcmp(s->seen[i].id, f->id, 16) == 0;
            if (is_known || s->n_seen == MMR_SEEN_MAX)
                continue;
            struct mmr_demo_seen *seen = &s->seen[s->n_seen++];
            memcpy(seen->id, f->id, 16);
            (void)snprintf(seen->rule, sizeof seen->rule, "%.95s", f->rule ? f->rule : "");
            (void)snprintf(seen->host, sizeof seen->host, "%.63s", f->host ? f->host : "");
        }
}

void mmr_check_nothing_lost(struct mmr_scene *s)
{
    size_t lost = 0;
    for (size_t i = 0; i < s->n_seen; i++)
        lost += !has_finding(&s->story, &s->seen[i]);
    mmr_tell_check(s->tell, lost == 0 && s->n_seen > 0, "nothing_lost", "一度記録したことは、何度殺されても失われていない", "nothing that was committed is lost", "%zu of %zu findings are gone",
                   lost, s->n_seen);
    mmr_tell_check(s->tell, !s->chaos.has_died_with_core, "hosts_outlive", "頭脳が倒れても、目と手は動きつづけた", "plugin hosts outlive their brain's restart", "a host ended with it");
}

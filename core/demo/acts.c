/* acts.c - (a) the endpoints defend, (b) the gateway defends, (c) nobody may. */
#include "demo/acts.h"

#include "demo/chaos.h"
#include "demo/check.h"
#include "demo/parts_internal.h"
#include "util/clock.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { UP_MS = 20000, UP_CHAOS_MS = 90000, SETTLE_MS = 9000, SETTLE_CHAOS_MS = 60000, QUIET_MS = 700, LEAST_MS = 1200, SILENT_MS = 500 };

/* Until the incident about this machine has a class and nothing more happens to it. */
static const struct mmr_incident *settle(struct mmr_scene *s, const char *host, enum mmr_class want)
{
    const struct mmr_machine *m = mmr_lab_machine(s->lab, host);
    int64_t begun = mmr_clock_mono_ns(), changed = begun, until = begun + (s->is_chaos ? SETTLE_CHAOS_MS : SETTLE_MS) * MMR_NS_PER_MS;
    uint64_t last = 0;
    bool is_back = !s->is_chaos; /* the killed parts: what an eye missed while it lay dead it tells when it is back */
    for (;;) {
        struct mmr_story next;
        struct mmr_error err = {.struct_size = sizeof err};
        const struct mmr_incident *i = NULL;
        mmr_chaos_turn(s);
        mmr_truth_look(s->truth);
        if (mmr_story_load(s->site.node[0].state, &next, &err) == 0) {
            mmr_story_done(&s->story);
            s->story = next;
            mmr_check_note_seen(s);
        }
        i = mmr_story_of(&s->story, host, m->ip);
        uint64_t now_is = 0;
        for (size_t k = 0; k < s->story.n; k++)
            now_is += (uint64_t)s->story.incident[k]->revision * 1000003 + s->story.incident[k]->n_evidence + (s->story.incident[k]->id >> 32);
        int64_t now = mmr_clock_mono_ns();
        if (now_is != last)
            changed = now;
        last = now_is;
        bool is_still = now - changed > QUIET_MS * MMR_NS_PER_MS && now - begun > LEAST_MS * MMR_NS_PER_MS;
        bool is_wanted = i && (i->class_current == want || (s->is_chaos && i->class_current == MMR_CLASS_OF_SEVERE && i->is_contained));
        if (is_still && is_wanted && is_back && !mmr_chaos_is_busy(s))
            return i;
        if (!is_back && !mmr_chaos_is_busy(s) && mmr_site_await(&s->site, 0, &err) == 0) {
            is_back = true;
            changed = now;
        }
        if (now > until || !mmr_lab_sleep(50))
            return i;
    }
}

static int begin(struct mmr_scene *s, const struct mmr_site_plan *plan, struct mmr_error *err)
{
    int r = mmr_parts_web(s->parts, err);
    if (!r)
        r = mmr_site_start(s->lab, plan, &s->site, err);
    if (!r)
        r = mmr_site_await(&s->site, s->is_chaos ? UP_CHAOS_MS : UP_MS, err);
    if (!r)
        r = mmr_chaos_before(s, err);
    mmr_truth_look(s->truth);
    return r;
}

static void end(struct mmr_scene *s)
{
    if (s->is_chaos && !mmr_demo_is_stopping()) {
        struct mmr_error err = {.struct_size = sizeof err};
        (void)mmr_lab_sleep(100);
        s->chaos.mended += mmr_site_mend(&s->site);
        bool is_up = mmr_site_await(&s->site, UP_CHAOS_MS, &err) == 0;
        mmr_tell_chaos(s->tell, s->chaos.kills, s->chaos.mended);
        mmr_check_nothing_lost(s);
        mmr_tell_check(s->tell, is_up, "all_back", "殺された部品は、すべて戻ってきた", "every part that was killed came back", "%s", err.text);
    }
    mmr_site_stop(&s->site);
    mmr_story_done(&s->story);
}

static bool is_stage_gone(const struct mmr_scene *s)
{
    return !mmr_parts_file(s->lab, "pc1", MMR_DEMO_STAGE, false) && mmr_parts_running(s->lab, "pc1", MMR_DEMO_STAGE) == 0;
}

static bool is_entry_gone(const struct mmr_scene *s)
{
    return !mmr_parts_file(s->lab, "pc1", MMR_DEMO_ENTRY, false);
}

/* Silence at the attacker's listener. */
static bool is_silent(const struct mmr_scene *s)
{
    uint32_t before = atomic_load(&s->parts->view->beats);
    (void)mmr_lab_sleep(SILENT_MS);
    return atomic_load(&s->parts->view->beats) == before;
}

static void check_attack_was_real(struct mmr_scene *s)
{
    const struct mmr_demo_view *v = s->parts->view;
    mmr_tell_check(s->tell, atomic_load(&v->stage_ns) != 0, "attack_was_real", "攻撃は本物：悪いプログラムが実際に取り込まれた",
                   "the attack was real: the weak service fetched the second stage", "the second stage was not fetched");
}

static int exploit(struct mmr_scene *s, struct mmr_error *err)
{
    struct mmr_error why = {.struct_size = sizeof why};
    int r = mmr_chaos_during(s, err);
    if (!r && mmr_parts_exploit(s->parts, &why) != 0)
        mmr_tell_trouble(s->tell, why.text);
    return r;
}

/* Did the second stage reach its master, before it was ended? */
static bool has_called(const struct mmr_scene *s)
{
    return atomic_load(&s->parts->view->called_ns) != 0;
}

/*
 * Of each kind that this attack needs, one that is proved. The program writes its self-start entry before it calls: one
 * that was ended sooner may have left none, and then there is none to take out (that it is gone is checked in any case).
 */
static void check_effects(struct mmr_scene *s, const struct mmr_incident *i)
{
    static const enum mmr_verb want[] = {MMR_VERB_KILL_PROCESS, MMR_VERB_QUARANTINE_FILE, MMR_VERB_REMOVE_AUTOSTART, MMR_VERB_BLOCK_ADDR};
    char missing[120] = "";
    for (size_t w = 0; w < sizeof want / sizeof want[0]; w++) {
        bool is_done = want[w] == MMR_VERB_REMOVE_AUTOSTART && !has_called(s);
        for (uint32_t k = 0; i && k < i->n_actions; k++)
            is_done |= i->actions[k].verb == want[w] && i->actions[k].side == MMR_SIDE_ENDPOINT &&
                       i->actions[k].receipt.verified == MMR_VERIFIED_CONFIRMED;
        size_t at = strlen(missing);
        if (!is_done)
            (void)snprintf(missing + at, sizeof missing - at, "%s%s", at ? ", " : "", mmr_verb_name(want[w]));
    }
    mmr_tell_check(s->tell, !missing[0], "effects", "パソコンが、止める・移す・断つ・外す、のすべてをした", "the PC stopped it, moved it away, denied its address and took its self-start entry out",
                   "missing: %s", missing);
}

static int act_a(struct mmr_scene *s, struct mmr_error *err)
{
    static const struct mmr_site_plan plan = {.name = "a", .do_endpoints_block = true};
    mmr_tell_act(s->tell, 'a', "出入口は見るだけ。守るのはパソコン", "the network side only watches; the PCs defend (passive-tap)");
    int r = begin(s, &plan, err);
    if (!r)
        r = exploit(s, err);
    if (r)
        return r;
    const struct mmr_incident *i = settle(s, "pc1", MMR_CLASS_OF_DEFENDED);
    const char *pc1 = mmr_lab_machine(s->lab, "pc1")->ip;
    mmr_tell_incident(s->tell, i, atomic_load(&s->parts->view->first_ns));
    check_attack_was_real(s);
    bool silent = is_silent(s), gone = is_stage_gone(s), entry = is_entry_gone(s);
    bool again = mmr_parts_reaches(s->lab, "internet", MMR_DEMO_ATTACKER, pc1, MMR_DEMO_WEB_PORT);
    /* a program that was ended before it could call has named nobody to deny */
    bool out = has_called(s) && mmr_parts_reaches(s->lab, "pc1", NULL, MMR_DEMO_C2, MMR_DEMO_C2_PORT);
    mmr_tell_check(s->tell, silent && gone && entry && !again && !out, "really_stopped",
                   "攻撃は本当に止まった：攻撃する人からは、もう何も届かない", "the attack really stopped, seen from the attacker: its program is silent and gone, no way in or out",
                   "%s%s%s%s%s", silent ? "" : "it still calls; ", gone ? "" : "the program is there; ", entry ? "" : "the self-start entry is there; ",
                   again ? "the attacker still gets in; " : "", out ? "PC1 still reaches the attacker" : "");
    mmr_check_class(s, i, MMR_CLASS_OF_DEFENDED);
    check_effects(s, i);
    mmr_check_receipts(s, i);
    mmr_check_sides(s, i, MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT);
    mmr_check_one_story(s, i);
    mmr_check_own_processes(s);
    mmr_check_office_works(s);
    mmr_check_evidence(s);
    return 0;
}

static bool has_gateway_deny(const struct mmr_incident *i, const char *address)
{
    struct mmr_addr a = {0};
    (void)mmr_addr_parse(address, strlen(address), &a);
    for (uint32_t k = 0; i && k < i->n_actions; k++) {
        const struct mmr_action_rec *x = &i->actions[k];
        if (x->verb == MMR_VERB_BLOCK_ADDR && x->side == MMR_SIDE_NETWORK && mmr_cidr_has(&x->target.addr, &a) &&
            x->receipt.verified == MMR_VERIFIED_CONFIRMED)
            return true;
    }
    return false;
}

static void act_b_guessing(struct mmr_scene *s)
{
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_tell_note(s->tell, "攻撃1：PC2に、パスワードを当てて入ろうとする", "attack 1: passwords are guessed at PC2's sshd");
    if (mmr_parts_guess(s->parts, &err) != 0) {
        mmr_tell_trouble(s->tell, err.text);
        return;
    }
    s->chaos.n = s->chaos.at = 0; /* the next round of kills goes on meanwhile */
    const struct mmr_incident *i = settle(s, "pc2", MMR_CLASS_OF_DEFENDED);
    struct mmr_demo_view *v = s->parts->view;
    mmr_tell_incident(s->tell, i, atomic_load(&v->first_ns));
    uint32_t refused = atomic_load(&v->guesses_refused), lost = atomic_load(&v->guesses_lost);
    for (int k = 0; k < 30 && atomic_load(&v->guesses_lost) < lost + 1; k++)
        (void)mmr_lab_sleep(100);
    uint32_t later = atomic_load(&v->guesses_refused);
    lost = atomic_load(&v->guesses_lost);
    bool reaches = mmr_parts_reaches(s->lab, "internet", MMR_DEMO_GUESSER, mmr_lab_machine(s->lab, "pc2")->ip, MMR_DEMO_SSH_PORT);
    mmr_parts_guess_stop(s->parts);
    mmr_tell_check(s->tell, refused > 0, "attack_was_real", "攻撃は本物：sshdが、何度も「違います」と答えた", "the attack was real: sshd refused guess after guess", "no guess was answered");
    mmr_tell_check(s->tell, lost > 0 && later == refused && !reaches, "really_stopped", "攻撃は本当に止まった：そのあとの試みは、つながりもしない",
                   "the attack really stopped: later attempts do not even connect", "%u answered after the block, %u lost; %s", later - refused, lost,
                   reaches ? "still connects" : "does not connect");
    mmr_check_class(s, i, MMR_CLASS_OF_DEFENDED);
    mmr_check_receipts(s, i);
    mmr_tell_check(s->tell, has_gateway_deny(i, MMR_DEMO_GUESSER), "other_side", "見つけたのはパソコン、止めたのは出入口", "the PC's log saw it, the gateway blocked it",
                   "no proved block by the network side");
    if (!s->is_chaos) /* an eye that is killed meanwhile may leave it to the other side */
        mmr_check_sides(s, i, MMR_SIDE_ENDPOINT);
}

static bool says_cause_is_left(const struct mmr_incident *i)
{
    for (uint32_t k = 0; i && k < i->n_why; k++) {
        const char *open = strstr(i->why[k], "; open: ");
        if (open && (strstr(open, "stop") || strstr(open, "neutralise") || strstr(open, "quarantine") || strstr(open, "autostart")))
            return true;
    }
    return false;
}

static int act_b(struct mmr_scene *s, struct mmr_error *err)
{
    static const struct mmr_site_plan plan = {.name = "b", .does_gateway_block = true};
    mmr_tell_act(s->tell, 'b', "守るのは出入口。パソコンは見つけるだけ", "the gateway defends; the PCs only detect (inline-gateway)");
    int r = begin(s, &plan, err);
    if (r)
        return r;
    act_b_guessing(s);
    if (mmr_demo_is_stopping())
        return 0;
    mmr_tell_note(s->tell, "攻撃2：(a)と同じ攻撃を、PC1に", "attack 2: the attack of (a) again, at PC1");
    if (s->is_chaos && mmr_lab_sleep(100)) /* an eye that lies dead sees nothing: all of the last round are back first, as in (a) */
        s->chaos.mended += mmr_site_mend(&s->site);
    if (s->is_chaos)
        r = mmr_site_await(&s->site, UP_CHAOS_MS, err);
    if (!r)
        r = exploit(s, err);
    if (r)
        return r;
    const struct mmr_incident *i = settle(s, "pc1", MMR_CLASS_OF_SEVERE);
    mmr_tell_incident(s->tell, i, atomic_load(&s->parts->view->first_ns));
    check_attack_was_real(s);
    bool silent = is_silent(s), out = mmr_parts_reaches(s->lab, "pc1", NULL, MMR_DEMO_C2, MMR_DEMO_C2_PORT);
    mmr_tell_check(s->tell, silent && !out && has_gateway_deny(i, MMR_DEMO_C2), "gateway_denies", "出入口は相手を断ち、攻撃する人には何も届かない",
                   "the gateway's deny is proved, and the attacker hears nothing more", "%s%s", silent ? "" : "it still calls; ", out ? "PC1 still reaches the attacker" : "no proved deny");
    mmr_check_class(s, i, MMR_CLASS_OF_SEVERE);
    mmr_tell_check(s->tell, says_cause_is_left(i) && !is_stage_gone(s), "cause_is_left", "それでも「至急」：パソコンの中の原因が残っている、と伝えた",
                   "severe all the same, because the cause on the PC is not neutralised, and it says so", "the reason is not given");
    mmr_check_sides(s, i, MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT);
    mmr_check_own_processes(s);
    mmr_check_office_works(s);
    mmr_check_evidence(s);
    return 0;
}

static int act_c(struct mmr_scene *s, struct mmr_error *err)
{
    static const struct mmr_site_plan plan = {.name = "c"};
    mmr_tell_act(s->tell, 'c', "どちらも止めてはいけない設定", "neither side may block");
    int r = begin(s, &plan, err);
    if (!r)
        r = exploit(s, err);
    if (r)
        return r;
    const struct mmr_incident *i = settle(s, "pc1", MMR_CLASS_OF_SEVERE);
    mmr_tell_incident(s->tell, i, atomic_load(&s->parts->view->first_ns));
    check_attack_was_real(s);
    uint32_t done = 0;
    for (uint32_t k = 0; i && k < i->n_actions; k++)
        done += !i->actions[k].is_planned_only && i->actions[k].receipt.result == MMR_RESULT_APPLIED;
    mmr_tell_check(s->tell, done == 0 && !is_silent(s), "nothing_was_blocked", "何も止めていない：攻撃は続いている", "nothing was blocked: the attack goes on", "%u actions were done", done);
    mmr_check_class(s, i, MMR_CLASS_OF_SEVERE);
    mmr_check_sides(s, i, MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT);
    mmr_check_own_processes(s);
    mmr_check_evidence(s);
    return 0;
}

int mmr_acts_play(struct mmr_lab *lab, struct mmr_tell *tell, const struct mmr_demo_opts *o, struct mmr_error *err)
{
    static const struct {
        char letter;
        int (*play)(struct mmr_scene *s, struct mmr_error *err);
    } acts[] = {{'a', act_a}, {'b', act_b}, {'c', act_c}};
    struct mmr_parts parts = {0};
    struct mmr_truth *truth = NULL;
    int r = mmr_truth_new(lab, &truth, err);
    if (!r)
        r = mmr_parts_start(lab, &parts, err);
    for (size_t k = 0; k < 3 && !r && !mmr_demo_is_stopping(); k++) {
        struct mmr_scene s = {.lab = lab, .parts = &parts, .tell = tell, .truth = truth, .is_chaos = o->is_chaos};
        struct mmr_error why = {.struct_size = sizeof why};
        if (o->acts && !strchr(o->acts, acts[k].letter))
            continue;
        if (acts[k].play(&s, &why) != 0 && !mmr_demo_is_stopping())
            mmr_tell_trouble(tell, why.text);
        end(&s);
    }
    mmr_parts_stop(&parts);
    mmr_truth_free(truth);
    return r;
}

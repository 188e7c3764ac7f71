/* outlet_show.c - what people see of the notices in status, and what the evidence log keeps of each attempt. */
#include "notify/outlet_internal.h"

#include "util/clock.h"
#include "util/id.h"

#include <json-c/json.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const char *const states[] = {"planned", "handed", "accepted", "failed", "dropped"};
static const char *const targets[] = {"open", "met", "missed"};

static void put(struct json_object *o, const char *key, const char *text)
{
    (void)json_object_object_add(o, key, json_object_new_string(text));
}

static void put_int(struct json_object *o, const char *key, int64_t v)
{
    (void)json_object_object_add(o, key, json_object_new_int64(v));
}

static void put_time(const struct mmr_outlet *x, struct json_object *o, const char *key, int64_t line_ns)
{
    char at[40];
    if (!line_ns)
        return;
    mmr_time_format(x->ops.wall_of(x->ops.ctx, line_ns), at, sizeof at);
    put(o, key, at);
}

/* Enough to know which one it was, not enough to write to: "o***@example.jp", "***1234". */
static void mask(const char *address, char *buf, size_t cap)
{
    const char *at = strchr(address, '@');
    size_t len = strlen(address);
    if (at && at > address)
        (void)snprintf(buf, cap, "%c***%s", address[0], at);
    else
        (void)snprintf(buf, cap, "***%s", len > 4 ? address + len - 4 : "");
    for (char *c = buf; *c; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
            *c = '_';
}

static int give(struct mmr_outlet *x, const char *kind, struct json_object *o, struct mmr_error *err)
{
    const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    int r = text ? x->ops.note(x->ops.ctx, kind, text, err) : mmr_fail(err, MMR_ENOMEM, "notices: out of memory");
    json_object_put(o);
    return r;
}

static struct json_object *head(const struct mmr_notice *n)
{
    char id[20];
    struct json_object *o = json_object_new_object();
    (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)n->id);
    put(o, "incident", id);
    if (n->is_umbrella)
        (void)json_object_object_add(o, "umbrella", json_object_new_boolean(true));
    if (n->is_exercise)
        (void)json_object_object_add(o, "exercise", json_object_new_boolean(true));
    return o;
}

static int note_attempt(struct mmr_outlet *x, const struct mmr_notice *n, const struct mmr_attempt *a, struct mmr_error *err)
{
    static const char *const levels[] = {"L0", "L1", "L2", "L3", "L4"};
    struct json_object *o = head(n);
    const struct mmr_contact *c = &x->d.contact[a->contact];
    const char *text = a->text < n->n_texts ? n->text[a->text] : "";
    char key[MMR_ATTEMPT_KEY_TEXT_MAX], masked[128], hex[65];
    uint8_t hash[crypto_hash_sha256_BYTES];
    mmr_attempt_key_text(&x->d, n, a, key);
    mask(c->address[a->channel], masked, sizeof masked);
    (void)crypto_hash_sha256(hash, (const uint8_t *)text, strlen(text));
    (void)sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    put(o, "key", key);
    put(o, "channel", mmr_notice_channel_name((enum mmr_notice_channel)a->channel));
    put(o, "contact", c->name);
    put(o, "address", masked);
    put(o, "carrier", c->carrier[a->channel][a->carrier]);
    put(o, "gateway", mmr_outlet_through(x, a->channel, a->carrier));
    put_int(o, "step", a->step);
    put_int(o, "attempt", a->tries);
    put(o, "state", states[a->state]);
    put(o, "text_sha256", hex);
    for (int i = 0; i < 5; i++)
        put_time(x, o, levels[i], a->at_ns[i]);
    if (a->error[0])
        put(o, "error", a->error);
    return give(x, "notice.attempt", o, err);
}

static uint64_t print_of(const struct mmr_attempt *a)
{
    uint64_t words[] = {a->state, a->tries, (uint64_t)a->at_ns[0], (uint64_t)a->at_ns[1], (uint64_t)a->at_ns[2], (uint64_t)a->at_ns[3], (uint64_t)a->at_ns[4]};
    return mmr_hash64(words, sizeof words, 23);
}

static struct mmr_shadow *shadow_of(struct mmr_outlet *x, uint64_t id)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < x->n_shadows; i++)
        if (x->shadow[i]->id == id)
            return x->shadow[i];
    for (uint32_t i = 0; i < x->n_shadows && x->n_shadows == MMR_SHADOWS_MAX; i++) /* those of notices that are gone make room */
        if (mmr_deadline_find(&x->d, x->shadow[i]->id))
            x->shadow[kept++] = x->shadow[i];
        else
            free(x->shadow[i]);
    if (x->n_shadows == MMR_SHADOWS_MAX)
        x->n_shadows = kept;
    struct mmr_shadow *s = x->n_shadows < MMR_SHADOWS_MAX ? calloc(1, sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->id = id;
    x->shadow[x->n_shadows++] = s;
    return s;
}

static bool knows(const struct mmr_shadow *s, uint64_t key, uint64_t print)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (s->key[i] == key)
            return s->attempt[i] == print;
    return false;
}

static void learn(const struct mmr_outlet *x, struct mmr_shadow *s, const struct mmr_notice *n)
{
    s->n = n->n_attempts;
    for (uint32_t i = 0; i < n->n_attempts; i++) {
        s->key[i] = mmr_outlet_number_of(x, n, &n->attempt[i]);
        s->attempt[i] = print_of(&n->attempt[i]);
    }
    s->target = n->target;
    s->confirmed_ns = n->confirmed_ns;
    s->closed_ns = n->closed_ns;
    s->round = n->round;
}

void mmr_outlet_know(struct mmr_outlet *x, const struct mmr_notice *n)
{
    struct mmr_shadow *s = shadow_of(x, n->id);
    if (s)
        learn(x, s, n);
}

static int note_opened(struct mmr_outlet *x, const struct mmr_notice *n, struct mmr_error *err)
{
    struct json_object *o = head(n);
    put(o, "band", mmr_band_name(n->band));
    put_time(x, o, "t0", n->t0_ns);
    put_time(x, o, "classed", n->classed_ns);
    put_int(o, "round", n->round);
    return give(x, "notice.opened", o, err);
}

static int note_target(struct mmr_outlet *x, const struct mmr_notice *n, struct mmr_error *err)
{
    struct json_object *o = head(n);
    put(o, "target", targets[n->target]);
    put_time(x, o, "t0", n->t0_ns);
    put_time(x, o, "first_l2", n->first_l2_ns);
    if (n->first_l2_ns)
        put_int(o, "elapsed_s", (n->first_l2_ns - n->t0_ns) / MMR_NS_PER_S);
    if (n->reason[0])
        put(o, "reason", n->reason);
    return give(x, "notice.target", o, err);
}

static int note_end(struct mmr_outlet *x, const struct mmr_notice *n, struct mmr_error *err)
{
    struct json_object *o = head(n);
    put_time(x, o, "confirmed", n->confirmed_ns);
    put_time(x, o, "closed", n->closed_ns);
    if (n->closed_by[0])
        put(o, "by", n->closed_by);
    if (n->is_withdrawn)
        (void)json_object_object_add(o, "withdrawn", json_object_new_boolean(true));
    return give(x, "notice.ended", o, err);
}

int mmr_outlet_note(struct mmr_outlet *x, const struct mmr_notice *n, struct mmr_error *err)
{
    struct mmr_shadow *s = shadow_of(x, n->id);
    int r = 0;
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "notices: out of memory");
    if ((!s->n && !n->n_attempts && !s->target && !n->target) || s->round != n->round || (!s->n && n->n_attempts))
        r = note_opened(x, n, err);
    for (uint32_t i = 0; i < n->n_attempts && !r; i++) {
        const struct mmr_attempt *a = &n->attempt[i];
        if (a->state != MMR_ATTEMPT_PLANNED && !knows(s, mmr_outlet_number_of(x, n, a), print_of(a)))
            r = note_attempt(x, n, a, err);
    }
    if (!r && s->target != n->target && n->target != MMR_TARGET_OPEN)
        r = note_target(x, n, err);
    if (!r && ((n->confirmed_ns && !s->confirmed_ns) || (n->closed_ns && !s->closed_ns)))
        r = note_end(x, n, err);
    learn(x, s, n);
    return r;
}

/* ---- status ---- */

static struct json_object *contact_json(const struct mmr_outlet *x, const struct mmr_contact *c)
{
    static const char *const roles[] = {"user", "duty", "manager", "partner"};
    struct json_object *o = json_object_new_object(), *channels = json_object_new_array();
    put(o, "name", c->name);
    put(o, "role", roles[c->role]);
    for (unsigned ch = 0; ch < MMR_NOTICE_CHANNELS; ch++) {
        char masked[128];
        if (!c->address[ch][0])
            continue;
        struct json_object *one = json_object_new_object();
        mask(c->address[ch], masked, sizeof masked);
        put(one, "channel", mmr_notice_channel_name((enum mmr_notice_channel)ch));
        put(one, "address", masked);
        put(one, "through", mmr_outlet_through(x, ch, 0));
        (void)json_object_object_add(one, "broken", json_object_new_boolean(c->is_broken[ch][0]));
        (void)json_object_array_add(channels, one);
    }
    (void)json_object_object_add(o, "channels", channels);
    return o;
}

static struct json_object *notice_json(const struct mmr_outlet *x, const struct mmr_notice *n, int64_t now_ns)
{
    struct json_object *o = head(n);
    uint32_t reached = 0, accepted = 0, failed = 0, waiting = 0;
    for (uint32_t i = 0; i < n->n_attempts; i++) {
        const struct mmr_attempt *a = &n->attempt[i];
        reached += a->at_ns[2] != 0;
        accepted += a->state == MMR_ATTEMPT_ACCEPTED;
        failed += a->state == MMR_ATTEMPT_FAILED;
        waiting += a->state <= MMR_ATTEMPT_HANDED;
    }
    put(o, "band", mmr_band_name(n->band));
    put_time(x, o, "t0", n->t0_ns);
    put_int(o, "age_min", (now_ns - n->t0_ns) / (60 * MMR_NS_PER_S));
    put(o, "target", targets[n->target]);
    put_int(o, "left_s", (n->t0_ns + 60 * 60 * MMR_NS_PER_S - now_ns) / MMR_NS_PER_S); /* of the hour; negative when it is over */
    if (n->first_l2_ns)
        put_int(o, "reached_min", (n->first_l2_ns - n->t0_ns) / (60 * MMR_NS_PER_S));
    if (n->reason[0])
        put(o, "reason", n->reason);
    put_int(o, "step", n->step);
    put_int(o, "accepted", accepted);
    put_int(o, "reached", reached);
    put_int(o, "failed", failed);
    put_int(o, "waiting", waiting);
    put_time(x, o, "confirmed", n->confirmed_ns);
    if (n->n_texts)
        put(o, "text", n->text[0]);
    return o;
}

struct json_object *mmr_outlet_tests_json(const struct mmr_outlet *x)
{
    struct json_object *list = json_object_new_array();
    for (uint32_t i = 0; i < x->n_tests; i++) {
        const struct mmr_outlet_test *t = &x->test[i];
        struct json_object *o = json_object_new_object();
        put(o, "contact", x->d.contact[t->contact].name);
        put(o, "channel", mmr_notice_channel_name((enum mmr_notice_channel)t->channel));
        put(o, "through", mmr_outlet_through(x, t->channel, t->carrier));
        if (t->level == MMR_OUTLET_NO_ANSWER)
            (void)json_object_object_add(o, "level", NULL);
        else
            put_int(o, "level", t->level);
        put_time(x, o, "sent", t->sent_ns);
        put(o, "detail", t->detail);
        (void)json_object_array_add(list, o);
    }
    return list;
}

struct json_object *mmr_outlet_json(const struct mmr_outlet *x, int64_t now_ns)
{
    struct json_object *o = json_object_new_object(), *contacts = json_object_new_array(), *open = json_object_new_array();
    struct mmr_error err = {.struct_size = sizeof err};
    (void)json_object_object_add(o, "configured", json_object_new_boolean(x->c.n_contacts > 0));
    if (mmr_contacts_check(x->c.contact, x->c.n_contacts, &err) != 0)
        put(o, "problem", err.text);
    for (uint32_t i = 0; i < x->c.n_contacts; i++)
        (void)json_object_array_add(contacts, contact_json(x, &x->d.contact[i]));
    for (uint32_t i = 0; i < x->d.n_notices; i++) {
        const struct mmr_notice *n = x->d.notice[i];
        if (!n->closed_ns && !n->confirmed_ns && !n->parent)
            (void)json_object_array_add(open, notice_json(x, n, now_ns));
    }
    (void)json_object_object_add(o, "contacts", contacts);
    (void)json_object_object_add(o, "open", open);
    (void)json_object_object_add(o, "tests", mmr_outlet_tests_json(x));
    return o;
}

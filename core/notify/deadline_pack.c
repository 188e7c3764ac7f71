/* deadline_pack.c - a notice as bytes and back: every field in a fixed order, numbers as 8 bytes little-endian, texts with
 * their length. The bytes come from our own store, which may be damaged: every count and index is checked. */
#include "notify/deadline.h"

#include <stdlib.h>
#include <string.h>

enum { NOTICE_VERSION = 1, CONTACTS_VERSION = 1 };

struct io { /* one walk writes or reads; a step beyond the end is remembered and tested once */
    uint8_t *out;
    const uint8_t *in;
    size_t at, cap;
    bool is_bad;
};

static void io_u64(struct io *x, uint64_t *v)
{
    if (x->is_bad || x->cap - x->at < 8) {
        x->is_bad = true;
        return;
    }
    uint64_t got = 0;
    for (unsigned i = 0; i < 8; i++) {
        if (x->out)
            x->out[x->at + i] = (uint8_t)(*v >> (8 * i));
        else
            got |= (uint64_t)x->in[x->at + i] << (8 * i);
    }
    x->at += 8;
    if (!x->out)
        *v = got;
}

static void io_text(struct io *x, char *buf, size_t cap)
{
    uint64_t len = x->out ? strlen(buf) : 0;
    io_u64(x, &len);
    if (x->is_bad || len >= cap || x->cap - x->at < len) {
        x->is_bad = true;
        return;
    }
    if (x->out)
        memcpy(x->out + x->at, buf, len);
    else {
        memcpy(buf, x->in + x->at, len);
        buf[len] = '\0';
    }
    x->at += len;
}

#define IO(field)                                                                                  \
    do {                                                                                           \
        uint64_t v_ = (uint64_t)(field);                                                           \
        io_u64(x, &v_);                                                                            \
        if (!x->out)                                                                               \
            (field) = (__typeof__(field))v_;                                                       \
    } while (0)
#define IO_COUNT(field, max)                                                                       \
    do {                                                                                           \
        IO(field);                                                                                 \
        if ((field) > (max)) {                                                                     \
            (field) = 0;                                                                           \
            x->is_bad = true;                                                                      \
        }                                                                                          \
    } while (0)

static void walk_attempt(struct io *x, struct mmr_attempt *a)
{
    IO(a->step);
    IO(a->contact);
    IO(a->channel);
    IO(a->carrier);
    IO(a->kind);
    IO(a->text);
    IO(a->state);
    IO(a->tries);
    IO(a->planned_ns);
    IO(a->next_ns);
    for (int i = 0; i < 5; i++)
        IO(a->at_ns[i]);
    io_text(x, a->error, sizeof a->error);
    a->is_to_send = x->out ? a->is_to_send : a->state == MMR_ATTEMPT_HANDED;
}

static void walk_text(struct io *x, char **text)
{
    char buf[MMR_NOTICE_TEXT_MAX] = "";
    if (x->out) {
        io_text(x, *text, MMR_NOTICE_TEXT_MAX);
        return;
    }
    io_text(x, buf, sizeof buf);
    *text = x->is_bad ? NULL : strdup(buf);
    x->is_bad |= !*text;
}

static void walk(struct io *x, struct mmr_notice *n)
{
    uint64_t version = NOTICE_VERSION;
    io_u64(x, &version);
    x->is_bad |= version != NOTICE_VERSION;
    IO(n->id);
    IO(n->parent);
    IO(n->fingerprint);
    IO(n->joined_ns);
    IO(n->is_umbrella);
    IO(n->is_exercise);
    IO(n->is_withdrawn);
    IO(n->is_hurried);
    IO(n->has_change);
    IO(n->band);
    IO(n->t0_ns);
    IO(n->classed_ns);
    IO(n->opened_ns);
    IO(n->round);
    IO(n->step);
    IO(n->n_rounds);
    IO(n->n_changes);
    IO(n->n_followups);
    IO(n->repeats);
    IO(n->repeat_ns);
    IO(n->told_ns);
    IO(n->change_ns);
    IO(n->confirmed_ns);
    IO(n->closed_ns);
    io_text(x, n->closed_by, sizeof n->closed_by);
    IO(n->target);
    IO(n->first_l2_ns);
    IO(n->written_ns);
    io_text(x, n->reason, sizeof n->reason);
    IO_COUNT(n->n_assets, MMR_NOTICE_ASSETS_MAX);
    for (uint32_t i = 0; i < n->n_assets; i++)
        IO(n->asset[i]);
    IO_COUNT(n->n_members, MMR_NOTICE_MEMBERS_MAX);
    for (uint32_t i = 0; i < n->n_members; i++) {
        IO(n->member[i].id);
        IO(n->member[i].joined_ns);
    }
    IO(n->members_beyond);
    IO(n->forgotten);
    IO_COUNT(n->n_texts, MMR_NOTICE_TEXTS_MAX);
    for (uint32_t i = 0; i < n->n_texts; i++)
        walk_text(x, &n->text[i]);
    IO_COUNT(n->n_attempts, MMR_NOTICE_ATTEMPTS_MAX);
    for (uint32_t i = 0; i < n->n_attempts; i++)
        walk_attempt(x, &n->attempt[i]);
}

static void walk_contacts(struct io *x, struct mmr_deadline *d)
{
    uint64_t version = CONTACTS_VERSION;
    io_u64(x, &version);
    x->is_bad |= version != CONTACTS_VERSION;
    IO_COUNT(d->n_contacts, MMR_CONTACTS_MAX);
    for (uint32_t i = 0; i < d->n_contacts; i++) {
        struct mmr_contact *c = &d->contact[i];
        io_text(x, c->name, sizeof c->name);
        IO(c->role);
        for (int ch = 0; ch < MMR_NOTICE_CHANNELS; ch++) {
            io_text(x, c->address[ch], sizeof c->address[ch]);
            for (int k = 0; k < 2; k++) {
                io_text(x, c->carrier[ch][k], sizeof c->carrier[ch][k]);
                IO(c->is_broken[ch][k]);
            }
        }
        x->is_bad |= c->role < MMR_CONTACT_USER || c->role > MMR_CONTACT_PARTNER;
    }
}

static int give(struct io *x, const char *what, uint8_t **ret, size_t *ret_len, struct mmr_error *err)
{
    if (x->is_bad) {
        free(x->out);
        return mmr_fail(err, MMR_ETOOBIG, "%s is over %d bytes", what, MMR_NOTICE_PACKED_MAX);
    }
    *ret = x->out;
    *ret_len = x->at;
    return 0;
}

int mmr_notice_pack(const struct mmr_notice *n, uint8_t **ret, size_t *ret_len, struct mmr_error *err)
{
    struct io x = {.out = malloc(MMR_NOTICE_PACKED_MAX), .cap = MMR_NOTICE_PACKED_MAX};
    struct mmr_notice *copy = malloc(sizeof *copy); /* the walk reads and writes; the texts stay shared */
    if (!x.out || !copy) {
        free(x.out);
        free(copy);
        return mmr_fail(err, MMR_ENOMEM, "notice %016llx: out of memory", (unsigned long long)n->id);
    }
    *copy = *n;
    walk(&x, copy);
    free(copy);
    return give(&x, "a notice", ret, ret_len, err);
}

int mmr_contacts_pack(const struct mmr_deadline *d, uint8_t **ret, size_t *ret_len, struct mmr_error *err)
{
    struct io x = {.out = malloc(MMR_NOTICE_PACKED_MAX), .cap = MMR_NOTICE_PACKED_MAX};
    struct mmr_deadline *copy = x.out ? malloc(sizeof *copy) : NULL;
    if (!copy) {
        free(x.out);
        return mmr_fail(err, MMR_ENOMEM, "contacts: out of memory");
    }
    *copy = *d;
    walk_contacts(&x, copy);
    free(copy);
    return give(&x, "the list of contacts", ret, ret_len, err);
}

int mmr_contacts_unpack(struct mmr_deadline *d, const uint8_t *p, size_t len, struct mmr_error *err)
{
    struct io x = {.in = p, .cap = len};
    if (d->n_notices)
        return mmr_fail(err, MMR_EINVAL, "contacts come before the notices that name them");
    struct mmr_deadline *got = calloc(1, sizeof *got);
    if (!got)
        return mmr_fail(err, MMR_ENOMEM, "contacts: out of memory");
    walk_contacts(&x, got);
    bool is_good = !x.is_bad && x.at == len;
    if (is_good) {
        memcpy(d->contact, got->contact, sizeof d->contact);
        d->n_contacts = got->n_contacts;
    }
    free(got);
    return is_good ? 0 : mmr_fail(err, MMR_EBADMSG, "the stored contacts are damaged at byte %zu of %zu", x.at, len);
}

/* Times of this epoch, so that minutes may be added without a second thought. */
static bool is_time(int64_t ns)
{
    return ns >= 0 && ns < INT64_C(1) << 62;
}

static bool is_sound(const struct mmr_deadline *d, const struct mmr_notice *n)
{
    bool is_good = n->target <= MMR_TARGET_MISSED && n->band <= MMR_BAND_RED && n->step <= MMR_STEP_ROUNDS &&
                   is_time(n->t0_ns) && is_time(n->classed_ns) && is_time(n->opened_ns) && is_time(n->repeat_ns) && is_time(n->told_ns) &&
                   is_time(n->change_ns) && is_time(n->joined_ns) && is_time(n->confirmed_ns) && is_time(n->closed_ns) &&
                   is_time(n->first_l2_ns) && is_time(n->written_ns);
    for (uint32_t i = 0; i < n->n_members; i++)
        is_good &= is_time(n->member[i].joined_ns);
    for (uint32_t i = 0; i < n->n_attempts; i++) {
        const struct mmr_attempt *a = &n->attempt[i];
        is_good &= a->contact < d->n_contacts && a->channel < MMR_NOTICE_CHANNELS && a->carrier < 2 && a->kind < MMR_TEXT_KINDS &&
                   a->text < n->n_texts && a->state <= MMR_ATTEMPT_DROPPED && is_time(a->planned_ns) && is_time(a->next_ns);
    }
    return is_good;
}

int mmr_notice_unpack(struct mmr_deadline *d, const uint8_t *p, size_t len, struct mmr_error *err)
{
    struct io x = {.in = p, .cap = len};
    if (d->n_notices == MMR_NOTICES_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "more than %d stored notices", MMR_NOTICES_MAX);
    struct mmr_notice *n = calloc(1, sizeof *n);
    if (!n)
        return mmr_fail(err, MMR_ENOMEM, "notices: out of memory");
    walk(&x, n);
    if (!x.is_bad && x.at == len && is_sound(d, n) && !mmr_deadline_find(d, n->id)) {
        d->notice[d->n_notices++] = n;
        return 0;
    }
    for (uint32_t i = 0; i < n->n_texts; i++)
        free(n->text[i]);
    free(n);
    return mmr_fail(err, MMR_EBADMSG, "a stored notice is damaged at byte %zu of %zu, or there twice", x.at, len);
}

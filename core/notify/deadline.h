/*
 * deadline.h - the 60-minute clock: who is told of a severe incident, by which channel, when, again, and until when
 * (SERVICE_STANDARD 5). Pure: the time is passed in, nothing is sent or stored here.
 *
 * The owner's order, which makes a crash at any point harmless: open, result or tick; then pack what changed and make
 * it durable; only then mmr_deadline_send(). What was handed over without an answer before a crash is handed over again
 * with the same key {incident, step, contact, channel}; whoever sends knows keys it has seen. Jitter comes from the seed
 * and the key, so a restart plans the same times.
 *
 * Times are of one timeline that never goes back (timeline.h). Who drives it: outlet.h in the live brain, `mamori notice
 * drill` on a simulated clock.
 */
#ifndef MMR_NOTIFY_DEADLINE_H
#define MMR_NOTIFY_DEADLINE_H

#include "model/incident.h"

enum mmr_notice_channel { MMR_NOTICE_PUSH = 0, MMR_NOTICE_MAIL, MMR_NOTICE_SMS, MMR_NOTICE_VOICE, MMR_NOTICE_CHANNELS };
const char *mmr_notice_channel_name(enum mmr_notice_channel c); /* push, mail, sms, voice */

enum { MMR_CONTACTS_MAX = 16, MMR_NOTICE_ATTEMPTS_MAX = 128, MMR_NOTICE_MEMBERS_MAX = 64, MMR_NOTICE_ASSETS_MAX = 16,
       MMR_NOTICE_TEXTS_MAX = 16, MMR_NOTICE_TEXT_MAX = 1500, MMR_NOTICES_MAX = 256, MMR_NOTICE_PACKED_MAX = 64 * 1024 };

enum mmr_contact_role { MMR_CONTACT_USER = 0, MMR_CONTACT_DUTY, MMR_CONTACT_MANAGER, MMR_CONTACT_PARTNER };
struct mmr_contact {
    char name[32]; /* stays the same for ever: part of the key */
    enum mmr_contact_role role;
    char address[MMR_NOTICE_CHANNELS][96];    /* "": does not have this channel */
    char carrier[MMR_NOTICE_CHANNELS][2][24]; /* who carries it, and the second one ("": none) */
    bool is_broken[MMR_NOTICE_CHANNELS][2];   /* refused for good; tried again only by the half-hourly round */
};

enum mmr_text_kind { /* what the message says */
    MMR_TEXT_URGENT = 0, MMR_TEXT_TASK, MMR_TEXT_CHANGE, MMR_TEXT_FOLLOWUP, MMR_TEXT_CORRECTION, MMR_TEXT_KINDS };
enum mmr_attempt_state { MMR_ATTEMPT_PLANNED = 0, MMR_ATTEMPT_HANDED, MMR_ATTEMPT_ACCEPTED, MMR_ATTEMPT_FAILED, MMR_ATTEMPT_DROPPED };

/* Steps: 0 to 3 at 0, 15, 30 and 45 min, then one for each half-hourly round; a new clock begins at its round's base. */
enum { MMR_STEP_ROUNDS = 4, MMR_STEP_FOLLOWUP = 4000, MMR_STEP_CHANGE = 6000, MMR_STEP_CORRECTION = 8000, MMR_STEP_BASE = 10000 };

struct mmr_attempt {
    uint32_t step;
    uint8_t contact, channel, carrier; /* contact: index into the book's contacts */
    uint8_t kind, text;                /* enum mmr_text_kind; index into the notice's texts */
    uint8_t state, tries;
    bool is_to_send;                   /* not packed: after a restart whatever is HANDED is sent again */
    int64_t planned_ns, next_ns;
    int64_t at_ns[5];                  /* L0 to L4; 0: not reached */
    char error[48];
};
enum mmr_notice_target { MMR_TARGET_OPEN = 0, MMR_TARGET_MET, MMR_TARGET_MISSED };
struct mmr_notice_member { /* of an umbrella: an incident; else a repeat that was merged */
    uint64_t id;
    int64_t joined_ns;
};
struct mmr_notice {
    uint64_t id; /* the incident's; an umbrella has one of its own */
    uint64_t parent; /* the umbrella that speaks for it; 0: none */
    uint64_t fingerprint;
    int64_t joined_ns;
    bool is_umbrella, is_exercise, is_withdrawn, is_hurried, has_change, is_dirty; /* is_dirty: pack it again; not packed */
    enum mmr_band band;
    int64_t t0_ns, classed_ns, opened_ns;
    uint32_t round, step, n_rounds, n_changes, n_followups, repeats;
    int64_t repeat_ns, told_ns, change_ns; /* told: the last time its facts went out; change: when news may go */
    int64_t confirmed_ns, closed_ns;
    char closed_by[48];
    enum mmr_notice_target target;
    int64_t first_l2_ns, written_ns; /* written: when the target was decided */
    char reason[160];
    uint64_t asset[MMR_NOTICE_ASSETS_MAX];
    uint32_t n_assets;
    struct mmr_notice_member member[MMR_NOTICE_MEMBERS_MAX];
    uint32_t n_members, members_beyond; /* beyond: counted, told by number only */
    char *text[MMR_NOTICE_TEXTS_MAX];
    uint32_t n_texts;
    struct mmr_attempt attempt[MMR_NOTICE_ATTEMPTS_MAX];
    uint32_t n_attempts, forgotten; /* forgotten: settled rounds that made room */
};

struct mmr_deadline_ops {
    /* The words of one message, decided when it is planned and kept with it. */
    void (*compose)(void *ctx, const struct mmr_notice *n, enum mmr_text_kind kind, char *buf, size_t cap);
    void *ctx;
};
struct mmr_deadline {
    struct mmr_deadline_ops ops;
    uint64_t seed;
    int32_t utc_offset_s; /* of the user's clock on the wall: calls of yellow notices between 7 and 21 h only */
    struct mmr_contact contact[MMR_CONTACTS_MAX];
    uint32_t n_contacts;
    struct mmr_notice *notice[MMR_NOTICES_MAX];
    uint32_t n_notices;
    uint64_t refused; /* severe incidents beyond the ceiling that no umbrella could take */
};

/* Is the list what the standard asks for? errors MMR_ECONFIG no user, a user with one channel only, or one carrier for all */
int mmr_contacts_check(const struct mmr_contact *contacts, uint32_t n, struct mmr_error *err);
/* contacts are copied. errors MMR_ECONFIG too many, or a name twice */
int mmr_deadline_init(struct mmr_deadline *d, const struct mmr_contact *contacts, uint32_t n, const struct mmr_deadline_ops *ops,
                      struct mmr_error *err);
void mmr_deadline_done(struct mmr_deadline *d);
/*
 * Another list of contacts, in its order (a restart, a reload): what is known of those with the same name and address stays,
 * and every notice goes on with them. Who is no longer listed gets nothing more; his attempts keep his name.
 * errors MMR_ECONFIG as mmr_deadline_init(); MMR_ETOOBIG too many with those who are still named by open notices
 */
int mmr_deadline_contacts(struct mmr_deadline *d, const struct mmr_contact *contacts, uint32_t n, struct mmr_error *err);

struct mmr_severe { /* what the clock must know of a severe incident */
    uint64_t id, fingerprint;
    enum mmr_band band;
    bool is_exercise, has_news; /* has_news: facts the user should hear of */
    int64_t t0_ns, classed_ns; /* t0: mmr_incident.clock_ns */
    const uint64_t *assets;    /* identities of the machines concerned */
    uint32_t n_assets;
};
enum mmr_opened { MMR_OPENED_NEW = 1, MMR_OPENED_MERGED, MMR_OPENED_STORM, MMR_OPENED_CHANGED, MMR_OPENED_NOTHING };
/*
 * mmr_deadline_severe - an incident is, or still is, severe. Called at every change of it.
 *
 * Returns enum mmr_opened: its own notice; merged into an open one of the same fingerprint (60 min); taken by an umbrella
 * (5 in 10 min); news of a known one (a new machine at once, else at most every 30 min; red after yellow at once; a later
 * t0 starts a new clock); nothing new.   errors MMR_ENOMEM; MMR_ETOOBIG counted in `refused`
 */
int mmr_deadline_severe(struct mmr_deadline *d, const struct mmr_severe *s, int64_t now_ns, struct mmr_error *err);
/* Late defence: the incident stays severe, what was done is told at once. */
int mmr_deadline_followup(struct mmr_deadline *d, uint64_t id, int64_t now_ns, struct mmr_error *err);
/* A named person ends it. is_withdrawn: it was none; whoever was told gets a correction. errors MMR_ENOENT; MMR_EINVAL no name */
int mmr_deadline_close(struct mmr_deadline *d, uint64_t id, const char *who, bool is_withdrawn, int64_t now_ns, struct mmr_error *err);

/* A named person says at the console that he knows (level 4, by no channel): the escalation stops. errors MMR_ENOENT */
int mmr_deadline_confirm(struct mmr_deadline *d, uint64_t id, const char *who, int64_t now_ns, struct mmr_error *err);

/* Everything whose time has come is planned and marked to send. */
int mmr_deadline_tick(struct mmr_deadline *d, int64_t now_ns, struct mmr_error *err);
int64_t mmr_deadline_next(const struct mmr_deadline *d); /* when to tick again; INT64_MAX: never */
/* After the changes are durable: each attempt to send now, once. fn must not call back. */
typedef void (*mmr_send_fn)(void *ctx, const struct mmr_notice *n, const struct mmr_attempt *a, const struct mmr_contact *c);
void mmr_deadline_send(struct mmr_deadline *d, mmr_send_fn fn, void *ctx);

struct mmr_attempt_key {
    uint64_t id;
    uint32_t step;
    uint8_t contact, channel;
};
enum { MMR_NOTICE_TEMPFAIL = -2 };
/*
 * What became of an attempt: enum mmr_delivery of <mamori/plugin.h> (negative: refused for good), or MMR_NOTICE_TEMPFAIL.
 * Level 4 of a user contact stops the escalation. at_ns is held between planning and now. errors MMR_ENOENT no such attempt
 */
int mmr_deadline_result(struct mmr_deadline *d, const struct mmr_attempt_key *key, int level, int64_t at_ns, const char *detail,
                        int64_t now_ns, struct mmr_error *err);

/* "0123456789abcdef.0.owner.mail" */
enum { MMR_ATTEMPT_KEY_TEXT_MAX = 80 };
void mmr_attempt_key_text(const struct mmr_deadline *d, const struct mmr_notice *n, const struct mmr_attempt *a,
                          char buf[MMR_ATTEMPT_KEY_TEXT_MAX]);
struct mmr_notice *mmr_deadline_find(struct mmr_deadline *d, uint64_t id); /* or NULL */

/* One notice as bytes (version first), and back into the book; contacts have bytes of their own. ret returned; free().
 * Unpacking trusts nothing. errors MMR_ENOMEM, MMR_ETOOBIG; unpack: MMR_EBADMSG */
int mmr_notice_pack(const struct mmr_notice *n, uint8_t **ret, size_t *ret_len, struct mmr_error *err);
int mmr_notice_unpack(struct mmr_deadline *d, const uint8_t *p, size_t len, struct mmr_error *err);
int mmr_contacts_pack(const struct mmr_deadline *d, uint8_t **ret, size_t *ret_len, struct mmr_error *err);
int mmr_contacts_unpack(struct mmr_deadline *d, const uint8_t *p, size_t len, struct mmr_error *err); /* of a book without notices */

#endif

/* outlet_internal.h - between the files of the outlet: outlet.c (the live order), outlet_record.c (what goes out, who is
 * meant by a number or a token), outlet_show.c (what people and the evidence log see). */
#ifndef MMR_NOTIFY_OUTLET_INTERNAL_H
#define MMR_NOTIFY_OUTLET_INTERNAL_H

#include "notify/outlet.h"

enum { MMR_OUTLET_KEY_BYTES = 32 };
#define MMR_NUMBER_NOTICE (UINT64_C(1) << 62)
#define MMR_NUMBER_TEST (UINT64_C(1) << 61)
#define MMR_NUMBER_REPORT (UINT64_C(1) << 60)
#define MMR_NUMBER_MASK ((UINT64_C(1) << 60) - 1)

struct mmr_outlet_test {
    uint64_t number;
    uint8_t contact, channel, carrier;
    int level; /* enum mmr_delivery, or MMR_OUTLET_NO_ANSWER */
    int64_t sent_ns, at_ns;
    char detail[96];
};
enum { MMR_OUTLET_NO_ANSWER = -2, MMR_SHADOWS_MAX = MMR_NOTICES_MAX };
struct mmr_shadow { /* what the evidence log knows of a notice */
    uint64_t id;
    uint64_t attempt[MMR_NOTICE_ATTEMPTS_MAX], key[MMR_NOTICE_ATTEMPTS_MAX];
    uint32_t n;
    enum mmr_notice_target target;
    int64_t confirmed_ns, closed_ns;
    uint32_t round;
};
struct mmr_outlet {
    struct mmr_outlet_config c;
    struct mmr_outlet_ops ops;
    struct mmr_deadline d;
    uint8_t key[MMR_OUTLET_KEY_BYTES]; /* of the tokens; made once, kept in the store */
    bool has_key, are_contacts_dirty, is_restored;
    struct mmr_shadow *shadow[MMR_SHADOWS_MAX];
    uint32_t n_shadows;
    struct mmr_outlet_test test[MMR_OUTLET_TESTS_MAX];
    uint32_t n_tests;
    int64_t now_ns; /* of the call that runs */
};

void mmr_outlet_token_of(const struct mmr_outlet *o, const char *what, const struct mmr_notice *n, const struct mmr_attempt *a, char buf[MMR_TOKEN_MAX]);
uint64_t mmr_outlet_number_of(const struct mmr_outlet *o, const struct mmr_notice *n, const struct mmr_attempt *a);
struct mmr_notice *mmr_outlet_by_number(struct mmr_outlet *o, uint64_t number, struct mmr_attempt **ret);
enum { MMR_OUTLET_TEST_KEY_MAX = 24 };
void mmr_outlet_test_key(const struct mmr_outlet_test *t, char buf[MMR_OUTLET_TEST_KEY_MAX]);
/* returned; free(). NULL: out of memory */
char *mmr_outlet_record(const struct mmr_outlet *o, const struct mmr_notice *n, const struct mmr_attempt *a);
char *mmr_outlet_test_record(const struct mmr_outlet *o, const struct mmr_outlet_test *t, const char *text);
const char *mmr_outlet_through(const struct mmr_outlet *o, unsigned channel, unsigned carrier);
/* Everything of the notice that the log does not know yet. */
int mmr_outlet_note(struct mmr_outlet *o, const struct mmr_notice *n, struct mmr_error *err);
void mmr_outlet_know(struct mmr_outlet *o, const struct mmr_notice *n); /* the log knows all of it (after a restart) */

#endif

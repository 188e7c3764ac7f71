/*
 * compose.h - what a person is told of an incident, from the built-in words (catalogue.h) and the incident's facts. Pure.
 * Texts of incidents come from outside: names are cut and lose control characters before they stand in a message.
 */
#ifndef MMR_NOTIFY_COMPOSE_H
#define MMR_NOTIFY_COMPOSE_H

#include "notify/deadline.h"

enum { MMR_PLACES_MAX = 256, MMR_SUBJECT_MAX = 200 };

struct mmr_office { /* what the messages of one company share */
    char lang[3];           /* "ja", "en" */
    char name[64], service[64];
    char phone[48];         /* of whom to call; "" unset */
    char watchword[48];     /* 合言葉; "" unset */
    int32_t utc_offset_s;
    uint32_t free_visits;   /* a contract year; 0: not told */
    int32_t year_month, year_day; /* its first day, 1 to 12 and 1 to 31 */
    bool is_acting;         /* defence is automatic: something is being done about it */
    struct {
        char host[64], place[48];
    } place[MMR_PLACES_MAX]; /* where staff know a machine to stand */
    uint32_t n_places;
};

/* "7月3日 14:05" or "14:05 on 3 July", by the office's clock. */
void mmr_office_time(const struct mmr_office *o, int64_t wall_ns, char *buf, size_t cap);
/* Name of the machine an incident is about, and where it stands (its name where no place is known). */
void mmr_office_machine(const struct mmr_office *o, const struct mmr_incident *i, char *machine, size_t machine_cap, char *place, size_t place_cap);

typedef const struct mmr_incident *(*mmr_incident_fn)(void *ctx, uint64_t id); /* borrowed, or NULL: no longer open */
/*
 * mmr_compose - the words of one message.
 *
 * kind     as in deadline.h; wall_of turns the notice's times into the wall's
 * returns  0, or MMR_ETOOBIG, MMR_EINVAL (the words are damaged); buf then holds a sentence that is true of any notice
 */
int mmr_compose(const struct mmr_office *o, const struct mmr_notice *n, enum mmr_text_kind kind, int64_t (*wall_of)(void *ctx, int64_t ns),
                mmr_incident_fn incident, void *ctx, char *buf, size_t cap, struct mmr_error *err);
/* What a voice reads out: the message's first sentence in the frame of a call. */
int mmr_compose_voice(const struct mmr_office *o, const char *text, char *buf, size_t cap, struct mmr_error *err);
/* A harmless message that only tries the way. */
int mmr_compose_test(const struct mmr_office *o, int64_t wall_ns, char *buf, size_t cap, struct mmr_error *err);
/* The first line, without the watchword in its brackets: a mail's subject. */
void mmr_compose_subject(const char *text, char buf[MMR_SUBJECT_MAX]);

#endif

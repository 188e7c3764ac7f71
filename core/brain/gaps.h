/*
 * gaps.h - when nobody watched one machine: spans of time with a cause, some still open. Plain data, bounded, packed
 * for the store. What was let go for room counts as a gap.
 */
#ifndef MMR_BRAIN_GAPS_H
#define MMR_BRAIN_GAPS_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mmr_blind_cause {
    MMR_BLIND_LOST = 1, /* a sensor's process ended; it is started again */
    MMR_BLIND_SILENT,   /* the machine does not answer */
    MMR_BLIND_STARTING, /* not ready yet after a start */
    MMR_BLIND_DROPPED,  /* a sensor could not keep up with its machine */
    MMR_BLIND_UNSENT,   /* telemetry was lost on its way; findings were not */
    MMR_BLIND_OFF,      /* the machine said that it goes */
    MMR_BLIND_FORGOTTEN, /* too long ago to know */
};
enum { MMR_GAPS_OPEN_MAX = 16, MMR_GAPS_CLOSED_MAX = 64, MMR_GAPS_JOIN_S = 5 };
enum { MMR_GAPS_BYTES_MAX = 64 + (MMR_GAPS_OPEN_MAX + MMR_GAPS_CLOSED_MAX) * 20 };

struct mmr_blind {
    int64_t from_ns, to_ns; /* to_ns: INT64_MAX while open */
    uint32_t cause;
    uint32_t reason; /* hash of what it is about; open ones end by it */
};
struct mmr_gaps {
    int64_t known_ns; /* watched for the first time; 0: never */
    struct mmr_blind open[MMR_GAPS_OPEN_MAX], closed[MMR_GAPS_CLOSED_MAX];
    uint32_t n_open, n_closed, at;
    int64_t forgotten_ns; /* closed gaps up to here may have been let go */
    uint8_t epoch[16];    /* which run of its sensors was last heard; zeros: none */
};

const char *mmr_blind_cause_name(enum mmr_blind_cause c); /* "lost", "silent", … */
/* A gap opens; one of the same reason stays as it was. */
void mmr_gaps_begin(struct mmr_gaps *g, const char *reason, enum mmr_blind_cause cause, int64_t at_ns);
/*
 * It is over. is_missed: false: nothing was missed after all (what was seen meanwhile came later): it leaves no trace.
 * Returns whether there was one; ret (or NULL) gets it.
 */
bool mmr_gaps_end(struct mmr_gaps *g, const char *reason, int64_t at_ns, bool is_missed, struct mmr_blind *ret);
void mmr_gaps_add(struct mmr_gaps *g, enum mmr_blind_cause cause, int64_t from_ns, int64_t to_ns);
/*
 * mmr_gaps_find - a gap that touches this span.
 *
 * is_strict  every cause counts, and the time before the machine was known: what is needed to show that nothing was
 *            done. Else only what leaves a sensor blind: neither telemetry lost on its way nor a machine that is off
 */
bool mmr_gaps_find(const struct mmr_gaps *g, int64_t from_ns, int64_t to_ns, bool is_strict, struct mmr_blind *ret);

size_t mmr_gaps_pack(const struct mmr_gaps *g, uint8_t buf[MMR_GAPS_BYTES_MAX]);
/* errors MMR_EBADMSG not such a record: ret is as never watched */
int mmr_gaps_unpack(const void *bytes, size_t len, struct mmr_gaps *ret, struct mmr_error *err);

#endif

/*
 * finding.h - one finding (or one event the brain joins with) as a checked struct. Decoded once, at
 * the edge, from an event; from here on nobody reads MessagePack.
 */
#ifndef MMR_MODEL_FINDING_H
#define MMR_MODEL_FINDING_H

#include "util/addr.h"

#include <mamori/event.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mmr_phase { /* SERVICE_STANDARD 3.3; order is the order of a kill chain */
    MMR_PHASE_NONE = 0,
    MMR_PHASE_ATTEMPT_INBOUND,
    MMR_PHASE_ATTEMPT_USER,
    MMR_PHASE_FOOTHOLD_PROCESS,
    MMR_PHASE_FOOTHOLD_C2,
    MMR_PHASE_SPREAD,
    MMR_PHASE_ACCOUNT,
    MMR_PHASE_IMPACT, /* impact.* */
};
enum mmr_direction { MMR_DIR_UNKNOWN = 0, MMR_DIR_INBOUND, MMR_DIR_OUTBOUND, MMR_DIR_INTERNAL, MMR_DIR_LOCAL };
enum mmr_potential { MMR_POTENTIAL_INFO = 0, MMR_POTENTIAL_LOW, MMR_POTENTIAL_HIGH };

const char *mmr_phase_name(enum mmr_phase p); /* "attempt.inbound" …; "" for none */
bool mmr_phase_parse(const char *text, size_t len, enum mmr_phase *ret);
const char *mmr_direction_name(enum mmr_direction d);
const char *mmr_potential_name(enum mmr_potential p);
const char *mmr_side_name(enum mmr_side s); /* "network", "endpoint" */

struct mmr_process { /* any text may be NULL, any number 0: absent */
    const char *name, *path, *cmd_line, *uid; /* uid: Sysmon GUID or node:pid:start_ticks */
    const char *parent_name, *parent_path, *parent_cmd_line, *parent_uid;
    const char *sha256;
    int64_t pid, parent_pid, start_ticks;
};

enum { MMR_FINDING_ATTACKS_MAX = 8, MMR_FINDING_COUNT_MAX = 1000000 };
/* Every text is NUL-terminated UTF-8 in the same allocation as the struct (one block, one free). */
struct mmr_finding {
    uint8_t id[16]; /* mamori.id, or a hash of input and position in replay */
    const char *kind; /* "finding", "conn.open", "dns.answer", "sensor.lost", … */
    uint32_t class_uid, severity_id;
    uint32_t count;      /* occurrences it stands for, folded by its analyzer; 0 and 1: one */
    int64_t time_ns;     /* event time by the sensor's clock */
    int64_t received_ns; /* when the core received it, hub clock */
    int64_t offset_ns;   /* correction to add to time_ns for this node's clock */
    int64_t estimate_ns; /* further correction found by the brain from matched connections (entity/offset.h) */
    enum mmr_side side;
    const char *node, *plugin, *instance;
    uint64_t seq;
    const char *rule, *title, *what; /* what: one line for people */
    const char *attack[MMR_FINDING_ATTACKS_MAX];
    uint32_t n_attack;
    enum mmr_phase phase;
    enum mmr_direction direction;
    enum mmr_potential potential;
    bool is_harm;       /* mamori.harm: this finding by itself is evidence of harm */
    bool is_exercise;   /* mamori.exercise */
    struct mmr_addr src, dst;
    uint16_t src_port, dst_port;
    const char *src_name; /* src_endpoint.hostname: the log names the client so, perhaps without an address */
    const char *src_mac;  /* src_endpoint.mac: its card, where what it does is done below addresses */
    const char *proto;  /* "tcp", "udp", "icmp", NULL */
    const char *host;   /* device.hostname */
    struct mmr_addr host_addr; /* device.ip */
    const char *domain, *url, *user, *session; /* session: logon id */
    struct mmr_process process;
    const char *file, *sha256; /* file.path, file.hashes.sha256 */
    const char *autostart;     /* the persistence entry the finding is about (file.path of it) */
    const char *entry;         /* its line, where the file holds others' lines too (a key file, a crontab) */
    const char *answers;       /* dns.answer: addresses, space separated */
    const char *stories;       /* correlation rules it is part of: correlate/stories.h; only the brain writes it */
    const char *record;        /* "name\tvalue\n" of what its record says besides: model/record.h; not kept in an incident */
    const char *input;         /* replay: input name; NULL when live */
    uint64_t index;            /* replay: packet or line number from 1 */
};

/* Event time corrected to the hub's clock; everything is compared by it. */
static inline int64_t mmr_finding_time(const struct mmr_finding *f)
{
    return f->time_ns + f->offset_ns + f->estimate_ns;
}
/* No phase and informational: supports an incident, never opens one. */
static inline bool mmr_finding_is_hint(const struct mmr_finding *f)
{
    return f->phase == MMR_PHASE_NONE;
}

struct mmr_finding *mmr_finding_copy(const struct mmr_finding *f); /* one block, free(); NULL: no memory */

/*
 * mmr_finding_from_event - decode one stamped event.
 *
 * stamped  the event with the core's mamori.* fields
 * ret      returned; free() it
 * errors   MMR_EBADMSG a needed field is missing or of the wrong type; MMR_ENOMEM
 * source   docs/vocabulary.md, Events
 */
int mmr_finding_from_event(const struct mmr_event_view *stamped, struct mmr_finding **ret,
                           struct mmr_error *err);

#endif

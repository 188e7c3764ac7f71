/*
 * auditd.h - audit records: one line into fields, lines of one serial into one event. Field names
 * and values are those other audit readers use (result success|fail, auid "unset", syscall by name).
 */
#ifndef MMR_AUDITD_H
#define MMR_AUDITD_H

#include "outev.h"

enum {
    MMR_AUDIT_FIELDS_MAX = 160,   /* fields of one record */
    MMR_AUDIT_GROUPS_MAX = 16,    /* events open at the same time */
    MMR_AUDIT_GROUP_FIELDS = 384, /* fields of one event */
    MMR_AUDIT_GROUP_BYTES = 48 * 1024,
};

struct mmr_audit_field {
    struct mmr_slice key, val; /* decoded: hex text resolved, quotes gone */
};
struct mmr_audit_rec { /* slices are borrowed from the line, which decoding changes */
    struct mmr_slice type, node;
    int64_t time_ns;
    uint64_t serial;
    bool is_auoms; /* one line that holds the whole event */
    uint32_t n;
    struct mmr_audit_field f[MMR_AUDIT_FIELDS_MAX];
};

/* MMR_EUNSUPPORTED: not an audit record; MMR_EBADMSG: one without a readable stamp. */
int mmr_audit_read(char *line, size_t len, struct mmr_audit_rec *ret, struct mmr_error *err);
struct mmr_slice mmr_audit_get(const struct mmr_audit_rec *r, const char *key);

/* Name of a system call by the record's arch= and syscall=, or NULL. */
const char *mmr_audit_syscall(struct mmr_slice arch, struct mmr_slice number);

struct mmr_audit_group {
    uint64_t serial, index; /* index: line of its first record */
    int64_t time_ns;
    uint32_t n, used, records, reserved;
    struct { uint32_t key, val; uint16_t key_len, rec; uint32_t val_len; } f[MMR_AUDIT_GROUP_FIELDS]; /* offsets */
    uint32_t type_at[24]; /* offset of each record's type, NUL-terminated in text */
    char text[MMR_AUDIT_GROUP_BYTES];
};
struct mmr_audit_groups {
    uint32_t n, reserved; /* open groups, oldest first in order[] */
    uint8_t order[MMR_AUDIT_GROUPS_MAX];
    uint64_t cut; /* fields that did not fit into their event */
    struct mmr_audit_group g[MMR_AUDIT_GROUPS_MAX];
};

typedef void mmr_audit_done(void *ctx, const struct mmr_audit_group *g);

void mmr_audit_groups_init(struct mmr_audit_groups *a);
/* Adds a record; done() is called for every event that is complete by it: at EOE, for records that stand
 * alone, when a newer event is two seconds ahead, and for the oldest when the table is full. */
void mmr_audit_add(struct mmr_audit_groups *a, const struct mmr_audit_rec *r, uint64_t index, mmr_audit_done *done, void *ctx);
void mmr_audit_flush(struct mmr_audit_groups *a, mmr_audit_done *done, void *ctx);

void mmr_audit_event(const struct mmr_audit_group *g, const struct mmr_origin *from, struct mmr_outev *o, void *buf, size_t cap);

#endif

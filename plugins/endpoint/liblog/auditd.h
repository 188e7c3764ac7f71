/*
 * auditd.h - audit records: one line into fields, lines of one serial into one event. Field names
 * and values are those other audit readers use (result success|fail, auid "unset", syscall by name).
 */
#ifndef MMR_AUDITD_H
#define MMR_AUDITD_H

#include "fieldmemo.h"
#include "outev.h"

enum {
    MMR_AUDIT_FIELDS_MAX = 160,   /* fields of one record */
    MMR_AUDIT_GROUPS_MAX = 16,    /* events open at the same time */
    MMR_AUDIT_GROUP_FIELDS = 384, /* fields of one event */
    MMR_AUDIT_GROUP_RECORDS = 24,
    MMR_AUDIT_GROUP_BYTES = 48 * 1024,
};

/* Fields the readers ask for, or whose values the kernel may write as hex. */
enum mmr_audit_key {
    MMR_AUDIT_OTHER = 0,
    /* hex when they hold anything a log line must not */
    MMR_AUDIT_EXE, MMR_AUDIT_COMM, MMR_AUDIT_CWD, MMR_AUDIT_NAME, MMR_AUDIT_PROCTITLE, MMR_AUDIT_ACCT, MMR_AUDIT_ENCODED,
    MMR_AUDIT_ENCODED_LAST = MMR_AUDIT_ENCODED, /* cmd, data, dir, path, .. : nobody asks for them by name */
    MMR_AUDIT_SUCCESS, MMR_AUDIT_RES, MMR_AUDIT_RESULT, MMR_AUDIT_SADDR, MMR_AUDIT_EXIT, MMR_AUDIT_NAMETYPE, MMR_AUDIT_PID,
    MMR_AUDIT_PPID, MMR_AUDIT_CMDLINE, MMR_AUDIT_SES, MMR_AUDIT_UID, MMR_AUDIT_UID_NAME /* UID= */, MMR_AUDIT_USER,
    MMR_AUDIT_SYSCALL_NR, MMR_AUDIT_ARCH, MMR_AUDIT_NODE, MMR_AUDIT_ADDR, MMR_AUDIT_HOSTNAME, MMR_AUDIT_AUID,
    MMR_AUDIT_OLD_AUID, MMR_AUDIT_TYPE, MMR_AUDIT_KEYS, /* at most 64 */
};

struct mmr_audit_field {
    struct mmr_slice key, val; /* decoded: hex text resolved, quotes gone */
    enum mmr_audit_key id;
};
struct mmr_audit_rec { /* slices are borrowed from the line, which decoding changes */
    struct mmr_slice type, node; /* type: NUL-terminated */
    int64_t time_ns;
    uint64_t serial;
    bool is_auoms; /* one line that holds the whole event */
    uint32_t n;
    struct mmr_audit_field f[MMR_AUDIT_FIELDS_MAX];
};

/* MMR_EUNSUPPORTED: not an audit record; MMR_EBADMSG: one without a readable stamp. */
int mmr_audit_read(char *line, size_t len, struct mmr_audit_rec *ret, struct mmr_error *err);

/* Name of a system call by the record's arch= and syscall=, or NULL. */
const char *mmr_audit_syscall(struct mmr_slice arch, struct mmr_slice number);

struct mmr_audit_group {
    uint64_t serial, index; /* index: line of its first record */
    int64_t time_ns;
    uint32_t n, used, records, reserved;
    uint64_t keys; /* bit mmr_audit_key: there is such a field with a value */
    struct mmr_audit_group_field {
        const char *key, *val; /* in text; those of a record that stands alone: in its line */
        uint32_t val_len;
        uint16_t key_len;
        uint8_t rec, id; /* number of its record; mmr_audit_key */
    } f[MMR_AUDIT_GROUP_FIELDS];
    struct mmr_slice type[MMR_AUDIT_GROUP_RECORDS]; /* of each record, NUL-terminated */
    char text[MMR_AUDIT_GROUP_BYTES];
};
struct mmr_audit_groups {
    uint32_t n, reserved; /* open groups, oldest first in order[] */
    uint8_t order[MMR_AUDIT_GROUPS_MAX]; /* behind those: the free slots */
    uint64_t cut; /* fields that did not fit into their event */
    struct mmr_audit_group g[MMR_AUDIT_GROUPS_MAX];
};

typedef void mmr_audit_done(void *ctx, const struct mmr_audit_group *g);

void mmr_audit_groups_init(struct mmr_audit_groups *a);
/* Adds a record; done() is called for every event that is complete by it: at EOE, for records that stand
 * alone, when a newer event is two seconds ahead, and for the oldest when the table is full. */
void mmr_audit_add(struct mmr_audit_groups *a, const struct mmr_audit_rec *r, uint64_t index, mmr_audit_done *done, void *ctx);
void mmr_audit_flush(struct mmr_audit_groups *a, mmr_audit_done *done, void *ctx);

/* Builds the event in o (begun here); memo: what earlier records' names were. */
void mmr_audit_event(const struct mmr_audit_group *g, const struct mmr_origin *from, struct mmr_fieldmemo *memo, struct mmr_outev *o,
                     void *buf, size_t cap);

#endif

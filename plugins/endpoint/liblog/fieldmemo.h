/*
 * fieldmemo.h - where a log's field names go in an event of one kind. Records repeat their names line after line, so each
 * answer of sdk/sigma/fields.h is kept with what else depends on the name alone. Names come from outside: a table of fixed size,
 * where a new answer takes the place of the one it meets.
 */
#ifndef MMR_FIELDMEMO_H
#define MMR_FIELDMEMO_H

#include "outev.h"

enum { MMR_FIELDMEMO_ENTRIES = 1024, MMR_FIELDMEMO_NAME_MAX = 47, MMR_FIELDMEMO_CODE_MAX = 15 };

enum mmr_field_form { /* what the value needs on its way into the event */
    MMR_FIELD_UNMAPPED = 0, /* no OCSF name here */
    MMR_FIELD_TEXT,
    MMR_FIELD_ADDR,
    MMR_FIELD_INT,
    MMR_FIELD_UID,
    MMR_FIELD_ACCOUNT, /* DOMAIN\name */
    MMR_FIELD_HASHES,  /* SHA1=..,MD5=.. */
};
enum mmr_field_base { /* paths whose last part is a field of its own */
    MMR_FIELD_BASE_NONE = 0,
    MMR_FIELD_BASE_PROCESS, /* process.file.path */
    MMR_FIELD_BASE_PARENT,  /* process.parent_process.file.path */
    MMR_FIELD_BASE_FILE,    /* file.path */
    MMR_FIELD_BASES,
};

struct mmr_field_place {
    const char *ocsf; /* NULL: none */
    uint8_t form, base;
    /* what it is the answer to */
    uint8_t name_len;
    char code[MMR_FIELDMEMO_CODE_MAX + 1]; /* padded with NULs */
    char name[MMR_FIELDMEMO_NAME_MAX + 1];
    const char *kind; /* compared by its address: a text of the mapping tables */
};

struct mmr_fieldmemo {
    const char *kind; /* of the event being built */
    char code[MMR_FIELDMEMO_CODE_MAX + 1];
    uint32_t seed, reserved;
    struct mmr_field_place one; /* the answer for a name too long to keep */
    struct mmr_field_place e[MMR_FIELDMEMO_ENTRIES];
};

/* The event's kind (static text) and code ("" none; longer than MMR_FIELDMEMO_CODE_MAX counts as none) for the names that follow.
 * The table is ready when all of it is zero. */
void mmr_fieldmemo_event(struct mmr_fieldmemo *m, const char *kind, const char *code);

/* Never NULL; valid until the next call. */
const struct mmr_field_place *mmr_fieldmemo_find(struct mmr_fieldmemo *m, struct mmr_slice name);

#endif

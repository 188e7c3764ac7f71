/*
 * record.h - what the record says that a finding was made of, by the record's own names: an analyst asks for them, and no field
 * of a finding stands for them. Not kept in an incident; told with the finding alone.
 */
#ifndef MMR_MODEL_RECORD_H
#define MMR_MODEL_RECORD_H

#include <mamori/event.h>

#include <stddef.h>

enum { MMR_RECORD_MAX = 1024, MMR_RECORD_FIELDS_MAX = 24, MMR_RECORD_VALUE_MAX = 256 };

/* The unmapped.* texts and numbers of ev and the record's user id as "name\tvalue\n" lines into out (NUL-terminated; not yet
 * cleaned). What does not fit is left out. Returns the length. */
size_t mmr_finding_record(const struct mmr_event_view *ev, char out[MMR_RECORD_MAX]);

#endif

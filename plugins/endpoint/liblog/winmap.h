/* winmap.h - a Windows or Sysmon record becomes an event of docs/vocabulary.md. */
#ifndef MMR_WINMAP_H
#define MMR_WINMAP_H

#include "fieldmemo.h"
#include "winrec.h"
#include "zone.h"

/*
 * mmr_win_time - when it happened, UTC ns; fallback_ns if the record carries no time at all.
 *
 * Sysmon's UtcTime first; a clock without zone (or with a wrong 'Z') is corrected by what other
 * records of the host have proved. Learns from the record as well.
 */
int64_t mmr_win_time(const struct mmr_winrec *r, struct mmr_zones *z, int64_t fallback_ns);

/* Builds the event in o (begun here); cap: MMR_EVENT_BYTES_MAX holds every record. memo: what earlier records' names were. */
void mmr_win_event(const struct mmr_winrec *r, const struct mmr_origin *from, struct mmr_fieldmemo *memo, struct mmr_outev *o, void *buf,
                   size_t cap);

#endif

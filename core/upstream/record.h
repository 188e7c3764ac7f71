/* record.h - a site's record as an outlet takes it: whose it is stands in it, and its id follows from its content. */
#ifndef MMR_UPSTREAM_RECORD_H
#define MMR_UPSTREAM_RECORD_H

#include "engine/engine.h"
#include "store/collected.h"
#include "store/incidents.h"

/* BLAKE2b of site, kind and content: whoever hands the same record on, however often, by whatever collector, it has this id. */
void mmr_record_id(const char *site, const char *kind, const char *json, size_t len, uint8_t ret_id[16]);

/* Of a collector's outbox: the site is the record's metadata.tenant_uid. site: MMR_COLLECTED_SITE_MAX + 1 bytes; ret borrows it and the row. */
void mmr_record_of_row(const struct mmr_outbox_row *row, char *site, struct mmr_engine_record *ret);

/*
 * mmr_record_shape - what a site sent, as it is handed on: an OCSF object with metadata.tenant_uid = site.
 *
 * ret_json  returned; free()
 * errors    MMR_EBADMSG not a JSON object with class_uid and metadata: it will never be; MMR_ENOMEM
 */
int mmr_record_shape(const char *site, const char *kind, const char *json, size_t len, char **ret_json, size_t *ret_len, struct mmr_error *err);

#endif

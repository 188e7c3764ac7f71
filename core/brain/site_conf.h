/* site_conf.h - what hub and endpoint both read to find each other. */
#ifndef MMR_BRAIN_SITE_CONF_H
#define MMR_BRAIN_SITE_CONF_H

#include "bus/keys.h"

#include <stddef.h>

/* "tcp://ADDRESS:PORT" is for the urgent lanes; the bulk lanes have the next port. errors MMR_ECONFIG */
int mmr_site_bulk_endpoint(const char *urgent, char *buf, size_t cap, struct mmr_error *err);
/* A file with one line of mmr_public_keys_format(). errors MMR_EIO; MMR_EBADMSG */
int mmr_site_read_public(const char *path, struct mmr_public_keys *ret, struct mmr_error *err);
/* <state_dir>/node.key. The error says which command makes one. */
int mmr_site_read_keys(const char *state_dir, struct mmr_keys *ret, struct mmr_error *err);

#endif

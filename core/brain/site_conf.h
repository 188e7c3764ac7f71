/* site_conf.h - what hub and endpoint both read to find each other, and the files of keys that change. */
#ifndef MMR_BRAIN_SITE_CONF_H
#define MMR_BRAIN_SITE_CONF_H

#include "bus/keys.h"

#include <stddef.h>

/* "tcp://ADDRESS:PORT" is for the urgent lanes; the bulk lanes have the next port (plus 1), joining the one after (plus 2).
 * errors MMR_ECONFIG */
int mmr_site_port_endpoint(const char *urgent, unsigned plus, char *buf, size_t cap, struct mmr_error *err);
/* A file with one line of mmr_public_keys_format(). errors MMR_EIO; MMR_EBADMSG */
int mmr_site_read_public(const char *path, struct mmr_public_keys *ret, struct mmr_error *err);
/* The same file, written: the old one or the new one, whatever happens. errors MMR_EIO */
int mmr_site_write_public(const char *path, const struct mmr_public_keys *pub, struct mmr_error *err);
/* <state_dir>/node.key. The error says which command makes one. */
int mmr_site_read_keys(const char *state_dir, struct mmr_keys *ret, struct mmr_error *err);

/* The same; where there are none they are made, with their public half in node.pub (a hub, or a machine that joins). */
int mmr_site_own_keys(const char *state_dir, struct mmr_keys *ret, struct mmr_error *err);

/* ---- changing keys: the next ones lie in node.key.next until everybody knows them ---- */

int mmr_site_keys_read_next(const char *state_dir, struct mmr_keys *ret, struct mmr_error *err); /* MMR_ENOENT there are none */
int mmr_site_keys_next(const char *state_dir, struct mmr_keys *ret, struct mmr_error *err);      /* those, or made now */
/* node.key becomes node.key.old, node.key.next becomes node.key, node.pub says so. May be done again after a crash in its middle. */
int mmr_site_keys_switch(const char *state_dir, struct mmr_error *err);

#endif

/* entity.h - what findings share: its identity as a key, and its text for people and tools. */
#ifndef MMR_ENTITY_ENTITY_H
#define MMR_ENTITY_ENTITY_H

#include "entity/table.h"
#include "model/incident.h"

struct mmr_conn { /* a connection as seen: src opened it */
    struct mmr_addr src, dst;
    uint16_t src_port, dst_port;
    uint8_t proto; /* IPPROTO_*, 0 unknown */
    uint8_t reserved[3];
};

enum { MMR_HOST_NAME_MAX = 64, MMR_CONN_TEXT_MAX = 160 };

/* Host names compare short and without case: "PC1.office.example" is "pc1". An address stays whole. */
void mmr_host_normalise(const char *name, char ret[MMR_HOST_NAME_MAX]);

struct mmr_key mmr_key_of(unsigned kind, const void *p, size_t len);
struct mmr_key mmr_key_text(unsigned kind, const char *scope, const char *text); /* case-insensitive (ASCII) */
struct mmr_key mmr_key_addr(unsigned kind, const struct mmr_addr *a);
struct mmr_key mmr_key_conn(const struct mmr_conn *c); /* the same from either end */

/* The connection of a finding; false if it names none (both addresses and a port are needed). */
bool mmr_conn_of(const struct mmr_finding *f, struct mmr_conn *ret);
void mmr_conn_format(const struct mmr_conn *c, char buf[MMR_CONN_TEXT_MAX]); /* "src:port->dst:port proto" */
/* "pid:start" or the Sysmon GUID; "" if the process is not identified well enough to be joined by. */
void mmr_process_identity(const struct mmr_process *p, char *buf, size_t cap);

/* Things so common that sharing them means nothing. */
bool mmr_user_is_common(const char *user);       /* SYSTEM, root, LOCAL SERVICE, machine accounts, … */
bool mmr_session_is_common(const char *session); /* the system's own logon ids */
bool mmr_process_is_common(const char *name_or_path); /* svchost, System, systemd, sshd, explorer, … */
bool mmr_path_is_common(const char *path);       /* belongs to the operating system: shared by every host */

#endif

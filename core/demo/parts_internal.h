/* parts_internal.h - the children themselves (part_*.c) and what parts.c starts. */
#ifndef MMR_DEMO_PARTS_INTERNAL_H
#define MMR_DEMO_PARTS_INTERNAL_H

#include "demo/parts.h"

#define MMR_DEMO_STAGE "/tmp/.sysupd"
#define MMR_DEMO_ENTRY_NAME "sysupd"
#define MMR_DEMO_ENTRY "/etc/cron.d/" MMR_DEMO_ENTRY_NAME

extern const char mmr_demo_actor[], mmr_demo_actor_end[]; /* the program of actor/, embedded */

struct mmr_part_exploit {
    struct mmr_demo_view *view;
    const char *victim;
};
int mmr_part_c2(const struct mmr_machine *m, void *arg);      /* arg: view */
int mmr_part_exploit(const struct mmr_machine *m, void *arg); /* arg: struct mmr_part_exploit */
int mmr_part_guess(const struct mmr_machine *m, void *arg);   /* arg: struct mmr_parts */
int mmr_part_printer(const struct mmr_machine *m, void *arg);
int mmr_part_start_sshd(struct mmr_parts *p, struct mmr_error *err); /* with its syslog; sets has_sshd */

/* A connected socket, or -1 within timeout_ms. */
int mmr_part_connect(const char *source, const char *address, int port, int timeout_ms);
int mmr_part_listen(const char *address, int port); /* or -1 */

#endif

/* mx.h - which servers take mail for a domain, best first, with their addresses (RFC 5321 section 5.1); c-ares on the loop. */
#ifndef MMR_SMTP_MX_H
#define MMR_SMTP_MX_H

#include <mamori/plugin.h>

enum { MMR_MX_HOSTS_MAX = 4, MMR_MX_NAME_MAX = 256, MMR_MX_ADDR_MAX = 46 };

struct mmr_mx_host {
    char name[MMR_MX_NAME_MAX], addr[MMR_MX_ADDR_MAX];
};
struct mmr_mx;
/* servers: "192.0.2.1:53,…", NULL: the machine's own. errors MMR_EIO, MMR_ECONFIG, MMR_ENOMEM */
int mmr_mx_new(const struct mmr_host *host, uint64_t cookie, const char *servers, struct mmr_mx **ret, struct mmr_error *err);
void mmr_mx_free(struct mmr_mx *m); /* accepts NULL; answers that are awaited come with n 0 */
/* [loop] n 0: none, and why; is_final: the domain says it takes no mail, or there is no such domain */
typedef void (*mmr_mx_fn)(void *ctx, const struct mmr_mx_host *list, unsigned n, bool is_final, const char *why);
int mmr_mx_ask(struct mmr_mx *m, const char *domain, mmr_mx_fn fn, void *ctx, struct mmr_error *err);
void mmr_mx_fd(struct mmr_mx *m, int fd, unsigned rw);
void mmr_mx_timer(struct mmr_mx *m);

#endif

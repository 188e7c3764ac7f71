/* imap.h - what an IMAP server answers to two questions (RFC 9051), as libcurl hands it over. Bytes from outside; trust none. */
#ifndef MMR_MAILBOX_IMAP_H
#define MMR_MAILBOX_IMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MMR_IMAP_UIDS_MAX = 100 };

/* "* STATUS INBOX (UIDVALIDITY 7 UIDNEXT 42)"; false: it does not say both */
bool mmr_imap_status(const char *text, size_t len, uint32_t *ret_validity, uint32_t *ret_next);
/* "* SEARCH 12 11 13": the smallest ones above `above`, ascending; *ret_more: there are others. Returns how many. */
size_t mmr_imap_search(const char *text, size_t len, uint32_t above, uint32_t ret[MMR_IMAP_UIDS_MAX], bool *ret_more);

#endif

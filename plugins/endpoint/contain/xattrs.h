/* xattrs.h - extended attributes of a file (access lists, security labels), carried along when its bytes are. */
#ifndef MMR_CONTAIN_XATTRS_H
#define MMR_CONTAIN_XATTRS_H

#include <stddef.h>

enum { MMR_XATTRS_MAX = 256 * 1024 }; /* bytes of all names and values of one file */

/* Give `to` what `from` has. 0, or -1 with errno; a file system without attributes has none to copy. */
int mmr_xattrs_copy(int from, int to);
/*
 * As bytes: for each "name\0", four bytes of the value's length in this machine's order, the value.
 *
 * ret_bytes  allocated, the caller frees; NULL when there are none
 * returns    their number; -1 with errno (E2BIG over MMR_XATTRS_MAX)
 */
long mmr_xattrs_read(int fd, unsigned char **ret_bytes);
int mmr_xattrs_write(int fd, const unsigned char *bytes, size_t len); /* 0, or -1 with errno; EBADMSG for other bytes */

#endif

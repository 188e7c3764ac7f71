/* ftp.h - what FTP's control connections (ftp.c) tell the ones that carry files (ftp_data.c). */
#ifndef MMR_PROTO_FTP_H
#define MMR_PROTO_FTP_H

#include "proto.h"

enum { FTP_STEP = 4 * 1024 };
#define FTP_EXPECTED_NS INT64_C(120000000000) /* servers wait about as long for a client to connect */

/* A connection to addr, port is to come; the oldest one kept gives way. The entry is valid until FTP_EXPECTED others were made. */
struct ftp_expected *ftp_expect(struct proto *m, const struct mmr_addr *addr, uint16_t port, int64_t time_ns);
/* Is this connection one of them? */
bool ftp_is_expected(struct proto *m, const struct mmr_flow *f);
extern const struct proto_parser proto_ftp_data;

#endif
